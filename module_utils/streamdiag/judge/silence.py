"""The silences of a stream, on two clocks, and what the witnesses said meanwhile.

One clock runs between events that a client acts on, the other between bytes. Keep-alives end only the second.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence, cast

from ..bundle import Endpoint, ProcessSample, Stream
from ..clocks import Clocks, Starved, gpu_load, read_clocks
from ..responses import acting_events, is_heartbeat, name_of, progressed, terminal_name
from ..words import say
from .tokens import advanced


class Silence(NamedTuple):
    """Nothing that a client acts on from ``start`` for ``seconds``; ``after``: what came last before it."""

    start: float
    seconds: float
    after: str

    @property
    def end(self) -> float:
        return self.start + self.seconds


def silences(stream: Stream) -> List[Silence]:
    """All silences in order: before the first event, between events, and after the last one while none was terminal."""
    events = acting_events(stream)
    found: List[Silence] = []
    mark: float = stream["t_headers"] or stream["t_connect"] or 0.0
    after: str = say("the headers") if stream["t_headers"] else say("connect")
    for event in events:
        found.append(Silence(mark, max(0.0, event["t"] - mark), after))
        mark, after = event["t"], name_of(event)
    if terminal_name(stream) is None:
        found.append(Silence(mark, max(0.0, stream["end"]["t"] - mark), after))
    return found


def longest_silence(stream: Stream) -> Optional[Silence]:
    return max(silences(stream), key=lambda silence: silence.seconds, default=None)


def max_byte_gap(stream: Stream) -> Optional[float]:
    """The longest time without a single byte, in seconds, from the headers to the end."""
    if stream["t_headers"] is None:
        return None
    marks = [stream["t_headers"]] + [r["t"] for r in stream["reads"] if r["t"] > stream["t_headers"]]
    marks.append(max(stream["end"]["t"], marks[-1]))
    return round(max(b - a for a, b in zip(marks, marks[1:])), 3)


def pings(stream: Stream, since: float = 0.0, until: float = float("inf")) -> int:
    """Comments and heartbeat events between ``since`` and ``until``."""
    times = [comment["t"] for comment in stream["comments"]]
    times += [event["t"] for event in stream["events"] if is_heartbeat(event)]
    return sum(1 for t in times if since <= t <= until)


#: Seconds after the last event in which counters may still catch up with it.
SETTLING = 1.0
#: Seconds at the end of a silence that count: an engine that stops later than its last event has stood since.
WINDOW = 8.0


class Standing(NamedTuple):
    """What the witnesses said at the end of a silence, over ``seconds``. None or empty: it could not be heard."""

    seconds: float
    tokens: Optional[float]  # generation tokens, server-wide
    prompt_tokens: Optional[float]
    canary_sent: bool
    canary_progressed: bool
    clocks: Optional[Clocks]
    gpu: Optional[float]  # the highest load of a GPU of the server, in per cent
    health: Dict[str, int]  # "200", "503", "no answer" -> how often
    starved: Sequence[Starved] = ()  # kept waiting for a CPU to the end, most of the silence if that can be said


def standing(stream: Stream, silence: Silence) -> Standing:
    """Hear all witnesses over the end of ``silence``."""
    until = silence.end
    since = max(silence.start + min(SETTLING, silence.seconds / 4), until - WINDOW)
    canary = stream["canary"]
    processes = [sample for sample in stream["samples"]["processes"] if since <= sample["t"] <= until]
    pids = [process["pid"] for sample in processes[-1:] for process in sample["processes"]]
    clocks = read_clocks(processes)
    return Standing(
        seconds=until - since,
        tokens=advanced(stream, "generation_tokens", since, until),
        prompt_tokens=advanced(stream, "prompt_tokens", since, until),
        canary_sent=canary is not None,
        canary_progressed=canary is not None and progressed(cast(Stream, canary)),
        clocks=clocks,
        gpu=gpu_load([sample for sample in stream["samples"]["gpus"] if since <= sample["t"] <= until], pids),
        health=_tally([answer for answer in stream["samples"]["health"] if answer["t"] >= silence.start]),
        starved=_starved(clocks, [s for s in stream["samples"]["processes"] if silence.start <= s["t"] <= until]),
    )


def _starved(end: Optional[Clocks], samples: List[ProcessSample]) -> Sequence[Starved]:
    """Those without a CPU at the ``end`` of a silence, by all ``samples`` of it where they had none for most of it.

    On a host that leaves the probe without a CPU, too, its end may not have been sampled twice.
    """
    if end is not None and not end.starved:
        return ()
    whole = read_clocks(samples)
    return (whole.starved if whole is not None else ()) or (end.starved if end is not None else ())


def _tally(answers: List[Endpoint]) -> Dict[str, int]:
    found: Dict[str, int] = {}
    for answer in answers:
        key = str(answer["http_status"]) if answer["state"] == "ok" else "no answer"
        found[key] = found.get(key, 0) + 1
    return found
