"""Checklist, "Possible causes": the four of the original, each from the causes that were weighed for it."""

from __future__ import annotations

from typing import Dict, List, Tuple

from ...words import Words, joined, say
from ..result import Cause, Check, Quote

#: Row, title, checklist cause.
ROWS: Tuple[Tuple[str, str, int], ...] = (
    ("cause-1", say("The model hangs in generation"), 1),
    ("cause-2", say("The server waits for tool outputs"), 2),
    ("cause-3", say("SSE buffering"), 3),
    ("cause-4", say("Compatibility mode blocks events"), 4),
)
_SHOWN = ("confirmed", "likely")
#: States of the causes that ``observed`` names.
_STATES = {
    "confirmed": say("confirmed"),
    "likely": say("likely"),
    "possible": say("possible"),
    "ruled_out": say("ruled out"),
}


def judge_possible_causes(causes: List[Cause], checks: Dict[str, Check]) -> List[Check]:
    """The rows ``cause-1`` … ``cause-4``. ``checks``: the rows that the causes rest on."""
    return [
        _row(id_, title, [c for c in causes if c["checklist_cause"] == number], checks) for id_, title, number in ROWS
    ]


def _row(id_: str, title: str, causes: List[Cause], checks: Dict[str, Check]) -> Check:
    shown = [c for c in causes if c["state"] in _SHOWN]
    possible = [c for c in causes if c["state"] == "possible"]
    untested = [c for c in causes if c["state"] == "not_tested"]
    words = joined(
        "; ",
        [
            say("{cause} {state}: {reason}", cause=c["id"], state=_STATES[c["state"]], reason=c["reason"])
            for c in causes
            if c not in untested
        ],
    )
    evidence: List[Quote] = []
    for cause in shown:
        for check in cause["evidence_for"]:
            evidence += checks[check]["evidence"][:1]
    if shown:
        status, reason = "fail", _ids(shown)
    elif possible:
        status, reason = "warn", say("cannot be ruled out: {causes}", causes=_ids(possible))
    elif untested:
        status, reason = "skip", say("not tested: {causes}", causes=_ids(untested))
    elif causes:
        status, reason = "pass", say("everything that was looked for here is ruled out")
    else:
        status, reason = "skip", say("nothing in this run could test it")
    return Check(
        id=id_,
        title=title,
        status=status,
        observed=words,
        expected=say("ruled out"),
        reason=reason,
        evidence=evidence,
    )


def _ids(causes: List[Cause]) -> Words:
    return joined(", ", [cause["id"] for cause in causes])
