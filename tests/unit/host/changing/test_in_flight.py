"""Are requests in flight? What gauges, counters, sockets and clocks say together."""

from __future__ import annotations

import pytest

from streamdiag.host.changing.in_flight import Look, decide


def look(t, running=0.0, waiting=0.0, tokens=100.0, cpu=1.0, sockets=(), state="S", metrics="ok"):
    counted = {"t": t, "state": metrics, "reason": "" if metrics == "ok" else "timed out"}
    if running is not None:
        counted.update(running=running, waiting=waiting, generation_tokens=tokens, prompt_tokens=5.0)
    engine = {"pid": 2, "role": "engine_core", "cpu": cpu, "state": state}
    processes = [{"pid": 1, "role": "main", "cpu": t, "state": "S"}, engine]
    return Look(t, counted, {"t": t, "processes": processes}, sockets)


CLIENT = (("10.0.0.1:5", 0, 0),)


def without_cpu(looks):
    """The engine wants to run, and waits for a CPU all the time."""
    for one in looks:
        one.processes["processes"][1].update(waited=one.t, runnable=1)
    return looks


def over(seconds, step=0.5, **how):
    """Looks over ``seconds``; a callable is asked for its value at each time."""
    times = [at * step for at in range(int(seconds / step) + 1)]
    return [look(t, **{k: v(t) if callable(v) else v for k, v in how.items()}) for t in times]


@pytest.mark.parametrize(
    ("looks", "state"),
    [
        ([look(0.0)], "unsure"),
        (over(0.5), "idle"),
        (over(0.5, sockets=CLIENT), "idle"),
        (over(0.5, tokens=lambda t: t), "unsure"),
        (over(2.0, running=1.0, tokens=lambda t: t), "busy"),
        (over(2.0, waiting=1.0, tokens=lambda t: t), "busy"),
        (over(2.0, running=1.0, sockets=CLIENT), "unsure"),
        (over(12.0, running=1.0, sockets=CLIENT), "stalled"),
        (over(5.0, running=1.0, sockets=CLIENT, state="T"), "stalled"),
        (over(12.0, running=1.0, cpu=lambda t: t), "busy"),
        (over(12.0, running=1.0, sockets=lambda t: CLIENT if t < 6 else ()), "busy"),
        (over(2.0, running=None, sockets=()), "idle"),
        (over(2.0, running=None, sockets=CLIENT), "unsure"),
        (over(12.0, running=None, sockets=CLIENT), "stalled"),
        (over(2.0, running=None, sockets=lambda t: (("10.0.0.1:5", 0, int(t)),)), "busy"),
        (over(2.0, running=None, metrics="failed", sockets=CLIENT), "unsure"),
    ],
)
def test_decisions(looks, state):
    assert decide(looks).state == state, decide(looks).words


def test_a_server_without_cpu_still_serves():
    decision = decide(without_cpu(over(12.0, running=1.0, sockets=CLIENT)))
    assert decision.state == "busy"
    assert decision.words.endswith(": process 2 (engine_core) waited 12 s of 12 s for a CPU")
    assert decide(without_cpu(over(5.0, running=1.0, sockets=CLIENT, state="T"))).state == "stalled"


def test_no_server():
    empty = Look(0.0, {"t": 0.0, "state": "failed", "reason": "refused"}, {"t": 0.0, "processes": []}, ())
    assert decide([empty]).state == "idle"
    assert "nobody is served" in decide(over(12.0, running=1.0)).words
