"""The same as a picture in characters, where pictures do not come through: a terminal, a ticket, a mail.

ASCII, so that every font shows its marks in their columns; at most 78 characters a line.
"""

from __future__ import annotations

import math
from typing import Dict, List, Sequence

from ...words import in_language, say
from ..language import Language
from .chart import ANSWER, DELTA, ERROR, EVENT, LAST, NO_ANSWER, PING, READ, Chart, Lane

WIDTH = 78
_TITLE = 10  # columns of a lane's title
_STRIP = 32  # of its marks
_WORDS = WIDTH - _TITLE - _STRIP - 2

_CHARACTERS = {DELTA: ":", EVENT: "|", LAST: "*", ERROR: "X", PING: "o", ANSWER: "o", NO_ANSWER: "x"}
#: Where two marks fall into one column the one that says more stands there.
_WEIGHT = {mark: weight for weight, mark in enumerate(" -:|o*xX")}
#: Heights, from nothing to full.
_HEIGHTS = "_.-=#"


def sketch(charts: Sequence[Chart], language: Language) -> str:
    """``charts`` on the same axis of time, which is as long as the longest of them."""
    seconds = max(chart.seconds for chart in charts)
    lines: List[str] = []
    for chart in charts:
        lines.append(in_language(chart.title, language.gettext))
        lines.append("; ".join(in_language(mark.words, language.gettext) for mark in chart.marks))
        lines += [_line(lane, chart, seconds, language) for lane in chart.lanes]
    lines.append(_axis(seconds, language))
    lines.append(_legend(charts, language))
    return "\n".join(_cut(line, WIDTH) for line in lines if line)


def _line(lane: Lane, chart: Chart, seconds: float, language: Language) -> str:
    cells = [" "] * _STRIP
    if lane is chart.events:
        _silences(cells, chart, seconds, language)
    _levels(cells, lane, seconds)
    for span in lane.spans:
        for column in range(_column(span.start, seconds), _column(span.end, seconds) + 1):
            cells[column] = span.letter
    for tick in lane.ticks:
        column = _column(tick.t, seconds)
        mark = _height(tick.height) if tick.kind == READ else _CHARACTERS[tick.kind]
        if _WEIGHT.get(mark, 1) >= _WEIGHT.get(cells[column], 0) or tick.kind == READ:
            cells[column] = mark
    title, words = (in_language(text, language.gettext) for text in (lane.title, lane.words))
    return f"{_cut(title, _TITLE):<{_TITLE}} {''.join(cells)} {_cut(words, _WORDS)}".rstrip()


def _silences(cells: List[str], chart: Chart, seconds: float, language: Language) -> None:
    for band in chart.bands:
        first, last = _column(band.start, seconds), _column(band.end, seconds)
        room = max(0, last - first - 1)
        names = [f" {in_language(words, language.gettext)} " for words in (band.words, band.short)]
        text = next((name for name in names if len(name) <= room), "").center(room, "-")
        cells[first + 1 : first + 1 + len(text)] = text


def _levels(cells: List[str], lane: Lane, seconds: float) -> None:
    """The highest level of each column; of a line the columns in which it rises."""
    levels = list(lane.levels)
    for number, level in enumerate(levels):
        first, last = _column(level.start, seconds), _column(level.end, seconds)
        if lane.line:
            cells[first : last + 1] = "_" * (last + 1 - first)
            if number and level.height > levels[number - 1].height:
                cells[first] = "/"
            continue
        mark = _height(level.height)
        for column in range(first, max(first + 1, _column_after(level.end, seconds))):
            cells[column] = mark


def _height(height: float) -> str:
    return _HEIGHTS[min(len(_HEIGHTS) - 1, round(height * (len(_HEIGHTS) - 1)))]


def _column(t: float, seconds: float) -> int:
    return min(_STRIP - 1, max(0, int(t / seconds * _STRIP)))


def _column_after(t: float, seconds: float) -> int:
    return min(_STRIP, max(0, math.ceil(t / seconds * _STRIP)))


def _axis(seconds: float, language: Language) -> str:
    end = f"{seconds:.3g} " + in_language(say("s"), language.gettext)
    return f"{'':<{_TITLE}} 0{end:>{_STRIP - 1}}"


def _legend(charts: Sequence[Chart], language: Language) -> str:
    shown = {tick.kind for chart in charts for lane in chart.lanes for tick in lane.ticks}
    meanings: Dict[str, str] = {
        DELTA: say("delta"),
        EVENT: say("other event"),
        LAST: say("terminal event"),
        ERROR: say("error event"),
        ANSWER: say("answer"),
        NO_ANSWER: say("no answer"),
    }
    known = [(kind, words) for kind, words in meanings.items() if kind in shown]
    return "  ".join(f"{_CHARACTERS[kind]} {in_language(words, language.gettext)}" for kind, words in known)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
