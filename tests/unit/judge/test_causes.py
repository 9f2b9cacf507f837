"""Which cause is named, how surely, and what is held against it. Real runs first, then each rule both ways."""

from __future__ import annotations

import pytest

from streamdiag.judge.assess import assess
from streamdiag.judge.causes import ORDER, weigh
from streamdiag.judge.facts import gather
from tests.unit.judge.bundles import (
    AT,
    ENGINE,
    EXPECTED,
    MAIN,
    WORKER,
    answer,
    bundle,
    canary,
    chat,
    clocks,
    counters,
    denied,
    endpoints,
    event,
    fresh,
    gpu,
    journal,
    line,
    log,
    machine,
    mute,
    no_answer,
    nothing_sent,
    preamble,
    process,
    processes,
    real,
    refused,
    rejected,
    run,
    samples,
    socket,
    stalled,
    stream,
    target,
    text_events,
    truncated,
    unit,
)
from tests.unit.judge.stream_rules import STREAM_RULES


def verdict_of(one):
    found = assess(one)["verdict"]
    return found["status"], found["primary_cause"], found["confidence"]


def claims(one):
    return {w.rule.id: w.claim for w in weigh(gather(one))}


def states(one):
    return {id_: claim.state for id_, claim in claims(one).items()}


# Real runs


@pytest.mark.parametrize("condition", EXPECTED)
def test_verdict_of_a_real_run(condition):
    assert verdict_of(real(condition)) == EXPECTED[condition]


_NOT_PERMITTED = {"state": "denied", "reason": "not permitted"}
#: What an unprivileged user without journal access cannot see.
UNPRIVILEGED = {
    "unit": lambda part: part,
    "processes": lambda part: {**_NOT_PERMITTED, "processes": []},
}
_FOUND_BY_STREAMS = {
    "healthy": "healthy",
    "engine-stopped": "engine_stalled",
    "worker-stopped": "engine_stalled",
    "api-server-stopped": "api_server_stalled",
    "unit-stopped": "service_down",
    "api-key": "auth_rejected",
    "unknown-model": "request_rejected",
}


def _unprivileged(one):
    """``one`` as a user without sudo and without the journal would have gathered it."""
    one = fresh(one)
    for part in (one.target, one.machine):
        if part:
            part["processes"] = {**_NOT_PERMITTED, "processes": []}
            part["sockets"] = {**_NOT_PERMITTED, "listening": [], "connections": []}
    for sent in one.streams.values():
        sent["samples"]["processes"] = []
    return one._replace(journal={"unit": denied(), "kernel": denied()})


@pytest.mark.parametrize(("condition", "expected"), _FOUND_BY_STREAMS.items())
def test_without_sudo_and_journal_the_verdict_stays_right(condition, expected):
    result = assess(_unprivileged(real(condition)))
    assert expected in (result["verdict"]["status"], result["verdict"]["primary_cause"])
    assert {row["status"] for row in result["checks"] if row["id"] in ("step-2", "check-4")} == {"skip"}


def test_an_engine_killed_is_seen_without_sudo_and_journal():
    status, cause, _confidence = verdict_of(_unprivileged(real("engine-killed")))
    assert (status, cause in ("engine_dead", "stream_truncated")) == ("broken", True)


@pytest.mark.parametrize("condition", EXPECTED)
def test_evidence_for_fails_and_evidence_against_passes(condition):
    _evidence_is_of_the_right_kind(assess(real(condition)))


def _evidence_is_of_the_right_kind(result):
    status = {row["id"]: row["status"] for row in result["checks"]}
    for cause in result["causes"]:
        assert {status[id_] for id_ in cause["evidence_for"]} <= {"fail", "warn"}, cause
        assert {status[id_] for id_ in cause["evidence_against"]} <= {"pass"}, cause
        if cause["state"] in ("confirmed", "likely"):
            assert cause["evidence_for"], cause
        if cause["state"] in ("ruled_out", "not_tested"):
            assert not cause["evidence_for"], cause
        assert cause["reason"], cause


# Each rule both ways

ENGINE_DEAD_LINE = "(APIServer pid=74) ERROR 11-22 19:53:03 [async_llm.py:906] AsyncLLM output_handler failed."
GROUP = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/system.slice/{0},"
    "task_memcg=/system.slice/{0},task=VLLM::EngineCor,pid={1},uid=997"
)
CUDA_OOM = "(EngineCore pid=132) ERROR 11-22 19:53:03 [core.py:1] torch.OutOfMemoryError: CUDA out of memory."
KILLED = "Out of memory: Killed process {} ({}) total-vm:9000kB, anon-rss:8000kB, UID:998"
XID = "NVRM: Xid (PCI:0000:17:00): 79, GPU has fallen off the bus."
GONE = ((MAIN, "main"),)


def _down(active="inactive", sub="dead", lines=(), **more):
    return bundle(
        refused(),
        target=target(unit=unit(active, sub, **more), processes={**_NOT_PERMITTED, "processes": []}),
        machine=machine(unit=unit(active, sub, **more), processes={**_NOT_PERMITTED, "processes": []}),
        journal=journal(*lines),
    )


def _queue(running, waiting, rate):
    one = stalled(seconds=30.0, how="deadline", samples=samples(30.0, rate=rate, running=running, waiting=waiting))
    return bundle(one)


_ASLEEP = {"target": target(metrics=counters(0.0, awake=0.0)), "machine": machine(metrics=counters(0.0, awake=0.0))}
_SILENT_HEALTH = {
    "target": target(endpoints=endpoints(no_answer())),
    "machine": machine(endpoints=endpoints(no_answer())),
}
_SPINNING = stalled(seconds=30.0, how="deadline")
_SPINNING["samples"] = samples(30.0, cpu_rate=1.0)
_NO_COUNTERS = stalled(seconds=20.0)
_NO_COUNTERS["samples"]["metrics"] = [counters(float(t), tokens=None) for t in range(20)]
_NO_CLOCKS = stalled(seconds=20.0)
_NO_CLOCKS["samples"]["processes"] = []
_REFUSED = {"/health": no_answer("ConnectError: [Errno 111] Connection refused")}
_OTHER_PORT = {
    "target": target(base_url="http://127.0.0.1:9", base_url_source="given", endpoints=_REFUSED),
    "machine": machine(endpoints=_REFUSED),
}
_LOOPING = [f"vllm.service: Scheduled restart job, restart counter is at {n}." for n in (1, 2)]

#: name -> (bundle, cause, state)
RULES = {
    "auth: 401": (bundle(rejected(401)), "auth_rejected", "confirmed"),
    "auth: 403": (bundle(rejected(403)), "auth_rejected", "confirmed"),
    "auth: 404 is none": (bundle(rejected(404)), "auth_rejected", "ruled_out"),
    "auth: no answer": (bundle(refused()), "auth_rejected", "not_tested"),
    **{f"request: {n}": (bundle(rejected(n)), "request_rejected", "confirmed") for n in (400, 404, 405, 413, 422, 429)},
    **{
        f"request: other 4xx, {n}": (bundle(rejected(n)), "request_rejected", "confirmed") for n in (402, 406, 408, 431)
    },
    "request: 200": (bundle(), "request_rejected", "ruled_out"),
    "request: 500 is none": (bundle(rejected(500)), "request_rejected", "ruled_out"),
    "api: mute, health silent": (bundle(mute(), **_SILENT_HEALTH), "api_server_stalled", "confirmed"),
    "api: mute, health answers": (bundle(mute(health=200)), "api_server_stalled", "ruled_out"),
    "api: refused is not mute": (bundle(refused()), "api_server_stalled", "ruled_out"),
    "api: headers came": (bundle(stalled()), "api_server_stalled", "ruled_out"),
    "oom: CUDA": (bundle(truncated(), journal=journal(CUDA_OOM)), "out_of_memory", "confirmed"),
    "oom: killed by pid": (
        bundle(truncated(), journal=journal(kernel=[KILLED.format(MAIN, "python")])),
        "out_of_memory",
        "confirmed",
    ),
    "oom: killed engine": (
        bundle(truncated(), journal=journal(kernel=[KILLED.format(ENGINE, "VLLM::EngineCor")])),
        "out_of_memory",
        "confirmed",
    ),
    "oom: another process was killed": (
        bundle(truncated(), journal=journal(kernel=[KILLED.format(4711, "postgres")])),
        "out_of_memory",
        "ruled_out",
    ),
    "oom: a pid that only begins like ours": (
        bundle(truncated(), journal=journal(kernel=[KILLED.format(1320, "java")])),
        "out_of_memory",
        "ruled_out",
    ),
    "oom: another server's engine was killed, ours lives": (
        bundle(stalled(), journal=journal(kernel=[KILLED.format(4711, "VLLM::EngineCor")])),
        "out_of_memory",
        "ruled_out",
    ),
    "oom: killed in the unit's group": (
        bundle(
            truncated(),
            machine=machine(processes=processes(GONE)),
            journal=journal(kernel=[GROUP.format("vllm.service", 4711), KILLED.format(4711, "VLLM::EngineCor")]),
        ),
        "out_of_memory",
        "confirmed",
    ),
    "oom: killed in another unit's group": (
        bundle(
            truncated(),
            machine=machine(processes=processes(GONE)),
            journal=journal(kernel=[GROUP.format("other.service", 4711), KILLED.format(4711, "VLLM::EngineCor")]),
        ),
        "out_of_memory",
        "ruled_out",
    ),
    "oom: all is well since": (bundle(journal=journal(CUDA_OOM)), "out_of_memory", "ruled_out"),
    "oom: logs unread": (
        bundle(truncated(), journal={"unit": denied(), "kernel": denied()}),
        "out_of_memory",
        "not_tested",
    ),
    "gpu: Xid": (bundle(stalled(), journal=journal(kernel=[XID])), "gpu_fault", "confirmed"),
    "gpu: CUDA error": (
        bundle(truncated(), journal=journal("RuntimeError: CUDA error: an illegal memory access")),
        "gpu_fault",
        "confirmed",
    ),
    "gpu: lost": (
        bundle(stalled(), machine=machine(gpus={"state": "ok", "gpus": [gpu(lost="GPU is lost")]})),
        "gpu_fault",
        "confirmed",
    ),
    "gpu: fine": (bundle(stalled()), "gpu_fault", "ruled_out"),
    "gpu: unread": (bundle(stalled(), machine=machine(gpus=_NOT_PERMITTED)), "gpu_fault", "not_tested"),
    "gpu: kernel log unread": (
        bundle(stalled(), journal={"unit": log("x"), "kernel": denied()}),
        "gpu_fault",
        "not_tested",
    ),
    "loop: auto-restart": (_down("activating", "auto-restart", restarts=3), "crash_loop", "confirmed"),
    "loop: gave up": (_down("failed", "failed", restarts=5, result="start-limit-hit"), "crash_loop", "confirmed"),
    "loop: restarts in the journal": (_down("active", "running", _LOOPING, restarts=2), "crash_loop", "confirmed"),
    "loop: stopped once": (_down(), "crash_loop", "ruled_out"),
    "loop: it answers": (
        bundle(stalled(), target=target(unit=unit(restarts=9)), machine=machine(unit=unit(restarts=9))),
        "crash_loop",
        "ruled_out",
    ),
    "loop: no systemd": (
        bundle(refused(), target=target(unit=_NOT_PERMITTED), machine=machine(unit=_NOT_PERMITTED)),
        "crash_loop",
        "not_tested",
    ),
    "elsewhere": (bundle(refused(), **_OTHER_PORT), "endpoint_unreachable", "confirmed"),
    "elsewhere: nowhere": (_down(), "endpoint_unreachable", "ruled_out"),
    "dead: lines and gone": (
        bundle(truncated(), machine=machine(processes=processes(GONE)), journal=journal(ENGINE_DEAD_LINE)),
        "engine_dead",
        "confirmed",
    ),
    "dead: health 503": (
        bundle(truncated(), machine=machine(endpoints=endpoints(answer(503)))),
        "engine_dead",
        "confirmed",
    ),
    "dead: gone": (bundle(truncated(), machine=machine(processes=processes(GONE))), "engine_dead", "confirmed"),
    "dead: completed all the same": (bundle(journal=journal(ENGINE_DEAD_LINE)), "engine_dead", "ruled_out"),
    "dead: no trace": (bundle(stalled()), "engine_dead", "ruled_out"),
    "down: stopped": (_down(), "service_down", "confirmed"),
    "down: failed": (_down("failed", "failed", result="exit-code"), "service_down", "confirmed"),
    "down: loading": (_down("active", "running"), "service_down", "likely"),
    "down: it answers": (bundle(stalled()), "service_down", "ruled_out"),
    "asleep": (bundle(stalled(), **_ASLEEP), "engine_asleep", "confirmed"),
    "asleep: awake": (bundle(stalled()), "engine_asleep", "ruled_out"),
    "queue: full": (_queue(8.0, 3.0, 50.0), "queue_saturated", "confirmed"),
    "queue: nothing waits": (_queue(8.0, 0.0, 50.0), "queue_saturated", "ruled_out"),
    "queue: nothing moves": (_queue(0.0, 3.0, 0.0), "queue_saturated", "ruled_out"),
    "kv: no room": (_queue(0.0, 3.0, 0.0), "kv_cache_exhausted", "likely"),
    "kv: something runs": (_queue(8.0, 3.0, 50.0), "kv_cache_exhausted", "ruled_out"),
    "stalled: all agree": (bundle(stalled()), "engine_stalled", "confirmed"),
    "stalled: no clocks": (bundle(_NO_CLOCKS), "engine_stalled", "likely"),
    "stalled: it burns CPU": (bundle(_SPINNING), "engine_stalled", "likely"),
    "stalled: no counters": (bundle(_NO_COUNTERS), "engine_stalled", "possible"),
    "stalled: no canary": (bundle(stalled(canary=None)), "engine_stalled", "possible"),
    "stalled: canary answered": (
        bundle(stalled(canary=canary(text_events(), how="closed"))),
        "engine_stalled",
        "ruled_out",
    ),
    "stalled: tokens rise": (
        bundle(stalled(seconds=30.0, how="deadline", samples=samples(30.0, rate=5.0))),
        "engine_stalled",
        "ruled_out",
    ),
    "stalled: completed": (bundle(), "engine_stalled", "ruled_out"),
    "truncated": (bundle(truncated()), "stream_truncated", "confirmed"),
    "truncated: not": (bundle(), "stream_truncated", "ruled_out"),
    "truncated: none began": (bundle(refused()), "stream_truncated", "not_tested"),
    "slow": (
        bundle(stream(events=text_events(start=20.0), samples=samples(20.0, cpu_rate=0.9))),
        "slow_generation",
        "likely",
    ),
    "slow: not": (bundle(), "slow_generation", "ruled_out"),
    **STREAM_RULES,
}


@pytest.mark.parametrize(("one", "cause", "state"), RULES.values(), ids=RULES)
def test_rule(one, cause, state):
    found = claims(one)[cause]
    assert found.state == state, found
    assert found.reason
    if state in ("confirmed", "likely"):
        assert "gpu43" in found.summary
    _evidence_is_of_the_right_kind(assess(one))


def test_every_rule_is_tested_both_ways():
    for id_ in ORDER:
        seen = {state for _one, cause, state in RULES.values() if cause == id_}
        assert seen & {"confirmed", "likely"} and seen & {"ruled_out", "not_tested"}, id_


def test_without_streams_no_rule_claims_anything():
    assert not {"confirmed", "likely", "possible"} & set(states(nothing_sent()).values())


def test_a_rule_that_breaks_is_not_tested_and_stops_no_other():
    one = bundle(stalled(), machine=machine(gpus={"state": "ok", "gpus": ["no object"]}))
    found = claims(one)
    assert found["gpu_fault"].state == "not_tested"
    assert "the rule itself broke: AttributeError" in found["gpu_fault"].reason
    assert found["engine_stalled"].state == "confirmed"


# Order of proof

_DEAD_AND_DOWN = {
    "machine": machine(unit=unit("failed", "failed"), processes={"state": "absent", "reason": "none", "processes": []}),
    "journal": journal(ENGINE_DEAD_LINE, "vllm.service: Main process exited, code=exited, status=1/FAILURE"),
}
_OOM_AND_DEAD = {
    **_DEAD_AND_DOWN,
    "journal": journal(ENGINE_DEAD_LINE, kernel=[KILLED.format(ENGINE, "VLLM::EngineCor")]),
}
FIRST = {
    "engine killed beats service down": (bundle(truncated(), refused("tools"), **_DEAD_AND_DOWN), "engine_dead"),
    "engine killed, all refused": (
        bundle(refused(), target=target(unit=unit("failed", "failed")), **_DEAD_AND_DOWN),
        "engine_dead",
    ),
    "memory beats engine dead": (bundle(truncated(), refused("tools"), **_OOM_AND_DEAD), "out_of_memory"),
    "CUDA memory beats engine dead": (
        bundle(truncated(), machine=machine(processes=processes(GONE)), journal=journal(CUDA_OOM, ENGINE_DEAD_LINE)),
        "out_of_memory",
    ),
    "GPU beats engine dead": (
        bundle(
            truncated(), machine=machine(processes=processes(GONE)), journal=journal(ENGINE_DEAD_LINE, kernel=[XID])
        ),
        "gpu_fault",
    ),
    "crash loop beats service down": (_down("activating", "auto-restart", restarts=3), "crash_loop"),
    "auth beats everything": (
        bundle(rejected(401), journal=journal(CUDA_OOM, ENGINE_DEAD_LINE, kernel=[XID])),
        "auth_rejected",
    ),
    "engine dead beats the cut stream": (
        bundle(truncated(), machine=machine(processes=processes(GONE)), journal=journal(ENGINE_DEAD_LINE)),
        "engine_dead",
    ),
    "asleep beats stalled": (bundle(stalled(), **_ASLEEP), "engine_asleep"),
    "stopped server beats its own silence": (bundle(mute(), **_SILENT_HEALTH), "api_server_stalled"),
    "other port beats a count of old restarts": (
        bundle(refused(), **{**_OTHER_PORT, "target": {**_OTHER_PORT["target"], "unit": unit(restarts=7)}}),
        "endpoint_unreachable",
    ),
}


@pytest.mark.parametrize(("one", "cause"), FIRST.values(), ids=FIRST)
def test_causes_come_before_effects(one, cause):
    assert verdict_of(one)[:2] == ("broken", cause)


# What is old, and what is not ours

STOPPING = "Stopping vllm.service - vLLM OpenAI-compatible server..."
STOPPED = "Stopped vllm.service - vLLM OpenAI-compatible server."


def test_the_last_words_of_an_orderly_stop_are_no_dead_engine():
    # As in a real journal: the API server itself reports a dead engine while systemd stops the unit.
    lines = [line(STOPPING, AT - 60, 1), line(ENGINE_DEAD_LINE, AT - 59.9), line(STOPPED, AT - 59, 1)]
    young = processes()
    for one in young["processes"]:
        one["started_at"] = AT - 58
    parts = {"target": target(processes=young), "machine": machine(processes=young), "journal": journal(*lines)}
    assert states(bundle(stalled(), **parts))["engine_dead"] == "ruled_out"
    assert verdict_of(bundle(stalled(), **parts)) == ("broken", "engine_stalled", "high")
    down = _down(lines=lines)
    assert verdict_of(down) == ("broken", "service_down", "high")


def test_new_fatal_lines_count_although_there_are_old_ones():
    lines = [
        line(ENGINE_DEAD_LINE, AT - 61),
        line(STOPPING, AT - 60, 1),
        line(STOPPED, AT - 59, 1),
        line(CUDA_OOM, AT + 2),
        line(ENGINE_DEAD_LINE, AT + 2.1),
    ]
    found = claims(bundle(truncated(), machine=machine(processes=processes(GONE)), journal=journal(*lines)))
    assert found["out_of_memory"].state == "confirmed"
    assert "journal: " in found["engine_dead"].reason


def test_the_stop_that_belongs_to_an_automatic_restart_excuses_nothing():
    # systemd 252 logs "Stopped" without "Stopping" when it restarts what has crashed.
    lines = [
        line(CUDA_OOM, AT + 2),
        line("vllm.service: Main process exited, code=exited, status=1/FAILURE", AT + 3, 1),
        line("vllm.service: Scheduled restart job, restart counter is at 1.", AT + 8, 1),
        line(STOPPED, AT + 8, 1),
        line("Started vllm.service - vLLM OpenAI-compatible server.", AT + 8.1, 1),
    ]
    one = bundle(truncated(), machine=machine(processes=processes(())), journal=journal(*lines))
    assert verdict_of(one)[:2] == ("broken", "out_of_memory")


def test_a_crash_before_the_present_server_was_started_is_old():
    # systemd 257 logs no "Stopped" when it restarts what has crashed: the start of the process tells.
    lines = [line(ENGINE_DEAD_LINE, AT - 90), line(CUDA_OOM, AT - 91)]
    young = processes()
    for one in young["processes"]:
        one["started_at"] = AT - 80
    parts = {"target": target(processes=young), "machine": machine(processes=young), "journal": journal(*lines)}
    found = states(bundle(stalled(), **parts))
    assert (found["engine_dead"], found["out_of_memory"]) == ("ruled_out", "ruled_out")


def test_memory_that_runs_out_at_every_start_is_the_cause_of_the_loop():
    one = _down("activating", "auto-restart", [line(CUDA_OOM, AT - 20), *_LOOPING], restarts=4)
    assert verdict_of(one)[:2] == ("broken", "out_of_memory")


def test_what_a_looping_server_starts_and_takes_along_is_no_dead_engine():
    """Processes of a server that has only just begun have no titles yet: a helper may look like an engine."""
    looping = _down("active", "running", _LOOPING, restarts=2)
    begun = dict(looping.target, processes=processes())
    one = looping._replace(target=begun, machine=dict(looping.machine, processes=processes(GONE)))
    assert states(one)["engine_dead"] == "ruled_out"
    once = one._replace(target=dict(begun, unit=unit("active", "running")), machine=dict(one.machine, unit=unit()))
    assert states(once)["engine_dead"] == "likely"


def test_a_prompt_that_mentions_memory_is_no_memory_error():
    asked = (
        "(APIServer pid=74) INFO 11-22 19:53:03 [logger.py:42] Received request r: prompt: 'Why CUDA out of memory?'"
    )
    assert verdict_of(bundle(stalled(), journal=journal(asked)))[:2] == ("broken", "engine_stalled")


# Confidence


def test_what_is_missing_lowers_the_confidence():
    assert verdict_of(bundle(stalled())) == ("broken", "engine_stalled", "high")
    for one in (_NO_CLOCKS, _SPINNING):
        assert verdict_of(bundle(one)) == ("broken", "engine_stalled", "medium")


def test_without_counters_only_what_no_filter_can_do_is_a_stalled_engine():
    # A filter of /v1/responses keeps the canary silent, too; it stops no process, and does not keep chat silent.
    assert verdict_of(bundle(_NO_COUNTERS))[0] == "inconclusive"
    halted = fresh(bundle(_NO_COUNTERS)).streams["simple"]
    halted["samples"]["processes"] = [clocks(float(t), state="T") for t in range(20)]
    silent_chat = chat(events=[], how="deadline", t=20.0, samples=_NO_COUNTERS["samples"], canary=canary())
    for streams in ([halted], [_NO_COUNTERS, silent_chat]):
        one = bundle(*streams)
        assert verdict_of(one) == ("broken", "engine_stalled", "medium")
        assert "counters could not be read" in assess(one)["verdict"]["doubts"][0]
    assert verdict_of(bundle(_NO_COUNTERS, chat()))[0] == "inconclusive"
    nothing_read = fresh(bundle(_NO_COUNTERS)).streams["simple"]
    nothing_read["samples"]["processes"] = []
    assert states(bundle(nothing_read))["engine_stalled"] == "possible"


def test_tokens_that_rise_show_no_stalled_engine():
    one = stalled(seconds=30.0, how="deadline", samples=samples(30.0, rate=5.0, cpu_rate=0.9, running=1.0))
    assert verdict_of(bundle(one)) == ("inconclusive", "inconclusive", "low")


def test_a_canary_that_is_answered_shows_no_stalled_engine():
    one = stalled(seconds=30.0, how="deadline", canary=canary(text_events(), how="closed"))
    assert states(bundle(one))["engine_stalled"] == "ruled_out"
    assert verdict_of(bundle(one)) == ("broken", "server_buffering", "medium")


def test_health_that_was_never_asked_is_not_said_to_answer():
    one = mute()
    one["samples"]["health"] = []
    parts = {"target": target(endpoints={}), "machine": machine(endpoints={})}
    claim = claims(bundle(one, **parts))["api_server_stalled"]
    assert claim.state != "confirmed"
    assert "/health answers" not in claim.reason


# Nothing known, or the tool itself at fault


def test_nothing_known_is_inconclusive():
    for one in (nothing_sent(), nothing_sent(target=None, machine=None, journal=None)):
        assert assess(one)["verdict"]["status"] == "inconclusive"
    failed = nothing_sent(run=run(errors=[{"step": "Find the server", "message": "vllm.service: no such unit"}]))
    assert "no such unit" in assess(failed)["verdict"]["summary"]


def test_a_host_that_was_never_reached_is_unreachable():
    one = nothing_sent(target=None, machine=None, journal=None, run=run(unreachable="Connection timed out"))
    assert assess(one)["verdict"]["status"] == "unreachable"


def test_a_host_that_was_lost_after_a_good_stream_is_not_healthy():
    parts = {"machine": None, "journal": None, "run": run(unreachable="Connection reset by peer")}
    assert assess(bundle(stream("simple"), **parts))["verdict"]["status"] != "healthy"


def test_a_tool_that_broke_before_all_streams_were_sent_does_not_say_healthy():
    errors = [{"step": "Stream case tools", "message": "MemoryError"}]
    parts = {"machine": None, "journal": None, "run": run(errors=errors)}
    assert assess(bundle(stream("simple"), **parts))["verdict"]["status"] != "healthy"


def test_a_probe_that_broke_is_no_finding_about_the_server():
    broken = stream(how="broken", events=[], t_connect=None, t_headers=None, http_status=None)
    broken["end"]["reason"] = "KeyError: 'model'"
    late = stream(how="broken", events=preamble(), t=5.0)
    for one in (broken, late):
        assert verdict_of(bundle(one))[0] == "inconclusive", one["end"]


def test_a_stream_that_never_ends_is_not_healthy():
    # Events flow, and the probe's total deadline cuts: not silent, and not completed either.
    endless = stream(events=text_events(end="", step=1.0, deltas=149), how="deadline", t=150.0)
    endless["end"].update(deadline="total", reason="150 s in all")
    assert verdict_of(bundle(endless))[0] != "healthy"


def test_a_fix_is_a_command_for_this_host_and_unit():
    for one in (bundle(stalled()), _down()):
        assert "ansible gpu43 " in assess(one)["verdict"]["next_step"]
        assert "vllm.service" in assess(one)["verdict"]["next_step"]
    for cause in assess(bundle())["causes"]:
        assert "{" not in cause["fix"] and "}" not in cause["fix"]


def test_the_server_s_own_words_are_in_the_summary():
    body = '{"error": {"message": "The model `nosuch` does not exist."}}'
    assert "The model `nosuch` does not exist." in assess(bundle(rejected(404, body)))["verdict"]["summary"]
    for odd in ("", "<html>no", "[1]", '{"error": "plain"}', '{"error": null}', "null"):
        assert verdict_of(bundle(rejected(404, odd)))[:2] == ("broken", "request_rejected")


def test_the_helpers_do_what_they_say():
    # So that a rule that is not reached does not look like one that was right.
    assert verdict_of(bundle()) == ("healthy", None, "high")
    assert process(WORKER, "worker")["pid"] == WORKER
    assert socket()["pid"] == MAIN and clocks(1.0)["processes"][1]["pid"] == ENGINE
    assert event(1.0, "x")["name"] == "x"
