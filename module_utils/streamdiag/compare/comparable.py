"""May two results be compared at all: same host, same model, same cases, judged by the same version of this tool."""

from __future__ import annotations

from typing import List

from ..judge.result import Result
from ..words import joined, say
from .comparison import Difference

#: Stands for what a run does not know; nothing is the same as that.
UNKNOWN = say("not known")


class NotComparable(ValueError):
    """The two results are not of a kind; the message says what differs and what to do."""


def differences(before: Result, after: Result) -> List[Difference]:
    """What differs that would make a comparison one of apples and pears. Empty when nothing does.

    Cases are those that were asked for: sent, or left out by the plan with a reason. That ``chat`` is sent only when
    ``simple`` fails is no difference; that somebody asked for ``simple`` alone is one.
    """
    pairs = (
        (say("host"), before["host"], after["host"]),
        (say("model"), before["target"]["model"], after["target"]["model"]),
        (say("cases"), _asked(before), _asked(after)),
        (say("tool version"), before["tool_version"], after["tool_version"]),
    )
    return [
        Difference(what=what, before=old or UNKNOWN, after=new or UNKNOWN)
        for what, old, new in pairs
        if old != new or not old
    ]


def refusal(found: List[Difference]) -> str:
    """The differences as one sentence, with what to do."""
    return say(
        "these two runs are not compared, because they differ in more than time: {listed}; repeat one of them alike, "
        "or compare them all the same with {option}",
        listed=joined("; ", [say("{what}: {before} before, {after} after", **one) for one in found]),
        option="-e compare_force=true",
    )


def _asked(result: Result) -> str:
    sent = {row["case"] for row in result["streams"]} | {row["case"] for row in result["repeats"]}
    return ", ".join(sorted(sent | {skipped["case"] for skipped in result["skipped_cases"]}))
