"""Two results -> what changed. A pure function: no host, no file, no clock."""

from __future__ import annotations

from typing import Dict, List

from .. import __version__
from ..judge.result import Result
from ..words import joined, say
from .arms import Arm, Counts, arm_of, count, failures
from .comparable import UNKNOWN, NotComparable, differences, refusal
from .comparison import (
    SCHEMA_VERSION,
    Comparison,
    Conclusion,
    Difference,
    NotCompared,
    Overall,
    RunRow,
)
from .pace import compare_pace
from .rates import rate, together
from .rows import changes
from .words import AFTER, BEFORE, case_row, overall_word, shown, summary

METHODS: List[str] = [
    say(
        "A stream failed when it did not come to its end: neither a terminal event nor, without a stream, a whole "
        "answer."
    ),
    say(
        "Rates: Clopper-Pearson intervals, 95 %. Their difference: Fisher's exact test, two-sided; over all cases the "
        "exact test of all tables together (Freeman-Halton), and no case is called fixed or broken unless that one "
        "shows a difference at 95 %."
    ),
    say(
        "Times: Hodges-Lehmann estimate of after minus before with the exact Mann-Whitney interval, of streams that "
        "came to their end (the first event: of all that had one); over all cases the exact rank-sum test, stratified "
        "by case, corrected by Holm for the number of measures."
    ),
    say(
        "The two runs were made one after the other: what else changed meanwhile, load for example, is in the "
        "difference."
    ),
]
#: Of a result that was judged before this program said as much as it does now.
_OLDER = {
    "before": say(
        "the run before was judged by an older version of this program, which says less: "
        "judge it again with playbooks/assess.yml"
    ),
    "after": say(
        "the run after was judged by an older version of this program, which says less: "
        "judge it again with playbooks/assess.yml"
    ),
}
#: Cases that are sent only because another one fails, so that they are no loss when that one works.
_SENT_BECAUSE = {"chat": "simple", "nonstream": "simple", "padded": "codex"}


def compare(before: Result, after: Result, force: bool = False) -> Comparison:
    """What changed from ``before`` to ``after``.

    Raises NotComparable when host, model, cases or tool version differ and ``force`` is not set, and whenever both
    are the same result.
    """
    if before == after:
        raise NotComparable(say("both are the result of the run {run}: nothing can have changed", run=before["run_id"]))
    found = differences(before, after)
    if found and not force:
        raise NotComparable(refusal(found))
    old, new = arm_of(before), arm_of(after)
    names = [name for name in old if name in new]
    counts = {name: count(name, old, new) for name in names}
    gate = shown(list(counts.values()))
    cases = [case_row(name, counts[name], gate) for name in names]
    overall = _overall(list(counts.values()))
    alone = _not_compared(before, after, old, new)
    words = {row["name"]: row["word"] for row in cases}
    word = overall_word(words, overall, gate, _leaves_failures(old, new), _leaves_failures(new, old))
    pace, timings = compare_pace(names, old, new)
    return Comparison(
        schema_version=SCHEMA_VERSION,
        tool_version=__version__,
        host=after["host"],
        before=_run(before),
        after=_run(after),
        forced=bool(found),
        differences=found,
        conclusion=Conclusion(
            word=word, summary=summary(word, overall, cases), doubts=_doubts(before, after, found, counts, alone)
        ),
        overall=overall,
        cases=cases,
        not_compared=alone,
        pace=pace,
        timings=timings,
        changes=changes(before, after),
        methods=METHODS,
        audit=None,
    )


def _run(result: Result) -> RunRow:
    return RunRow(
        run_id=result["run_id"],
        started_at=result["started_at"],
        finished_at=result["finished_at"],
        tool_version=result["tool_version"],
        model=result["target"]["model"],
        vllm_version=result["target"]["vllm_version"],
        compat_mode=result["target"]["compat_mode"],
        status=result["verdict"]["status"],
        primary_cause=result["verdict"]["primary_cause"],
    )


def _is_older(result: Result) -> bool:
    """It lacked what newer versions say of every run or stream, see ``read``."""
    return UNKNOWN in (result["localisation"]["trigger"], *(row["codex"] for row in result["streams"]))


def _overall(counts: List[Counts]) -> Overall:
    return Overall(
        before=rate(sum(c.before_failed for c in counts), sum(c.before_sent for c in counts)),
        after=rate(sum(c.after_failed for c in counts), sum(c.after_sent for c in counts)),
        p_value=together(counts),
    )


def _leaves_failures(old: Arm, new: Arm) -> bool:
    """In ``new`` something fails, or something that failed in ``old`` was not tried although it would be of use."""
    if any(failures(rows) for rows in new.values()):
        return True
    lost = [name for name, rows in old.items() if failures(rows) and name not in new]
    return any(_SENT_BECAUSE.get(name, name) not in new for name in lost)


def _not_compared(before: Result, after: Result, old: Arm, new: Arm) -> List[NotCompared]:
    found = []
    for sent_in, arm, other, result in ((BEFORE, old, new, after), (AFTER, new, old, before)):
        reasons = {skipped["case"]: skipped["reason"] for skipped in result["skipped_cases"]}
        for name, rows in arm.items():
            if name not in other:
                reason = reasons.get(rows[0]["case"], say("the other run does not say why it was not sent"))
                found.append(
                    NotCompared(name=name, sent_in=sent_in, failed=failures(rows), sent=len(rows), reason=reason)
                )
    return found


def _doubts(
    before: Result, after: Result, found: List[Difference], counts: Dict[str, Counts], alone: List[NotCompared]
) -> List[str]:
    """What weakens the conclusion, one sentence each."""
    doubts: List[str] = [say("compared by force: {what} {before} before, {after} after", **one) for one in found]
    if counts and all(c.before_sent == c.after_sent == 1 for c in counts.values()):
        doubts.append(say("one stream per arm proves nothing: only several streams of each case, before and after, do"))
    for name, c in counts.items():
        for arm, sent, missing in (
            (BEFORE, c.before_sent, c.before_missing),
            (AFTER, c.after_sent, c.after_missing),
        ):
            if missing:
                doubts.append(
                    say(
                        "{case} was sent {sent} times {arm}, other cases {others} times; what is missing is counted "
                        "against a difference",
                        case=name,
                        sent=sent,
                        arm=arm,
                        others=sent + missing,
                    )
                )
    for one in alone:
        if one["failed"]:
            doubts.append(
                say(
                    "{case} failed in {failed} of {sent} streams {arm} and was not sent in the other run: {reason}",
                    case=one["name"],
                    failed=one["failed"],
                    sent=one["sent"],
                    arm=one["sent_in"],
                    reason=one["reason"],
                )
            )
    for arm, result in ((BEFORE, before), (AFTER, after)):
        if _is_older(result):
            doubts.append(_OLDER[arm])
        doubts += [
            say(
                "the run {arm} could not do all of its work: {error}",
                arm=arm,
                error=joined(": ", (error["step"], error["message"])),
            )
            for error in result["tool_errors"]
        ]
    return doubts
