"""Evidence as it comes: what is not there, is None or is no number is passed over, so that the rest can be drawn."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from ..markdown import clean

#: Characters of a host's text that a picture has room for.
TEXT_LIMIT = 32


#: No second, byte or token of a host is beyond it, and what is cannot be reckoned with.
_BEYOND = 10**18


def number(value: Any) -> Optional[float]:
    """A number that evidence can have, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_BEYOND <= value <= _BEYOND:
        return None
    return float(value)


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
