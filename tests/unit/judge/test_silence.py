"""The witnesses of a silence: heard at its end, and not before it began."""

from __future__ import annotations

import pytest

from streamdiag.judge.silence import SETTLING, WINDOW, longest_silence, standing
from tests.unit.judge.bundles import event, samples, stalled, standing_of, stream, text_events


def test_the_longest_silence_wins_and_the_first_of_equals():
    events = [event(1.0, "response.created"), event(3.0, "a.delta"), event(5.0, "b.delta")]
    one = stream(events=events, how="stopped", t=7.0)
    assert longest_silence(one).start == 1.0
    assert longest_silence(stream(events=[])).after == "the headers"


@pytest.mark.parametrize("seconds", [3.0, 7.0, 40.0])
def test_only_the_end_of_a_silence_counts(seconds):
    found = standing_of(stalled(seconds=seconds))
    silence = longest_silence(stalled(seconds=seconds)).seconds
    assert found.seconds == pytest.approx(min(WINDOW, silence - min(SETTLING, silence / 4)), abs=0.01)


def test_counters_that_catch_up_with_the_last_event_are_no_progress():
    one = stalled(seconds=9.0, events=text_events(end="", deltas=20))
    for sample in one["samples"]["metrics"]:
        sample["generation_tokens"] = 120.0 if sample["t"] > 2.2 else 110.0
    assert standing_of(one).tokens == 0.0


def test_an_engine_that_stopped_later_than_its_last_event_stands():
    one = stalled(seconds=30.0, samples=samples(30.0))
    for sample in one["samples"]["metrics"]:
        sample["generation_tokens"] = 100.0 + 5 * min(sample["t"], 15.0)
    assert standing_of(one).tokens == 0.0


def test_health_counts_within_the_silence_only():
    # It answered while the first token was waited for, and not any more when the stream broke off.
    one = stalled(seconds=20.0, events=text_events(start=4.0, end=""))
    for answer in one["samples"]["health"]:
        if answer["t"] > 4.5:
            answer.update(state="failed", http_status=None)
    found = standing_of(one)
    assert set(found.health) == {"no answer"}


def test_without_samples_nobody_is_heard():
    one = stalled(samples={"metrics": [], "processes": [], "gpus": [], "health": []}, canary=None)
    found = standing(one, longest_silence(one))
    assert (found.tokens, found.prompt_tokens, found.clocks, found.health) == (None, None, None, {})
    assert not found.canary_sent
