"""Tokens that the engine made, by the server's counters, beside those that reached the client.

The counters are server-wide: with other clients on the server they prove little about one request (see ``traffic``).
"""

from __future__ import annotations

import math
from typing import List, Optional

from ..bundle import Metrics, Stream
from ..responses import acting_events, name_of


def counted(stream: Stream, since: float, until: float) -> List[Metrics]:
    """The samples of ``/metrics`` that were answered between ``since`` and ``until``."""
    return [s for s in stream["samples"]["metrics"] if since <= s["t"] <= until and s["state"] == "ok"]


def advanced(stream: Stream, counter: str, since: float = 0.0, until: float = float("inf")) -> Optional[float]:
    """By how much ``counter`` (``generation_tokens``, …) rose between ``since`` and ``until``, server-wide.

    None when it is unknown: with fewer than two samples that have it, or when it fell, because the engine restarted.
    """
    found = (s.get(counter) for s in counted(stream, since, until))
    values = [v for v in found if isinstance(v, (int, float)) and math.isfinite(v)]
    return values[-1] - values[0] if len(values) >= 2 and values[-1] >= values[0] else None


def delta_times(stream: Stream) -> List[float]:
    """When a piece of text, reasoning or arguments reached the client, in seconds."""
    return [event["t"] for event in acting_events(stream) if name_of(event).endswith((".delta", ".chunk"))]


def unseen(stream: Stream, start: float, end: float) -> Optional[float]:
    """Tokens that were made between ``start`` and ``end`` (a silence), so that no client saw them in time.

    The counters are read once a second, so the count begins at the last sample before ``start``, and what the client
    got between that sample and ``start`` is taken off, at the rate of tokens per delta that the stream had until then.
    None when the counters are not known.
    """
    before = [s["t"] for s in counted(stream, 0.0, start)]
    after = [s["t"] for s in counted(stream, end, float("inf"))]
    since, until = before[-1] if before else start, after[0] if after else end
    made = advanced(stream, "generation_tokens", since, until)
    if made is None:
        return None
    shown = [t for t in delta_times(stream) if t <= start]
    so_far = advanced(stream, "generation_tokens", 0.0, start) or 0.0
    per_delta = max(1.0, so_far / len(shown)) if len(shown) >= 3 else 1.0
    around = [t for t in delta_times(stream) if since < t <= start or end <= t <= until]
    return max(0.0, made - per_delta * len(around))
