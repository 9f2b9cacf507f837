"""Causes that show in the streams themselves, each rule both ways: name -> (bundle, cause, state)."""

from __future__ import annotations

from streamdiag.host.cases import THINKING_ROOM
from tests.unit.judge.bundles import (
    CUT,
    asked,
    bundle,
    call_events,
    canary,
    chat,
    empty_events,
    event,
    journal,
    line,
    nonstream,
    preamble,
    public,
    reasoning_events,
    refused,
    rejected,
    run,
    samples,
    stalled,
    stream,
    target,
    text_events,
    truncated,
    used,
)

SIMPLE = stream("simple")
#: The canary got its answer within half a second.
ANSWERED = canary(text_events(end="response.completed"), how="closed", t=0.6)


def made(*tokens, running=1.0, **gauges):
    """Samples whose token counter reads ``tokens``, second by second; idle from the second on in which they stand."""
    found = samples(len(tokens) - 1, **gauges)
    for n, sample in enumerate(found["metrics"]):
        idle = n > 0 and tokens[n] == tokens[n - 1]
        sample.update(generation_tokens=float(tokens[n]), running=0.0 if idle else running)
    return found


def kept(case="simple", tokens=128, seconds=12, events=None, **more):
    """Silent after its first events, while ``tokens`` were made for it in two seconds; canary and engine live."""
    rising = [100, 100 + tokens // 2, 100 + tokens, 116 + tokens]
    found = stalled(case, float(seconds), events, canary=ANSWERED, samples=made(*rising, *rising[-1:] * (seconds - 3)))
    return {**found, **more}


def late(seconds=14.0, events=None, **gauges):
    """It completes, after a silence of ``seconds`` before its first delta."""
    whole = text_events(start=seconds) if events is None else events
    return stream("simple", whole, samples=samples(seconds + 1, cpu_rate=0.9, **gauges))


QUEUE = {"rate": 50.0, "running": 8.0, "waiting": 3.0}
ON = {"target": target(compat_mode="on")}
HELD_TO_THE_END = stream("simple", [dict(e, t=3.0 + 0.0002 * n) for n, e in enumerate(text_events(deltas=60))])
HIDDEN = stream("simple", empty_events(2.5, **used(128, CUT)))
THOUGHT = stream("simple", text_events(start=6.0, deltas=20, **used(140)))
THOUGHT["samples"] = made(100, 120, 140, 160, 180, 200, 220, 230, 240)


def thinking(case, tokens, say=None, cut=CUT):
    """All of its budget is a thought. ``say``: what each delta says, by its number; without it no word comes twice."""
    events = reasoning_events(deltas=tokens, step=0.02, say=say or "so {} ".format, **used(tokens, cut))
    return stream(case, events, **asked(tokens))


CALL_OPEN = stalled("tools", 12.0, call_events(end=""), canary=ANSWERED, samples=samples(12.0))
MUTE = stream(events=text_events(start=20.0))
GZIP = public("gzip", [dict(e, t=3.0 + 0.0002 * n) for n, e in enumerate(text_events(deltas=60))])
FLOWING = stream("simple", text_events(deltas=60))
#: In the middle of it nothing moved for 4 s, as on a machine with too much to do.
PAUSED = stream("simple", [dict(e, t=e["t"] + (4.0 if n > 30 else 0.0)) for n, e in enumerate(text_events(deltas=60))])
INVALID = [*preamble(), event(0.3, "response.error", error={"message": "An event failed validation."})]


def also(one, *gaps):
    """``one`` with its terminal event as ``response.completed`` of items that were never closed."""
    return {**one, "events": [e for e in one["events"] if not e["name"].endswith(gaps)]}


STREAM_RULES = {
    # Checklist, cause 1
    "queue: it completed late": (bundle(late(**QUEUE)), "queue_saturated", "confirmed"),
    "queue: on a server that makes a token a second": (
        bundle(late(**{**QUEUE, "rate": 1.0})),
        "queue_saturated",
        "confirmed",
    ),
    "queue: late, nobody waits": (bundle(late()), "queue_saturated", "ruled_out"),
    "queue: only the canary waits": (
        bundle(stalled(seconds=30.0, how="deadline", samples=samples(30.0, rate=50.0, running=1.0, waiting=1.0))),
        "queue_saturated",
        "ruled_out",
    ),
    "queue: it had its turn": (
        bundle(stalled(seconds=30.0, events=text_events(end=""), how="deadline", samples=samples(30.0, **QUEUE))),
        "queue_saturated",
        "ruled_out",
    ),
    "queue: the canary was served before it": (
        bundle(stalled(seconds=30.0, how="deadline", canary=ANSWERED, samples=samples(30.0, **QUEUE))),
        "queue_saturated",
        "ruled_out",
    ),
    "queue: gauges are not served": (
        bundle(stalled(seconds=30.0, how="deadline", samples=samples(30.0, rate=50.0, running=None, waiting=None))),
        "queue_saturated",
        "not_tested",
    ),
    "kv: full": (
        bundle(stalled(seconds=12.0, samples=samples(12.0, waiting=2.0, kv_cache_usage=0.99))),
        "kv_cache_exhausted",
        "confirmed",
    ),
    "kv: room enough": (
        bundle(stalled(seconds=12.0, samples=samples(12.0, waiting=2.0))),
        "kv_cache_exhausted",
        "likely",
    ),
    "kv: gauges are not served": (
        bundle(stalled(samples=samples(7.0, waiting=None))),
        "kv_cache_exhausted",
        "not_tested",
    ),
    "kv: nothing waits": (bundle(stalled()), "kv_cache_exhausted", "ruled_out"),
    "runaway: in circles": (
        bundle(SIMPLE, thinking("reasoning", 512, lambda n: "wait, let me check that again; "[n % 8 * 4 :][:4])),
        "runaway_reasoning",
        "likely",
    ),
    "runaway: all the room there is": (
        bundle(SIMPLE, thinking("reasoning", THINKING_ROOM), thinking("codex", 512)),
        "runaway_reasoning",
        "likely",
    ),
    "runaway: two budgets that a long thought needs": (
        bundle(SIMPLE, thinking("reasoning", 512), thinking("codex", 512)),
        "runaway_reasoning",
        "possible",
    ),
    "runaway: our own small budget": (bundle(thinking("simple", 128)), "runaway_reasoning", "possible"),
    "runaway: a budget of 512, which a long thought needs": (
        bundle(SIMPLE, thinking("reasoning", 512)),
        "runaway_reasoning",
        "possible",
    ),
    "runaway: an answer follows": (bundle(), "runaway_reasoning", "ruled_out"),
    "runaway: nothing came": (bundle(stalled()), "runaway_reasoning", "not_tested"),
    "hidden: not one delta": (bundle(HIDDEN), "reasoning_hidden", "confirmed"),
    "hidden: a thought before the text": (bundle(THOUGHT), "reasoning_hidden", "confirmed"),
    "hidden: an empty answer": (bundle(stream(events=empty_events(**used(1)))), "reasoning_hidden", "ruled_out"),
    "hidden: a queue": (
        bundle(late(6.0, text_events(start=6.0, deltas=20, **used(20)), **QUEUE)),
        "reasoning_hidden",
        "ruled_out",
    ),
    "hidden: no stream came whole": (bundle(stalled()), "reasoning_hidden", "not_tested"),
    "client: 65 s, then it completed": (bundle(late(65.0)), "client_timeout", "confirmed"),
    "client: the operator's waits longer": (
        bundle(late(65.0), run=run(settings={"client_timeout": 300.0})),
        "client_timeout",
        "ruled_out",
    ),
    "client: nothing completed": (bundle(stalled()), "client_timeout", "not_tested"),
    "slow: 2 tokens a second": (
        bundle(stream(events=text_events(deltas=128, step=0.5))),
        "slow_generation",
        "confirmed",
    ),
    "slow: a long answer is not": (
        bundle(stream("codex", text_events(deltas=1500, step=0.05), **asked(None))),
        "slow_generation",
        "ruled_out",
    ),
    "slow: a queue is not": (bundle(late(**QUEUE)), "slow_generation", "ruled_out"),
    # Cause 2
    "withheld: it completed": (
        bundle(SIMPLE, stream("tools", empty_events(**used(40)))),
        "tool_call_withheld",
        "confirmed",
    ),
    "withheld: it stays open": (bundle(SIMPLE, kept("tools", 60)), "tool_call_withheld", "likely"),
    "withheld: it stays open, under compatibility mode": (
        bundle(SIMPLE, kept("tools", 60), **ON),
        "tool_call_withheld",
        "possible",
    ),
    "withheld: the call came": (bundle(SIMPLE, stream("tools", call_events())), "tool_call_withheld", "ruled_out"),
    "withheld: it answered in text": (bundle(SIMPLE, stream("tools")), "tool_call_withheld", "ruled_out"),
    "withheld: few tokens": (
        bundle(SIMPLE, stream("tools", empty_events(**used(3)))),
        "tool_call_withheld",
        "ruled_out",
    ),
    "withheld: nothing came without tools either": (
        bundle(HIDDEN, stream("tools", empty_events(**used(40)))),
        "tool_call_withheld",
        "ruled_out",
    ),
    "withheld: no tools sent": (bundle(SIMPLE), "tool_call_withheld", "not_tested"),
    "awaiting: held open after a call": (bundle(SIMPLE, CALL_OPEN), "awaiting_tool_output", "likely"),
    "awaiting: and the second turn works": (
        bundle(SIMPLE, CALL_OPEN, stream("tool_turn")),
        "awaiting_tool_output",
        "confirmed",
    ),
    "awaiting: the canary stood": (
        bundle(SIMPLE, stalled("tools", 12.0, call_events(end=""))),
        "awaiting_tool_output",
        "possible",
    ),
    "awaiting: in the middle of a call": (
        bundle(SIMPLE, stalled("tools", 12.0, call_events(end="")[:4], canary=ANSWERED)),
        "awaiting_tool_output",
        "ruled_out",
    ),
    "awaiting: no tools sent": (bundle(SIMPLE), "awaiting_tool_output", "not_tested"),
    "heartbeat: promised and missing": (bundle(MUTE, **ON), "no_heartbeat", "confirmed"),
    "heartbeat: upstream promises none": (bundle(MUTE), "no_heartbeat", "possible"),
    "heartbeat: it comes": (
        bundle({**MUTE, "comments": [{"t": 15.0, "text": "ping"}]}, **ON),
        "no_heartbeat",
        "ruled_out",
    ),
    "heartbeat: switched off": (
        bundle(MUTE, target=target(compat_mode="on", flags={"responses-ping-interval-seconds": "0"})),
        "no_heartbeat",
        "ruled_out",
    ),
    "heartbeat: none was due": (bundle(**ON), "no_heartbeat", "not_tested"),
    # Cause 3
    "buffering: all at the end": (bundle(HELD_TO_THE_END), "server_buffering", "confirmed"),
    "buffering: kept for good": (bundle(kept()), "server_buffering", "likely"),
    "buffering: kept for good, chat came whole": (bundle(kept(), chat(), nonstream()), "server_buffering", "likely"),
    "buffering: left open": (
        bundle(stalled(seconds=12.0, canary=ANSWERED, samples=samples(12.0))),
        "server_buffering",
        "likely",
    ),
    "buffering: one by one": (bundle(FLOWING), "server_buffering", "ruled_out"),
    "buffering: too few events": (bundle(stalled()), "server_buffering", "not_tested"),
    "proxy holds: for gzip": (bundle(FLOWING, public(), GZIP), "proxy_buffering", "confirmed"),
    "proxy holds: or everything paused": (bundle(PAUSED, public(), GZIP), "proxy_buffering", "possible"),
    "proxy holds: for good": (
        bundle(FLOWING, {**stalled("public", 30.0, how="deadline", canary=ANSWERED), "variant": ""}),
        "proxy_buffering",
        "confirmed",
    ),
    "proxy holds: not": (bundle(FLOWING, public(events=text_events(deltas=60))), "proxy_buffering", "ruled_out"),
    "proxy holds: the engine stood then": (
        bundle(FLOWING, {**stalled("public", 8.0), "variant": ""}),
        "proxy_buffering",
        "possible",
    ),
    "proxy holds: no URL": (bundle(), "proxy_buffering", "not_tested"),
    "proxy spoils: 502": (bundle(SIMPLE, rejected(502, "<h1>502</h1>", "public")), "proxy_interference", "confirmed"),
    "proxy spoils: cut": (bundle(SIMPLE, truncated("public")), "proxy_interference", "confirmed"),
    "proxy spoils: nobody reaches it": (bundle(SIMPLE, refused("public")), "proxy_interference", "likely"),
    "proxy spoils: not": (bundle(SIMPLE, public()), "proxy_interference", "ruled_out"),
    "proxy spoils: loopback is broken, too": (bundle(truncated(), public()), "proxy_interference", "not_tested"),
    "network: silent from afar": (
        bundle(SIMPLE, public(), public("controller", preamble(), how="deadline", t=30.0)),
        "network_stall",
        "confirmed",
    ),
    "network: cut from afar": (
        bundle(SIMPLE, public(), public("controller", text_events(end=""), how="error")),
        "network_stall",
        "likely",
    ),
    "network: the controller is not let in": (
        bundle(SIMPLE, public(), {**rejected(403, "no", "public"), "variant": "controller"}),
        "network_stall",
        "possible",
    ),
    "network: whole": (bundle(SIMPLE, public(), public("controller")), "network_stall", "ruled_out"),
    "network: not tried": (bundle(SIMPLE), "network_stall", "not_tested"),
    # Cause 4
    "compat: on, tokens made": (bundle(kept(), **ON), "compat_mode_filtering", "likely"),
    "compat: on, chat came whole": (
        bundle(stalled(seconds=12.0), chat(), **ON),
        "compat_mode_filtering",
        "likely",
    ),
    "compat: not known, created alone": (
        bundle(kept(events=preamble()[:1]), chat(), target=target(compat_mode="unknown")),
        "compat_mode_filtering",
        "likely",
    ),
    "compat: not known": (
        bundle(kept(), chat(), target=target(compat_mode="unknown")),
        "compat_mode_filtering",
        "possible",
    ),
    "compat: on, nothing made": (bundle(stalled(), **ON), "compat_mode_filtering", "not_tested"),
    "compat: off": (bundle(kept(), target=target(compat_mode="off")), "compat_mode_filtering", "ruled_out"),
    "compat: upstream": (bundle(kept()), "compat_mode_filtering", "ruled_out"),
    # Endings
    "violation: no item is closed": (bundle(also(stream(), ".done")), "protocol_violation", "confirmed"),
    "violation: its own validation": (
        bundle(stream(events=INVALID)),
        "protocol_violation",
        "confirmed",
    ),
    "violation: another error": (
        bundle(stream(events=[*preamble(), event(0.3, "error", message="The prompt is invalid.")])),
        "protocol_violation",
        "not_tested",
    ),
    "violation: in order": (bundle(), "protocol_violation", "ruled_out"),
    "limit: 8 of 128": (bundle(stream(events=text_events(**used(8, CUT)))), "output_limit", "confirmed"),
    "limit: our own": (bundle(stream(events=text_events(**used(128, CUT)))), "output_limit", "ruled_out"),
    "limit: our own, counted otherwise": (
        bundle(stream(events=text_events(**used(126, CUT)))),
        "output_limit",
        "ruled_out",
    ),
    "limit: not told": (bundle(stalled()), "output_limit", "not_tested"),
    "truncated: by a stop in order": (
        bundle(truncated(), journal=journal(line("Stopping vllm.service - vLLM server...", pid=1))),
        "stream_truncated",
        "confirmed",
    ),
}
