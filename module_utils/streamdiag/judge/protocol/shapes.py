"""What reading a stream by the grammar of its API yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, NamedTuple, Optional

from ...words import say


@dataclass(frozen=True)
class Deviation:
    """One place where a stream leaves the grammar. ``fail``: a client breaks or loses something; ``warn``: it copes."""

    severity: str  # fail | warn
    rule: str  # terminal | order | type | pairing | nesting | ids | joined_text | arguments_json | output_index | …
    index: int  # of the event in ``stream["events"]``; their number where something did not come
    t: float  # seconds since the start of the stream
    expected: str
    seen: str

    @property
    def words(self) -> str:
        """One sentence; events are counted from one, as a report counts them."""
        return say(
            "event {number} at {t:.3f} s: expected {expected}, saw {seen}",
            number=self.index + 1,
            t=self.t,
            expected=self.expected,
            seen=self.seen,
        )


class Tally(NamedTuple):
    """``text``, ``reasoning``, ``arguments``: deltas of that kind; ``opened``, ``closed``: items by their type."""

    text: int
    reasoning: int
    arguments: int
    opened: Dict[str, int]
    closed: Dict[str, int]


class Call(NamedTuple):
    """A tool call as the stream showed it. ``complete``: its end came and its arguments are whole JSON."""

    call_id: str
    name: str
    arguments: str
    complete: bool


class OpenItem(NamedTuple):
    """An item that was opened and never closed; ``event`` (its index) at ``t`` opened it."""

    type: str
    id: str
    event: int
    t: float


class Protocol(NamedTuple):
    """A stream as its grammar reads it. ``comparable``: the probe kept every event of the answer whole."""

    dialect: str  # upstream | fork | foreign | chat | none
    deviations: List[Deviation]  # in stream order
    tally: Tally
    calls: List[Call]
    comparable: bool
    open_items: List[OpenItem]
    terminal: str  # name of the terminal event ("[DONE]" of a chat stream), "" when none came

    @property
    def first(self) -> Optional[Deviation]:
        return self.deviations[0] if self.deviations else None

    @property
    def first_fail(self) -> Optional[Deviation]:
        return next((deviation for deviation in self.deviations if deviation.severity == "fail"), None)
