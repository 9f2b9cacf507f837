"""One finished stream in one line for the operator, and whether it makes further streams pointless. No judging."""

from __future__ import annotations

from ..bundle import Stream
from ..responses import TERMINAL, acting_events, name_of


def describe_stream(stream: Stream) -> str:
    """``simple: 200, 124 events in 0.87 s, response.completed``."""
    end = stream["end"]
    if stream["http_status"] is None:
        if stream["t_connect"] is None:
            return "{}: no connection: {}".format(stream["case"], end["reason"])
        return "{}: connected, no answer in {:.1f} s: {}".format(stream["case"], end["t"], end["reason"])
    if stream["http_status"] != 200:
        words = " ".join(stream["body"].split())[:160]
        return "{}: HTTP {}: {}".format(stream["case"], stream["http_status"], words)
    events = acting_events(stream)
    line = "{}: 200, {} events in {:.1f} s".format(stream["case"], len(events), end["t"])
    last = name_of(events[-1]) if events else ""
    if last in TERMINAL:
        return f"{line}, {last}"
    silence = end["t"] - (events[-1]["t"] if events else stream["t_headers"] or 0.0)
    ending = "nothing moves: {}".format(end["reason"]) if end["how"] == "stopped" else end["reason"]
    return "{}, then {:.1f} s of silence after {}; {}".format(line, silence, last or "the headers", ending)


def settles(stream: Stream) -> str:
    """Why further cases could not add knowledge, or ``""``."""
    end, status = stream["end"], stream["http_status"]
    if status is None:
        return "no answer to the case {}: {}".format(stream["case"], end["reason"])
    if status in (401, 403, 404):
        return f"the server rejects requests with HTTP {status}, whatever they ask"
    events = acting_events(stream)
    if events and name_of(events[-1]) in TERMINAL:
        return ""  # a whole answer, on a connection that was left open
    if end["how"] in ("stopped", "deadline") and end["deadline"] != "total":
        return "the case {} stalled: {}".format(stream["case"], end["reason"])
    return ""
