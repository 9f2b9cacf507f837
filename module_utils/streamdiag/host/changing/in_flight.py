"""Are other clients' requests in flight? What a restart would cut, told from a second or a few of samples.

Gauges come with the engine's outputs, so they freeze with it: ``running=1`` of a stalled engine stays for ever, and
nobody is served. Such a server must still be restartable; one that works on a long prompt must not be cut. So a count
that stands is believed to be a stall only when the process clocks and the sockets stand, too.
"""

from __future__ import annotations

import time
from typing import List, NamedTuple, Optional, Tuple

from ...bundle import GpuSample, Metrics, Process, ProcessSample, Socket
from ...clocks import BUSY_PERCENT, gpu_load, read_clocks, starving
from ..endpoints import get_metrics
from ..gpu import read_gpus
from ..process import sample
from ..sockets import read_sockets

#: Seconds that everything must stand before nobody counts as served: with a process that cannot run, and without.
#: A long prompt on a GPU can leave the CPU idle for some seconds.
HALTED, STANDING = 5.0, 12.0
_PAUSE = 0.5


class Look(NamedTuple):
    """One moment. ``sockets``: peer and queues of each established connection on the server's port."""

    t: float
    metrics: Metrics
    processes: ProcessSample
    sockets: Tuple[Tuple[str, int, int], ...]


class Decision(NamedTuple):
    """``state``: idle | busy | stalled | unsure (a longer look could tell)."""

    state: str
    words: str


def decide(looks: List[Look]) -> Decision:
    """What ``looks``, oldest first, say of requests in flight."""
    last, seconds = looks[-1], looks[-1].t - looks[0].t
    connections = "{} open connection{}".format(len(last.sockets), "" if len(last.sockets) == 1 else "s")
    if not last.processes["processes"] and not last.sockets:
        return Decision("idle", "no server runs, so nobody is served")
    if last.metrics["state"] == "ok" and last.metrics.get("running") is not None:
        running, waiting = last.metrics["running"] or 0, last.metrics.get("waiting") or 0
        counted = f"{running:.0f} running, {waiting:.0f} waiting"
        if running + waiting == 0:
            earlier = looks[-2].metrics if len(looks) > 1 else None
            if earlier is None or earlier.get("generation_tokens") != last.metrics.get("generation_tokens"):
                return Decision("unsure", counted)  # a request may be too young to be counted
            return Decision("idle", f"{counted}, {connections}")
    elif last.sockets:
        counted = f"{connections}, and /metrics does not count requests ({last.metrics['reason'] or 'no gauges'})"
    else:
        return Decision("idle", "no open connection")
    moving = _moving(looks)
    if moving:
        return Decision("busy", f"{counted}: {moving}")
    if seconds < (HALTED if _halted(looks) else STANDING):
        return Decision("unsure", counted)
    return Decision("stalled", f"{counted}, but nothing has moved for {seconds:.0f} s, so nobody is served")


def _moving(looks: List[Look]) -> str:
    """What has moved over ``looks``, in words; ``""`` when all stands."""
    first = looks[0]
    answered = [look.metrics for look in looks if look.metrics["state"] == "ok"]
    for counter in ("generation_tokens", "prompt_tokens"):
        values = [metrics.get(counter) for metrics in answered if metrics.get(counter) is not None]
        if len(set(values)) > 1:
            return "tokens are made"
    if {look.sockets for look in looks} != {first.sockets}:
        return "connections come and go"
    clocks = read_clocks([look.processes for look in looks], least=3)
    if clocks is not None and not clocks.halted and clocks.starved:
        return starving(clocks.starved)
    if clocks is not None and not clocks.halted and not clocks.idle:
        return f"the engine used {clocks.cpu:.1f} s of CPU time in {clocks.seconds:.1f} s"
    return ""


def _halted(looks: List[Look]) -> bool:
    """One of the server's processes cannot run at all, so nobody is served."""
    clocks = read_clocks([look.processes for look in looks], least=3)
    return clocks is not None and bool(clocks.halted)


def look_for_requests(base_url: str, port: Optional[int], api_key: str, processes: List[Process]) -> Decision:
    """Look until it can be told: 1 s when nobody is there, at most some 20 s."""
    started = time.monotonic()
    looks: List[Look] = []
    while True:
        looks.append(_look(started, base_url, port, api_key, processes))
        decision = decide(looks)
        # Counters and clocks tell little in one second; what is idle or stalled is told at once.
        settled = decision.state in ("idle", "stalled") or (decision.state == "busy" and looks[-1].t >= 1.5)
        if decision.state == "stalled" and _gpu_works(processes):
            return Decision("busy", decision.words.partition(", but")[0] + ": a GPU works")
        if settled or looks[-1].t > STANDING + 4:
            return decision if decision.state != "unsure" else Decision("busy", decision.words)
        time.sleep(_PAUSE)


def _gpu_works(processes: List[Process]) -> bool:
    gpus = read_gpus(timeout=3.0)
    load = gpu_load([GpuSample(t=0.0, gpus=gpus.get("gpus", []))], [process["pid"] for process in processes])
    return load is not None and load >= BUSY_PERCENT


def _look(started: float, base_url: str, port: Optional[int], api_key: str, processes: List[Process]) -> Look:
    # Our own question must not be among the connections: they are counted before it is asked.
    pids = [process["pid"] for process in processes]
    found = read_sockets(port, pids).get("connections", [])
    t = time.monotonic() - started
    metrics = get_metrics(base_url, t, api_key, timeout=2.0)
    roles = {process["pid"]: process["role"] for process in processes}
    clocks = [one for one in sample(pids) if one["state"] != "gone"]
    for one in clocks:
        one["role"] = roles[one["pid"]]
    return Look(t, metrics, ProcessSample(t=t, processes=clocks), _established(found))


def _established(connections: List[Socket]) -> Tuple[Tuple[str, int, int], ...]:
    return tuple(
        sorted(
            (one["peer"], one["recv_queue_bytes"], one["send_queue_bytes"])
            for one in connections
            if one["state"] == "ESTABLISHED"
        )
    )
