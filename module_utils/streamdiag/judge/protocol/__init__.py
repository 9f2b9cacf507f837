"""The grammar of a stream: what may follow what, what has to agree with what, and where a stream leaves it.

Pure and total: any content of a stream yields a ``Protocol``. A deviation never rests on what the probe cut or
dropped, and where the probe itself ended a stream, what is missing at its end is none: see ``open_items``.
"""

from __future__ import annotations

from typing import List, Union

from ...bundle import Stream
from ...responses import PREAMBLE, TERMINAL, is_chat
from .chat import ChatReader
from .dialect import dialect_of
from .reader import ResponsesReader
from .seen import Seen, seen_events
from .shapes import Call, Deviation, OpenItem, Protocol, Tally

__all__ = ["Call", "Deviation", "OpenItem", "Protocol", "Tally", "read_protocol"]

#: Their data may be long (they echo the request), and no joined text needs it.
_ECHOES = TERMINAL | PREAMBLE


def read_protocol(stream: Stream) -> Protocol:
    """Read ``stream`` by the grammar of the API that it speaks. Never raises for anything that a server can send."""
    events = seen_events(stream)
    dialect = dialect_of(stream, events)
    comparable = _comparable(stream, events)
    if stream["http_status"] != 200 or not _is_event_stream(stream):
        return Protocol("none", [], Tally(0, 0, 0, {}, {}), [], comparable, [], "")
    kind = ChatReader if is_chat(stream) else ResponsesReader
    reader: Union[ChatReader, ResponsesReader] = kind(dialect, comparable)
    for event in events:
        reader.feed(event)
    return reader.protocol(stream)


def _comparable(stream: Stream, events: List[Seen]) -> bool:
    """The probe kept every event that an answer consists of, and each of them whole."""
    return not stream.get("dropped_events") and all(event.whole for event in events if event.name not in _ECHOES)


def _is_event_stream(stream: Stream) -> bool:
    return stream["response_headers"].get("content-type", "").lower().startswith("text/event-stream")
