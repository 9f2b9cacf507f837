"""What a closer look at a stall says: where each process of the server stood, and whether it moved.

The same stack twice is what a process shows that hangs, and also one that idles: it supports a cause
that the counters name, it names none by itself.
"""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional, cast

from ..bundle import Look, Stall, StalledProcess, Stream, ThreadStack
from ..responses import progressed
from ..words import joined, say

#: Frames of a stack that are quoted: the innermost one, and those around it that are no plumbing.
QUOTED_FRAMES = 6
#: The standard library's waiting and wrapping: says that something waits, not for what.
_PLUMBING = re.compile(r"\((?:[^/]*|(?:asyncio|multiprocessing|concurrent|torch/utils/_contextlib)\b.*)\)\Z")
_STATES = {
    "D": say("in uninterruptible sleep (state D)"),
    "T": say("stopped by a signal (state T)"),
    "t": say("stopped by a debugger (state t)"),
    "Z": say("dead, not yet reaped (state Z)"),
    "X": say("dead (state X)"),
    "gone": say("gone"),
}


class ProcessFacts(NamedTuple):
    """One process. ``top_frames``: the telling ones of its main thread when last read, innermost first."""

    pid: int
    role: str
    sentence: str
    same_stack: Optional[bool]  # None: not known
    cpu_used: Optional[float]  # seconds of CPU time between the looks
    seconds: Optional[float]  # between the looks
    top_frames: List[str]


class StallFacts(NamedTuple):
    """``reason``: why no stack could be read, ``""`` when at least one was. ``taken``: whether anybody looked.

    ``canary_answered``: the engine answered the tiny stream that was held open meanwhile.
    """

    taken: bool
    reason: str
    processes: List[ProcessFacts]
    canary_answered: bool

    def same_stack(self, role: str) -> Optional[bool]:
        """Whether every process of ``role`` whose stacks are known stood still; None when none is known."""
        known = [one.same_stack for one in self.processes if one.role == role and one.same_stack is not None]
        return all(known) if known else None

    def top_frames(self, role: str) -> List[str]:
        """The innermost frames of the first process of ``role`` whose stack is known, else empty."""
        return next((one.top_frames for one in self.processes if one.role == role and one.top_frames), [])

    @property
    def sentences(self) -> List[str]:
        return [one.sentence for one in self.processes]


def describe_stall(stall: Optional[Stall]) -> StallFacts:
    """The facts of ``stall``; None (nobody looked closer) gives empty ones with the reason."""
    if stall is None:
        return StallFacts(taken=False, reason=say("no closer look was taken"), processes=[], canary_answered=False)
    processes = [_describe(process) for process in stall.get("processes", [])]
    reason = "" if any(one.top_frames for one in processes) else _why_no_stack(stall)
    canary = stall.get("canary")
    answered = bool(canary) and progressed(cast(Stream, canary))
    return StallFacts(taken=True, reason=reason, processes=processes, canary_answered=answered)


def _why_no_stack(stall: Stall) -> str:
    reasons = [stall.get("py_spy", {}).get("reason", "")]
    for process in stall.get("processes", []):
        reasons += [look.get("stacks", {}).get("reason", "") for look in process["looks"]]
    return next((reason for reason in reasons if reason), say("no process of the server was known"))


def _describe(process: StalledProcess) -> ProcessFacts:
    stacks = [frames for frames in map(_main_frames, process["looks"]) if frames]
    top = telling(stacks[-1]) if stacks else []
    parts = [_state(process), _movement(process), _where(process, top)]
    words = joined(", ", [part for part in parts if part]) or say("not read")
    return ProcessFacts(
        pid=process["pid"],
        role=process["role"],
        sentence=say("{role} {pid}: {words}", role=process["role"], pid=process["pid"], words=words),
        same_stack=process.get("same_stack"),
        cpu_used=process.get("cpu_used"),
        seconds=process.get("seconds"),
        top_frames=top,
    )


def _state(process: StalledProcess) -> str:
    """Only what is out of the ordinary: asleep or running is what a server mostly is."""
    return _STATES.get(process["looks"][-1].get("state", ""), "") if process["looks"] else ""


def _movement(process: StalledProcess) -> str:
    seconds, cpu, same = process.get("seconds"), process.get("cpu_used"), process.get("same_stack")
    if seconds is None or cpu is None:
        return ""
    if same is None:
        return say("{cpu:.2f} s of CPU time in {seconds:.1f} s", cpu=cpu, seconds=seconds)
    if same:
        return say("the same stack twice in {seconds:.1f} s, {cpu:.2f} s of CPU time", seconds=seconds, cpu=cpu)
    return say("another stack after {seconds:.1f} s, {cpu:.2f} s of CPU time", seconds=seconds, cpu=cpu)


def _where(process: StalledProcess, top: List[str]) -> str:
    if top:
        return say("in {frames}", frames=" <- ".join(re.sub(r"\([^()]*/", "(", frame) for frame in top))
    channel = process["looks"][-1].get("wait_channel", "") if process["looks"] else ""
    return say("asleep in {channel}", channel=channel) if channel else ""


def telling(frames: List[str]) -> List[str]:
    """The innermost of ``frames``, and up to QUOTED_FRAMES in all that are no plumbing."""
    return frames[:1] + [frame for frame in frames[1:] if not _PLUMBING.search(frame)][: QUOTED_FRAMES - 1]


def _main_frames(look: Look) -> List[str]:
    """The host wing puts the main thread first."""
    threads: List[ThreadStack] = look.get("stacks", {}).get("threads", [])
    return threads[0]["frames"] if threads else []
