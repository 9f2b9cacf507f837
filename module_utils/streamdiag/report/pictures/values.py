"""Evidence as it comes: what is not there, is None or is no number is passed over, so that the rest can be drawn."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, Optional

from ..markdown import clean

#: Characters of a host's text that a picture has room for.
TEXT_LIMIT = 32


def number(value: Any) -> Optional[float]:
    """A finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def records(part: Any, name: str) -> List[Dict[str, Any]]:
    """The objects in the list ``name`` of ``part``."""
    found = part.get(name) if isinstance(part, Mapping) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def samples(stream: Mapping[str, Any], source: str) -> List[Dict[str, Any]]:
    """The samples of one ``source`` (metrics, processes, gpus, health) that have a time, in their order."""
    found = [one for one in records(stream.get("samples"), source) if number(one.get("t")) is not None]
    return sorted(found, key=lambda one: float(one["t"]))


def text(value: Any, limit: int = TEXT_LIMIT) -> str:
    """A host's text on one line, without what a terminal or a reader would trip over, cut to ``limit``."""
    found = " ".join(clean(str(value)[: 4 * limit]).split())
    return found if len(found) <= limit else found[: limit - 1] + "…"
