"""When counters are not ours alone."""

from __future__ import annotations

import pytest

from streamdiag.judge.traffic import other_traffic
from tests.unit.judge.bundles import canary, counters, machine, no_counters, rejected, stream, target


def traffic(*streams, before=None, after=None):
    sent = streams or (stream(), stream("tools"))
    return other_traffic(
        target(metrics=before or counters(0.0)), machine(metrics=after or counters(0.0)), [dict(s) for s in sent]
    )


def running(*seconds, case="simple"):
    """A stream beside which so many requests ran, second by second."""
    one = stream(case)
    one["samples"]["metrics"] = [counters(float(t), running=count) for t, count in enumerate(seconds)]
    return one


def finished(count):
    """The counters once so many requests were finished."""
    return counters(0.0, successes={"stop": count - 1.0, "length": 1.0})


ALONE = {
    "nothing else": {},
    "our own request": {"streams": [running(1.0)]},
    "our own and its canary": {"streams": [dict(running(2.0), canary=canary())]},
    "an earlier one that the engine never let go": {"streams": [running(1.0), running(2.0, case="tools")]},
    "no more finished than were sent": {
        "before": finished(42),
        "after": finished(44),
    },
    "what was refused first counts as sent": {
        "streams": [stream(retried=[rejected(400)])],
        "before": finished(1),
        "after": finished(3),
    },
    "counts are not served": {"before": counters(0.0, successes={}), "after": finished(99)},
    "counters fell: a restart": {
        "before": finished(42),
        "after": finished(1),
    },
    "no counters at all": {"before": no_counters(0.0), "after": no_counters(0.0)},
}


@pytest.mark.parametrize("given", ALONE.values(), ids=ALONE)
def test_alone(given):
    given = dict(given)
    assert traffic(*given.pop("streams", ()), **given) == ""


SHARED = {
    "running before": ({"before": counters(0.0, running=3.0)}, "3 requests were running before the first stream"),
    "waiting before": ({"before": counters(0.0, waiting=1.0)}, "1 request was waiting before the first stream"),
    "more finished than were sent": (
        {"before": finished(42), "after": finished(50)},
        "8 requests were finished during the run, 2 of them ours at most",
    ),
    "more running than were sent": (
        {"streams": [running(0.0, 50.0)]},
        "50 requests were running beside the case simple",
    ),
}


@pytest.mark.parametrize(("given", "words"), SHARED.values(), ids=SHARED)
def test_shared(given, words):
    given = dict(given)
    assert traffic(*given.pop("streams", ()), **given) == words


def test_the_canary_of_a_closer_look_is_ours():
    """It may be finished before it is closed, when the engine lives and something else holds the streams."""
    parts = target(metrics=finished(42)), machine(metrics=finished(44)), [stream()]
    assert other_traffic(*parts, looked_closer=True) == ""
    assert other_traffic(*parts, looked_closer=False) != ""


def test_without_parts_nothing_is_said():
    assert other_traffic({}, {}, []) == ""
