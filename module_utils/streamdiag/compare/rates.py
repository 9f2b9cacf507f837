"""Rates of failure: exact intervals, and exact tests of their difference. Small numbers, so nothing is approximated."""

from __future__ import annotations

import math
from typing import Dict, Sequence, Tuple

import numpy as np
from scipy.stats import binomtest, fisher_exact, hypergeom

from .arms import Counts
from .comparison import Rate

#: Confidence of every interval, and one minus the error of every test.
LEVEL = 0.95
#: Steps to a nat in which surprise is told apart when tables are ordered by it.
_STEPS = 1000
#: Chances below it count as it: their logarithm must exist.
_LEAST = 1e-300


def rate(failed: int, sent: int) -> Rate:
    """``failed`` of ``sent`` with the Clopper-Pearson interval (Biometrika 26, 1934)."""
    if not sent:
        return Rate(failed=0, sent=0, rate=None, low=0.0, high=1.0)
    found = binomtest(failed, sent).proportion_ci(LEVEL, method="exact")
    return Rate(failed=failed, sent=sent, rate=failed / sent, low=float(found.low), high=float(found.high))


def difference(counts: Counts) -> float:
    """The p-value of Fisher's exact test, two-sided: could one rate have brought both? 1 when one run sent nothing."""
    before, after = (counts.before_failed, counts.before_sent), (counts.after_failed, counts.after_sent)
    return min(1.0, float(fisher_exact([[bad, sent - bad] for bad, sent in (before, after)]).pvalue))


def smallest(before_sent: int, after_sent: int) -> float:
    """The smallest p-value that so many streams can give: all failed before, none after."""
    return difference(Counts(before_sent, before_sent, 0, after_sent))


def together(cases: Sequence[Counts]) -> float:
    """The p-value of all cases at once: in none of them did the change make a difference.

    Fisher's test over several tables: with the margins of each case given, the tables are independent and
    hypergeometric, and those count as extreme that are together no likelier than what was seen (Freeman and Halton,
    Biometrika 38, 1951). Cases that differ in opposite directions do not cancel out.
    """
    spread, seen = np.ones(1), 0  # index: how surprising, in steps
    for counts in cases:
        table = _surprise(counts)
        seen += table[counts.before_failed][0]
        wider = np.zeros(len(spread) + max(steps for steps, _chance in table.values()))
        for steps, chance in table.values():
            wider[steps : steps + len(spread)] += chance * spread
        spread = wider
    from_here = max(0, seen - len(cases))  # what rounding may have moved counts as extreme: towards no difference
    return min(1.0, float(spread[from_here:].sum()))


def _surprise(counts: Counts) -> Dict[int, Tuple[int, float]]:
    """Failures before -> how surprising (minus the logarithm of the chance, in steps), and the chance itself."""
    bad, sent = counts.before_failed + counts.after_failed, counts.before_sent + counts.after_sent
    possible = range(max(0, bad - counts.after_sent), min(bad, counts.before_sent) + 1)
    chances = hypergeom.pmf(possible, sent, bad, counts.before_sent)
    return {
        before: (max(0, round(-math.log(max(chance, _LEAST)) * _STEPS)), chance)
        for before, chance in zip(possible, map(float, chances))
    }
