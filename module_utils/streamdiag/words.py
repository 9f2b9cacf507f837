"""A sentence that can be said in another language: text in English that remembers what it was made of.

Judging says things in English, in ``result.json`` too; a report may be in another language. So a sentence keeps its
template, which is what a catalogue of texts has a translation of, and the values that stand in it::

    say("{case} fell silent after {last}, for {seconds:.1f} s", case="simple", last="response.created", seconds=6.2)

is that sentence as a ``str``, and ``in_language(sentence, gettext)`` is the same in the language of ``gettext``. Values
that are ``Words`` themselves are translated with it; any other value is data and stays as it is. What a host or a model
said is a value, never a template.

JSON has plain text only: see ``said`` for how it tells of a sentence. Runs on Python 3.8.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Mapping

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
