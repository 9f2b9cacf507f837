"""An audit as a picture: one case before the change over the same case after it, on the same axis of time."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ...bundle import Stream, stream_name
from ...compare.comparison import CaseRow, Comparison, Rate
from ...judge.streams import outcome
from ...responses import terminal_name
from ...store import Bundle
from ...words import say
from ..language import Language
from .drawing import draw
from .picture import Picture
from .read import outcome_words, read_chart, title, worth_a_picture
from .sketch import sketch
from .timeline import file_name
from .values import text


def draw_pair(before: Stream, after: Stream, language: Language) -> Picture:
    """Two streams of one case, each with a connection (``read.worth_a_picture``)."""
    sides = ((before, say("before")), (after, say("after")))
    charts = [
        read_chart(stream, brief=True)._replace(title=say("{side}: {stream}", side=side, stream=title(stream)))
        for stream, side in sides
    ]
    alt = say(
        "Before, the stream {name} {before} ({first:.1f} s); after, it {after} ({second:.1f} s)",
        name=text(stream_name(before)),
        before=outcome_words(before),
        first=charts[0].seconds,
        after=outcome_words(after),
        second=charts[1].seconds,
    )
    name = file_name("before-after-" + stream_name(before))
    return Picture(name, alt, draw(charts, language, alt), sketch(charts, language))


def telling_pair(comparison: Comparison, before: Bundle, after: Bundle) -> Optional[Tuple[Stream, Stream]]:
    """One stream of each run, of the case whose rates of failure differ most; None where nothing can be drawn."""
    order = {row["name"]: number for number, row in enumerate(comparison["cases"])}
    rows = sorted(comparison["cases"], key=lambda row: (-_difference(row), row["p_value"], order[row["name"]]))
    for row in rows:
        first, second = _typical(before, row["name"], row["before"]), _typical(after, row["name"], row["after"])
        if first is not None and second is not None:
            return first, second
    return None


def _difference(row: CaseRow) -> float:
    return abs((row["before"]["rate"] or 0.0) - (row["after"]["rate"] or 0.0))


def _typical(bundle: Bundle, name: str, rate: Rate) -> Optional[Stream]:
    """The first stream of the case that did what most of them did, else the first one that has something to show."""
    sent: List[Stream] = [stream for known, stream in bundle.streams.items() if known == name]
    sent += [stream for _repeat, stream in bundle.repeats if stream_name(stream) == name]
    shown = [stream for stream in sent if worth_a_picture(stream)]
    most_fail = 2 * rate["failed"] > rate["sent"]
    return next((stream for stream in shown if _whole(stream) != most_fail), shown[0] if shown else None)


def _whole(stream: Stream) -> bool:
    found = outcome(stream)
    return found == "completed" or (found == "incomplete" and terminal_name(stream) is not None)
