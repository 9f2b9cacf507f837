"""Rates of failure: exact intervals, and exact tests of their difference. Small numbers, so nothing is approximated."""

from __future__ import annotations

import math
from typing import Dict, Sequence, Tuple

from scipy.stats import binomtest, fisher_exact, hypergeom

from .arms import Counts
from .comparison import Rate

#: Confidence of every interval, and one minus the error of every test.
LEVEL = 0.95
#: Decimals to which surprise is told apart when tables are ordered by it, in nats.
_DECIMALS = 3


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
    spread: Dict[float, float] = {0.0: 1.0}
    seen = 0.0
    for counts in cases:
        table = _surprise(counts)
        seen += table[counts.before_failed][0]
        wider: Dict[float, float] = {}
        for surprise, chance in spread.items():
            for more, part in table.values():
                total = round(surprise + more, _DECIMALS)
                wider[total] = wider.get(total, 0.0) + chance * part
        spread = wider
    rounding = len(cases) * 10.0**-_DECIMALS  # towards no difference
    return min(1.0, sum(chance for surprise, chance in spread.items() if surprise >= seen - rounding))


def _surprise(counts: Counts) -> Dict[int, Tuple[float, float]]:
    """Failures before -> how surprising (minus the logarithm of the chance), and the chance, with these margins."""
    bad, sent = counts.before_failed + counts.after_failed, counts.before_sent + counts.after_sent
    found: Dict[int, Tuple[float, float]] = {}
    for before in range(max(0, bad - counts.after_sent), min(bad, counts.before_sent) + 1):
        chance = float(hypergeom.pmf(before, sent, bad, counts.before_sent))
        if chance > 0.0 or before == counts.before_failed:
            found[before] = (round(-math.log(max(chance, 1e-300)), _DECIMALS), chance)
    return found
