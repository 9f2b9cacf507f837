"""A server that runs and does not listen yet: whether it works on it or stands, and that it is not started again."""

from __future__ import annotations

import pytest

from streamdiag.judge.assess import assess
from streamdiag.judge.starting import starting
from tests.unit.judge.bundles import (
    AT,
    MAIN,
    OK,
    WORKER,
    bundle,
    facts,
    machine,
    process,
    refused,
    stalled,
    target,
    unit,
)


def looks(*used, state=("active", "running"), later=5.0, **main):
    """Two looks, ``later`` seconds apart: CPU seconds of the API server, and of a worker that is there where told."""
    before, after = ([process(pid, role, cpu=cpu, **main) for pid, role, cpu in _named(cpus)] for cpus in used)
    return {
        "target": target(at=AT, unit=unit(*state), processes={**OK, "processes": before}),
        "machine": machine(at=AT + later, unit=unit(*state), processes={**OK, "processes": after}),
    }


def _named(cpus):
    return [(pid, role, cpu) for (pid, role), cpu in zip(((MAIN, "main"), (WORKER, "worker")), cpus)]


LOOKS = {
    "at work": (looks((9.0, 4.0), (9.1, 7.0)), 3.1, False),
    "at work in a process that was not there": (looks((9.0,), (9.0, 2.0)), 2.0, False),
    "stands": (looks((9.0, 4.0), (9.0, 4.1)), 0.1, True),
    "a main process of its own at the second look": (looks((), (9.0,)), None, False),
    "no time between the looks": (looks((9.0,), (9.0,), later=0.5), None, False),
}


@pytest.mark.parametrize("name", LOOKS)
def test_what_it_does_is_told_by_its_clocks(name):
    parts, used, stands = LOOKS[name]
    seen = starting(facts(refused(), **parts))
    assert (seen.cpu if used is None else round(seen.cpu, 2), seen.stands) == (used, stands)
    summary = assess(bundle(refused(), **parts))["verdict"]["summary"]
    assert {"at work": "starting", "stands": "does nothing"}.get(name.split(" in ")[0], "up for") in summary


@pytest.mark.parametrize(
    ("age", "words"), [(14.0, "up for 14 s"), (119.4, "119 s"), (3600.0, "60 min"), (9000.0, "up for 2 h")]
)
def test_for_how_long_it_is_up(age, words):
    parts = looks((9.0,), (9.0,), started_at=AT + 5.0 - age)
    assert words in assess(bundle(refused(), **parts))["verdict"]["summary"]


NOT_STARTING = {
    "it answers": facts(stalled(), **looks((9.0,), (9.1,))),
    "it is down": facts(refused(), **looks((9.0,), (9.1,), state=("failed", "failed"))),
    "no process is seen": facts(refused(), **looks((), ())),
    "nothing was gathered after the streams": facts(refused(), target=looks((9.0,), (9.1,))["target"], machine=None),
}


@pytest.mark.parametrize("name", NOT_STARTING)
def test_what_is_not_starting(name):
    assert starting(NOT_STARTING[name]) is None


def test_a_server_that_loads_is_waited_for():
    steps = assess(bundle(refused(), **looks((9.0,), (12.0,))))["verdict"]["next_step"]
    assert "state=started" not in steps and "state=restarted" not in steps
    assert steps.index("journalctl -u vllm.service") < steps.index("diagnose.yml")


def test_a_server_that_stands_is_looked_at_before_it_is_restarted():
    steps = assess(bundle(refused(), **looks((9.0,), (9.0,))))["verdict"]["next_step"]
    order = [steps.index(word) for word in ("journalctl", f"py-spy dump --nonblocking --pid {MAIN}", "state=restarted")]
    assert order == sorted(order)
