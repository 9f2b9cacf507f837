"""When does more waiting prove nothing? The rules that end a silent stream early.

Pure functions over what was sampled; the judge applies rules of its own to the same samples later.

``standstill``: nothing moves. All three kinds of witness must agree, each over several samples *within* the silence:

* the server's counters: the same tokens in every sample, or no answer in any of them;
* the canary: a tiny stream beside the silent one got no further than the first one did;
* the process clocks: the unit's processes used no CPU time, or one of them is stopped.

A first request that compiles, a long prefill and a spinning wait all burn CPU time, so they are waited for.

``queued``: the engine works for others, and the stream waits for its turn. How long that takes depends on
requests that are not ours.

``abandoned``: the engine answers a canary and has no request left, so nobody works on the silent stream.
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
IN_QUEUE = "waiting in the queue"
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
    if silence < LEAST_SILENCE or canary is None or not _stands(canary):
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
    return IN_QUEUE + ": {:.0f} waiting, {:.0f} running, {:.0f} tokens for others in {:.0f} s".format(
        last["waiting"] or 0, last["running"] or 0, tokens, last["t"] - first["t"]
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
    return f"the engine answered the canary and has no request left: 0 running, 0 waiting, {counters}"


def _some_wait(sample: Metrics) -> bool:
    """Counters were read, and say that a request waits while another one runs."""
    return sample["state"] == "ok" and (sample.get("waiting") or 0) >= 1 and (sample.get("running") or 0) >= 1


def _stands(canary: Stream) -> bool:
    """It was sent, and a healthy server would have answered it by now."""
    if progressed(canary) or canary["http_status"] not in (None, 200):
        return False  # it moved; or it was refused, and so knows nothing of the engine
    return "end" in canary or canary["silence"] >= CANARY_SILENCE  # ended without progress: silent for good


def working(samples: Samples, now: float, silence: float, window: float = 10.0, cpu_patience: float = 75.0) -> bool:
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
