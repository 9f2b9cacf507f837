"""A row of the checklist: who judges it, and what a judgement is made of."""

from __future__ import annotations

from typing import Callable, List, NamedTuple

from ...words import say
from ..facts import Facts
from ..result import Check, Quote


class Finding(NamedTuple):
    """``status``: pass | warn | fail | skip. ``reason`` says why; a skip is never without one.

    ``observed`` and ``reason`` are Words, or the host's own text alone.
    """

    status: str
    observed: str
    reason: str
    evidence: List[Quote]


class Row(NamedTuple):
    id: str
    title: str
    expected: str
    judge: Callable[[Facts], Finding]


def skip(reason: str) -> Finding:
    """Not exercised, not permitted, not available: there is nothing observed, so there is nothing to pass."""
    return Finding("skip", "", reason, [])


def judge_row(row: Row, facts: Facts) -> Check:
    """One row, whatever happens: a check that breaks is an ``error`` row and never stops the others."""
    try:
        finding = row.judge(facts)
    except Exception as broken:  # a bug in one rule must not cost the engineer the other rows
        reason = say("the check itself broke: {error}: {words}", error=type(broken).__name__, words=str(broken))
        finding = Finding("error", "", reason, [])
    return Check(
        id=row.id,
        title=row.title,
        status=finding.status,
        observed=finding.observed,
        expected=row.expected,
        reason=finding.reason,
        evidence=finding.evidence,
    )
