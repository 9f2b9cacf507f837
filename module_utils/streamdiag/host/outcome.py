"""One finished stream in one line for the operator. No judging."""

from __future__ import annotations

from ..bundle import Stream, stream_name
from ..responses import acting_events, is_streaming, name_of, terminal_name


def describe_stream(stream: Stream) -> str:
    """``simple: 200, 124 events in 0.87 s, response.completed``."""
    end, name = stream["end"], stream_name(stream)
    if stream["http_status"] is None:
        if stream["t_connect"] is None:
            return "{}: no connection: {}".format(name, end["reason"])
        return "{}: connected, no answer in {:.1f} s: {}".format(name, end["t"], end["reason"])
    if stream["http_status"] != 200:
        words = " ".join(stream["body"].split())[:160]
        return "{}: HTTP {}: {}".format(name, stream["http_status"], words)
    if not is_streaming(stream) and end["how"] == "closed":
        return "{}: 200, {} bytes in {:.1f} s".format(name, stream["bytes"], end["t"])
    events = acting_events(stream)
    line = "{}: 200, {} events in {:.1f} s".format(name, len(events), end["t"])
    terminal = terminal_name(stream)
    if terminal is not None:
        return f"{line}, {terminal}"
    last = name_of(events[-1]) if events else ""
    silence = end["t"] - (events[-1]["t"] if events else stream["t_headers"] or 0.0)
    ending = "nothing moves: {}".format(end["reason"]) if end["how"] == "stopped" else end["reason"]
    return "{}, then {:.1f} s of silence after {}; {}".format(line, silence, last or "the headers", ending)
