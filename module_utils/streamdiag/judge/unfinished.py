"""A change of this tool on the host that is under way, was left half-way, or is meant to be there."""

from __future__ import annotations

from typing import List, NamedTuple

from ..words import say
from .commands import restart_command
from .facts import Facts


class Unfinished(NamedTuple):
    """``words``: for people, empty when there is nothing to say; ``half_way``: it has to be put right."""

    words: str
    half_way: bool


def unfinished(facts: Facts) -> Unfinished:
    """What the intent file on the host says, for a run that is not itself part of that change."""
    intent = facts.target.get("intent", {})
    state = intent.get("state", "absent")
    if state in ("denied", "failed"):
        words = say("whether a change of this tool was left half-way is not known: {reason}", reason=intent["reason"])
        return Unfinished(words, False)
    if state != "ok" or intent.get("run_id") == facts.run["run_id"].partition("/")[0]:  # an arm is called RUN/after
        return Unfinished("", False)
    undo, phase, what = restart_command(facts, "default"), intent.get("phase"), intent.get("what")
    run = say("run {id}, since {time}", id=intent.get("run_id") or say("unnamed"), time=intent.get("started_at"))
    if intent.get("kept") and phase == "in_force":
        if intent.get("in_force"):
            words = say("{change} is in force ({run}); to undo it: {undo}", change=what, run=run, undo=undo)
        else:
            words = say(
                "{change} ({run}) ended when the host was booted; nothing of it is in force", change=what, run=run
            )
        return Unfinished(words, False)
    words = say(
        "{what} ({run}) was left half-way: {change}, phase {phase}; put it right with: {undo}",
        what=say("an audit") if intent.get("by") == "audit" else say("a restart"),
        run=run,
        change=what,
        phase=phase,
        undo=undo,
    )
    return Unfinished(words, True)


def notes(facts: Facts) -> List[str]:
    """What an operator should know besides the verdict."""
    found = unfinished(facts)
    known = facts.target.get("intent", {}).get("state") == "ok"
    return [found.words] if found.words and known else []
