"""Differences of times without a law of their distribution: by ranks, exact for small numbers."""

from __future__ import annotations

from statistics import median
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from .rates import LEVEL


class Shift(NamedTuple):
    """After minus before, in seconds. ``level``: the confidence of ``low`` to ``high``, 0 without an interval."""

    estimate: Optional[float]
    low: Optional[float]
    high: Optional[float]
    level: float

    @property
    def shown(self) -> bool:
        """The interval has the level that is asked for, and 0 lies outside."""
        return (
            self.level >= LEVEL and self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)
        )


def shift(before: Sequence[float], after: Sequence[float]) -> Shift:
    """The Hodges-Lehmann estimate and the exact interval that inverts the Mann-Whitney test.

    Hodges and Lehmann, Ann. Math. Stat. 34, 1963; Hollander, Wolfe and Chicken, Nonparametric Statistical Methods,
    section 4.3. Of all intervals that order statistics give, the narrowest with at least 95 %; where so few times
    cannot give 95 % (3 and 3: 90 %), the widest with the level that it has. Ties make it wider than it need be, never
    narrower.
    """
    if not before or not after:
        return Shift(None, None, None, 0.0)
    differences = sorted(round(b - a, 6) for a in before for b in after)
    tail = np.cumsum(_rank_sums(np.arange(1, len(before) + len(after) + 1), len(after)))
    inside = np.flatnonzero(2 * tail <= 1 - LEVEL)
    cut = int(inside[-1]) if len(inside) else 0  # differences that are left out at either end
    level = max(0.0, float(1 - 2 * tail[cut]))
    if level < 1e-9:
        return Shift(median(differences), None, None, 0.0)
    return Shift(median(differences), differences[cut], differences[-1 - cut], level)


def together(pairs: Sequence[Tuple[Sequence[float], Sequence[float]]]) -> Tuple[float, int]:
    """The p-value of all cases at once, and the direction: 1 slower, -1 faster, 0 neither.

    The rank-sum test, stratified: times are ranked within their case, and the sums of ranks are added (van Elteren,
    1960, with equal weights). Its distribution is exact, ties included: every way to deal the ranks of a case to the
    two runs is as likely as any other.
    """
    spread, seen = np.ones(1), 0
    for before, after in pairs:
        ranks = np.rint(2 * rankdata([*before, *after])).astype(np.int64)  # twice: a tie has half ranks
        least = int(np.sort(ranks)[: len(after)].sum())
        spread = np.convolve(spread, _rank_sums(ranks, len(after)))
        seen += int(ranks[len(before) :].sum()) - least
    below, above = float(spread[: seen + 1].sum()), float(spread[seen:].sum())
    p_value = min(1.0, 2 * min(below, above))
    return p_value, 0 if p_value > 1 - 1e-9 else (1 if above < below else -1)


def _rank_sums(ranks: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The chances of the sums that ``count`` of ``ranks`` have, dealt at random; index 0 is the smallest sum."""
    ordered = np.sort(ranks)
    least, most = int(ordered[:count].sum()), int(ordered[len(ordered) - count :].sum())
    ways = np.zeros((count + 1, most + 1))
    ways[0, 0] = 1.0
    for rank in ordered:
        ways[1:, rank:] += ways[:-1, : most + 1 - rank].copy()
    found: NDArray[np.float64] = ways[count, least:] / ways[count].sum()
    return found


def holm(p_values: Sequence[float]) -> List[float]:
    """Adjusted for their number (Holm, Scand. J. Stat. 6, 1979), in the order given."""
    adjusted, least = [1.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = least
    return adjusted
