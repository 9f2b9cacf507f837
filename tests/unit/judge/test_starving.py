"""A process that gets no CPU does not stand: it is named as waiting, and never as a server or an engine that hangs."""

from __future__ import annotations

import pytest

from streamdiag.judge.assess import assess
from tests.unit.judge.bundles import (
    ENGINE,
    MAIN,
    bundle,
    canary,
    counters,
    endpoints,
    machine,
    mute,
    no_answer,
    samples,
    stalled,
    stream,
    target,
    text_events,
    unit,
)
from tests.unit.judge.stream_rules import ANSWERED, kept, late
from tests.unit.judge.test_causes import claims

SILENT_HEALTH = {"machine": machine(endpoints=endpoints(no_answer()))}


def without_cpu(one, cpu_rate=0.0, state="S", **waits):
    """``one``, while processes wait for a CPU: role -> share of the time. No word of it for an older bundle."""
    seconds = one["end"]["t"]
    one["samples"]["processes"] = samples(seconds, cpu_rate=cpu_rate, state=state, waits=waits)["processes"]
    return one


def hungry_server(**more):
    """The load of 30 on two cores: nothing answers, and the API server is kept waiting."""
    return without_cpu(mute(seconds=31.0), **{"main": 0.94, **more})


def hungry_engine(**more):
    return without_cpu(stalled(seconds=31.0), **{"engine_core": 0.97, **more})


def judged(*streams, **parts):
    return assess(bundle(*streams, **parts))


def named(*streams, **parts):
    verdict = judged(*streams, **parts)["verdict"]
    return verdict["status"], verdict["primary_cause"], verdict["confidence"]


def row(result, id_):
    return next(check for check in result["checks"] if check["id"] == id_)


def cause(result, id_):
    return next(one for one in result["causes"] if one["id"] == id_)


def test_an_api_server_without_cpu_is_not_said_to_hang():
    found = judged(hungry_server(), **SILENT_HEALTH)
    verdict = found["verdict"]
    assert (verdict["status"], verdict["primary_cause"], verdict["confidence"]) == (
        "broken",
        "slow_generation",
        "medium",
    )
    waited = f"process {MAIN} (main) waited 28 s of 30 s for a CPU"
    assert f"the host gave the server no CPU: {waited}" in verdict["summary"]
    assert verdict["doubts"] == ["whether it answers once it gets CPU time was not seen"]
    for id_ in ("api_server_stalled", "engine_stalled"):
        assert cause(found, id_)["state"] == "possible"
        assert f"the host gave it no CPU: {waited}" in cause(found, id_)["reason"]


def test_an_engine_without_cpu_is_not_said_to_hang():
    found = judged(hungry_engine())
    waited = f"process {ENGINE} (engine_core) waited 29 s of 30 s for a CPU"
    assert found["verdict"]["primary_cause"] == "slow_generation"
    assert waited in found["verdict"]["summary"]
    assert cause(found, "engine_stalled")["state"] == "possible"
    assert waited in cause(found, "engine_stalled")["reason"]
    assert cause(found, "api_server_stalled")["state"] == "ruled_out"


def test_the_next_step_finds_who_has_the_cpu():
    step = judged(hungry_server(), **SILENT_HEALTH)["verdict"]["next_step"]
    command = next(line for line in step.splitlines() if line.startswith("$ "))
    assert command.startswith("$ ansible gpu43 -b -m ansible.builtin.shell -a 'top -b -n 2 ")
    assert "CPUQuota" not in step and "systemd gives" not in step


def test_a_restart_is_the_last_thing_to_try_without_cpu():
    fix = cause(judged(hungry_server(), **SILENT_HEALTH), "api_server_stalled")["fix"]
    assert fix.index("top -b") < fix.index("Go on only if it is still broken") < fix.index("state=restarted")
    assert "top -b" not in cause(judged(stalled()), "engine_stalled")["fix"]


def test_what_waited_for_some_of_the_time_is_said_and_not_taken_for_spinning():
    summary = judged(without_cpu(stalled(seconds=60.0), engine_core=0.34))["verdict"]["summary"]
    assert summary.endswith("the engine used 0.00 s of CPU time in 8 s, and waited 3 s for more")


def test_a_limit_of_the_unit_is_named_and_can_be_lifted():
    limited = target(unit=unit(CPUQuotaPerSecUSec="200ms"))
    after = machine(unit=limited["unit"])
    verdict = judged(hungry_engine(), target=limited, machine=after)["verdict"]
    assert "systemd gives the unit 200ms of CPU time per second at most" in verdict["summary"]
    assert "'systemctl set-property --runtime vllm.service CPUQuota='" in verdict["next_step"]
    unlimited = target(unit=unit(CPUQuotaPerSecUSec="infinity"))
    verdict = judged(hungry_engine(), target=unlimited, machine=machine(unit=unlimited["unit"]))["verdict"]
    assert "systemd gives" not in verdict["summary"] and "CPUQuota" not in verdict["next_step"]


def test_a_limit_that_keeps_nobody_waiting_is_not_mentioned():
    limited = target(unit=unit(CPUQuotaPerSecUSec="200ms"))
    verdict = judged(stalled(), target=limited)["verdict"]
    assert "CPUQuota" not in verdict["summary"] + verdict["next_step"]


def test_the_row_of_the_processes_shows_the_waiting():
    found = row(judged(hungry_server(), **SILENT_HEALTH), "check-1")
    assert found["status"] == "fail"
    assert f"simple: process {MAIN} (main) waited 28 s of 30 s for a CPU" in found["reason"]
    assert found["evidence"][0]["path"] == "evidence/stream-simple.json"
    slow = without_cpu(late(15.0), engine_core=0.9)
    assert row(judged(slow), "check-1")["status"] == "warn"
    both = row(judged(slow, without_cpu(stalled("tools", seconds=13.0), engine_core=0.9)), "check-1")
    assert both["status"] == "fail" and "CPU time that it wants: tools: " in both["reason"]
    assert row(judged(stalled()), "check-1")["status"] == "pass"


def test_what_comes_late_for_lack_of_cpu_is_slow():
    slow = without_cpu(late(15.0), engine_core=0.9)
    verdict = judged(slow)["verdict"]
    assert (verdict["status"], verdict["primary_cause"]) == ("degraded", "slow_generation")
    assert f"process {ENGINE} (engine_core) waited 13 s of 14 s for a CPU" in verdict["summary"]
    assert "top -b" in verdict["next_step"]


def test_an_engine_that_went_on_afterwards_pauses_for_lack_of_cpu():
    later = machine(metrics=counters(0.0, 900.0))
    verdict = judged(hungry_engine(), machine=later)["verdict"]
    assert (verdict["status"], verdict["primary_cause"]) == ("degraded", "slow_generation")
    assert "for a CPU" in verdict["summary"] and "top -b" in verdict["next_step"]


def test_tokens_that_a_server_without_cpu_cannot_send_are_not_held():
    assert named(kept())[1] == "server_buffering"
    assert named(without_cpu(kept(), cpu_rate=0.5, main=0.9))[1] == "slow_generation"


def test_a_stream_that_nobody_could_work_on_is_not_left_open():
    sent = stalled(seconds=12.0, canary=ANSWERED, samples=samples(12.0))
    assert named(sent)[1] == "server_buffering"
    assert named(without_cpu(sent, main=0.9))[1] == "slow_generation"


def test_bursts_of_a_server_without_cpu_are_no_blocked_loop():
    bursts = [dict(e, t=round(0.1 + 4.0 * (n // 12) + 0.0001 * n, 4)) for n, e in enumerate(text_events(deltas=60))]
    sent = stream(events=bursts, samples=samples(21, rate=10.0))
    for one in sent["samples"]["health"]:
        one["seconds"] = 2.5
    assert claims(bundle(sent))["api_server_stalled"].state == "likely"
    assert claims(bundle(without_cpu(sent, cpu_rate=0.5, main=0.9)))["api_server_stalled"].state == "ruled_out"


STANDS = ("broken", "engine_stalled", "high")
SPINS = ("broken", "engine_stalled", "medium")
LOOP_STANDS = ("broken", "api_server_stalled", "high")


@pytest.mark.parametrize(
    ("why", "sent", "expected"),
    [
        ("deadlocked, and wants nothing", without_cpu(stalled(seconds=13.0)), STANDS),
        ("deadlocked, on a busy host", without_cpu(stalled(seconds=13.0), engine_core=0.1, main=0.4), STANDS),
        ("stopped, on a host without CPU to spare", hungry_engine(state="T", main=0.95, worker=0.95), STANDS),
        ("it spins", without_cpu(stalled(seconds=60.0), cpu_rate=1.0, engine_core=0.3), SPINS),
        ("it spins on half a core", without_cpu(stalled(seconds=60.0), cpu_rate=0.5, engine_core=0.5), SPINS),
        ("it wants to run in a third of the time", without_cpu(stalled(seconds=60.0), engine_core=0.34), SPINS),
    ],
)
def test_an_engine_that_stands_is_still_named(why, sent, expected):
    assert named(sent) == expected, why


@pytest.mark.parametrize(
    ("why", "waits"),
    [
        ("nobody waits", {}),
        ("the engine waits, and the loop does not run all the same", {"engine_core": 0.95}),
        ("the API server waits now and then", {"main": 0.4}),
    ],
)
def test_an_event_loop_that_stands_is_still_named(why, waits):
    assert named(without_cpu(mute(seconds=31.0), **waits), **SILENT_HEALTH) == LOOP_STANDS, why


def test_a_server_that_got_its_cpu_back_and_stays_silent_stands():
    sent = hungry_server()
    for sample in sent["samples"]["processes"]:
        sample["processes"][0].update(waited=7.0 + min(sample["t"], 20.0), runnable=int(sample["t"] < 20))
    assert named(sent, **SILENT_HEALTH) == LOOP_STANDS


def test_of_several_silent_streams_the_one_with_cpu_shows_it():
    one, other = hungry_server(), without_cpu(mute("chat", seconds=31.0))
    found = judged(one, other, **SILENT_HEALTH)
    assert found["verdict"]["primary_cause"] == "api_server_stalled"
    assert cause(found, "api_server_stalled")["reason"].startswith("chat: silent after connect")
    fed = without_cpu(stalled("chat", seconds=13.0), engine_core=0.0)
    assert named(hungry_engine(), fed)[1] == "engine_stalled"


def test_a_wait_that_is_not_over_is_a_wait():
    sent = hungry_server()
    for sample in sent["samples"]["processes"]:
        sample["processes"][0].update(waited=7.0, runnable=1, state="R")
    assert f"process {MAIN} (main) waited 30 s of 30 s" in judged(sent, **SILENT_HEALTH)["verdict"]["summary"]


def test_an_end_that_was_not_sampled_is_heard_in_the_rest():
    sent = hungry_server()
    sent["samples"]["processes"] = [s for s in sent["samples"]["processes"] if s["t"] < 24]
    assert named(sent, **SILENT_HEALTH)[1] == "slow_generation"


def test_older_bundles_know_nothing_of_it():
    assert named(mute(seconds=31.0), **SILENT_HEALTH) == LOOP_STANDS
    assert named(stalled(seconds=31.0, canary=canary())) == STANDS
