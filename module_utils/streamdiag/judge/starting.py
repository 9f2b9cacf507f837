"""A server that runs and does not listen yet: loading a model takes minutes, and is no reason to start it again."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional

from ..bundle import Process
from ..clocks import IDLE_SHARE
from ..words import Words, say
from .facts import UP, Facts

#: Seconds between two looks from which on their difference says whether something works.
_LEAST = 1.0


class Starting(NamedTuple):
    """``age``: seconds since the API server's process was started; ``cpu``: seconds of CPU time that the unit's
    processes used in the last ``seconds``, None where only one look at them is there."""

    age: float
    cpu: Optional[float]
    seconds: float

    @property
    def words(self) -> Words:
        """What it does."""
        if self.cpu is None:
            return say("up for {age} and does not listen yet", age=_duration(self.age))
        if self.stands:
            return say(
                "up for {age}, does not listen and does nothing: {cpu:.1f} s of CPU time in {seconds:.0f} s",
                age=_duration(self.age),
                cpu=self.cpu,
                seconds=self.seconds,
            )
        return say(
            "starting: up for {age}, at work ({cpu:.1f} s of CPU time in {seconds:.0f} s), and does not listen yet",
            age=_duration(self.age),
            cpu=self.cpu,
            seconds=self.seconds,
        )

    @property
    def stands(self) -> bool:
        """It was seen to do nothing; a process that reads a model from a disk does a little."""
        return self.cpu is not None and self.cpu <= IDLE_SHARE * self.seconds


def starting(facts: Facts) -> Optional[Starting]:
    """What a unit that is up does while nothing answers; None when it is not up, answers, or shows no process."""
    if not facts.all_unreachable or facts.unit.now("ActiveState") not in UP:
        return None
    before, after = _processes(facts.target), _processes(facts.machine)
    main = next((one for one in after.values() if one["role"] == "main"), None)
    if main is None or "started_at" not in main or "at" not in facts.machine:
        return None
    seconds = facts.machine["at"] - facts.target.get("at", facts.machine["at"])
    known = main["pid"] in before and seconds >= _LEAST
    used = sum(one["cpu"] - (before[pid]["cpu"] if pid in before else 0.0) for pid, one in after.items())
    return Starting(facts.machine["at"] - main["started_at"], used if known else None, seconds)


def _duration(seconds: float) -> Words:
    if seconds < 120.0:
        return say("{seconds:.0f} s", seconds=seconds)
    if seconds < 7200.0:
        return say("{minutes:.0f} min", minutes=seconds / 60.0)
    return say("{hours:.0f} h", hours=seconds / 3600.0)


def _processes(part: object) -> Dict[int, Process]:
    found = part.get("processes", {}) if isinstance(part, dict) else {}
    return {process["pid"]: process for process in found.get("processes", [])}
