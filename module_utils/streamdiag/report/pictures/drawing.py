"""Charts -> one picture: panels over each other on the same axis of time, each with its lanes."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Sequence, Tuple

from ...words import in_language, say
from ..language import Language
from .chart import ANSWER, DELTA, ERROR, EVENT, LAST, NO_ANSWER, PING, READ, Chart, Lane, Mark, Tick
from .sheet import TEXT, WIDTH, Pen, Sheet, Text, fitting, width_of
from .theme import BAD, FAINT, FLOW, INK, SILENCE, WORK

_EDGE = 8  # pixels left and right
_ROW = 20  # of a line of text
_STRIP = 17  # of the marks of a lane
_GAP = 7  # between lanes
_BETWEEN = 14  # between panels
#: The narrowest band that is drawn, so that none is lost.
_LEAST = 1.5

_GRID = Pen(FAINT, 1.0)
_DOTTED = Pen(FAINT, 1.2, dotted=True)
_END = Pen(INK, 1.2)
_BAND = Pen(SILENCE, opacity=0.24)
_AREA = Pen(WORK, opacity=0.55)
_OUTLINE = Pen(WORK, 1.5)
_STATE = Pen(BAD, opacity=0.3)
_WAIT = Pen(FLOW, 2.0)

_TICKS: Dict[str, Pen] = {
    DELTA: Pen(FLOW, 1.3),
    EVENT: Pen(INK, 1.6),
    LAST: Pen(INK, 1.6),
    ERROR: Pen(BAD, 1.6),
    READ: Pen(FLOW, 1.3),
}
#: Kind -> matplotlib's marker and its pen (its width is that of the marker).
_SHAPES: Dict[str, Tuple[str, Pen]] = {
    LAST: ("D", Pen(INK, 8)),
    ERROR: ("X", Pen(BAD, 10)),
    PING: ("o", Pen(FLOW, 7, dotted=True)),
    ANSWER: ("o", Pen(WORK, 7)),
    NO_ANSWER: ("x", Pen(BAD, 8)),
}


class _Scale(NamedTuple):
    seconds: float

    def x(self, t: float) -> float:
        return _EDGE + min(max(t, 0.0), self.seconds) / self.seconds * (WIDTH - 2 * _EDGE)


def draw(charts: Sequence[Chart], language: Language, description: str) -> str:
    """The SVG of ``charts``, which are all as wide as the longest of them; at least one, of more than 0 seconds."""
    scale, sheet, y = _Scale(max(chart.seconds for chart in charts)), Sheet(), 0.0
    for number, chart in enumerate(charts):
        y = _panel(sheet, scale, chart, language, y + (_BETWEEN if number else 0))
    y = _axis(sheet, scale, language, y)
    y = _legend(sheet, charts, language, y)
    return sheet.svg(int(y + 4), in_language(description, language.gettext))


def _panel(sheet: Sheet, scale: _Scale, chart: Chart, language: Language, top: float) -> float:
    """One chart; the y below it."""
    title = fitting(in_language(chart.title, language.gettext), WIDTH - 2 * _EDGE)
    sheet.text(Text(_EDGE, top + _ROW / 2, title, bold=True))
    y = _mark_labels(sheet, scale, chart.marks, language, top + _ROW)
    strips: List[float] = []
    for lane in chart.lanes:
        _caption(sheet, lane, language, y)
        strips.append(y + _ROW)
        y += _ROW + _STRIP + _GAP
    for band in chart.bands:
        left, right = scale.x(band.start), scale.x(band.end)
        sheet.area(left, strips[0] - 1, max(right, left + _LEAST), strips[-1] + _STRIP + 1, _BAND)
        names = [in_language(words, language.gettext) for words in (band.words, band.short)]
        words = next((name for name in names if width_of(name) < right - left), "")
        if words:
            sheet.text(Text((left + right) / 2, strips[0] + _STRIP / 2, words, "center"))
    for lane, strip in zip(chart.lanes, strips):
        _strip(sheet, scale, chart, lane, strip, language)
    return y


def _mark_labels(sheet: Sheet, scale: _Scale, marks: Sequence[Mark], language: Language, y: float) -> float:
    """What the upright lines mean, in as many rows as that takes; the y below them."""
    rows: List[List[Tuple[float, float]]] = []
    for mark in marks:
        words = in_language(mark.words, language.gettext)
        x, wide = scale.x(mark.t), width_of(words)
        right = x + wide > WIDTH - _EDGE
        span = (x - wide, x) if right else (x, x + wide)
        row = next((n for n, row in enumerate(rows) if all(_apart(span, other) for other in row)), len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(span)
        sheet.text(Text(x, y + row * _ROW + _ROW / 2, words, "right" if right else "left"))
    return y + len(rows) * _ROW


def _apart(one: Tuple[float, float], other: Tuple[float, float]) -> bool:
    return one[1] + TEXT < other[0] or other[1] + TEXT < one[0]


def _caption(sheet: Sheet, lane: Lane, language: Language, y: float) -> None:
    title, words = (in_language(text, language.gettext) for text in (lane.title, lane.words))
    sheet.text(Text(_EDGE, y + _ROW / 2, title, bold=True))
    room = WIDTH - 2 * _EDGE - 1.1 * width_of(title) - TEXT
    sheet.text(Text(WIDTH - _EDGE, y + _ROW / 2, fitting(words, room), "right"))


def _strip(sheet: Sheet, scale: _Scale, chart: Chart, lane: Lane, top: float, language: Language) -> None:
    bottom, middle = top + _STRIP, top + _STRIP / 2
    sheet.line([(scale.x(0.0), bottom), (scale.x(chart.seconds), bottom)], _GRID)
    for mark in chart.marks[:-1]:
        sheet.line([(scale.x(mark.t), top), (scale.x(mark.t), bottom)], _DOTTED)
    sheet.line([(scale.x(chart.marks[-1].t), top), (scale.x(chart.marks[-1].t), bottom)], _END)
    for span in lane.spans:
        left, right = scale.x(span.start), scale.x(span.end)
        if not span.words:
            sheet.line([(left, middle), (right, middle)], _WAIT)
            continue
        sheet.area(left, top + 1, max(right, left + _LEAST), bottom, _STATE)
        words = in_language(span.words, language.gettext)
        if width_of(words) < right - left:
            sheet.text(Text((left + right) / 2, middle, words, "center"))
    _levels(sheet, scale, lane, bottom)
    for tick in lane.ticks:
        _tick(sheet, scale.x(tick.t), top, tick)


def _levels(sheet: Sheet, scale: _Scale, lane: Lane, bottom: float) -> None:
    """An outline, so that a level of nothing is seen, too; below it an area unless the lane is a line."""
    outlines: List[List[Tuple[float, float]]] = []
    for number, level in enumerate(lane.levels):
        left, right, y = scale.x(level.start), scale.x(level.end), bottom - 1 - level.height * (_STRIP - 3)
        if number == 0 or lane.levels[number - 1].end < level.start:  # between the two nothing is known
            outlines.append([])
        outlines[-1] += [(left, y), (right, y)]
        if not lane.line and level.height > 0:
            sheet.area(left, y, right, bottom, _AREA)
    for outline in outlines:
        sheet.line(outline, _OUTLINE)


def _tick(sheet: Sheet, x: float, top: float, tick: Tick) -> None:
    bottom = top + _STRIP
    if tick.kind in _TICKS:
        sheet.line([(x, bottom), (x, bottom - tick.height * (_STRIP - 1))], _TICKS[tick.kind])
    if tick.kind in _SHAPES:
        sheet.mark(x, top + _STRIP / 2, *_SHAPES[tick.kind])


def _axis(sheet: Sheet, scale: _Scale, language: Language, y: float) -> float:
    """The axis of time with its numbers; the y below it."""
    from matplotlib.ticker import MaxNLocator

    sheet.line([(_EDGE, y), (WIDTH - _EDGE, y)], _GRID)
    times = [t for t in MaxNLocator(nbins=7, steps=[1, 2, 5, 10]).tick_values(0.0, scale.seconds) if t <= scale.seconds]
    unit = in_language(say("s"), language.gettext)
    for number, t in enumerate(times):
        x, words = scale.x(t), f"{t:.6g}" + (f" {unit}" if number == len(times) - 1 else "")
        sheet.line([(x, y), (x, y + 5)], _GRID)
        anchor = "left" if t <= 0 else "right" if x + width_of(words) / 2 > WIDTH else "center"
        sheet.text(Text(x, y + 6 + _ROW / 2, words, anchor))
    return y + 6 + _ROW


def _legend(sheet: Sheet, charts: Sequence[Chart], language: Language, y: float) -> float:
    """What the shapes mean that are there; the y below it."""
    shown = {tick.kind for chart in charts for lane in chart.lanes for tick in lane.ticks}
    meanings = (
        (DELTA, say("delta")),
        (EVENT, say("other event")),
        (LAST, say("terminal event")),
        (ERROR, say("error event")),
        (ANSWER, say("answer")),
        (NO_ANSWER, say("no answer")),
    )
    x = float(_EDGE)
    for kind, meaning in meanings:
        if kind not in shown:
            continue
        words = in_language(meaning, language.gettext)
        if x > _EDGE and x + 2 * TEXT + width_of(words) > WIDTH - _EDGE:
            x, y = float(_EDGE), y + _ROW
        _tick(sheet, x + 5, y + (_ROW - _STRIP) / 2, Tick(0.0, kind, 0.5 if kind == DELTA else 1.0))
        sheet.text(Text(x + 15, y + _ROW / 2, words))
        x += 2 * TEXT + width_of(words)
    return y + _ROW if x > _EDGE else y
