"""Bytes of ``text/event-stream`` -> events, each with the time its last byte arrived.

The rules are those of the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream", with
two deviations that a diagnosis needs: comments are kept (they are keep-alives), and an event whose
data is empty is reported too (a browser drops it; on the wire it is a sign of life).
"""

from __future__ import annotations

from typing import List, Optional, Tuple

from ..bundle import Comment, Event
from ..responses import name_in

_BOM = b"\xef\xbb\xbf"
_NAME_LIMIT = 200


class SSEParser:
    """Feed it what the socket brought; it returns what became whole.

    ``data_limit``: bytes of an event's data that are kept (``data_bytes`` has the true size).
    ``buffer_limit``: bytes of one unfinished event before the rest of it is dropped, so that a server
    which never sends a blank line cannot fill the host's memory.
    """

    def __init__(self, data_limit: int = 65536, buffer_limit: int = 8 * 1024 * 1024) -> None:
        self._data_limit = data_limit
        self._buffer_limit = buffer_limit
        self._pending = b""
        self._started = False
        self._name = ""
        self._data: List[bytes] = []
        self._seen_field = False
        self._size = 0
        self._held = 0

    def feed(self, chunk: bytes, t: float) -> Tuple[List[Event], List[Comment]]:
        """``chunk`` arrived at ``t`` (seconds). Returns the events and comments it completed, in order."""
        events: List[Event] = []
        comments: List[Comment] = []
        self._pending += chunk
        if not self._started:
            if len(self._pending) < len(_BOM) and _BOM.startswith(self._pending):
                return events, comments
            self._started = True
            if self._pending.startswith(_BOM):
                self._pending = self._pending[len(_BOM) :]
        for line, width in self._lines():
            self._size += width
            if not line:
                event = self._dispatch(t)
                if event is not None:
                    events.append(event)
            elif line.startswith(b":"):
                comments.append(Comment(t=t, text=line[1:].strip().decode("utf-8", "replace")[:200]))
                if not self._seen_field:
                    self._size = 0
            else:
                self._field(line)
        if len(self._pending) > self._buffer_limit:
            self._pending = self._pending[: self._buffer_limit]
        return events, comments

    @property
    def unparsed(self) -> str:
        """What came after the last whole event: the start of an event that was cut, else ``""``."""
        rest = [b"data: " + d for d in self._data]
        if self._name:
            rest.insert(0, b"event: " + self._name.encode())
        return b"\n".join([*rest, self._pending]).decode("utf-8", "replace").strip("\n")[: self._data_limit]

    def _lines(self) -> List[Tuple[bytes, int]]:
        """Whole lines in the buffer, and how many bytes each took with its end. CRLF, LF and CR all end a line."""
        found: List[Tuple[bytes, int]] = []
        start = 0
        text = self._pending
        while True:
            lf = text.find(b"\n", start)
            cr = text.find(b"\r", start, lf if lf >= 0 else len(text))
            if cr >= 0:
                if cr + 1 == len(text):  # perhaps the first half of CRLF
                    break
                end = cr
                after = cr + 2 if text[cr + 1 : cr + 2] == b"\n" else cr + 1
            elif lf >= 0:
                end, after = lf, lf + 1
            else:
                break
            found.append((text[start:end], after - start))
            start = after
        self._pending = text[start:]
        return found

    def _field(self, line: bytes) -> None:
        self._seen_field = True
        field, _colon, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if field == b"event":
            self._name = value[:_NAME_LIMIT].decode("utf-8", "replace")
        elif field == b"data" and self._held <= self._buffer_limit:
            self._data.append(value)
            self._held += len(value) + 1  # the line feed that joins them; empty lines cost memory too

    def _dispatch(self, t: float) -> Optional[Event]:
        size, name, data = self._size, self._name, b"\n".join(self._data)
        seen = self._seen_field
        self._name, self._data, self._seen_field, self._size, self._held = "", [], False, 0, 0
        if not seen:
            return None
        event = Event(
            t=t,
            name=name or "message",
            size=size,
            data=data[: self._data_limit].decode("utf-8", "replace"),
            data_bytes=len(data),
        )
        if not name and len(data) > self._data_limit:
            event["type"] = name_in(data.decode("utf-8", "replace"))  # the cut would lose it
        return event
