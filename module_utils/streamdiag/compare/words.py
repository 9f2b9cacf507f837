"""Numbers -> words. One success after a change proves nothing, and flaky is not fixed."""

from __future__ import annotations

from typing import Dict, Sequence

from .arms import Counts
from .comparison import CaseRow, Overall, Rate
from .rates import LEVEL, difference, rate, smallest, together

FIXED = "fixed"
BROKEN = "broken by the change"
FLAKY = "flaky"
NO_DIFFERENCE = "no difference shown"
#: Of all cases only.
FIXED_IN_PART = "fixed in part"
BROKEN_IN_PART = "broken in part"
MIXED = "mixed"

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
    row["words"] = f"{row['word']}: {numbers(before, after, row['p_value'])}{_note(row, counts, gate)}"
    return row


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
    return counts.against_a_fix if counts.fell else counts.mirrored.against_a_fix


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
        return f"{NO_DIFFERENCE}: no case was sent in both runs, so there is no rate to compare"
    by_word: Dict[str, str] = {}
    for row in cases:
        name = row["name"]
        by_word[row["word"]] = f"{by_word[row['word']]}, {name}" if row["word"] in by_word else name
    listed = "; ".join(f"{kind}: {by_word[kind]}" for kind in (BROKEN, FIXED, FLAKY, NO_DIFFERENCE) if kind in by_word)
    return f"{word}: {numbers(overall['before'], overall['after'], overall['p_value'])}. Case by case: {listed}"


def numbers(before: Rate, after: Rate, p_value: float) -> str:
    """``5 of 5 streams failed before (48 to 100 %), 0 of 5 after (0 to 52 %), p = 0.0079``."""
    return (
        f"{before['failed']} of {before['sent']} streams failed before ({interval(before)}), "
        f"{after['failed']} of {after['sent']} after ({interval(after)}), p = {p(p_value)}"
    )


def interval(one: Rate) -> str:
    """``48 to 100 %``."""
    return f"{100 * one['low']:.0f} to {100 * one['high']:.0f} %"


def p(value: float) -> str:
    """A p-value with two digits: ``0.0079``, ``0.17``, ``1``."""
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"


def _note(row: CaseRow, counts: Counts, gate: bool) -> str:
    """What the numbers do not show, and why."""
    if row["word"] in (FIXED, BROKEN):
        return ""
    notes = []
    if counts.before_sent == counts.after_sent == 1:
        notes.append("one stream per arm proves nothing")
    elif row["smallest_p"] > _ERROR:
        notes.append(f"{counts.before_sent} and {counts.after_sent} streams cannot show a difference")
    elif row["p_value"] <= _ERROR:
        notes.append(_why_not(counts, gate))
    if row["word"] == FLAKY and row["p_value"] > _ERROR:
        notes.append("not shown to be " + ("fixed" if counts.fell else "another rate"))
    return "".join("; " + note for note in notes)


def _why_not(counts: Counts, gate: bool) -> str:
    """Why a case that differs by its own test is called neither fixed nor broken."""
    if counts.before_missing or counts.after_missing:
        return "streams that the other cases have and this one has not are counted against a difference"
    if not gate:
        return "all cases together show no difference"
    return "it fails less often, and it still fails" if counts.fell else "it fails more often, and it failed before"
