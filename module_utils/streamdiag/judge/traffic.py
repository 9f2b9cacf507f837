"""Do other clients share the server? Its counters are server-wide, so they then say little about one request."""

from __future__ import annotations

from typing import List

from ..bundle import Machine, Metrics, Stream, Target
from ..words import Words, say


def other_traffic(target: Target, machine: Machine, streams: List[Stream], looked_closer: bool = False) -> str:
    """In words when requests ran that were not ours, else ``""``. ``looked_closer``: with a canary of its own.

    A request of ours may linger after it was closed (a stalled engine never notices), so what runs later than the
    first stream counts only in numbers that ours cannot reach.
    """
    before = target.get("metrics", {})
    running, waiting = before.get("running"), before.get("waiting")
    if running:
        return say("{requests} running before the first stream", requests=_requests_were(running))
    if waiting:
        return say("{requests} waiting before the first stream", requests=_requests_were(waiting))
    ours = len(_requests(streams)) + looked_closer
    finished = _finished(machine.get("metrics", {})) - _finished(before)
    if _known(before) and _known(machine.get("metrics", {})) and finished > ours:
        requests = _requests_were(finished)
        return say("{requests} finished during the run, {ours} of them ours at most", requests=requests, ours=ours)
    for sent, stream in enumerate(streams):
        most = max((m.get("running") or 0.0 for m in stream["samples"]["metrics"] if m.get("state") == "ok"), default=0)
        if most > len(_requests(streams[: sent + 1])):
            requests = _requests_were(most)
            return say("{requests} running beside the case {case}", requests=requests, case=stream["case"])
    return ""


def _requests_were(count: float) -> Words:
    return say("{count:g} request was", count=count) if count == 1 else say("{count:g} requests were", count=count)


def _requests(streams: List[Stream]) -> List[str]:
    """One entry per request that was sent: the streams, their canaries, and what was refused before them."""
    found: List[str] = []
    for stream in streams:
        found += [stream["case"]] * (1 + len(stream["retried"]))
        if stream["canary"] is not None:
            found.append("canary")
    return found


def _known(metrics: Metrics) -> bool:
    return metrics.get("state") == "ok" and bool(metrics.get("successes"))


def _finished(metrics: Metrics) -> float:
    return sum((metrics.get("successes") or {}).values())
