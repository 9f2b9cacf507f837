"""A sheet of marks and texts in pixels, drawn by matplotlib as SVG: the same input gives the same bytes.

Whatever looks the same becomes one artist, however many marks there are: a report has many pictures, and a stream many
events. Pixels count from the upper left corner.
"""

from __future__ import annotations

import io
import logging
import warnings
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Sequence, Set, Tuple

from .theme import INK, Colour, finished

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

#: Width of a picture and height of its letters: shown 360 pixels wide, as on a phone, a letter of 14 has 10.
WIDTH = 500
TEXT = 14
#: Width of a letter on average, as a part of its height; of the wide fonts.
LETTER = 0.58

Point = Tuple[float, float]
_SETTINGS: Any = {
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "streamdiag",  # ids are the same every time
    "font.family": ["sans-serif"],
    "text.usetex": False,
    "path.simplify": False,
    "path.sketch": None,
}
#: Without any of these matplotlib writes no metadata, of which two are its version and the time.
_NO_METADATA: Dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}


class Pen(NamedTuple):
    colour: Colour = INK
    width: float = 1.0
    opacity: float = 1.0
    dotted: bool = False


class Text(NamedTuple):
    x: float
    y: float  # of the middle of its letters
    words: str
    anchor: str = "left"  # left | center | right
    bold: bool = False


def width_of(words: str) -> float:
    """About as many pixels as ``words`` take."""
    return len(words) * TEXT * LETTER


def fitting(words: str, width: float) -> str:
    """``words``, cut so that they take about ``width`` pixels at most."""
    most = max(1, int(width / (TEXT * LETTER)))
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


class Sheet:
    def __init__(self) -> None:
        self._lines: Dict[Pen, List[Sequence[Point]]] = {}
        self._areas: Dict[Pen, List[Sequence[Point]]] = {}
        self._marks: Dict[Tuple[str, Pen], Dict[Point, None]] = {}
        self._drawn: Set[Tuple[Pen, Tuple[Point, ...]]] = set()
        self._texts: List[Text] = []

    def line(self, points: Sequence[Point], pen: Pen) -> None:
        """A line through ``points``; what would cover the same half of a pixel is drawn once."""
        rounded = tuple((round(2 * x) / 2, round(2 * y) / 2) for x, y in points)
        if (pen, rounded) not in self._drawn:
            self._drawn.add((pen, rounded))
            self._lines.setdefault(pen, []).append(rounded)

    def area(self, left: float, top: float, right: float, bottom: float, pen: Pen) -> None:
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        self._areas.setdefault(pen, []).append([(round(x, 1), round(y, 1)) for x, y in corners])

    def mark(self, x: float, y: float, shape: str, pen: Pen) -> None:
        """``shape``: one of matplotlib's markers."""
        self._marks.setdefault((shape, pen), {})[round(2 * x) / 2, round(2 * y) / 2] = None

    def text(self, text: Text) -> None:
        self._texts.append(text)

    def svg(self, height: int, description: str) -> str:
        """The sheet as a picture; ``description`` in one sentence. Raises ImportError without matplotlib."""
        import matplotlib  # a report without pictures does not wait for it
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it announces its font cache where nobody asked
        file = io.StringIO()
        with warnings.catch_warnings(), matplotlib.rc_context(_SETTINGS):
            warnings.simplefilter("ignore")  # of letters that its own font lacks: the viewer's is used
            figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
            FigureCanvasSVG(figure)
            axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
            axes.set_axis_off()
            self._draw(axes)
            figure.savefig(file, format="svg", transparent=True, metadata=_NO_METADATA)
        return finished(file.getvalue(), WIDTH, height, description)

    def _draw(self, axes: Axes) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        def path(shapes: List[Sequence[Point]]) -> Path:
            codes = [code for shape in shapes for code in [Path.MOVETO] + [Path.LINETO] * (len(shape) - 1)]
            return Path([point for shape in shapes for point in shape], codes)

        artists: List[Artist] = []
        for pen, shapes in self._areas.items():
            colour, opacity = pen.colour.light, pen.opacity
            artists.append(PathPatch(path(shapes), facecolor=colour, linewidth=0, alpha=opacity))
        for pen, shapes in self._lines.items():
            patch = PathPatch(path(shapes), fill=False, edgecolor=pen.colour.light, linewidth=pen.width)
            patch.set(linestyle=(0, (1, 2)) if pen.dotted else "-", alpha=pen.opacity, capstyle="butt")
            artists.append(patch)
        for (shape, pen), points in self._marks.items():
            x, y = zip(*points)
            marks = Line2D(x, y, linestyle="", marker=shape, markersize=pen.width, markeredgewidth=1.5)
            marks.set(color=pen.colour.light, fillstyle="none" if pen.dotted else "full")
            artists.append(marks)
        for order, artist in enumerate(artists):
            artist.set(clip_on=False, zorder=order)
            axes.add_artist(artist)
        for one in self._texts:
            axes.text(
                one.x,
                one.y,
                one.words,
                fontsize=TEXT,
                color=INK.light,
                ha=one.anchor,
                va="center_baseline",
                weight="bold" if one.bold else "normal",
                parse_math=False,
                clip_on=False,
                zorder=len(artists),
            )
