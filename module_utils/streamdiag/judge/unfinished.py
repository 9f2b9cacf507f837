"""A change of this tool on the host that is under way, was left half-way, or is meant to be there."""

from __future__ import annotations

from typing import List, NamedTuple

from .causes.rule import restart_command
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
        return Unfinished("whether a change of this tool was left half-way is not known: " + intent["reason"], False)
    if state != "ok" or intent.get("run_id") == facts.run["run_id"].partition("/")[0]:  # an arm is called RUN/after
        return Unfinished("", False)
    undo = restart_command(facts, "default")
    run = "run {}, since {}".format(intent.get("run_id") or "unnamed", intent.get("started_at"))
    what = intent.get("what")
    if intent.get("kept") and intent.get("phase") == "in_force":
        if intent.get("in_force"):
            return Unfinished(f"{what} is in force ({run}); to undo it: {undo}", False)
        return Unfinished(f"{what} ({run}) ended when the host was booted; nothing of it is in force", False)
    kind = "an audit" if intent.get("by") == "audit" else "a restart"
    phase = intent.get("phase")
    words = f"{kind} ({run}) was left half-way: {what}, phase {phase}; put it right with: {undo}"
    return Unfinished(words, True)


def notes(facts: Facts) -> List[str]:
    """What an operator should know besides the verdict."""
    found = unfinished(facts)
    known = facts.target.get("intent", {}).get("state") == "ok"
    return [found.words] if found.words and known else []
