"""One stream as a picture: what came when, and what the server did in the same seconds."""

from __future__ import annotations

import re

from ...bundle import Stream, stream_name
from ...judge.result import StreamRow
from ...words import say
from ..language import Language
from .drawing import draw
from .picture import Picture
from .read import outcome_words, read_chart
from .sketch import sketch
from .values import text


def draw_timeline(stream: Stream, row: StreamRow, language: Language) -> Picture:
    """``row``: the stream's own of ``result.json``. The stream has a connection (``read.worth_a_picture``)."""
    chart = read_chart(stream)
    known = {"name": text(stream_name(stream)), "outcome": outcome_words(stream), "seconds": chart.seconds}
    alt = say("The stream {name} {outcome}: events: {events} in {seconds:.1f} s", events=row["events"], **known)
    silence = max((band.seconds for band in chart.bands), default=0.0)
    if silence:
        alt += say(", of which {silence:.1f} s in silence", silence=silence)
    return Picture(file_name(stream_name(stream)), alt, draw([chart], language, alt), sketch([chart], language))


def file_name(name: str) -> str:
    """``name`` with letters only that mean nothing to a path, a link or a shell."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60] or "_"
