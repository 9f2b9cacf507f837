"""What the client saw: the lanes of events, reads and signs of life, and the silences between events."""

from __future__ import annotations

import math
from typing import List, Optional

from ...bundle import Event, Stream
from ...judge.facts import PING_INTERVAL
from ...judge.silence import silences
from ...responses import FAILED, acting_events, is_heartbeat, is_streaming, name_of, terminals
from ...words import joined, say
from .chart import DELTA, ERROR, EVENT, LAST, PING, READ, Band, Lane, Tick
from .values import number, records, text

#: A silence is shaded from so many seconds on that are also this part of the stream; so many of them.
SHADED_SECONDS = 1.0
SHADED_PART = 0.08
SHADED = 6
#: Lowest mark of a read: smaller ones would not be seen.
_LOWEST = 0.2


def bands(stream: Stream) -> List[Band]:
    """The longest silences between events, in the order of time; none of an answer that was asked for in one piece."""
    if not is_streaming(stream):
        return []
    least = max(SHADED_SECONDS, SHADED_PART * (number(stream["end"]["t"]) or 0.0))
    long = [one for one in silences(stream) if math.isfinite(one.seconds) and one.seconds >= least]
    longest = sorted(long, key=lambda one: -one.seconds)[:SHADED]
    return [
        Band(
            one.start,
            one.end,
            say("{seconds:.1f} s of silence", seconds=one.seconds),
            say("{seconds:.1f} s", seconds=one.seconds),
        )
        for one in sorted(longest, key=lambda one: one.start)
    ]


def events(stream: Stream) -> Lane:
    """One mark per event that a client acts on."""
    found, ends = acting_events(stream), terminals(stream)
    kinds = [_kind(name_of(event), ends) for event in found]
    ticks = [Tick(event["t"], kind, 0.5 if kind == DELTA else 1.0) for event, kind in zip(found, kinds)]
    return Lane(say("events"), _event_words(stream, found, kinds.count(DELTA)), _in_time(ticks))


def _kind(name: str, ends: frozenset[str]) -> str:
    if name in FAILED:
        return ERROR
    if name in ends:
        return LAST
    return DELTA if name.endswith((".delta", ".chunk")) else EVENT


def _event_words(stream: Stream, found: List[Event], deltas: int) -> str:
    if not found:
        return say("none")
    dropped = stream.get("dropped_events", 0)
    count = f"{len(found) + dropped}"
    parts = [say("{count}, the last: {name}", count=count, name=text(name_of(found[-1])))]
    if deltas:
        parts.append(say("deltas: {count}", count=deltas))
    if dropped:
        parts.append(say("not kept: {count}", count=dropped))
    return joined("; ", parts)


def reads(stream: Stream) -> Optional[Lane]:
    """One mark per read of the socket, the higher the more bytes it brought. None when nothing was read."""
    sizes = [(number(one.get("t")), number(one.get("size"))) for one in records(stream, "reads")]
    known = [(t, max(0.0, size)) for t, size in sizes if t is not None and size is not None]
    if not known:
        return None
    most = max(size for _t, size in known) or 1.0
    ticks = [Tick(t, READ, max(_LOWEST, math.sqrt(size / most))) for t, size in known]
    words = say("{count}; at most {most:.0f} bytes", count=len(known), most=most)
    return Lane(say("reads"), words, _in_time(ticks))


def pings(stream: Stream) -> Optional[Lane]:
    """Comments and heartbeat events. None when there is none and a server had no time to send any."""
    times = [number(one.get("t")) for one in records(stream, "comments")]
    times += [number(event["t"]) for event in stream["events"] if is_heartbeat(event)]
    ticks = [Tick(t, PING) for t in times if t is not None]
    if ticks:
        return Lane(say("pings"), str(len(ticks)), _in_time(ticks))
    quiet = max((band.seconds for band in bands(stream)), default=0.0)
    return Lane(say("pings"), say("none")) if quiet > PING_INTERVAL else None


def _in_time(ticks: List[Tick]) -> List[Tick]:
    return sorted((tick for tick in ticks if number(tick.t) is not None), key=lambda tick: tick.t)
