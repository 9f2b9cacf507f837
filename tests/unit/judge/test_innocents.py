"""Healthy servers that look unusual: nobody is blamed for what is their way, or their model's."""

from __future__ import annotations

import pytest

from streamdiag.judge.assess import assess
from tests.unit.judge.bundles import (
    CUT,
    ENGINE,
    MAIN,
    answer,
    asked,
    bundle,
    call_events,
    canary,
    chat,
    counters,
    empty_events,
    endpoints,
    event,
    fresh,
    gpu,
    journal,
    machine,
    no_counters,
    processes,
    public,
    reasoning_events,
    refused,
    rejected,
    samples,
    stream,
    target,
    text_events,
    used,
)
from tests.unit.judge.stream_rules import FLOWING, SIMPLE, THOUGHT, made, thinking
from tests.unit.judge.test_causes import CUDA_OOM, XID


def thought_and_call():
    """A reasoning model that thinks 400 tokens, and then calls."""
    thought = reasoning_events(deltas=400, step=0.01, end="")
    end = thought[-1]["t"]
    place = {"item_id": "rs_1", "output_index": 0, "content_index": 0}
    text = "".join(map("hm {} ".format, range(400)))
    part = {"type": "reasoning_text", "text": text}
    item = {"id": "rs_1", "type": "reasoning", "summary": [], "content": [part]}
    thought += [
        event(end, "response.reasoning_text.done", **place, text=text),
        event(end, "response.content_part.done", **place, part=part),
        event(end, "response.output_item.done", output_index=0, item=item),
    ]
    calls = call_events(start=end + 0.1)[2:]
    return [*thought, *[e for e in calls if not e["name"].startswith("response.completed")], calls[-1]]


def coarse(start=2.5, deltas=43, step=0.01, tokens=128, case="simple"):
    """Several tokens to a delta, all of them between two looks at the counters."""
    word = "one " * round(min(tokens, 128) / deltas)
    one = stream(case, text_events(start=start, deltas=deltas, step=step, word=word, **used(tokens, CUT)))
    one["samples"] = samples(4)
    for sample in one["samples"]["metrics"]:
        sample["generation_tokens"] = 100.0 + (tokens if sample["t"] > start else 0)
    return one


def crowded(one, a_second=3000.0):
    """``one`` beside fifty other requests."""
    one["samples"] = samples(one["end"]["t"] + 1, rate=a_second, cpu_rate=0.9, running=50.0)
    return one


def without_counters(one, sample):
    one["samples"]["metrics"] = [sample(float(t)) for t in range(3)]
    return one


def foreign_metrics(t):
    """Another server's /metrics: answered, and nothing of vLLM's in it."""
    nothing = dict.fromkeys(("running", "waiting", "kv_cache_usage", "prompt_tokens", "preemptions", "awake"))
    return counters(t, tokens=None, **nothing)


FAST = stream(events=text_events(start=0.03, step=0.0005, deltas=128, **used(128, CUT)), t=0.1)
TWO_ENGINES = ((MAIN, "main"), (ENGINE, "engine_core"), (ENGINE + 1, "engine_core"))
BUSY = {"target": target(metrics=counters(0.0, 9000.0, running=50.0))}

HEALTHY = {
    "2000 tokens a second": (FAST,),
    "a model that thinks long about everything": (
        thinking("simple", 128),
        thinking("reasoning", 512),
        stream("codex", thought_and_call()),
    ),
    "a thought longer than the budget, once": (SIMPLE, stream("tools", call_events()), thinking("reasoning", 512)),
    "speculative decoding, 2.5 s to the first token": (coarse(),),
    "a long prefill, then --stream-interval 50": (coarse(deltas=3, step=0.3),),
    "fifty other requests": (crowded(stream()), crowded(stream("tools", call_events()))),
    "fifty other requests, 3 s to the first token": (crowded(stream(events=text_events(start=3.0))),),
    "--disable-log-stats": (without_counters(stream(), foreign_metrics),),
    "no /metrics": (without_counters(stream(), no_counters),),
    "tools answered in text": (SIMPLE, stream("tools"), stream("tool_turn")),
    "a call answered under markup that no delta shows": (
        SIMPLE,
        stream("tools", call_events(**used(31)), samples=samples(1, rate=31.0)),
    ),
    "an answer of three words": (stream(events=text_events(deltas=3, **used(4))),),
    "8 s to the first token of codex": (
        SIMPLE,
        stream("codex", text_events(start=8.0), canary=canary(), samples=samples(9, cpu_rate=0.9)),
    ),
    "a long answer at 20 tokens a second": (
        SIMPLE,
        stream("codex", text_events(deltas=1400, step=0.05, **used(1400)), **asked(None)),
    ),
    "a limit that counts stop tokens": (stream(events=text_events(**used(125, CUT))),),
    "the host cannot reach its own public address": (SIMPLE, refused("public"), public("controller")),
    "whole through a proxy and from afar": (FLOWING, *(public(v) for v in ("", "gzip", "controller"))),
}


@pytest.mark.parametrize("streams", HEALTHY.values(), ids=HEALTHY)
def test_nobody_is_blamed(streams):
    result = assess(bundle(*streams))
    blamed = [c for c in result["causes"] if c["state"] in ("confirmed", "likely")]
    assert not blamed
    assert result["verdict"]["status"] == "healthy", result["verdict"]["summary"]
    assert not [row for row in result["checks"] if row["status"] == "error"]


SURROUNDINGS = {
    "two engines": {"target": target(processes=processes(TWO_ENGINES))},
    "busy before and after": BUSY,
    "an Xid in the kernel log": {"journal": journal(kernel=[XID])},
    "a lost GPU of another server": {"machine": machine(gpus={"state": "ok", "gpus": [gpu(lost="GPU is lost")]})},
    "an exception that was caught": {"journal": journal(CUDA_OOM)},
    "put to sleep after the streams": {"machine": machine(metrics=counters(0.0, awake=0.0))},
    "a slow health check": {"target": target(endpoints=endpoints(answer(seconds=2.5)))},
    "an unknown compatibility mode": {"target": target(compat_mode="unknown")},
    "compatibility mode on": {"target": target(compat_mode="on")},
}


@pytest.mark.parametrize("parts", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_what_stands_around_healthy_streams_is_no_cause(parts):
    result = assess(bundle(**parts))
    assert result["verdict"]["status"] == "healthy", result["verdict"]["summary"]
    assert not [c["id"] for c in result["causes"] if c["state"] in ("confirmed", "likely")]


def test_an_empty_answer_is_worth_a_word_and_blames_nobody():
    result = assess(bundle(stream(events=empty_events(**used(1)))))
    assert (result["verdict"]["status"], result["verdict"]["primary_cause"]) == ("degraded", None)
    assert not [c["id"] for c in result["causes"] if c["state"] in ("confirmed", "likely")]


def test_a_model_that_writes_for_minutes_hangs_not():
    writing = stream("codex", text_events(end="", deltas=3000, step=0.05), how="deadline", t=150.1, **asked(None))
    writing["end"].update(deadline="total")
    verdict = assess(bundle(SIMPLE, writing))["verdict"]
    assert verdict["status"] == "inconclusive"
    assert "Nothing hangs on gpu43: codex was still flowing" in verdict["summary"]


def test_a_word_every_six_seconds_is_slow_and_not_silent():
    drop = stream(events=text_events(end="", start=6.0, deltas=24, step=6.0), how="deadline", t=150.0)
    drop["end"].update(deadline="total")
    drop["samples"] = samples(150, rate=1 / 6, cpu_rate=0.9, running=1.0)
    verdict = assess(bundle(drop))["verdict"]
    assert (verdict["status"], verdict["primary_cause"]) == ("degraded", "slow_generation")


def test_a_hidden_thought_is_told_from_a_coarse_stream():
    assert assess(bundle(THOUGHT))["verdict"]["primary_cause"] == "reasoning_hidden"
    fast = fresh(bundle(coarse(start=6.0, deltas=20, tokens=320))).streams["simple"]
    fast["samples"]["metrics"] += [counters(float(t), 100.0 + 50 * t) for t in (5, 6)]  # a thought, then a quick answer
    fast["samples"]["metrics"].append(counters(7.0, 420.0))
    assert assess(bundle(fast))["verdict"]["primary_cause"] == "reasoning_hidden"


def test_an_answer_that_came_late_and_whole_hides_nothing():
    """An API server without CPU time: the engine makes tokens meanwhile, and then all of them come."""
    # Parts of one character share a delta: a few tokens have none of their own.
    late = stream("simple", text_events(start=6.0, step=0.001, deltas=140, **used(180)))
    late["samples"] = made(100, 120, 140, 160, 180, 200, 220, 240, 240)
    found = assess(bundle(late))
    state = {cause["id"]: cause["state"] for cause in found["causes"]}["reasoning_hidden"]
    assert state == "ruled_out"
    assert {row["id"]: row["status"] for row in found["checks"]}["step-1"] == "pass"


def test_a_server_without_tools_is_told_so_and_not_that_it_hangs():
    words = '{"error": {"message": "\\"auto\\" tool choice requires --enable-auto-tool-choice"}}'
    verdict = assess(bundle(SIMPLE, rejected(400, words, "tools")))["verdict"]
    assert (verdict["status"], verdict["primary_cause"]) == ("broken", "request_rejected")
    assert "requires --enable-auto-tool-choice" in verdict["summary"]


def test_a_chat_template_that_fails_is_quoted():
    broken = rejected(500, '{"error": {"message": "TemplateError: Conversation roles must alternate"}}')
    verdict = assess(bundle(broken, chat(http_status=500)))["verdict"]
    assert verdict["status"] == "inconclusive"
    assert "Conversation roles must alternate" in verdict["summary"]
