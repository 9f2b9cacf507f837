"""Times of streams, case by case and all cases together: slower, faster, or no difference shown."""

from __future__ import annotations

from statistics import median
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from ..judge.result import StreamRow
from ..words import Words, joined, say
from .arms import Arm, failed
from .comparison import Pace, Timing
from .rates import LEVEL
from .timing import Shift, holm, shift, together
from .words import NO_DIFFERENCE, p, said_of

SLOWER = say("slower")
FASTER = say("faster")
_MEASURES: Dict[str, Callable[[StreamRow], Optional[float]]] = {
    "t_first_event": lambda row: row["t_first_event"],
    "max_event_gap": lambda row: row["max_event_gap"],
    "max_byte_gap": lambda row: row["max_byte_gap"],
    "duration": lambda row: row["duration"],
}
MEASURES = tuple(_MEASURES)
_TITLES = {
    "t_first_event": say("time to the first event"),
    "max_event_gap": say("longest silence between events"),
    "max_byte_gap": say("longest silence between bytes"),
    "duration": say("duration"),
}
_Pair = Tuple[List[float], List[float]]


def title(measure: str) -> Words:
    return _TITLES[measure]


def compare_pace(names: Sequence[str], before: Arm, after: Arm) -> Tuple[List[Pace], List[Timing]]:
    """Every measure over all cases ``names``, and every measure of every case.

    A case is called slower or faster only when all cases together are, by an exact test that is corrected for the
    number of measures: forty intervals of 95 % would name a difference by chance in nearly every comparison.
    """
    pairs = {m: {name: (_values(m, before[name]), _values(m, after[name])) for name in names} for m in MEASURES}
    tests = [_test(pairs[measure]) for measure in MEASURES]
    adjusted = holm([p_value for p_value, _direction, _count in tests])
    pace, timings = [], []
    for measure, (p_value, direction, count), corrected in zip(MEASURES, tests, adjusted):
        word = {1: SLOWER, -1: FASTER}.get(direction if corrected <= 1 - LEVEL else 0, NO_DIFFERENCE)
        words = said_of(title(measure), _over(count, word, corrected))
        pace.append(Pace(measure=measure, p_value=p_value, p_adjusted=corrected, word=word, words=words))
        timings += [_timing(measure, name, pair, word) for name, pair in pairs[measure].items()]
    return pace, timings


def _over(count: int, word: str, p_value: float) -> Words:
    """What ``count`` cases together show."""
    if not count:
        return say("no case has two times per arm, so nothing is shown")
    if count == 1:
        return say("{word} over one case (p = {p})", word=word, p=p(p_value))
    return say("{word} over {count} cases (p = {p})", word=word, count=count, p=p(p_value))


def _values(measure: str, rows: List[StreamRow]) -> List[float]:
    """The times that can be compared: how long a stream that fails lasts is the probe's choice, not the server's.

    The first event is one also of a stream that hangs later.
    """
    kept = [_MEASURES[measure](row) for row in rows if measure == "t_first_event" or not failed(row)]
    return [seconds for seconds in kept if seconds is not None]


def _test(pairs: Dict[str, _Pair]) -> Tuple[float, int, int]:
    """p-value, direction and how many cases took part: those with two times in each run."""
    enough = [pair for pair in pairs.values() if min(map(len, pair)) > 1]
    return (*together(enough), len(enough))


def _timing(measure: str, name: str, pair: _Pair, overall: str) -> Timing:
    before, after = pair
    found = shift(before, after)
    word = (SLOWER if (found.low or 0.0) > 0 else FASTER) if found.shown else NO_DIFFERENCE
    word = word if word == overall else NO_DIFFERENCE
    return Timing(
        measure=measure,
        name=name,
        before_count=len(before),
        after_count=len(after),
        before_median=median(before) if before else None,
        after_median=median(after) if after else None,
        difference=found.estimate,
        low=found.low,
        high=found.high,
        level=found.level,
        word=word,
        words=joined(
            ": ",
            [say("{measure} of {case}", measure=title(measure), case=name), word, _numbers(before, after, found)],
        ),
    )


def _numbers(before: List[float], after: List[float], found: Shift) -> Words:
    counts = {"before": len(before), "after": len(after)}
    if found.estimate is None:
        return say("{before} times before and {after} after are nothing to compare", **counts)
    by = say("{seconds:+.3f} s", seconds=found.estimate)
    if found.low is None or found.high is None:
        alone = len(before) == len(after) == 1
        return joined("; ", [by, say("one time per arm proves nothing")]) if alone else by
    said = say(
        "{by} ({level:.1f} % interval {low:+.3f} to {high:+.3f} s, {before} and {after} times)",
        by=by,
        level=100 * found.level,
        low=found.low,
        high=found.high,
        **counts,
    )
    if found.level >= LEVEL:
        return said
    return joined("; ", [said, say("so few cannot reach {level:.0f} %", level=100 * LEVEL)])
