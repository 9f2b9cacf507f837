"""Tokens that the engine made, by the server's counters, beside those that reached the client.

The counters are server-wide: with other clients on the server they prove little about one request (see ``traffic``).
"""

from __future__ import annotations

import math
from typing import List, Optional

from ..bundle import Event, Metrics, Stream
from ..responses import acting_events, data_of, name_of, terminal_name

#: A canary asks for this many tokens; they are counted with those of the stream it was sent beside.
CANARY_TOKENS = 16
#: Deltas from which on a stream shows how many tokens it puts into one.
ENOUGH_DELTAS = 3
#: The part of the tokens that may share a delta with others: of random weights, which write no language, a seventh do.
SHARED = 0.25
#: Bytes of text that a token has at least, on average over an answer.
LEAST_BYTES = 2.0


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


def final_response(stream: Stream) -> dict[str, object]:
    """The response object of the terminal event, ``{}`` when there is none or it was cut."""
    for event in reversed(stream["events"]):
        if name_of(event) == terminal_name(stream):
            response = data_of(event).get("response")
            return response if isinstance(response, dict) else {}
    return {}


def tokens_used(stream: Stream) -> Optional[int]:
    """``usage.output_tokens`` of the final response, None when it is not known."""
    usage = final_response(stream).get("usage")
    used = usage.get("output_tokens") if isinstance(usage, dict) else None
    return used if isinstance(used, int) else None


def deltas(stream: Stream) -> List[Event]:
    """The events that brought a piece of text, reasoning or arguments to the client."""
    return [event for event in acting_events(stream) if name_of(event).endswith((".delta", ".chunk"))]


def unseen(stream: Stream, start: float, end: float) -> Optional[float]:
    """Tokens that were made between ``start`` and ``end`` (a silence), so that no client saw them in time.

    The counters are read once a second, so the count begins at the last sample before ``start`` and goes to the first
    one after ``end``; what the client got between those samples outside of the silence is taken off, at the stream's
    own number of tokens per delta, and so is what a canary may have. Behind a call it begins at ``start``.
    None when the counters are not known.
    """
    before, after = counted(stream, 0.0, start), counted(stream, end, float("inf"))
    since, until = before[-1]["t"] if before else start, after[0]["t"] if after else end
    if any("arguments" in name_of(event) for event in deltas(stream) if since < event["t"] <= start):
        since = start  # a call has more tokens than its deltas show: names, brackets, markup
    made = advanced(stream, "generation_tokens", since, until)
    if made is None:
        return None
    around = [event for event in deltas(stream) if since < event["t"] <= start or end <= event["t"] <= until]
    filling = 1 if deltas(stream) else 0  # the delta that is not full yet
    shown = _per_delta(stream, since, until) * (len(around) + filling)
    return max(0.0, made - shown - (CANARY_TOKENS if stream["canary"] is not None else 0))


def _per_delta(stream: Stream, since: float, until: float) -> float:
    """Tokens that a delta of this stream stands for: --stream-interval and speculative decoding make it many.

    Counted outside of ``since`` to ``until`` where enough deltas came there. An answer that came faster than the
    counters are read is taken to show all of its tokens, as far as its text has room for them.
    """
    shown = deltas(stream)
    outside = [(0.0, since), (until, float("inf"))]
    parts = [(counted(stream, *span), advanced(stream, "generation_tokens", *span)) for span in outside]
    known = [(samples[0]["t"], samples[-1]["t"], tokens) for samples, tokens in parts if tokens]
    seen = [event for event in shown if any(first < event["t"] <= last for first, last, _tokens in known)]
    if len(seen) >= ENOUGH_DELTAS:
        return max(1.0, sum(tokens for _first, _last, tokens in known) / len(seen))
    most = sum(len(str(data_of(event).get("delta", "")).encode("utf-8", "replace")) for event in shown) / LEAST_BYTES
    return max(1.0, min(tokens_used(stream) or 0.0, most) / max(1, len(shown)))
