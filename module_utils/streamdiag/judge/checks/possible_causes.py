"""Checklist, "Possible causes": the four of the original, each from the causes that were weighed for it."""

from __future__ import annotations

from typing import Dict, List, Tuple

from ..result import Cause, Check, Quote

#: Row, title, checklist cause.
ROWS: Tuple[Tuple[str, str, int], ...] = (
    ("cause-1", "The model hangs in generation", 1),
    ("cause-2", "The server waits for tool outputs", 2),
    ("cause-3", "SSE buffering", 3),
    ("cause-4", "Compatibility mode blocks events", 4),
)
_SHOWN = ("confirmed", "likely")


def judge_possible_causes(causes: List[Cause], checks: Dict[str, Check]) -> List[Check]:
    """The rows ``cause-1`` … ``cause-4``. ``checks``: the rows that the causes rest on."""
    return [
        _row(id_, title, [c for c in causes if c["checklist_cause"] == number], checks) for id_, title, number in ROWS
    ]


def _row(id_: str, title: str, causes: List[Cause], checks: Dict[str, Check]) -> Check:
    shown = [c for c in causes if c["state"] in _SHOWN]
    possible = [c for c in causes if c["state"] == "possible"]
    untested = [c for c in causes if c["state"] == "not_tested"]
    words = "; ".join(
        "{} {}: {}".format(c["id"], c["state"].replace("_", " "), c["reason"]) for c in causes if c not in untested
    )
    evidence: List[Quote] = []
    for cause in shown:
        for check in cause["evidence_for"]:
            evidence += checks[check]["evidence"][:1]
    status, reason = "pass", "everything that was looked for here is ruled out"
    if shown:
        status, reason = "fail", ", ".join(c["id"] for c in shown)
    elif possible:
        status, reason = "warn", "cannot be ruled out: " + ", ".join(c["id"] for c in possible)
    elif untested:
        status, reason = "skip", "not tested: " + ", ".join(c["id"] for c in untested)
    elif not causes:
        status, reason = "skip", "nothing in this run could test it"
    return Check(
        id=id_, title=title, status=status, observed=words, expected="ruled out", reason=reason, evidence=evidence
    )
