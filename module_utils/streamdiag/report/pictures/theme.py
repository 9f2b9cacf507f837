"""Colours for light and for dark, and what makes an SVG of matplotlib fit into a report.

The colours are Okabe and Ito's, which people of every colour vision tell apart; on dark they are lighter ones of the
same hue. The light colour stands in each element, so that a viewer without stylesheets shows a whole picture, too.
"""

from __future__ import annotations

import re
from html import escape
from typing import NamedTuple

#: Of the root element, for a page that pictures are part of.
CLASS = "streamdiag-picture"


class Colour(NamedTuple):
    light: str
    dark: str


INK = Colour("#1f2328", "#e6edf3")
FAINT = Colour("#8b949e", "#6e7681")
FLOW = Colour("#0072b2", "#56b4e9")
WORK = Colour("#009e73", "#2fc79a")
BAD = Colour("#c04e00", "#ff9a57")
SILENCE = Colour("#e69f00", "#ffbf3f")

_COLOURS = (INK, FAINT, FLOW, WORK, BAD, SILENCE)
_ROOT = re.compile(r"<svg .*?>", re.DOTALL)
_PROLOGUE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
# matplotlib writes the fonts of its own settings, in which nobody's phone finds one, and turns what is not turned.
_FONT = re.compile(r'(<text style="[^"]*)font-family: [^;"]*')
_ROTATED = re.compile(r'(<text style="[^"]*" x="[-.\d]+" y="[-.\d]+") transform="rotate\(-0 [-.\d]+ [-.\d]+\)"')
# Its stylesheet is for everything, also for all else on a page that the picture is part of.
_STYLESHEET = re.compile(r'\s*<defs>\s*<style type="text/css">[^<]*</style>\s*</defs>')


def _dark() -> str:
    """Matches what matplotlib writes: style="fill: #1f2328; stroke: #1f2328; …".

    No ancestor stands before it: what ``<use>`` shows has none.
    """
    rules = [
        f'[style*="{what}: {colour.light}"]{{{what}:{colour.dark}!important}}'
        for colour in _COLOURS
        for what in ("fill", "stroke")
    ]
    return "@media (prefers-color-scheme: dark){" + "".join(rules) + "}"


def finished(svg: str, width: int, height: int, description: str) -> str:
    """``svg`` of matplotlib with the stylesheet, its size in pixels, and ``description`` for those who hear it."""
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="{CLASS}" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        'stroke-linejoin="round" stroke-linecap="butt">\n'
        f" <title>{escape(description, quote=False)}</title>\n <style>{_dark()}</style>"
    )
    body = _ROOT.sub(lambda _found: root, _PROLOGUE.sub("", svg, count=1), count=1)
    body = _STYLESHEET.sub("", body, count=1)
    return _ROTATED.sub(r"\1", _FONT.sub(r"\1font-family: sans-serif", body))
