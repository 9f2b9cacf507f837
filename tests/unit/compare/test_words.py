"""Numbers -> words, one case at a time: one success proves nothing, and flaky is not fixed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdiag.compare.arms import Counts
from streamdiag.compare.words import BROKEN, FIXED, FLAKY, NO_DIFFERENCE, case_row, shown

# Failed and sent before, failed and sent after -> word, and what its words must say.
WORDS = [
    ((5, 5, 0, 5), FIXED, "5 of 5 streams failed before (48 to 100 %), 0 of 5 after (0 to 52 %), p = 0.0079"),
    ((0, 5, 5, 5), BROKEN, "0 of 5 streams failed before"),
    ((4, 5, 0, 5), FIXED, "p = 0.048"),
    ((3, 5, 0, 5), FLAKY, "p = 0.17; not shown to be fixed"),
    ((0, 5, 3, 5), FLAKY, "not shown to be another rate"),
    ((3, 5, 2, 5), FLAKY, "p = 1"),
    ((5, 5, 4, 5), FLAKY, "not shown to be fixed"),
    ((0, 5, 0, 5), NO_DIFFERENCE, "0 of 5 streams failed before (0 to 52 %)"),
    ((5, 5, 5, 5), NO_DIFFERENCE, "5 of 5 after (48 to 100 %)"),
    ((1, 1, 0, 1), NO_DIFFERENCE, "one stream per arm proves nothing"),
    ((0, 1, 1, 1), NO_DIFFERENCE, "one stream per arm proves nothing"),
    ((3, 3, 0, 3), NO_DIFFERENCE, "3 and 3 streams cannot show a difference"),
    ((5, 5, 0, 1), NO_DIFFERENCE, "5 and 1 streams cannot show a difference"),
    ((20, 20, 5, 20), FLAKY, "it fails less often, and it still fails"),
    ((5, 20, 20, 20), FLAKY, "it fails more often, and it failed before"),
]


@pytest.mark.parametrize(("counts", "word", "said"), WORDS)
def test_the_word_of_a_case(counts, word, said):
    one = Counts(*counts)
    found = case_row("simple", one, shown([one]))
    assert found["word"] == word
    assert found["words"].startswith(word + ": ")
    assert said in found["words"]


# An arm that was ended early: what is missing counts against a difference.
EARLY = [
    (Counts(5, 5, 0, 4, 0, 1), NO_DIFFERENCE),
    (Counts(4, 4, 0, 5, 1, 0), FIXED),
    (Counts(3, 3, 0, 5, 2, 0), NO_DIFFERENCE),
    (Counts(0, 4, 5, 5, 1, 0), NO_DIFFERENCE),
    (Counts(0, 5, 4, 4, 0, 1), BROKEN),
]


@pytest.mark.parametrize(("counts", "word"), EARLY)
def test_streams_that_are_missing_never_help(counts, word):
    found = case_row("simple", counts, shown([counts]))
    assert found["word"] == word
    if word == NO_DIFFERENCE:
        assert "are counted against a difference" in found["words"]


counts = st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(
    lambda sent: st.tuples(st.integers(0, sent[0]), st.integers(0, sent[1]), st.integers(0, 2), st.integers(0, 2)).map(
        lambda more: Counts(more[0], sent[0], more[1], sent[1], more[2], more[3])
    )
)
MIRRORED = {FIXED: BROKEN, BROKEN: FIXED}


@settings(deadline=None)
@given(counts, st.booleans())
def test_swapped_runs_swap_fixed_and_broken(one, gate):
    word = case_row("simple", one, gate)["word"]
    assert case_row("simple", one.mirrored, gate)["word"] == MIRRORED.get(word, word)


@settings(deadline=None)
@given(counts)
def test_fixed_needs_proof(one):
    found = case_row("simple", one, shown([one]))
    if found["word"] == FIXED:
        assert found["after"]["failed"] == 0 < found["before"]["failed"]
        assert found["p_value"] <= 0.05
        assert not one.after_missing
    if found["word"] == NO_DIFFERENCE:
        assert found["before"]["failed"] in (0, found["before"]["sent"])
        assert found["after"]["failed"] in (0, found["after"]["sent"])


def test_a_word_needs_all_cases_together_to_show_a_difference():
    lucky = Counts(4, 5, 0, 5)
    flaky = [Counts(3, 5, 2, 5), Counts(2, 5, 3, 5), Counts(1, 5, 2, 5), Counts(2, 5, 2, 5)]
    assert case_row("simple", lucky, shown([lucky]))["word"] == FIXED
    found = case_row("simple", lucky, shown([lucky, *flaky]))
    assert found["word"] == FLAKY
    assert "all cases together show no difference" in found["words"]


def test_a_server_that_hangs_at_random_is_hardly_ever_called_fixed():
    """A thousand audits of five cases, five streams per arm, half of which hang, before and after alike."""
    dice = random.Random(1)
    wrong = 0
    for _audit in range(1000):
        cases = [Counts(_hangs(dice), 5, _hangs(dice), 5) for _case in range(5)]
        gate = shown(cases)
        wrong += gate and any(case_row("c", one, gate)["word"] in (FIXED, BROKEN) for one in cases)
    assert wrong <= 50


def _hangs(dice):
    return sum(dice.random() < 0.5 for _stream in range(5))
