"""``sequence_number``: it grows by one with every event, so a gap is an event that got lost on the way."""

from __future__ import annotations

from typing import Optional

from ...words import say
from .dialect import FORK_EVENTS
from .notes import Notes
from .seen import Seen


class Numbering:
    """``gaps``: whether a gap means anything (not when the probe itself dropped events)."""

    def __init__(self, notes: Notes, gaps: bool) -> None:
        self._notes = notes
        self._gaps = gaps
        self._last: Optional[int] = None

    def feed(self, event: Seen) -> None:
        """Heartbeats take part where they are numbered; what the fork adds repeats the number of its neighbour."""
        if not event.whole:
            self._last = None  # its number was cut
        number = event.number("sequence_number")
        if number is None or event.name in FORK_EVENTS:
            return
        last, self._last = self._last, number
        if last is None:
            return
        if number <= last and self._notes.first("sequence_number", "order"):
            self._notes.warn("sequence_number", event, say("a sequence_number above {last}", last=last), str(number))
        elif number > last + 1 and self._gaps and self._notes.first("sequence_number", "gap"):
            lost = number - last - 1
            if lost == 1:
                seen = say("{number}: {lost} event never came", number=number, lost=lost)
            else:
                seen = say("{number}: {lost} events never came", number=number, lost=lost)
            self._notes.warn("sequence_number", event, say("sequence_number {number}", number=last + 1), seen)
