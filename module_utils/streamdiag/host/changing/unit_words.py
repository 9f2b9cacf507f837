"""The words of a value in a unit file, with what is written for each: extract_first_word() of systemd.

Unquoting comes before specifiers (``%i``) and variables (``$NAME``), so both stand in a word's value as they are
written, and survive in a word that is written anew.
"""

from __future__ import annotations

import re
from typing import List, NamedTuple

_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "s": " ",
}
_NUMBER = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})")
_PLAIN = re.compile(r"[^\s\"'\\;]+\Z")


class NotReadable(ValueError):
    """A value that systemd itself would refuse, such as one with a quote that is never closed."""


class Word(NamedTuple):
    raw: str
    value: str


def split(text: str) -> List[Word]:
    """The words of ``text``. Raises NotReadable."""
    words: List[Word] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        start, value, quote = at, "", ""
        while at < len(text) and (quote or not text[at].isspace()):
            char = text[at]
            if char == "\\":
                taken, meant = _escape(text, at)
                value += meant
                at += taken
                continue
            if quote and char == quote:
                quote = ""
            elif not quote and char in "\"'":
                quote = char
            else:
                value += char
            at += 1
        if quote:
            raise NotReadable(f"a quote ({quote}) is never closed in: {text[start : start + 80]}")
        words.append(Word(text[start:at], value))
    return words


def _escape(text: str, at: int) -> tuple[int, str]:
    """The escape that begins at the backslash ``at``: how many characters it is, and what it means."""
    following = text[at + 1 : at + 2]
    if following in _ESCAPES and following:
        return 2, _ESCAPES[following]
    match = _NUMBER.match(text, at + 1)
    if match is not None:
        hexadecimal = match.group(1) or match.group(2) or match.group(3)
        code = int(hexadecimal, 16) if hexadecimal else int(match.group(4), 8)
        return 1 + len(match.group(0)), chr(code)
    return 1, "\\"  # systemd warns of an unknown escape and keeps the backslash


def write(value: str) -> Word:
    """A word of which systemd reads ``value``, ``%`` and ``$`` in it with their own meaning."""
    if _PLAIN.match(value):
        return Word(value, value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return Word(f'"{escaped}"', value)


def literal(text: str) -> str:
    """``text`` as a word's value that neither a specifier nor a variable is read in."""
    return text.replace("%", "%%").replace("$", "$$")
