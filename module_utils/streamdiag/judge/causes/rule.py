"""A cause: the claim a rule makes about it, and the rows of the checklist that bear on the claim."""

from __future__ import annotations

from typing import Callable, Iterable, NamedTuple, Optional, Tuple

from ...words import NOTHING, Words, say
from ..facts import Facts, StreamFacts
from .remedy import Step

CONFIRMED, LIKELY, POSSIBLE, RULED_OUT, NOT_TESTED = "confirmed", "likely", "possible", "ruled_out", "not_tested"


#: Confidence from high to low; each doubt takes one step down.
LEVELS = ("high", "medium", "low")


class Claim(NamedTuple):
    """``state``: one of the five above. ``reason``: what was observed, with its numbers.

    ``summary``: the verdict in one sentence, for a claim that may become one. ``strength``: high | medium | low, what
    the observation itself is worth; ``doubts``: what makes it worth less in this run, each in words. ``about``: the
    streams that it explains, empty for a cause that explains whatever fails.
    """

    state: str
    reason: Words
    summary: Words = NOTHING
    strength: str = "high"
    doubts: Tuple[Words, ...] = ()
    about: Tuple[str, ...] = ()

    @property
    def confidence(self) -> str:
        """``strength``, one step lower for each doubt."""
        return LEVELS[min(LEVELS.index(self.strength) + len(self.doubts), len(LEVELS) - 1)]


class Rule(NamedTuple):
    """``for_``: rows that speak for the cause where they fail or warn; ``against``: against it where they pass.

    ``fix``: the steps of its remedy. ``contributing``: it makes a hang worse and is named as the cause only when
    nothing else is.
    """

    id: str
    checklist_cause: Optional[int]
    judge: Callable[[Facts], Claim]
    for_: Tuple[str, ...]
    against: Tuple[str, ...]
    fix: Tuple[Step, ...]
    contributing: bool = False


def shared_counters(facts: Facts) -> Tuple[Words, ...]:
    """The doubt of a claim about one request that rests on server-wide counters while others use them too."""
    return (say("the counters are server-wide, and {traffic}", traffic=facts.traffic),) if facts.traffic else ()


def names(streams: Iterable[StreamFacts]) -> Tuple[str, ...]:
    """Of the streams that a claim is about."""
    return tuple(sent.name for sent in streams)


def ruled_out(reason: Words) -> Claim:
    return Claim(RULED_OUT, reason)


def not_tested(reason: Words) -> Claim:
    return Claim(NOT_TESTED, reason)
