"""The pictures of one report."""

from __future__ import annotations

from typing import List, Optional

from ...compare.comparison import Comparison
from ...judge.facts import STREAM_ORDER
from ...judge.result import Result, ToolError
from ...store import Bundle
from ...words import say
from ..language import Language
from .pair import draw_pair, telling_pair
from .picture import Picture
from .read import worth_a_picture
from .timeline import draw_timeline


def pictures_of(
    bundle: Bundle, result: Result, language: Language, errors: Optional[List[ToolError]] = None
) -> List[Picture]:
    """One picture per stream that has something to show, in the order of the streams; what was repeated has none.

    ``errors`` gets a line for each that could not be drawn: evidence is odd now and then, and a report must not be
    lost to its pictures.
    """
    rows = {row["case"] + ("-" + row["variant"] if row["variant"] else ""): row for row in result["streams"]}
    names = [name for name in STREAM_ORDER if name in bundle.streams]
    found: List[Picture] = []
    for name in names + sorted(set(bundle.streams) - set(names)):
        try:
            if name in rows and worth_a_picture(bundle.streams[name]):
                found.append(draw_timeline(bundle.streams[name], rows[name], language))
        except Exception as error:
            message = f"{name}: {type(error).__name__}: {error}"
            if errors is not None:
                errors.append(ToolError(step="draw the pictures", message=message))
    return found


def picture_of_pair(
    comparison: Comparison, before: Bundle, after: Bundle, language: Language, errors: Optional[List[str]] = None
) -> Optional[Picture]:
    """Before over after, of the case that tells most; None without any. ``errors``: as above, in words."""
    try:
        pair = telling_pair(comparison, before, after)
        return draw_pair(*pair, language) if pair is not None else None
    except Exception as error:
        if errors is not None:
            errors.append(say("The picture could not be drawn: {error}", error=f"{type(error).__name__}: {error}"))
        return None
