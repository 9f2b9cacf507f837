"""One stream -> outcome, silences, gaps, counts."""

from __future__ import annotations

import pytest

from streamdiag.judge.silence import longest_silence, max_byte_gap, pings, silences
from streamdiag.judge.streams import cut_by_limit, outcome, row
from streamdiag.judge.tokens import advanced
from streamdiag.responses import terminal_name
from tests.unit.judge.bundles import (
    canary,
    clocks,
    counters,
    event,
    mute,
    no_counters,
    preamble,
    refused,
    rejected,
    stalled,
    standing_of,
    stream,
    text_events,
    truncated,
)


def _ended(how, deadline="", reason="", **more):
    found = stream(events=more.pop("events", preamble()), how=how, t=more.pop("t", 31.0), **more)
    found["end"].update(how=how, deadline=deadline, reason=reason)
    return found


_NO_HEADERS = {"http_status": None, "t_headers": None, "events": []}

OUTCOMES = {
    "completed": (stream(), "completed"),
    "completed, cut by the limit as up to 0.32": (
        stream(events=text_events(incomplete_details={"reason": "max_output_tokens"})),
        "completed",
    ),
    "response.incomplete of 0.33": (stream(events=text_events(end="response.incomplete")), "incomplete"),
    "response.failed": (stream(events=text_events(end="response.failed")), "failed"),
    "response.cancelled": (stream(events=text_events(end="response.cancelled")), "failed"),
    "response.error of the fork": (stream(events=text_events(end="response.error")), "failed"),
    "error of the API": (stream(events=text_events(end="error")), "failed"),
    "terminal event, then the connection is left open": (
        _ended("deadline", "silence", events=text_events()),
        "completed",
    ),
    "silence deadline": (_ended("deadline", "silence"), "stalled"),
    "first event deadline": (_ended("deadline", "first_event", events=[]), "stalled"),
    "total deadline in a silence": (_ended("deadline", "total"), "stalled"),
    "total deadline while events flow": (
        _ended("deadline", "total", events=text_events(end="", step=1.0, deltas=30), t=30.0),
        "incomplete",
    ),
    "stopped early": (stalled(), "stalled"),
    "closed without a terminal event": (_ended("closed", events=text_events(end="")), "truncated"),
    "error in mid-stream": (truncated(), "truncated"),
    "closed after the headers": (_ended("closed", events=[]), "truncated"),
    "refused": (refused(), "unreachable"),
    "connect deadline": (_ended("deadline", "connect", t_connect=None, **_NO_HEADERS), "unreachable"),
    "headers deadline": (mute(), "stalled"),
    "connection lost before the headers": (_ended("error", "", "ReadError", **_NO_HEADERS), "failed"),
    "401": (rejected(401), "rejected"),
    "404": (rejected(404), "rejected"),
    "429": (rejected(429), "rejected"),
    "500": (rejected(500), "failed"),
    "503": (rejected(503), "failed"),
    "302 to somewhere": (rejected(302), "failed"),
}


@pytest.mark.parametrize(("one", "expected"), OUTCOMES.values(), ids=OUTCOMES)
def test_outcome(one, expected):
    assert outcome(one) == expected


def test_a_stream_that_the_server_names_only_in_its_data_is_completed():
    events = [dict(e, name="message") for e in text_events()]
    assert outcome(stream(events=events)) == "completed"


def test_silences_are_before_between_and_after_the_events():
    events = [event(1.0, "response.created"), event(4.0, "response.output_text.delta")]
    one = _ended("stopped", events=events, t=10.0)
    found = [(round(s.start, 2), round(s.seconds, 2), s.after) for s in silences(one)]
    assert found == [
        (0.05, 0.95, "the headers"),
        (1.0, 3.0, "response.created"),
        (4.0, 6.0, "response.output_text.delta"),
    ]
    assert longest_silence(one).after == "response.output_text.delta"


def test_nothing_after_the_terminal_event_is_a_silence():
    one = stream(t=100.0)
    assert longest_silence(one).seconds < 1.0
    assert row(one)["max_event_gap"] < 1.0


def test_without_headers_the_silence_begins_with_the_connection():
    found = longest_silence(mute(seconds=30.0))
    assert (found.start, found.after) == (0.01, "connect")
    assert row(mute())["max_event_gap"] is None


HEARTBEATS = {
    "response.ping": event(5.0, "response.ping"),
    "ping": event(5.0, "ping"),
    "no data": dict(event(5.0, "message"), data=""),
    "empty object": dict(event(5.0, "message"), data="{}"),
}


@pytest.mark.parametrize("beat", HEARTBEATS.values(), ids=HEARTBEATS)
def test_a_heartbeat_ends_the_silence_of_bytes_and_not_that_of_events(beat):
    one = _ended("stopped", events=[*preamble(0.1), beat], t=10.0)
    found = row(one)
    assert found["max_event_gap"] == pytest.approx(9.89)
    assert found["max_byte_gap"] == pytest.approx(5.0)
    assert (found["pings"], found["events"]) == (1, 2)
    assert outcome(one) == "stalled"


def test_a_comment_is_a_ping_too():
    one = stalled()
    one["comments"] = [{"t": 3.0, "text": "keep-alive"}, {"t": 6.0, "text": ""}]
    assert pings(one) == 2
    assert row(one)["events"] == 2


def test_a_delta_is_no_heartbeat():
    assert pings(stream()) == 0


def test_the_gap_of_bytes_counts_from_the_headers_to_the_end():
    one = stalled(seconds=20.0, events=[])
    assert max_byte_gap(one) == pytest.approx(19.95)
    one["reads"] = [{"t": 12.0, "size": 3}]
    assert max_byte_gap(one) == pytest.approx(11.95)
    assert max_byte_gap(refused()) is None


def test_the_first_terminal_event_counts():
    assert terminal_name(stream(events=[*text_events(), event(1.0, "error")])) == "response.completed"
    assert terminal_name(stalled()) is None


COUNTED = {
    "rising": ([counters(0.0, 10.0), counters(5.0, 17.0)], 7.0),
    "flat is zero": ([counters(0.0, 10.0), counters(5.0, 10.0)], 0.0),
    "never sampled is unknown": ([], None),
    "one sample is unknown": ([counters(0.0, 10.0)], None),
    "not served is unknown": ([counters(0.0, None), counters(5.0, None)], None),
    "not answered is unknown": ([no_counters(0.0), no_counters(5.0)], None),
    "answered once is unknown": ([counters(0.0, 10.0), no_counters(5.0)], None),
    "not a number is unknown": ([counters(0.0, 10.0), counters(5.0, float("nan"))], None),
}


@pytest.mark.parametrize(("metrics", "expected"), COUNTED.values(), ids=COUNTED)
def test_tokens_that_are_not_known_are_not_zero(metrics, expected):
    one = stalled()
    one["samples"]["metrics"] = metrics
    assert advanced(one, "generation_tokens") == expected
    assert row(one)["tokens_advanced"] == expected


def test_witnesses_are_heard_within_the_silence_only():
    one = stalled(seconds=9.0, events=[*preamble(), event(4.5, "response.output_text.delta")])
    one["samples"]["metrics"] = [counters(float(t), 100.0 + min(t, 4) * 10) for t in range(10)]
    one["samples"]["processes"] = [clocks(float(t), min(t, 4) * 1.0) for t in range(10)]
    found = standing_of(one)
    assert found.tokens == 0.0
    assert found.clocks.idle
    assert row(one)["tokens_advanced"] == 40.0


def test_a_canary_progresses_by_what_only_an_engine_can_send():
    assert not standing_of(stalled()).canary_progressed
    assert not standing_of(stalled(canary=canary([*preamble(), event(1.0, "response.ping")]))).canary_progressed
    assert standing_of(stalled(canary=canary(text_events(end="")))).canary_progressed
    assert not standing_of(stalled(canary=None)).canary_sent


def test_health_beside_the_stream_is_tallied():
    one = stalled(seconds=3.0)
    one["samples"]["health"][0].update(state="failed", http_status=None)
    one["samples"]["health"][1].update(http_status=503)
    assert standing_of(one).health == {"no answer": 1, "503": 1, "200": 1}


def test_what_cut_an_answer():
    cut = stream(events=text_events(incomplete_details={"reason": "max_output_tokens"}))
    assert cut_by_limit(cut) == "max_output_tokens"
    assert row(cut)["stop_reason"] == "max_output_tokens"
    assert cut_by_limit(stream()) == ""
    assert cut_by_limit(stalled()) == ""


def test_dropped_events_are_counted():
    assert row(stream(dropped_events=5))["events"] == len(text_events()) + 5
