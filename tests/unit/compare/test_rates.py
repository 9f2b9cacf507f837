"""Exact intervals and tests, against textbooks, against brute force, and against what they promise."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdiag.compare.arms import Counts
from streamdiag.compare.rates import difference, rate, smallest, together

# Failed, sent, and the 95 % interval: as in published tables; for none of n by hand: 1 - 0.025 ** (1 / n).
INTERVALS = [
    (0, 5, 0.0, 0.5218),
    (5, 5, 0.4782, 1.0),
    (1, 1, 0.025, 1.0),
    (3, 10, 0.0667, 0.6525),
    (1, 10, 0.0025, 0.4450),
    (50, 100, 0.3983, 0.6017),
    (0, 0, 0.0, 1.0),
]


@pytest.mark.parametrize(("failed", "sent", "low", "high"), INTERVALS)
def test_the_interval_is_that_of_clopper_and_pearson(failed, sent, low, high):
    found = rate(failed, sent)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=5e-5)
    assert found["rate"] == (failed / sent if sent else None)


@pytest.mark.parametrize("sent", [1, 3, 5, 10])
def test_the_interval_holds_the_true_rate_as_often_as_it_promises(sent):
    """Not simulated: the exact coverage, over a grid of true rates."""
    bounds = [rate(failed, sent) for failed in range(sent + 1)]
    for true in (n / 200 for n in range(201)):
        chances = [math.comb(sent, k) * true**k * (1 - true) ** (sent - k) for k in range(sent + 1)]
        covered = sum(c for c, one in zip(chances, bounds, strict=True) if one["low"] <= true <= one["high"])
        assert covered >= 0.95


# Before, after, and p: Fisher's own tea (The Design of Experiments, 1935), and the numbers of small audits.
TESTS = [
    ((3, 4, 1, 4), 0.4857),
    ((5, 5, 0, 5), 0.0079),
    ((4, 5, 0, 5), 0.0476),
    ((3, 5, 0, 5), 0.1667),
    ((5, 5, 5, 5), 1.0),
    ((1, 1, 0, 1), 1.0),
    ((4, 4, 0, 4), 0.0286),
    ((3, 3, 0, 3), 0.1),
    ((0, 0, 3, 5), 1.0),
]


@pytest.mark.parametrize(("counts", "p_value"), TESTS)
def test_the_difference_is_fisher_s(counts, p_value):
    assert difference(Counts(*counts)) == pytest.approx(p_value, abs=5e-5)
    assert together([Counts(*counts)]) == pytest.approx(p_value, abs=5e-5)


def test_so_few_streams_can_never_show_a_difference():
    assert {n: smallest(n, n) <= 0.05 for n in range(1, 6)} == {1: False, 2: False, 3: False, 4: True, 5: True}


counts = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda sent: st.tuples(st.integers(0, sent[0]), st.integers(0, sent[1])).map(
        lambda failed: Counts(failed[0], sent[0], failed[1], sent[1])
    )
)


@settings(deadline=None)
@given(counts)
def test_one_case_by_itself_is_fisher_s_test(one):
    # In rare tables two chances differ by less than the rounding: then the joint test counts one table more.
    assert difference(one) - 1e-9 <= together([one]) <= difference(one) + 0.02


@settings(deadline=None)
@given(st.lists(counts, max_size=5))
def test_the_order_of_runs_and_cases_changes_no_p_value(cases):
    expected = together(cases)
    assert together([one.mirrored for one in cases]) == pytest.approx(expected)
    assert together(cases[::-1]) == pytest.approx(expected)


def _tables(one):
    """Failures before -> chance, with the margins of ``one``; in whole numbers, so exact."""
    bad, sent = one.before_failed + one.after_failed, one.before_sent + one.after_sent
    ways = {
        k: math.comb(bad, k) * math.comb(sent - bad, one.before_sent - k)
        for k in range(bad + 1)
        if 0 <= one.before_sent - k <= sent - bad
    }
    return {k: Fraction(way, math.comb(sent, one.before_sent)) for k, way in ways.items()}


@settings(deadline=None)
@given(counts, counts)
def test_two_cases_together_are_what_counting_every_pair_of_tables_says(one, other):
    first, second = _tables(one), _tables(other)
    seen = first[one.before_failed] * second[other.before_failed]
    exact = sum(a * b for a, b in product(first.values(), second.values()) if a * b <= seen)
    near = sum(a * b for a, b in product(first.values(), second.values()) if a * b <= seen * Fraction(101, 100))
    assert float(exact) - 1e-9 <= together([one, other]) <= float(near) + 1e-9


@settings(deadline=None, max_examples=40)
@given(st.lists(counts, min_size=1, max_size=2))
def test_chance_alone_shows_a_difference_in_at_most_one_comparison_of_twenty(cases):
    """Given the margins: over every table that they allow, with its chance."""
    shown = 0.0
    for before in product(*(_tables(one).items() for one in cases)):
        seen = [
            one._replace(before_failed=k, after_failed=one.before_failed + one.after_failed - k)
            for one, (k, _chance) in zip(cases, before, strict=True)
        ]
        if together(seen) <= 0.05:
            shown += float(math.prod(chance for _k, chance in before))
    assert shown <= 0.05


def test_cases_in_which_nothing_failed_dilute_nothing_and_opposite_cases_do_not_cancel_out():
    fixed, quiet = Counts(5, 5, 0, 5), Counts(0, 5, 0, 5)
    assert together([fixed, *[quiet] * 8]) == pytest.approx(difference(fixed))
    assert together([fixed, fixed.mirrored]) < 0.001
    assert together([]) == 1.0


def test_many_streams_of_many_cases_take_no_long_time():
    cases = [Counts(n, 20, 20 - n, 20) for n in range(13)]
    assert together(cases) < 0.05
