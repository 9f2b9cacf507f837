"""One stored stream -> what happened to it, in the words and numbers of ``result.json``.

Two clocks: silence between events that a client acts on, and silence between bytes. Keep-alives end
only the second.
"""

from __future__ import annotations

import math
from typing import Dict, List, NamedTuple, Optional, cast

from ..bundle import Endpoint, Metrics, Stream
from ..clocks import Clocks, read_clocks
from ..responses import FAILED, TERMINAL, acting_events, data_of, is_heartbeat, name_of, progressed
from .result import StreamRow


class Silence(NamedTuple):
    """Nothing that a client acts on from ``start`` for ``seconds``; ``after``: what came last before it."""

    start: float
    seconds: float
    after: str


def terminal_event(stream: Stream) -> Optional[str]:
    """The event that ended the stream by the protocol, or None."""
    names = [name_of(event) for event in stream["events"] if name_of(event) in TERMINAL]
    return names[-1] if names else None


def outcome(stream: Stream) -> str:
    """completed | incomplete | stalled | truncated | failed | rejected | unreachable, see docs/result.md."""
    how, status = stream["end"]["how"], stream["http_status"]
    if status is None:
        if how in ("refused", "broken") or stream["end"]["deadline"] == "connect" or stream["t_connect"] is None:
            return "unreachable"
        if how == "error":
            return "failed"
        return "stalled"  # connected, and no headers came
    if 400 <= status < 500:
        return "rejected"
    if status != 200 or not is_event_stream(stream):
        return "failed"
    terminal = terminal_event(stream)
    if terminal in FAILED:
        return "failed"
    if terminal == "response.incomplete":
        return "incomplete"
    if terminal is not None:
        return "completed"
    if how in ("deadline", "stopped"):
        # Cut by the probe's own limit while events were flowing: not silent, only not finished.
        last = silences(stream)[-1:]
        flowing = stream["end"]["deadline"] == "total" and last and last[0].seconds < 5.0
        return "incomplete" if flowing else "stalled"
    return "truncated"


def is_event_stream(stream: Stream) -> bool:
    """What came is server-sent events by its content type; a page of a proxy is not."""
    return stream["response_headers"].get("content-type", "").lower().startswith("text/event-stream")


def silences(stream: Stream) -> List[Silence]:
    """All silences in order: before the first event, between events, and after the last one while none was terminal."""
    events = acting_events(stream)
    found: List[Silence] = []
    mark, after = stream["t_headers"] or stream["t_connect"] or 0.0, "the headers" if stream["t_headers"] else "connect"
    for event in events:
        found.append(Silence(mark, max(0.0, event["t"] - mark), after))
        mark, after = event["t"], name_of(event)
    if terminal_event(stream) is None:
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


def _counted(stream: Stream, since: float, until: float) -> List[Metrics]:
    return [s for s in stream["samples"]["metrics"] if since <= s["t"] <= until and s["state"] == "ok"]


def advanced(stream: Stream, counter: str, since: float = 0.0, until: float = float("inf")) -> Optional[float]:
    """By how much ``counter`` (``generation_tokens``, …) rose between ``since`` and ``until``, server-wide.

    None when it is unknown: with fewer than two samples that have it, or when it fell, because the engine restarted.
    """
    found = (s.get(counter) for s in _counted(stream, since, until))
    values = [v for v in found if isinstance(v, (int, float)) and math.isfinite(v)]
    return values[-1] - values[0] if len(values) >= 2 and values[-1] >= values[0] else None


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
    health: Dict[str, int]  # "200", "503", "no answer" -> how often


def standing(stream: Stream, silence: Silence) -> Standing:
    """Hear all witnesses over the end of ``silence``."""
    until = silence.start + silence.seconds
    since = max(silence.start + min(SETTLING, silence.seconds / 4), until - WINDOW)
    canary = stream["canary"]
    return Standing(
        seconds=until - since,
        tokens=advanced(stream, "generation_tokens", since, until),
        prompt_tokens=advanced(stream, "prompt_tokens", since, until),
        canary_sent=canary is not None,
        canary_progressed=canary is not None and progressed(cast(Stream, canary)),
        clocks=read_clocks([s for s in stream["samples"]["processes"] if since <= s["t"] <= until]),
        health=_tally(stream["samples"]["health"]),
    )


def _tally(answers: List[Endpoint]) -> Dict[str, int]:
    found: Dict[str, int] = {}
    for answer in answers:
        key = str(answer["http_status"]) if answer["state"] == "ok" else "no answer"
        found[key] = found.get(key, 0) + 1
    return found


def cut_by_limit(stream: Stream) -> str:
    """``incomplete_details.reason`` of the final response (``max_output_tokens``, …), or ``""``."""
    for event in reversed(stream["events"]):
        if name_of(event) in TERMINAL:
            details = data_of(event).get("response", {}).get("incomplete_details")
            return str(details.get("reason", "")) if isinstance(details, dict) else ""
    return ""


def end_is_whole(stream: Stream) -> bool:
    """False when the probe cut the data of the terminal event, so that what it says of a limit is not known."""
    ends = [event for event in stream["events"] if name_of(event) in TERMINAL]
    return bool(ends) and ends[-1]["data_bytes"] <= len(ends[-1]["data"].encode("utf-8", "replace"))


def has_delta(stream: Stream) -> bool:
    """At least one piece of an answer came before its end."""
    return any(name_of(event).endswith(".delta") for event in stream["events"])


def row(stream: Stream) -> StreamRow:
    """The stream's row in ``result.json``."""
    events = acting_events(stream)
    longest = longest_silence(stream) if stream["t_headers"] is not None else None
    return StreamRow(
        case=stream["case"],
        outcome=outcome(stream),
        http_status=stream["http_status"],
        events=len(events) + stream["dropped_events"],
        bytes=stream["bytes"],
        reads=len(stream["reads"]),
        t_headers=_ms(stream["t_headers"]),
        t_first_event=_ms(events[0]["t"]) if events else None,
        t_last_event=_ms(events[-1]["t"]) if events else None,
        duration=round(stream["end"]["t"], 3),
        max_event_gap=_ms(longest.seconds) if longest else None,
        max_byte_gap=max_byte_gap(stream),
        pings=pings(stream),
        terminal_event=terminal_event(stream),
        tokens_advanced=advanced(stream, "generation_tokens"),
        stop_reason=cut_by_limit(stream) or stream["end"]["reason"],
    )


def _ms(t: Optional[float]) -> Optional[float]:
    return None if t is None else round(t, 3)
