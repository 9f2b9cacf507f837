"""What sampled process clocks and GPUs say, for the wing that ends a stream early and for the one that judges it."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from .bundle import GpuSample, Process, ProcessSample

#: Process states of proc(5) in which nothing is executed: stopped by a signal or by a debugger, dead, vanished.
HALTED_STATES = frozenset({"T", "t", "Z", "X", "gone"})
#: Roles of the processes that speak HTTP: the only one, or the one that started several, and these.
API_SERVERS = frozenset({"main", "api_server"})
#: CPU seconds per second that all engine processes together may use and still count as standing.
#: An idle vLLM engine core uses under 0.01 (it blocks on its queue); one that steps uses about 1.
IDLE_SHARE = 0.05
#: Per cent of the time in which a GPU must run a kernel to count as busy (nvidia-smi's gpu_util); an idle one has 0.
BUSY_PERCENT = 10.0


class Clocks(NamedTuple):
    """CPU seconds that the engine's processes used over ``seconds``; ``halted``: those that cannot run at all."""

    cpu: float
    seconds: float
    halted: List[Process]

    @property
    def idle(self) -> bool:
        return self.cpu <= IDLE_SHARE * self.seconds


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
    engine = [process for process in last["processes"] if process["role"] not in API_SERVERS] or last["processes"]
    return Clocks(
        cpu=sum(process["cpu"] - before.get(process["pid"], process["cpu"]) for process in engine),
        seconds=last["t"] - first["t"],
        halted=[process for process in serving(last["processes"]) if process["state"] in HALTED_STATES],
    )


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
