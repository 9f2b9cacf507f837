"""When does more waiting prove nothing? The rule that ends a silent stream early.

Pure functions over what was sampled; the judge applies rules of its own to the same samples later. All
three kinds of witness must agree, each over several samples *within* the silence:

* the server's counters: the same tokens in every sample, or no answer in any of them;
* the canary: a tiny stream beside the silent one got no further than the first one did;
* the process clocks: the unit's processes used no CPU time, or one of them is stopped.

A first request that compiles, a long prefill and a spinning wait all burn CPU time, so they are waited for.
"""

from __future__ import annotations

from typing import List, Optional

from ..bundle import Metrics, ProcessSample, Samples, Stream
from ..clocks import read_clocks
from ..responses import progressed

#: Seconds of silence before anything is concluded; several samples of every source fall into it.
LEAST_SILENCE = 6.0
#: Seconds back that count: a server that answered once more after the last event has stood since.
WINDOW = 8.0
#: Seconds the canary must have been silent: a healthy server answers it in well under one.
CANARY_SILENCE = 3.0
#: Without readable process clocks the other two witnesses must agree for longer.
SILENCE_WITHOUT_CLOCKS = 15.0


def counters_stand(samples: List[Metrics]) -> Optional[str]:
    """In words when all ``samples`` (at least 3, or 2 failed ones) say that nothing moved, else None."""
    answered = [s for s in samples if s["state"] == "ok"]
    if not answered:
        if any(s["reason"].startswith("HTTP ") for s in samples):
            return None  # not served, or not to us: an answer, and no word about the engine
        return "/metrics did not answer" if len(samples) >= 2 else None
    if len(answered) < 3:
        return None
    for counter in ("generation_tokens", "prompt_tokens"):
        values = {s.get(counter) for s in answered}
        if len(values) != 1:
            return None
    if answered[0].get("generation_tokens") is None:
        return None  # no counters (--disable-log-stats): this witness is silent, it does not agree
    return "no token in {:.0f} s".format(answered[-1]["t"] - answered[0]["t"])


def clocks_stand(samples: List[ProcessSample]) -> Optional[str]:
    """In words when the engine's processes stood over ``samples`` (at least 3), else None."""
    clocks = read_clocks(samples, least=3)
    if clocks is None:
        return None
    if clocks.halted:
        return "process {} is in state {}".format(clocks.halted[0]["pid"], clocks.halted[0]["state"])
    if not clocks.idle:
        return None
    return f"{clocks.cpu:.2f} s of CPU time in {clocks.seconds:.0f} s"


def standstill(samples: Samples, canary: Optional[Stream], since: float, now: float) -> Optional[str]:
    """Why more waiting would prove nothing, or None.

    ``since``: when the silence began; ``now``: both in seconds on the stream's clock.
    """
    silence = now - since
    if silence < LEAST_SILENCE or canary is None:
        return None
    if progressed(canary) or canary["http_status"] not in (None, 200):
        return None  # it moved; or it was refused, and so knows nothing of the engine
    if _canary_silence(canary) < CANARY_SILENCE:
        return None
    since = max(since, now - WINDOW)
    counters = counters_stand([s for s in samples["metrics"] if s["t"] >= since])
    if counters is None:
        return None
    in_silence = [s for s in samples["processes"] if s["t"] >= since and s["processes"]]  # /proc may hide them all
    clocks = clocks_stand(in_silence)
    if clocks is None and (in_silence or silence < SILENCE_WITHOUT_CLOCKS):
        return None
    return "{}; the canary stands too; {}".format(counters, clocks or "process clocks could not be read")


def _canary_silence(canary: Stream) -> float:
    """Seconds since the canary got anything; a canary that ended without progress has been silent for good."""
    end = canary.get("end")
    if end is not None:
        return float("inf")
    return canary["silence"]


def working(samples: Samples, now: float, silence: float, window: float = 10.0, cpu_patience: float = 60.0) -> bool:
    """Did the server make progress within the last ``window`` seconds? Tokens count always; CPU time alone only
    until ``cpu_patience`` seconds of silence, because a wait that spins burns CPU time for ever.
    """
    recent = [s for s in samples["metrics"] if s["state"] == "ok" and s["t"] >= now - window]
    for counter in ("generation_tokens", "prompt_tokens"):
        values = [s.get(counter) for s in recent if s.get(counter) is not None]
        if len(values) >= 2 and values[0] != values[-1]:
            return True
    clocks = [s for s in samples["processes"] if s["t"] >= now - window and s["processes"]]
    return silence < cpu_patience and len(clocks) >= 3 and clocks_stand(clocks) is None
