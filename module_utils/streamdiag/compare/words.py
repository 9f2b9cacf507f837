"""Numbers -> words. One success after a change proves nothing, and flaky is not fixed."""

from __future__ import annotations

from typing import Dict, List, Sequence

from ..words import Words, joined, say
from .arms import Counts
from .comparison import CaseRow, Overall, Rate
from .rates import LEVEL, difference, rate, smallest, together

FIXED = say("fixed")
BROKEN = say("broken by the change")
FLAKY = say("flaky")
NO_DIFFERENCE = say("no difference shown")
#: Of all cases only.
FIXED_IN_PART = say("fixed in part")
BROKEN_IN_PART = say("broken in part")
MIXED = say("mixed")
#: The two runs.
BEFORE = say("before")
AFTER = say("after")

_ERROR = 1 - LEVEL


def shown(cases: Sequence[Counts]) -> bool:
    """All cases together show that the change made a difference, with every missing stream counted against that.

    It stands before every word on a single case: with ten flaky cases one of them looks fixed by chance now and then.
    That protects the words as long as no case changed at all (Fisher's protected test); a case of its own has to pass
    its own test, too.
    """
    return together([_cautious(counts) for counts in cases]) <= _ERROR


def case_row(name: str, counts: Counts, gate: bool) -> CaseRow:
    """The row of one case. ``gate``: whether all cases together show a difference."""
    before, after = rates_of(counts)
    row = CaseRow(
        name=name,
        before=before,
        after=after,
        p_value=difference(counts),
        smallest_p=smallest(counts.before_sent, counts.after_sent),
        word=_word(counts, gate),
        words="",
    )
    row["words"] = joined(
        "; ", [said_of(row["word"], numbers(before, after, row["p_value"])), *_notes(row, counts, gate)]
    )
    return row


def said_of(what: str, words: str) -> Words:
    """``what: words``."""
    return joined(": ", (what, words))


def rates_of(counts: Counts) -> Sequence[Rate]:
    return rate(counts.before_failed, counts.before_sent), rate(counts.after_failed, counts.after_sent)


def _word(counts: Counts, gate: bool) -> str:
    if gate and _fixed(counts):
        return FIXED
    if gate and _fixed(counts.mirrored):
        return BROKEN
    both = 0 < counts.before_failed < counts.before_sent or 0 < counts.after_failed < counts.after_sent
    return FLAKY if both else NO_DIFFERENCE


def _fixed(counts: Counts) -> bool:
    """It failed before, nothing failed after, and chance alone would hardly do that."""
    cautious = counts.against_a_fix
    return cautious.fell and cautious.after_failed == 0 and difference(cautious) <= _ERROR


def _cautious(counts: Counts) -> Counts:
    """With every missing stream as it speaks most against a difference, and never for one in the other direction."""
    if counts.mirrored.fell:
        return _cautious(counts.mirrored).mirrored
    if counts.fell:
        ways = [counts.filled(0, failed) for failed in range(counts.after_missing + 1)]
    else:
        usual = counts.before_failed / counts.before_sent
        ways = [counts.filled(*(round(usual * missing) for missing in (counts.before_missing, counts.after_missing)))]
    return max(ways, key=difference)


def overall_word(words: Dict[str, str], overall: Overall, gate: bool, still_failing: bool, failed_before: bool) -> str:
    """The word for all cases. ``words``: that of each case; ``gate``: as of ``shown``.

    ``still_failing``: something failed after, or was not tried again; ``failed_before``: the mirror image of it.
    """
    old, new = overall["before"], overall["after"]
    fixed = FIXED in words.values() or (gate and new["failed"] == 0 < old["failed"])
    broken = BROKEN in words.values() or (gate and old["failed"] == 0 < new["failed"])
    if fixed and broken:
        return MIXED
    if fixed:
        return FIXED_IN_PART if still_failing else FIXED
    if broken:
        return BROKEN_IN_PART if failed_before else BROKEN
    return FLAKY if FLAKY in words.values() else NO_DIFFERENCE


def summary(word: str, overall: Overall, cases: Sequence[CaseRow]) -> str:
    """The conclusion in one or two sentences: the numbers of all cases, then which case is what."""
    if not cases:
        return said_of(NO_DIFFERENCE, say("no case was sent in both runs, so there is no rate to compare"))
    by_word: Dict[str, str] = {}
    for row in cases:
        name = row["name"]
        by_word[row["word"]] = f"{by_word[row['word']]}, {name}" if row["word"] in by_word else name
    kinds = [kind for kind in (BROKEN, FIXED, FLAKY, NO_DIFFERENCE) if kind in by_word]
    return say(
        "{word}: {numbers}. Case by case: {listed}",
        word=word,
        numbers=numbers(overall["before"], overall["after"], overall["p_value"]),
        listed=joined("; ", [said_of(kind, by_word[kind]) for kind in kinds]),
    )


def numbers(before: Rate, after: Rate, p_value: float) -> Words:
    """``5 of 5 streams failed before (48 to 100 %), 0 of 5 after (0 to 52 %), p = 0.0079``."""
    return say(
        "{failed} of {sent} streams failed before ({interval}), {failed_after} of {sent_after} after "
        "({interval_after}), p = {p}",
        failed=before["failed"],
        sent=before["sent"],
        interval=interval(before),
        failed_after=after["failed"],
        sent_after=after["sent"],
        interval_after=interval(after),
        p=p(p_value),
    )


def interval(one: Rate) -> Words:
    """``48 to 100 %``."""
    return say("{low:.0f} to {high:.0f} %", low=100 * one["low"], high=100 * one["high"])


def p(value: float) -> str:
    """A p-value with two digits: ``0.0079``, ``0.17``, ``1``."""
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"


def _notes(row: CaseRow, counts: Counts, gate: bool) -> List[str]:
    """What the numbers do not show, and why."""
    if row["word"] in (FIXED, BROKEN):
        return []
    notes: List[str] = []
    if counts.before_sent == counts.after_sent == 1:
        notes.append(say("one stream per arm proves nothing"))
    elif row["smallest_p"] > _ERROR:
        sent = {"before": counts.before_sent, "after": counts.after_sent}
        notes.append(say("{before} and {after} streams cannot show a difference", **sent))
    elif row["p_value"] <= _ERROR:
        notes.append(_why_not(counts, gate))
    if row["word"] == FLAKY and row["p_value"] > _ERROR:
        notes.append(say("not shown to be fixed") if counts.fell else say("not shown to be another rate"))
    return notes


def _why_not(counts: Counts, gate: bool) -> Words:
    """Why a case that differs by its own test is called neither fixed nor broken."""
    if counts.before_missing or counts.after_missing:
        return say("streams that the other cases have and this one has not are counted against a difference")
    if not gate:
        return say("all cases together show no difference")
    if counts.fell:
        return say("it fails less often, and it still fails")
    return say("it fails more often, and it failed before")
