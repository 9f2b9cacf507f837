"""``response.completed`` repeats the whole output: it has to be what was streamed.

Compared by what the items say, and up to white space and the spelling of JSON: before 0.16 vLLM parsed the finished
text once more for it, with another parser and new ids.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from ...words import say
from .item import CALLS, Item, final_texts
from .notes import Notes
from .seen import Seen, short, text_in


def compare_output(notes: Notes, event: Seen, items: List[Item], output: List[Dict[str, Any]]) -> None:
    """``event`` is the terminal one, ``output`` what it says was answered, ``items`` what was streamed before."""
    left = [item for item in items if item.closed]
    unfinished = [item.type for item in items if not item.closed]  # reported already
    for final in output:
        match = next((item for item in left if _same(item.final, final)), None)
        if match is not None:
            left.remove(match)
            _ids(notes, event, match, final)
        elif final.get("type") in unfinished:
            unfinished.remove(str(final.get("type")))
        else:
            _not_streamed(notes, event, left, final)
    for item in left:
        if item.type in CALLS and not any(final.get("type") == item.type for final in output):
            expected = say("{item} in the output of {event}", item=item.label, event=event.name)
            notes.warn("pairing", event, expected, say("an output without it"))


def _not_streamed(notes: Notes, event: Seen, left: List[Item], final: Dict[str, Any]) -> None:
    kind = text_in(final, "type") or "item"
    if kind in CALLS:
        name = text_in(final, "name") or "?"
        expected = say("a streamed {kind} of {name} with these arguments", kind=kind, name=short(name))
        notes.lost("pairing", event, expected, say("it in the output of {event} only", event=event.name))
    elif kind in ("message", "reasoning") and _spoken(final):
        streamed = next((item for item in left if item.type == kind), None)
        if streamed is not None:
            left.remove(streamed)
        note = notes.warn if kind == "reasoning" else notes.fail if streamed is not None else notes.lost
        expected = say("a streamed {kind}", kind=kind)
        if streamed is not None:
            expected = say("the text of the streamed {kind}", kind=kind)
        seen = say("another one in the output of {event}", event=event.name)
        note("joined_text" if streamed else "pairing", event, expected, seen)


def _same(streamed: Dict[str, Any], final: Dict[str, Any]) -> bool:
    if streamed.get("type") != final.get("type") or streamed.get("name") != final.get("name"):
        return False
    if "arguments" in final or "arguments" in streamed:
        return bool(_parsed(streamed.get("arguments")) == _parsed(final.get("arguments")))
    return _spoken(streamed) == _spoken(final)


def _spoken(item: Dict[str, Any]) -> str:
    return " ".join(" ".join(final_texts(item).values()).split())


def _parsed(arguments: Any) -> Any:
    """``"{}"`` and ``"{ }"`` call a function alike."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments


def _ids(notes: Notes, event: Seen, item: Item, final: Dict[str, Any]) -> None:
    for key, streamed in (("id", item.id), ("call_id", item.call_id)):
        known = {streamed, text_in(item.final, key) or ""} - {""}
        found: Optional[str] = text_in(final, key)
        if found and known and found not in known and notes.first("ids", "output"):
            expected = say("{key} {id} of the streamed {kind}", key=key, id=short(min(known)), kind=item.type)
            notes.warn("ids", event, expected, say("{id} in the output of {event}", id=short(found), event=event.name))
