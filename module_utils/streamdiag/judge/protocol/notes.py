"""Where the grammar writes down deviations: how severe each is depends on whose stream it is."""

from __future__ import annotations

from typing import List, Set, Tuple

from ...words import say
from .seen import Seen, json_in, short
from .shapes import Deviation


class Notes:
    """``lenient``: another implementation's habits are warnings, unless something is lost for good."""

    def __init__(self, lenient: bool) -> None:
        self._lenient = lenient
        self._found: List[Deviation] = []
        self._once: Set[Tuple[str, str]] = set()

    def lost(self, rule: str, at: Seen, expected: str, seen: str) -> None:
        """Something that no client of any server can do without."""
        self._found.append(Deviation("fail", rule, at.place, at.t, expected, seen))

    def fail(self, rule: str, at: Seen, expected: str, seen: str) -> None:
        severity = "warn" if self._lenient else "fail"
        self._found.append(Deviation(severity, rule, at.place, at.t, expected, seen))

    def warn(self, rule: str, at: Seen, expected: str, seen: str) -> None:
        self._found.append(Deviation("warn", rule, at.place, at.t, expected, seen))

    def first(self, rule: str, subject: str) -> bool:
        """True the first time that ``rule`` is broken by ``subject``: one fault is said once, not with every event."""
        key = (rule, subject)
        if key in self._once:
            return False
        self._once.add(key)
        return True

    def in_order(self) -> List[Deviation]:
        return sorted(self._found, key=lambda deviation: deviation.index)


def note_arguments(notes: Notes, at: Seen, name: str, arguments: str) -> None:
    """Arguments of a finished call are one JSON object. Broken JSON is a server's fault, another value a model's."""
    kind = json_in(arguments)
    if kind != "object":
        note = notes.lost if kind == "broken" else notes.warn
        expected = say("arguments of {call} that are one JSON object", call=short(name))
        note("arguments_json", at, expected, short(arguments))
