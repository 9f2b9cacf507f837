"""The clocks of a stream, turned by hand."""

from __future__ import annotations

import pytest

from streamdiag.host import watch as watch_module
from streamdiag.host.watch import TICK, DeadlinePassed, Deadlines, Stopped, Watch, parse_deadlines

DEADLINES = Deadlines(connect=5, headers=10, first_event=20, silence=30, patience=60, total=1000)


class Clock:
    """Stands in for the module ``time``."""

    def __init__(self):
        self.t = 5000.0

    def monotonic(self):
        return self.t


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watch_module, "time", clock)
    return clock


def passed(watch):
    """The name of the deadline that has passed, or ""."""
    try:
        assert 0 < watch.wait() <= TICK
    except DeadlinePassed as deadline:
        return deadline.name
    return ""


# Steps: seconds go by (a number), or something happens (its name); then which deadline has passed.
@pytest.mark.parametrize(
    "steps, expected",
    [
        ([], ""),
        (["connected", 9.9], ""),
        (["connected", 10.1], "headers"),
        ([4, "connected", 9.9], ""),  # counted from the connection
        ([4, "connected", 10.1], "headers"),
        ([10.1], "headers"),
        (["connected", 9, "headers", 19.9], ""),
        (["connected", 9, "headers", 20.1], "first_event"),
        (["connected", 9, "headers", 19, "event", 29.9], ""),
        (["connected", 9, "headers", 19, "event", 30.1], "silence"),
        (["connected", "headers", "event", 29, "event", 29, "event", 29], ""),
        # Bytes without events (comments, pings, half an event) keep nothing alive.
        (["connected", 5, "bytes", 5.1, "bytes"], "headers"),
        (["connected", "headers", 19, "bytes", 1.1, "bytes"], "first_event"),
        (["connected", "headers", "event", 29, "bytes", 1.1, "bytes"], "silence"),
        # The whole counts, however lively.
        (["connected", "headers", *(["event", 25] * 40)], ""),
        (["connected", "headers", *(["event", 25] * 40), 0.1, "event"], "total"),
    ],
)
def test_deadlines(clock, steps, expected):
    assert after(clock, Watch(DEADLINES), steps) == expected


def after(clock, watch, steps):
    happens = {
        "connected": watch.connected,
        "headers": watch.headers_arrived,
        "event": watch.event_arrived,
        "bytes": lambda: watch.bytes_arrived(1),
    }
    for step in steps:
        if isinstance(step, str):
            happens[step]()
        else:
            clock.t += step
    return passed(watch)


@pytest.mark.parametrize(
    "steps, name",
    [
        (["connected"], "headers"),
        (["connected", "headers"], "first_event"),
        (["connected", "headers", "event"], "silence"),
    ],
)
def test_a_server_seen_working_is_waited_for_until_patience_ends(clock, steps, name):
    asked = []
    watch = Watch(DEADLINES, lambda: asked.append(1) or True)
    assert after(clock, watch, [*steps, 9.9]) == ""
    assert not asked, "nobody is asked before the deadline"
    assert after(clock, watch, [50]) == ""
    assert asked
    assert after(clock, watch, [0.2]) == name


def test_the_total_needs_no_silence_and_heeds_no_work(clock):
    watch = Watch(DEADLINES._replace(total=3), lambda: True)
    assert after(clock, watch, ["connected", "headers", 2.9, "event"]) == ""
    assert after(clock, watch, [0.2, "event"]) == "total"


def test_work_that_ends_ends_the_patience(clock):
    watch = Watch(DEADLINES, lambda: True)
    assert after(clock, watch, ["connected", "headers", "event", 40]) == ""
    watch.working = lambda: False
    assert passed(watch) == "silence"


def test_patience_shorter_than_silence_shortens_nothing(clock):
    watch = Watch(DEADLINES._replace(patience=1), lambda: True)
    assert after(clock, watch, ["connected", "headers", "event", 29.9]) == ""
    assert after(clock, watch, [0.2]) == "silence"


def test_how_long_was_waited_is_said(clock):
    watch = Watch(DEADLINES)
    after(clock, watch, [3, "connected", "headers", 1, "event"])
    clock.t += 33.25
    with pytest.raises(DeadlinePassed, match=r"nothing for 33\.2 s \(silence\)") as caught:
        watch.wait()
    assert caught.value.waited == pytest.approx(33.25)


def test_silence_begins_with_the_last_sign_of_life(clock):
    watch = Watch(DEADLINES)
    clock.t += 1
    assert watch.silence() == 1
    for happens in (watch.connected, watch.headers_arrived, watch.event_arrived, watch.event_arrived):
        clock.t += 1
        happens()
        assert watch.silence() == 0
        clock.t += 2
        watch.bytes_arrived(10)
        assert watch.silence() == 2
    assert (watch.t_connect, watch.t_headers, watch.last_event, watch.now()) == (2, 5, 11, 13)


def test_stop(clock):
    watch = Watch(DEADLINES)
    watch.stop("first")
    watch.stop("second")
    clock.t += 5000  # a stop is a stop, whatever else is due
    with pytest.raises(Stopped, match="first") as caught:
        watch.wait()
    assert caught.value.reason == "first"


def test_reads_carry_their_time_and_size(clock):
    watch = Watch(DEADLINES)
    for size in (5, 7):
        clock.t += 0.5
        watch.bytes_arrived(size)
    assert watch.reads == [{"t": 0.5, "size": 5, "not_before": 0.0}, {"t": 1.0, "size": 7, "not_before": 0.5}]


def test_a_read_knows_the_last_look_that_found_nothing(clock):
    watch = Watch(DEADLINES)
    clock.t += 0.5
    watch.nothing_came(0.4)
    watch.bytes_arrived(5)
    watch.bytes_arrived(7)
    assert [read["not_before"] for read in watch.reads] == [0.4, 0.5]


def test_defaults_wait_longest_for_a_server_that_works():
    default = Deadlines()
    assert default.connect < default.headers <= default.silence < default.patience < default.total
    assert default.as_dict() == parse_deadlines({}).as_dict()


@pytest.mark.parametrize(
    "given, expected",
    [
        ({"silence": 3}, 3.0),
        ({"silence": "3.5"}, 3.5),
        ({"silence": 0.1, "total": 9}, 0.1),
    ],
)
def test_parse(given, expected):
    assert parse_deadlines(given).silence == expected
    assert parse_deadlines(given).connect == Deadlines().connect


@pytest.mark.parametrize(
    "given, words",
    [
        ({"silense": 3}, "no deadline is called 'silense'; there are: connect, headers"),
        ({"silence": "soon"}, "silence: 'soon' is not a number"),
        ({"silence": None}, "silence: None is not a number"),
        ({"silence": True}, "silence: True is not a number"),
        ({"silence": 0}, "silence: 0 must be more than 0"),
        ({"silence": -1}, "must be more than 0"),
        ({"silence": "nan"}, "must be more than 0"),
        ({"silence": "inf"}, "silence: 'inf'"),  # no JSON, and never is not a deadline
    ],
)
def test_parse_refuses(given, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        parse_deadlines(given)
