"""A sentence that can be said in another language: text in English that remembers what it was made of.

Judging says things in English, in ``result.json`` too; a report may be in another language. So a sentence keeps its
template, which is what a catalogue of texts has a translation of, and the values that stand in it::

    say("{case} fell silent after {last}, for {seconds:.1f} s", case="simple", last="response.created", seconds=6.2)

is that sentence as a ``str``, and ``in_language(sentence, gettext)`` is the same in the language of ``gettext``. Values
that are ``Words`` themselves are translated with it; any other value is data and stays as it is. What a host or a model
said is a value, never a template.

JSON has plain text only, so evidence tells in ``said``, beside a sentence, how that was made (``with_said``). A host
may say there what it likes: it counts only where it makes the very text that it stands beside (``as_said``). Runs on
Python 3.8.
"""

from __future__ import annotations

import re
import string
from typing import Any, Callable, Dict, Iterable, Mapping, Set

#: Template in English -> template in another language; itself where there is none. gettext's own shape.
GetText = Callable[[str], str]


class Words(str):
    """English text with its ``template`` (of ``str.format``) and its ``values``. Made by ``say`` and ``joined``."""

    template: str
    values: Mapping[str, Any]

    def __add__(self, other: str) -> Words:
        return joined("", (self, other))

    def __radd__(self, other: str) -> Words:
        return joined("", (other, self))


def say(template: str, **values: Any) -> Words:
    """``template`` with its ``{fields}`` filled in. Raises KeyError or ValueError for a field without its value."""
    words = Words(template.format(**values))
    words.template, words.values = template, values
    return words


def joined(separator: str, parts: Iterable[str]) -> Words:
    """``separator.join(parts)``: each part that is ``Words`` is translated by itself, and so is ``separator``."""
    given = list(parts)
    fields = [f"_{number}" for number in range(len(given))]
    values: Dict[str, Any] = dict(zip(fields, given), _between=separator)
    template = "{_between}".join(f"{{{field}}}" for field in fields)
    return say(template, **values)


def as_words(text: str) -> Words:
    """``text`` itself where it is ``Words``; anything else is data, and stays as it is in every language."""
    return text if isinstance(text, Words) else joined("", (text,))


#: Where a sentence may be and none is.
NOTHING = as_words("")


def template(text: str) -> str:
    """``text`` itself. Marks a template that gets its values elsewhere, so that it is found for translation."""
    return text


def in_language(text: Any, gettext: GetText) -> Any:
    """``text`` as ``gettext``'s language says it, where it is ``Words``; anything else as it is."""
    if not isinstance(text, Words):
        return text
    values = {name: in_language(value, gettext) for name, value in text.values.items()}
    return gettext(text.template).format(**values)


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


#: The key under which an object of JSON tells how the sentences of its other keys were made.
SAID = "said"
#: Characters of a sentence, and of its template: one that names a long value again and again would fill the memory.
MOST = 20_000
MOST_OF_TEMPLATE = 4_000
#: What a field of ours asks for: decimals, a sign, a kind of number. No width, which could ask for gigabytes.
_FORMAT = re.compile(r"[+,]?(?:\.\d)?[a-z%]?")


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
