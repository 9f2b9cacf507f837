"""Tokens by the counters beside tokens that were shown: what is counted, and what must not be."""

from __future__ import annotations

import pytest

from streamdiag.judge.silence import longest_silence
from streamdiag.judge.tokens import tokens_used, unseen
from tests.unit.judge.bundles import (
    asked,
    call_events,
    canary,
    counters,
    event,
    no_counters,
    preamble,
    samples,
    stalled,
    stream,
    text_events,
    used,
)


def counted(one, *readings):
    """``one`` with these readings of the token counter: (t, tokens)."""
    one["samples"]["metrics"] = [counters(t, tokens) for t, tokens in readings]
    return one


def unseen_in(one):
    silence = longest_silence(one)
    return unseen(one, silence.start, silence.end)


def test_tokens_of_a_silence_are_those_that_no_delta_shows():
    # 3 s of thought at 20 tokens a second, then 20 deltas of one token in 2 s.
    one = stream(events=text_events(start=3.0, deltas=20))
    counted(one, *((float(t), 100.0 + 20 * min(t, 3) + 10 * max(0, t - 3)) for t in range(6)))
    assert unseen_in(one) == pytest.approx(58, abs=2)


def test_a_stream_that_is_shown_leaves_nothing_unseen():
    one = stream(events=text_events(deltas=40, step=0.1))
    counted(one, *((float(t), 100.0 + 10 * t) for t in range(5)))
    assert not unseen_in(one)


def test_a_whole_answer_between_two_looks_at_the_counters():
    # As on a fast GPU: 128 tokens in 64 ms, one look before and one after.
    one = stream(events=text_events(start=0.12, deltas=128, step=0.0005, **used(128)))
    assert unseen_in(counted(one, (0.0, 100.0), (0.2, 228.0))) == 0.0


@pytest.mark.parametrize("per_delta", [2, 3, 10, 50])
def test_several_tokens_to_a_delta_are_no_hidden_tokens(per_delta):
    # Speculative decoding, --stream-interval: 2.5 s to the first delta, the rest before the next look.
    count = max(1, 128 // per_delta)
    events = text_events(start=2.5, deltas=count, step=0.4 / count, word="one " * per_delta, **used(128))
    assert unseen_in(counted(stream(events=events), (0.0, 100.0), (1.0, 100.0), (2.0, 110.0), (3.0, 228.0))) < 16


def test_tokens_per_delta_are_learnt_outside_of_the_silence():
    # 5 tokens to a delta before and after 4 s of silence in which 200 tokens were made.
    first = text_events(end="", deltas=10, step=0.2)
    later = [dict(e, t=e["t"] + 4.0) for e in first[4:]]
    one = stream(events=[*first, *later], t=6.1)
    readings = [100.0, 125.0, 150.0, 241.0, 332.0, 375.0, 400.0]
    assert unseen_in(counted(one, *enumerate(readings))) == pytest.approx(195, abs=15)


def test_a_stall_in_the_middle_of_a_stream():
    # The counter is read once a second: what came after the last reading before the silence was shown.
    one = stalled(seconds=9.0, events=text_events(end="", deltas=18, step=0.1))
    counted(one, (0.0, 100.0), (1.0, 108.0), *((float(t), 118.0) for t in range(2, 10)))
    one["canary"] = None
    assert unseen_in(one) <= 2.0


def test_what_a_canary_may_have_is_not_counted():
    one = stalled(seconds=9.0, canary=canary(text_events(), how="closed"))
    counted(one, *((float(t), 100.0 if t < 3 else 116.0) for t in range(10)))
    assert unseen_in(one) == 0.0


def test_the_markup_of_a_call_is_not_counted():
    # Name, brackets and tags of a call are tokens that no delta shows.
    one = stalled("tools", 9.0, call_events(end=""), canary=None)
    counted(one, (0.0, 100.0), *((float(t), 131.0) for t in range(1, 10)))
    assert unseen_in(one) == 0.0


UNKNOWN = {
    "never read": [],
    "read once": [counters(0.0)],
    "not answered": [no_counters(float(t)) for t in range(9)],
    "not served": [counters(float(t), tokens=None) for t in range(9)],
    "a restart": [counters(float(t), 900.0 if t < 3 else 5.0) for t in range(9)],
}


@pytest.mark.parametrize("metrics", UNKNOWN.values(), ids=UNKNOWN)
def test_without_counters_nothing_is_known(metrics):
    one = stalled(seconds=8.0)
    one["samples"]["metrics"] = metrics
    assert unseen_in(one) is None


def test_a_stream_without_a_delta():
    one = stalled(seconds=9.0, canary=None, samples=samples(9.0, rate=10.0))
    assert unseen_in(one) == pytest.approx(90.0, abs=10)


def test_usage_is_read_from_the_terminal_event_only():
    assert tokens_used(stream(events=text_events(**used(17)))) == 17
    assert tokens_used(stalled()) is None
    for odd in ({"usage": None}, {"usage": {"output_tokens": "many"}}, {"usage": []}):
        assert tokens_used(stream(events=text_events(**odd))) is None
    cut = stream(events=[*preamble(), dict(event(0.5, "response.completed"), data='{"response": {"us')], **asked(9))
    assert tokens_used(cut) is None
