"""Rank methods against textbooks, against scipy, and against every way to deal the ranks."""

from __future__ import annotations

from itertools import combinations
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from streamdiag.compare.timing import holm, shift, together

# Permeability of the human chorioamnion, Hollander and Wolfe (1973), table 4.1: at term, and after 12 to 26 weeks.
# Their estimate is 0.305 and their interval of 96 % is -0.15 to 0.76.
AT_TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
EARLIER = [1.15, 0.88, 0.90, 0.74, 1.21]


def test_the_interval_of_the_textbook():
    found = shift(EARLIER, AT_TERM)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.305, -0.15, 0.76))
    assert found.level == pytest.approx(0.96, abs=5e-4)
    assert not found.shown


# Streams per run -> the level that the interval has: 95 % where it can be reached, else the most that can.
LEVELS = [(1, 1, 0.0), (2, 2, 2 / 3), (3, 3, 0.9), (4, 4, 1 - 2 / 70), (5, 5, 1 - 8 / 252), (3, 5, 1 - 2 / 56)]


@pytest.mark.parametrize(("before", "after", "level"), LEVELS)
def test_the_level_that_so_few_times_can_reach(before, after, level):
    found = shift(list(range(before)), list(range(10, 10 + after)))
    assert found.level == pytest.approx(level)
    assert found.shown == (level >= 0.95)
    assert (found.low is None) == (level == 0.0)


def test_without_times_there_is_no_difference():
    assert shift([], [1.0]) == (None, None, None, 0.0)


@pytest.mark.parametrize(("before", "after"), [(4, 4), (5, 5), (4, 6), (3, 3)])
def test_the_interval_holds_no_difference_as_often_as_it_promises(before, after):
    """Under no change every way to deal the ranks is as likely: in exactly ``level`` of them 0 lies inside."""
    places = range(before + after)
    inside = total = 0
    for chosen in combinations(places, after):
        found = shift([n for n in places if n not in chosen], list(chosen))
        total += 1
        inside += found.low <= 0 <= found.high
    assert inside / total == pytest.approx(found.level)


different = st.lists(st.integers(0, 10**6), min_size=4, max_size=12, unique=True)


@settings(deadline=None)
@given(different, st.data())
def test_the_interval_says_what_scipy_s_exact_test_says(times, data):
    cut = data.draw(st.integers(1, len(times) - 1))
    before, after = times[:cut], times[cut:]
    p_value = mannwhitneyu(before, after, method="exact").pvalue
    found = shift(before, after)
    if found.level >= 0.95:
        assert found.shown == (p_value <= 0.05 + 1e-12)
    assert together([(before, after)])[0] == pytest.approx(p_value)


@settings(deadline=None)
@given(different, st.data())
def test_swapped_runs_swap_the_sign(times, data):
    cut = data.draw(st.integers(1, len(times) - 1))
    there, back = shift(times[:cut], times[cut:]), shift(times[cut:], times[:cut])
    assert there.estimate == -back.estimate
    assert there.level == pytest.approx(back.level)
    if there.low is not None:
        assert (there.low, there.high) == (-back.high, -back.low)
    forth, direction = together([(times[:cut], times[cut:])])
    assert together([(times[cut:], times[:cut])]) == (pytest.approx(forth), -direction)


few = st.lists(st.integers(0, 3), min_size=1, max_size=3)


@settings(deadline=None)
@given(st.lists(st.tuples(few, few), min_size=1, max_size=2))
def test_ties_and_several_cases_are_counted_exactly(pairs):
    """Every way to deal the times of each case to the two runs, with the ranks of ties shared."""

    def score(whole, chosen):
        ranks = [sum(b < a for b in whole) + sum(b <= a for b in whole) for a in whole]
        return sum(ranks[n] for n in chosen)

    dealt = [0]
    seen = 0
    for before, after in pairs:
        whole = [*before, *after]
        seen += score(whole, range(len(before), len(whole)))
        parts = [score(whole, chosen) for chosen in combinations(range(len(whole)), len(after))]
        dealt = [a + b for a in dealt for b in parts]
    tail = min(sum(one <= seen for one in dealt), sum(one >= seen for one in dealt)) / len(dealt)
    assert together(pairs)[0] == pytest.approx(min(1.0, 2 * tail))


def test_several_cases_show_together_what_none_shows_alone():
    pair = ([1.0, 1.1, 1.2], [2.0, 2.1, 2.2])
    assert together([pair]) == (pytest.approx(0.1), 1)
    assert together([pair, pair]) == (pytest.approx(2 / 400), 1)
    assert together([pair, pair[::-1]])[0] == 1.0
    assert together([]) == (1.0, 0)


def test_holm_s_steps():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_the_estimate_is_the_median_of_all_differences():
    assert shift([0.1, 0.2], [0.4, 0.9]).estimate == pytest.approx(median([0.3, 0.8, 0.2, 0.7]))
