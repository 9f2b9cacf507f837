"""Real faults beside something that looks like their cause and is not, and pairs that look alike to a client."""

from __future__ import annotations

import pytest

from streamdiag.judge.assess import assess
from tests.unit.judge.bundles import (
    AT,
    CUT,
    ENGINE,
    MAIN,
    WORKER,
    answer,
    asked,
    bundle,
    call_events,
    canary,
    chat,
    clocks,
    counters,
    empty_events,
    endpoints,
    fresh,
    gpu,
    journal,
    line,
    log,
    machine,
    nonstream,
    preamble,
    processes,
    public,
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
from tests.unit.judge.stream_rules import ANSWERED, FLOWING, HELD_TO_THE_END, HIDDEN, ON, QUEUE, SIMPLE, kept
from tests.unit.judge.test_causes import CUDA_OOM, ENGINE_DEAD_LINE, GONE, XID, states
from tests.unit.judge.test_stall_facts import process as looked_at
from tests.unit.judge.test_stall_facts import stall


def verdict(*streams, **parts):
    return assess(bundle(*streams, **parts))["verdict"]


def named(*streams, **parts):
    found = verdict(*streams, **parts)
    return found["status"], found["primary_cause"]


def silent_through_proxy(**more):
    return {**stalled("public", 8.0), "variant": "", **more}


def nobody_knows(case="codex"):
    """Silent to the end of the probe's patience, and no witness says anything of it."""
    nothing = {"metrics": [], "processes": [], "gpus": [], "health": []}
    return stalled(case, 30.0, how="deadline", canary=None, samples=nothing)


def between_looks(*processes):
    return {"stall": stall(*processes)}


def spinning(seconds=60.0):
    return stalled(seconds=seconds, how="deadline", samples=samples(seconds, cpu_rate=1.0))


# The engine stands, and that looks like something else


def coarse_stall():
    """--stream-interval 50: the engine stopped 40 tokens after the last delta that it sent."""
    one = stalled(seconds=9.0, events=text_events(end="", deltas=4, word="one " * 50))
    one["samples"]["metrics"] = [counters(float(t), 340.0 if t else 100.0, running=1.0) for t in range(10)]
    return one


BUSY_QUEUE = {"samples": samples(30.0, running=8.0, waiting=3.0)}
ENGINE_STANDS = {
    "between two coarse deltas": ((coarse_stall(),), {}),
    "while others wait, too": ((stalled(seconds=30.0, **BUSY_QUEUE),), {}),
    "under compatibility mode": ((stalled(),), ON),
    "after a call": ((SIMPLE, stalled("tools", 8.0, call_events(end=""))), {}),
    "in codex, behind a refusal of tools": ((SIMPLE, rejected(400, "no", "tools"), stalled("codex")), {}),
    "in simple, before a refusal": ((stalled(), rejected(400, "no", "tools")), {}),
    "while the public stream runs": ((SIMPLE, silent_through_proxy()), {}),
    "with a limit in its configuration": ((stream(events=text_events(**used(8, CUT))), stalled("tools")), {}),
    "in a server that buffers": ((HELD_TO_THE_END, stalled("tools")), {}),
    "in a server that hides thoughts": ((HIDDEN, stalled("codex")), {}),
    "and no ping comes": ((stalled(seconds=20.0),), ON),
}


@pytest.mark.parametrize(("streams", "parts"), ENGINE_STANDS.values(), ids=ENGINE_STANDS)
def test_the_engine_stands(streams, parts):
    assert named(*streams, **parts) == ("broken", "engine_stalled")


# The engine lives, and that looks as if it stood


def filtered(tokens=128, **more):
    """A filter keeps stream and canary alike; the engine made all tokens and idles."""
    return kept(tokens=tokens, canary=canary(preamble()[:1]), events=preamble()[:1], **more)


ENGINE_LIVES = {
    "compatibility mode keeps everything": ((filtered(), chat(), nonstream()), ON, "compat_mode_filtering"),
    "and chat was not asked": ((filtered(),), ON, "compat_mode_filtering"),
    "a middleware keeps everything": ((filtered(), chat()), {}, "server_buffering"),
    "a queue of others": ((stalled(seconds=30.0, samples=samples(30.0, **QUEUE)),), {}, "queue_saturated"),
    "a parser keeps the call": ((SIMPLE, kept("tools", 60)), {}, "tool_call_withheld"),
    "compatibility mode keeps the call": ((SIMPLE, kept("tools", 60)), ON, "compat_mode_filtering"),
    "a first request that compiles": (
        (stream(events=text_events(start=14.0), samples=samples(15, cpu_rate=1.0)),),
        {},
        "slow_generation",
    ),
}


@pytest.mark.parametrize(("streams", "parts", "cause"), ENGINE_LIVES.values(), ids=ENGINE_LIVES)
def test_the_engine_lives(streams, parts, cause):
    result = assess(bundle(*streams, **parts))
    assert result["verdict"]["primary_cause"] == cause, result["verdict"]["summary"]
    found = {c["id"]: c["state"] for c in result["causes"]}
    assert found["engine_stalled"] == "ruled_out"


def test_few_tokens_behind_a_filter_are_a_sign_of_life():
    # 5 tokens for the stream and 5 for the canary, none of which passes; then 8 s of an idle engine.
    made = [100, *[105] * 2, *[110] * 9]
    one = stalled(seconds=11.0, events=preamble()[:1], canary=canary(preamble()[:1]))
    one["samples"]["metrics"] = [counters(float(t), float(tokens)) for t, tokens in enumerate(made)]
    assert named(one, chat(), **ON) == ("broken", "compat_mode_filtering")
    assert states(bundle(one))["engine_stalled"] == "ruled_out"
    for sample in one["samples"]["metrics"][1:]:
        sample["running"] = 1.0  # it began, and did not come to the end
    assert named(one) == ("broken", "engine_stalled")


def test_without_counters_an_idle_stack_shows_nothing():
    one = stalled(seconds=20.0)
    one["samples"]["metrics"] = []
    assert named(one, **between_looks(looked_at()))[0] == "inconclusive"
    one["samples"]["processes"] = [clocks(float(t), cpu=float(t)) for t in range(20)]
    assert named(one, **between_looks(looked_at(cpu_used=2.9))) == ("broken", "engine_stalled")


def test_an_xid_explains_no_silence_before_an_engine_that_works():
    lost = {"machine": machine(gpus={"state": "ok", "gpus": [gpu(), gpu(7, lost="GPU is lost")]})}
    for parts in (lost, {"journal": journal(kernel=[XID])}, {"journal": journal(CUDA_OOM)}):
        assert named(filtered(), chat(), **ON, **parts) == ("broken", "compat_mode_filtering")
    assert named(stalled(), journal=journal(kernel=[XID])) == ("broken", "gpu_fault")


def test_an_xid_of_another_process_is_not_ours():
    theirs = XID.replace("79, ", "31, pid=4711, name=train, ")
    assert named(stalled(), journal=journal(kernel=[theirs])) == ("broken", "engine_stalled")
    ours = theirs.replace("4711", str(ENGINE))
    assert named(stalled(), journal=journal(kernel=[theirs, ours])) == ("broken", "gpu_fault")


# Several engines: the canary may have met another one than the stream

TWO = ((MAIN, "main"), (ENGINE, "engine_core"), (ENGINE + 1, "engine_core"))
OF_TWO = {"target": target(processes=processes(TWO)), "machine": machine(processes=processes(TWO))}


def test_one_of_two_engines_stands():
    one = stalled(seconds=12.0, how="deadline", canary=ANSWERED)
    assert named(one)[1] == "server_buffering"
    found = verdict(one, **OF_TWO)
    assert found["primary_cause"] == "inconclusive"
    assert "the server has 2 engines" in found["summary"]
    one["samples"]["processes"] = [clocks(float(t), state="T", pids=TWO) for t in range(12)]
    found = verdict(one, **OF_TWO)
    assert (found["primary_cause"], found["confidence"]) == ("engine_stalled", "high")
    assert "One engine of vllm.service" in found["summary"]


def test_one_of_two_api_servers_stands():
    """``/health`` and the canary met the other one."""
    both = ((MAIN, "main"), (75, "api_server"), (76, "api_server"), (ENGINE, "engine_core"))
    parts = {"target": target(processes=processes(both)), "machine": machine(processes=processes(both))}
    one = stalled(seconds=7.0, canary=ANSWERED)
    for t, sample in enumerate(one["samples"]["processes"]):
        sample["processes"] = clocks(float(t), pids=both)["processes"]
        sample["processes"][1]["state"] = "T"
    found = verdict(one, **parts)
    assert (found["primary_cause"], found["confidence"]) == ("api_server_stalled", "high")
    assert "process 75 is in state T" in found["summary"] and "another one answers" in found["summary"]


# How sure


def halted():
    return stalled(samples=samples(7.0, state="T"))


def test_an_engine_that_goes_on_by_itself_only_pauses():
    """Nothing kept it from running: a long prompt on a GPU, for one, leaves the CPU idle."""
    parts = (
        {"machine": machine(metrics=counters(0.0, 180.0))},
        {"stall": {"processes": [], "canary": stream("canary")}},
    )
    for later in parts:
        found = verdict(stalled(), **later)
        assert (found["status"], found["primary_cause"], found["confidence"]) == (
            "degraded",
            "slow_generation",
            "medium",
        )
        assert "so it steps again" in found["summary"]
        rows = {row["id"]: row["status"] for row in assess(bundle(stalled(), **later))["checks"]}
        assert rows["step-5"] == "warn"
    assert named(stalled(), machine=machine(metrics=counters(0.0, 100.0))) == ("broken", "engine_stalled")


def test_a_stall_that_somebody_ended_is_said_to_have_passed():
    later = {"machine": machine(metrics=counters(0.0, 180.0))}
    found = verdict(halted(), **later)
    assert (found["primary_cause"], found["confidence"]) == ("engine_stalled", "medium")
    assert found["doubts"] == ["80 tokens were made after simple had been given up, so it steps again"]


def test_a_busy_gpu_lowers_the_confidence():
    def with_gpu(load, pid=WORKER, one=None):
        one = one or stalled()
        user = {"pid": pid, "name": "VLLM::Worker"}
        seen = {"index": 0, "utilization_percent": load, "processes": [user]}
        one["samples"]["gpus"] = [{"t": float(t), "state": "ok", "gpus": [seen]} for t in range(0, 12, 3)]
        return verdict(one)

    assert with_gpu(0.0)["confidence"] == "high"
    found = with_gpu(97.0)
    assert (found["primary_cause"], found["confidence"]) == ("engine_stalled", "medium")
    assert "its GPU was 97 % busy" in found["summary"]
    assert with_gpu(97.0, pid=4711)["confidence"] == "high"
    assert with_gpu(97.0, one=halted())["confidence"] == "high"


def test_stacks_tell_a_spinning_wait_from_a_compilation():
    moved = (["f (x/y.py:1)"], ["g (x/y.py:2)"])
    same = (looked_at(), looked_at("worker", pid=WORKER))
    moves = (looked_at(), looked_at("worker", moved, pid=WORKER))
    assert verdict(spinning())["confidence"] == "medium"
    assert verdict(spinning(), **between_looks(*same))["confidence"] == "high"
    found = verdict(spinning(), **between_looks(*moves))
    assert (found["confidence"], found["doubts"]) == (
        "low",
        ["the stacks of its processes move, so it may be compiling"],
    )


def test_without_clocks_the_stacks_speak():
    one = stalled(seconds=20.0)
    one["samples"]["processes"] = []
    assert verdict(one)["confidence"] == "medium"
    assert verdict(one, **between_looks(looked_at()))["confidence"] == "high"
    assert (
        "Condition.wait"
        in {c["id"]: c for c in assess(bundle(one, **between_looks(looked_at())))["causes"]}["engine_stalled"]["reason"]
    )


def test_no_event_at_all_speaks_against_the_engine():
    found = verdict(stalled(events=[]))
    assert (found["primary_cause"], found["confidence"]) == ("engine_stalled", "medium")
    assert "not even response.created came" in found["doubts"][0]


def test_other_traffic_lowers_the_confidence_and_says_so():
    beside = {"target": target(metrics=counters(0.0, running=2.0))}
    found = verdict(SIMPLE, kept("tools", 60), **beside)
    assert (found["primary_cause"], found["confidence"]) == ("tool_call_withheld", "low")
    assert found["doubts"] == ["the counters are server-wide, and 2 requests were running before the first stream"]
    found = verdict(filtered(), chat(), **beside)
    assert (found["primary_cause"], found["confidence"]) == ("server_buffering", "medium")
    assert "server-wide" in found["doubts"][0]


def test_others_tokens_prove_nothing_of_a_request_without_a_limit():
    beside = {"target": target(metrics=counters(0.0, running=20.0))}
    one = stalled("codex", 30.0, how="deadline", canary=ANSWERED, samples=samples(30.0, rate=900.0, running=20.0))
    found = verdict(SIMPLE, {**one, **asked(None)}, **beside)
    assert found["primary_cause"] == "inconclusive"
    assert "others' tokens" in found["summary"]


# What is seen besides explains nothing


def test_a_missing_ping_is_no_cause_of_a_silence():
    found = verdict(SIMPLE, nobody_knows(), **ON)
    assert found["primary_cause"] == "inconclusive"
    assert "seen besides, which does not explain it: no_heartbeat" in found["summary"]


def test_a_cause_of_other_streams_is_not_named_for_this_one():
    limited = stream(events=text_events(**used(8, CUT)))
    for first in (limited, HELD_TO_THE_END, stream(events=text_events(start=12.0), samples=samples(13, cpu_rate=0.9))):
        found = verdict(first, nobody_knows())
        assert found["primary_cause"] == "inconclusive", found["summary"]
        assert "seen besides" in found["summary"]
        assert "The stream codex on gpu43 fell silent" in found["summary"]


def test_what_fails_is_named_before_what_is_late():
    # The server buffers, and the proxy before it answers 502: the second is why clients have no answer.
    assert named(HELD_TO_THE_END, rejected(502, "bad gateway", "public")) == ("broken", "proxy_interference")


# Through the proxy


def test_an_engine_killed_under_a_public_stream_is_no_proxy():
    parts = {
        "journal": journal(ENGINE_DEAD_LINE),
        "machine": machine(processes=processes(GONE), endpoints=endpoints(answer(503))),
    }
    assert named(SIMPLE, truncated("public"), **parts) == ("broken", "engine_dead")


def test_a_proxy_that_cuts_does_not_kill_the_engine():
    assert named(SIMPLE, truncated("public"), journal=journal(kernel=[XID])) == ("broken", "proxy_interference")


def test_a_public_address_that_only_the_host_cannot_reach_breaks_nothing():
    assert named(SIMPLE, refused("public"), public("controller")) == ("healthy", None)
    afar = {**refused("public"), "variant": "controller"}
    assert named(SIMPLE, refused("public"), afar) == ("broken", "proxy_interference")


def test_a_controller_that_is_not_let_in_shows_no_network_fault():
    for afar in (rejected(403, "no", "public"), refused("public")):
        found = verdict(SIMPLE, public(), {**afar, "variant": "controller"})
        assert found["primary_cause"] == "inconclusive"
        assert "the controller may just not be let in" in found["summary"]


def test_a_server_that_died_meanwhile_is_no_network():
    lost = public("controller", preamble(), how="deadline", t=30.0)
    assert named(SIMPLE, public(), lost) == ("broken", "network_stall")
    gone = {"machine": machine(processes=processes(GONE), endpoints=endpoints(answer(503)))}
    assert named(SIMPLE, public(), lost, **gone)[1] != "network_stall"


def test_gzip_alone_is_named():
    found = verdict(FLOWING, public(events=text_events(deltas=60)), public("gzip", HELD_TO_THE_END["events"]))
    assert found["primary_cause"] == "proxy_buffering"
    assert "for clients that accept gzip" in found["summary"]


# Tools and thoughts


def test_tokens_of_a_thought_that_is_not_shown_are_no_withheld_call():
    # 128 tokens in simple, of which 40 were shown: what tools spent its budget on may be a thought as well.
    simple = stream(events=text_events(deltas=40, **used(128)))
    tools = stream("tools", empty_events(2.5, **used(128, CUT)))
    found = verdict(simple, tools)
    assert (found["primary_cause"], found["confidence"]) == ("tool_call_withheld", "medium")
    assert "a thought that is not shown" in found["doubts"][0]
    assert verdict(stream(events=text_events(deltas=40, **used(41))), tools)["confidence"] == "high"


def test_a_call_that_stands_in_the_final_response_only_broke_the_protocol():
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "list_files", "arguments": "{}"}
    lost = stream("tools", empty_events(**used(31), output=[call]))
    found = verdict(SIMPLE, lost)
    assert (found["status"], found["primary_cause"]) == ("broken", "protocol_violation")


def test_a_silent_stream_on_which_the_engine_works_to_the_end_thinks():
    hiding = stream(events=text_events(deltas=40, **used(128)))
    working = stalled(
        "reasoning", 120.0, how="deadline", canary=ANSWERED, samples=samples(120.0, rate=4.0, running=1.0)
    )
    found = verdict(hiding, {**working, **asked(512)})
    assert (found["primary_cause"], found["confidence"]) == ("reasoning_hidden", "medium")


def test_a_server_that_goes_on_after_a_call_does_not_wait_for_its_output():
    going_on = stalled("tools", 30.0, call_events(end=""), how="deadline", canary=ANSWERED)
    going_on["samples"] = samples(30.0, rate=4.0, running=1.0)
    assert states(bundle(SIMPLE, going_on))["awaiting_tool_output"] == "possible"


# Endings


def test_the_exception_itself_is_quoted_and_not_one_of_earlier():
    lines = [
        line("ERROR:    Exception in ASGI application", AT + 1.2),
        line("Traceback (most recent call last):", AT + 1.2),
        line("openai_harmony.HarmonyError: unexpected tokens remaining in message header", AT + 1.2),
        line("RuntimeError: of an hour ago", AT - 100),
    ]
    assert (
        "HarmonyError: unexpected tokens"
        in verdict(truncated(), journal={"unit": log(*lines), "kernel": log()})["summary"]
    )
    old = {"journal": {"unit": log(lines[-1]), "kernel": log()}}
    assert "no exception in the log at that time" in verdict(truncated(), **old)["summary"]


def test_a_stream_that_a_restart_cut_says_so():
    stopping = line("Stopping vllm.service - vLLM OpenAI-compatible server...", AT + 1.3, 1)
    renewed = {"machine": machine(processes=processes(((901, "main"), (902, "engine_core"))))}
    found = verdict(truncated(), journal=journal(stopping, line(ENGINE_DEAD_LINE, AT + 1.4)), **renewed)
    assert found["primary_cause"] == "stream_truncated"
    assert "systemd was stopping the unit" in found["summary"]
    assert named(truncated(), **renewed)[1] == "engine_dead"


# Interrupted runs

INTERRUPTED = {
    "machine": None,
    "journal": None,
    "run": run(errors=[{"step": "Stream case tools", "message": "stopped"}]),
}


def test_an_interrupted_run_is_judged_by_what_there_is():
    assert named(stalled(), **INTERRUPTED) == ("broken", "engine_stalled")
    assert named(stalled(canary=None), **INTERRUPTED) == ("inconclusive", "inconclusive")
    assert named(SIMPLE, **INTERRUPTED)[0] == "inconclusive"
    assert named(stalled(), target=None, **INTERRUPTED) == ("broken", "engine_stalled")


def test_bursts_with_a_slow_health_check_are_the_event_loop():
    bursts = [dict(e, t=round(0.1 + 3.0 * (n // 12) + 0.0001 * n, 4)) for n, e in enumerate(text_events(deltas=60))]
    one = stream(events=bursts, samples=samples(16, rate=10.0))
    assert verdict(one)["primary_cause"] == "server_buffering"
    slow = fresh(bundle(one)).streams["simple"]
    for seen in slow["samples"]["health"]:
        seen["seconds"] = 1.4
    found = verdict(slow)
    assert (found["status"], found["primary_cause"], found["confidence"]) == (
        "degraded",
        "api_server_stalled",
        "medium",
    )
