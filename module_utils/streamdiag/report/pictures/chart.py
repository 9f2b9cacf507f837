"""What a picture shows, before it is drawn: lanes of marks on one axis of time. Both drawings are made of it.

Times are seconds since the start of the stream, heights are parts (0 to 1) of a lane's height.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence, Tuple

# Kinds of marks. Each has a shape of its own: colour alone tells nobody anything.
DELTA = "delta"
EVENT = "event"
LAST = "last"  # the terminal event
ERROR = "error"  # an event that says the stream failed
READ = "read"
PING = "ping"
ANSWER = "answer"
NO_ANSWER = "no answer"


class Tick(NamedTuple):
    """Something at one moment."""

    t: float
    kind: str
    height: float = 1.0


class Level(NamedTuple):
    """A value that held for a while."""

    start: float
    end: float
    height: float


class Span(NamedTuple):
    """A state that held for a while. ``letter``: what stands for it in a drawing of characters."""

    start: float
    end: float
    letter: str
    words: str


class Lane(NamedTuple):
    """``title`` and ``words`` (what it shows, in numbers) are Words. ``line``: levels are a line, no area."""

    title: str
    words: str
    ticks: Sequence[Tick] = ()
    levels: Sequence[Level] = ()
    spans: Sequence[Span] = ()
    line: bool = False


class Mark(NamedTuple):
    """A moment of the whole stream."""

    t: float
    words: str


class Band(NamedTuple):
    """A silence. ``short``: its words where there is less room."""

    start: float
    end: float
    words: str
    short: str

    @property
    def seconds(self) -> float:
        return self.end - self.start


class Chart(NamedTuple):
    """One stream. ``events`` is the lane in which silences are labelled; it has no marks where they are."""

    title: str
    seconds: float
    marks: Sequence[Mark]
    bands: Sequence[Band]
    events: Lane
    others: Sequence[Lane]

    @property
    def lanes(self) -> Tuple[Lane, ...]:
        return (self.events, *self.others)
