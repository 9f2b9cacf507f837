"""What sampled process clocks and GPUs say, for the wing that ends a stream early and for the one that judges it."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .bundle import GpuSample, Process, ProcessSample
from .words import Words, joined, say

#: Process states of proc(5) in which nothing is executed: stopped by a signal or by a debugger, dead, vanished.
HALTED_STATES = frozenset({"T", "t", "Z", "X", "gone"})
#: Roles of the processes that speak HTTP: the only one, or the one that started several, and these.
API_SERVERS = frozenset({"main", "api_server"})
#: CPU seconds per second that all engine processes together may use and still count as standing.
#: An idle vLLM engine core uses under 0.01 (it blocks on its queue); one that steps uses about 1.
IDLE_SHARE = 0.05
#: The part of the time in which a process must have waited for a CPU, while it got hardly any, to count as starved;
#: what it may get then; and the part from which an engine at least wanted to run, so that it is not idle. On two busy
#: cores whatever runs waits for 10 to 40 % of the time; what blocks on a queue wakes seldom, and waits for under 10 %.
STARVED_SHARE, STARVED_CPU = 0.6, 0.1
WANTED_SHARE = 0.25
#: Per cent of the time in which a GPU must run a kernel to count as busy (nvidia-smi's gpu_util); an idle one has 0.
BUSY_PERCENT = 10.0


class Starved(NamedTuple):
    """A process that wanted to run for most of ``seconds``, and did not get a CPU."""

    pid: int
    role: str
    waited: float
    seconds: float


class Clocks(NamedTuple):
    """CPU seconds that the engine's processes used over ``seconds``; ``halted``: those that cannot run at all.

    ``waited``: seconds for which one of the engine's processes was kept waiting for a CPU, None where that is not
    known. ``starved``: those of the server's processes that hardly did anything else.
    """

    cpu: float
    seconds: float
    halted: List[Process]
    waited: Optional[float] = None
    starved: Sequence[Starved] = ()

    @property
    def wanted(self) -> bool:
        """The engine waited for a CPU in a good part of the time."""
        return (self.waited or 0.0) >= WANTED_SHARE * self.seconds > 0

    @property
    def idle(self) -> bool:
        """The engine neither ran nor wanted to, and nobody whose CPU is missing kept it from that."""
        return self.cpu <= IDLE_SHARE * self.seconds and not self.wanted and not self.starved


def serving(processes: List[Process]) -> List[Process]:
    """Those without which nothing is served; helpers (a resource tracker, a compiler) come and go.

    Releases that give their processes no titles have no engine to tell from a helper: then all of them.
    """
    if any(process["role"] == "engine_core" for process in processes):
        return [process for process in processes if process["role"] != "other"]
    return processes


def read_clocks(samples: List[ProcessSample], least: int = 2) -> Optional[Clocks]:
    """The clocks over ``samples``; None with fewer than ``least`` of them, or none of any process.

    The API servers are left out where there are others: they answer our own questions meanwhile.
    """
    if len(samples) < least or not samples[-1]["processes"]:
        return None
    first, last = samples[0], samples[-1]
    before = {process["pid"]: process["cpu"] for process in first["processes"]}
    seconds = last["t"] - first["t"]
    engine = [process for process in last["processes"] if process["role"] not in API_SERVERS] or last["processes"]
    return Clocks(
        cpu=sum(process["cpu"] - before.get(process["pid"], process["cpu"]) for process in engine),
        seconds=seconds,
        halted=[process for process in serving(last["processes"]) if process["state"] in HALTED_STATES],
        waited=max(
            (w for w in (_waited(samples, process["pid"]) for process in engine) if w is not None), default=None
        ),
        starved=_starved(samples, before, seconds),
    )


def starving(starved: Sequence[Starved]) -> Words:
    """In words who waited for a CPU, and for how long."""
    return joined(
        ", ",
        [
            say("process {pid} ({role}) waited {waited:.0f} s of {seconds:.0f} s for a CPU", **one._asdict())
            for one in starved
        ],
    )


def _starved(samples: List[ProcessSample], before: Dict[int, float], seconds: float) -> List[Starved]:
    found = []
    for process in serving(samples[-1]["processes"]):
        pid = process["pid"]
        waited = _waited(samples, pid)
        used = process["cpu"] - before.get(pid, process["cpu"])
        if waited is not None and waited >= STARVED_SHARE * seconds > 0 and used <= STARVED_CPU * seconds:
            found.append(Starved(pid, process["role"], waited, seconds))
    return found


def _waited(samples: List[ProcessSample], pid: int) -> Optional[float]:
    """Seconds of ``samples`` in which a thread of ``pid`` waited for a CPU; None where that was not read twice.

    Several threads may wait at once, and a wait counts when it is over, all of it: so no time counts for more than it
    lasted, and a time in which nothing was counted although some thread wanted to run is a wait that was not yet over.
    """
    seen = [
        (sample["t"], process)
        for sample in samples
        for process in sample["processes"]
        if process["pid"] == pid and "waited" in process
    ]
    if len(seen) < 2:
        return None
    waited = 0.0
    for (begin, before), (end, after) in zip(seen, seen[1:]):
        ended = after["waited"] - before["waited"]  # less than 0 when a thread took what it had waited along
        stood = not ended and after["cpu"] == before["cpu"]
        goes_on = stood and before["runnable"] and after["runnable"]
        waited += end - begin if goes_on else min(max(ended, 0.0), end - begin)
    return waited


def gpu_load(samples: List[GpuSample], pids: List[int]) -> Optional[float]:
    """The highest ``utilization_percent`` of a GPU over ``samples``; None when no GPU said any.

    A GPU whose processes are listed counts only where one of ``pids``, the server's, is among them.
    """
    loads = [
        load
        for sample in samples
        for gpu in sample.get("gpus", [])
        for load in [gpu.get("utilization_percent")]
        if load is not None and _may_be_of(gpu.get("processes", []), pids)
    ]
    return max(loads, default=None)


def _may_be_of(users: List[Dict[str, Any]], pids: List[int]) -> bool:
    known = [user["pid"] for user in users if user.get("pid") is not None]
    return not known or not pids or bool(set(known) & set(pids))
