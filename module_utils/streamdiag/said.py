"""How a sentence was made, in JSON, which has plain text only: so that it can be said in another language later.

Evidence tells it under ``said``, beside the text (``with_said``). A host may say there what it likes: it counts only
where it makes the very text that it stands beside (``as_said``). Runs on Python 3.8.
"""

from __future__ import annotations

import re
import string
from typing import Any, Dict, Mapping, Set

from .words import Words, say

#: The key under which an object of JSON tells how the sentences of its other keys were made.
SAID = "said"
#: Characters of a sentence, and of its template: one that names a long value again and again would fill the memory.
MOST = 20_000
MOST_OF_TEMPLATE = 4_000
#: What a field of ours asks for: decimals, a sign, a kind of number. No width, which could ask for gigabytes.
_FORMAT = re.compile(r"[+,]?(?:\.\d)?[a-z%]?")


def taken_apart(text: str) -> Dict[str, Any]:
    """``text`` for JSON: ``template`` and ``values`` (nested in the same way), or ``text`` alone for plain text."""
    if not isinstance(text, Words):
        return {"text": str(text)}
    told = {name: text.values[name] for name in text.values if name in fields(text.template)}
    values = {name: taken_apart(one) if isinstance(one, str) else {"value": one} for name, one in told.items()}
    return {"template": text.template, "values": values}


def put_together(parts: Mapping[str, Any]) -> str:
    """The inverse of ``taken_apart``. Raises KeyError, ValueError, TypeError for what was not made by it."""
    if "template" not in parts:
        return str(parts["text"])
    values = {n: v["value"] if "value" in v else put_together(v) for n, v in dict(parts["values"]).items()}
    if fields(parts["template"]) != set(values):
        raise ValueError(f"{sorted(values)} are not what {parts['template']!r} says")
    words = say(parts["template"], **values)
    if len(words) > MOST:
        raise ValueError(f"no sentence of ours has {len(words)} characters")
    return words


def with_said(value: Any) -> Any:
    """A copy of JSON data in which every object tells under ``said`` how each of its sentences was made."""
    if isinstance(value, (list, tuple)):
        return [with_said(one) for one in value]
    if not isinstance(value, dict):
        return value
    said = {key: taken_apart(one) for key, one in value.items() if isinstance(one, Words)}
    copy = {key: with_said(one) for key, one in value.items()}
    return {**copy, SAID: said} if said else copy


def as_said(value: Any) -> Any:
    """The inverse of ``with_said``: a copy in which those texts are ``Words`` that are said to be, and rightly so."""
    if isinstance(value, list):
        return [as_said(one) for one in value]
    if not isinstance(value, dict):
        return value
    copy = {key: as_said(one) for key, one in value.items()}
    return {**copy, **{key: made_of(parts, value[key]) for key, parts in _told(value).items()}}


def made_of(parts: Any, text: Any) -> Any:
    """The ``Words`` that ``parts`` (of ``taken_apart``) are when they say just ``text``; else ``text`` itself."""
    try:
        words = put_together(parts)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return text
    return words if words == text else text


def truly_said(value: Dict[str, Any]) -> Dict[str, Any]:
    """``value`` without that of its ``said`` which does not make the text beside it."""
    told = _told(value)
    true = {key: parts for key, parts in told.items() if isinstance(made_of(parts, value[key]), Words)}
    return {**value, SAID: true} if told else value


def _told(value: Mapping[str, Any]) -> Dict[str, Any]:
    said = value.get(SAID)
    return {key: parts for key, parts in said.items() if key in value} if isinstance(said, dict) else {}


def fields(template: str) -> Set[str]:
    """The names of its fields. Raises ValueError for a template that looks into its values, or makes long of short."""
    if len(template) > MOST_OF_TEMPLATE:
        raise ValueError(f"no template of ours has {len(template)} characters")
    found = set()
    for _text, field, form, _conversion in string.Formatter().parse(template):
        if field is not None:
            if not (field.isidentifier() and _FORMAT.fullmatch(form or "")):
                raise ValueError(f"{template!r} is no template of ours")
            found.add(field)
    return found
