"""A cause: the claim a rule makes about it, and the rows of the checklist that bear on the claim."""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional, Tuple

from ..facts import Facts

CONFIRMED, LIKELY, POSSIBLE, RULED_OUT, NOT_TESTED = "confirmed", "likely", "possible", "ruled_out", "not_tested"


class Claim(NamedTuple):
    """``state``: one of the five above. ``reason``: what was observed, with its numbers.

    ``summary``: the verdict in one sentence, for a claim that may become one. ``confidence``: high | medium | low.
    """

    state: str
    reason: str
    summary: str = ""
    confidence: str = "high"


class Rule(NamedTuple):
    """``for_``: rows that speak for the cause where they fail or warn; ``against``: against it where they pass.

    ``fix``: what to do, with the fields host, unit and base_url.
    """

    id: str
    checklist_cause: Optional[int]
    judge: Callable[[Facts], Claim]
    for_: Tuple[str, ...]
    against: Tuple[str, ...]
    fix: str


def ruled_out(reason: str) -> Claim:
    return Claim(RULED_OUT, reason)


def not_tested(reason: str) -> Claim:
    return Claim(NOT_TESTED, reason)
