"""When does more waiting prove nothing? The rules that end a silent stream early.

Pure functions over what was sampled; the judge applies rules of its own to the same samples later.

``standstill``: nothing moves. All three kinds of witness must agree, each over several samples *within* the silence:

* the server's counters: the same tokens in every sample, or no answer in any of them;
* the canary: a tiny stream beside the silent one got no further than the first one did;
* the process clocks: one of the unit's processes is stopped, or they used no CPU time for longer, and no GPU is busy.

A first request that compiles, a long prefill and a spinning wait all burn CPU time, or a GPU's, so they are waited for.
So is a process that wants CPU time and gets none: it does not stand, it is kept waiting.

``queued``: the engine works for others, and the stream waits for its turn. How long that takes depends on
requests that are not ours.

``abandoned``: the engine answers a canary and has no request left, so nobody works on the silent stream.
"""

from __future__ import annotations

from typing import List, Optional

from ..bundle import Metrics, Process, ProcessSample, Samples, Stream
from ..clocks import BUSY_PERCENT, gpu_load, read_clocks
from ..responses import progressed
from ..words import joined, say

#: Seconds of silence before anything is concluded; several samples of every source fall into it.
LEAST_SILENCE = 6.0
#: Seconds of silence before it is concluded of processes that could run, and do not: a long prompt on a GPU whose load
#: cannot be read leaves the CPU idle, and a first token within 10 s is not even slow.
IDLE_SILENCE = 12.0
#: Seconds back that count: a server that answered once more after the last event has stood since.
WINDOW = 8.0
#: Seconds the canary must have been silent: a healthy server answers it in well under one.
CANARY_SILENCE = 3.0
#: Without readable process clocks the other two witnesses must agree for longer.
SILENCE_WITHOUT_CLOCKS = 15.0
IN_QUEUE = say("waiting in the queue")
#: Seconds of silence before a stream counts as one that nobody works on.
ABANDONED_SILENCE = 10.0
#: Seconds of silence before a queue is concluded: a short one has moved on by then.
QUEUE_SILENCE = 12.0


def counters_stand(samples: List[Metrics]) -> Optional[str]:
    """In words when all ``samples`` (at least 3, or 2 failed ones) say that nothing moved, else None."""
    answered = [s for s in samples if s["state"] == "ok"]
    if not answered:
        if any(s["reason"].startswith("HTTP ") for s in samples):
            return None  # not served, or not to us: an answer, and no word about the engine
        return say("/metrics did not answer") if len(samples) >= 2 else None
    if len(answered) < 3:
        return None
    for counter in ("generation_tokens", "prompt_tokens"):
        values = {s.get(counter) for s in answered}
        if len(values) != 1:
            return None
    if answered[0].get("generation_tokens") is None:
        return None  # no counters (--disable-log-stats): this witness is silent, it does not agree
    return say("no token in {seconds:.0f} s", seconds=answered[-1]["t"] - answered[0]["t"])


def halted(samples: List[ProcessSample]) -> Optional[str]:
    """In words when one of the server's processes cannot run, by ``samples`` (at least 3), else None."""
    clocks = read_clocks(samples, least=3)
    if clocks is None or not clocks.halted:
        return None
    return say("process {pid} is in state {state}", pid=clocks.halted[0]["pid"], state=clocks.halted[0]["state"])


def idle(samples: List[ProcessSample]) -> Optional[str]:
    """In words when the engine's processes used no CPU time (3 ``samples`` at least) and wanted none, else None."""
    clocks = read_clocks(samples, least=3)
    if clocks is None or not clocks.idle:
        return None
    return say("{cpu:.2f} s of CPU time in {seconds:.0f} s", cpu=clocks.cpu, seconds=clocks.seconds)


def gpu_busy(samples: Samples, since: float) -> bool:
    """A GPU of the server has worked since ``since``."""
    seen = samples["processes"][-1:]
    load = gpu_load([s for s in samples["gpus"] if s["t"] >= since], _pids(seen[0]["processes"]) if seen else [])
    return load is not None and load >= BUSY_PERCENT


def _pids(processes: List[Process]) -> List[int]:
    return [process["pid"] for process in processes]


def standstill(samples: Samples, canary: Optional[Stream], since: float, now: float) -> Optional[str]:
    """Why more waiting would prove nothing, or None.

    ``since``: when the silence began; ``now``: both in seconds on the stream's clock.
    """
    silence = now - since
    if silence < LEAST_SILENCE or canary is None or not _stands(canary):
        return None
    since = max(since, now - WINDOW)
    counters = counters_stand([s for s in samples["metrics"] if s["t"] >= since])
    if counters is None:
        return None
    clocks = _clocks_stand(samples, since, silence)
    return joined("; ", (counters, say("the canary stands too"), clocks)) if clocks is not None else None


def _clocks_stand(samples: Samples, since: float, silence: float) -> Optional[str]:
    """What the clocks since ``since`` say for a standstill, in words; None when they say that it may go on."""
    seen = [s for s in samples["processes"] if s["t"] >= since and s["processes"]]  # /proc may hide them all
    stopped = halted(seen)
    if stopped is not None:
        return stopped
    if gpu_busy(samples, since):
        return None
    if not seen:
        return say("process clocks could not be read") if silence >= SILENCE_WITHOUT_CLOCKS else None
    return idle(seen) if silence >= IDLE_SILENCE else None


def queued(samples: Samples, canary: Optional[Stream], since: float, now: float) -> Optional[str]:
    """Why a stream that has got nothing of the engine yet waits for its turn, or None. Times as for ``standstill``.

    A request must have been waiting before the canary came, too: of one that is running and silent and a canary
    that waits behind it, the counters say the same.
    """
    if now - since < QUEUE_SILENCE or canary is None or not _stands(canary):
        return None
    before = [s for s in samples["metrics"] if since <= s["t"] <= canary["sent_at"]]
    recent = [s for s in samples["metrics"] if s["t"] >= now - WINDOW]
    if not before or len(recent) < 4 or not all(_some_wait(sample) for sample in [before[-1], *recent]):
        return None
    first, last = recent[0], recent[-1]
    tokens = (last.get("generation_tokens") or 0.0) - (first.get("generation_tokens") or 0.0)
    if tokens <= 0:
        return None
    return say(
        "{in_queue}: {waiting:.0f} waiting, {running:.0f} running, {tokens:.0f} tokens for others in {seconds:.0f} s",
        in_queue=IN_QUEUE,
        waiting=last["waiting"] or 0,
        running=last["running"] or 0,
        tokens=tokens,
        seconds=last["t"] - first["t"],
    )


def abandoned(samples: Samples, canary: Optional[Stream], since: float, now: float) -> Optional[str]:
    """Why a silent stream has nobody who works on it, or None. Times as for ``standstill``.

    The engine reports its gauges together with outputs, so they are fresh once it has answered the canary.
    """
    if now - since < ABANDONED_SILENCE or canary is None or not progressed(canary):
        return None
    recent = [s for s in samples["metrics"] if s["t"] >= now - WINDOW]
    if len(recent) < 4 or not all(s["state"] == "ok" and s.get("running") == s.get("waiting") == 0 for s in recent):
        return None
    counters = counters_stand(recent)
    clocks = read_clocks([s for s in samples["processes"] if s["t"] >= now - WINDOW and s["processes"]], least=3)
    if counters is None or (clocks is not None and (clocks.halted or not clocks.idle)):
        return None
    return say(
        "the engine answered the canary and has no request left: 0 running, 0 waiting, {counters}", counters=counters
    )


def _some_wait(sample: Metrics) -> bool:
    """Counters were read, and say that a request waits while another one runs."""
    return sample["state"] == "ok" and (sample.get("waiting") or 0) >= 1 and (sample.get("running") or 0) >= 1


def _stands(canary: Stream) -> bool:
    """It was sent, and a healthy server would have answered it by now."""
    if progressed(canary) or canary["http_status"] not in (None, 200):
        return False  # it moved; or it was refused, and so knows nothing of the engine
    return "end" in canary or canary["silence"] >= CANARY_SILENCE  # ended without progress: silent for good


def working(samples: Samples, now: float, silence: float, window: float = 10.0, busy_patience: float = 75.0) -> bool:
    """Did the server make progress within the last ``window`` seconds? Tokens count always; CPU and GPU time alone, and
    a wait for a CPU, only until ``busy_patience`` seconds of silence: a wait that spins, a collective that hangs or a
    host with too much to do may stay so for ever.
    """
    recent = [s for s in samples["metrics"] if s["state"] == "ok" and s["t"] >= now - window]
    for counter in ("generation_tokens", "prompt_tokens"):
        values = [s.get(counter) for s in recent if s.get(counter) is not None]
        if len(values) >= 2 and values[0] != values[-1]:
            return True
    if silence >= busy_patience:
        return False
    seen = [s for s in samples["processes"] if s["t"] >= now - window and s["processes"]]
    if halted(seen) is not None:
        return False
    return gpu_busy(samples, now - window) or (len(seen) >= 3 and idle(seen) is None)
