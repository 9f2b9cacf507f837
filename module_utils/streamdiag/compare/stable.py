"""A text of a result without what is another one in every run: process ids, times, sizes, ids, ports, counts."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List

from ..words import Words, say

#: Stands for what was left out.
LEFT_OUT = "…"

_NUMBER = r"\d+(?:\.\d+)?"
_ROLE = r"(?:main|engine_core|worker|api_server|other)"
_PATTERNS = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        # What a model said, which it says otherwise next time.
        (r'\b(saw) "[^"]*"', rf"\1 {LEFT_OUT}"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", LEFT_OUT),
        (r"\b(resp|msg|rs|fc|call|item|req|chatcmpl|cmpl|run)([_-])(?=[A-Za-z-]*\d)[A-Za-z0-9-]+", rf"\1\2{LEFT_OUT}"),
        (r"\b(?=[a-f]*\d)[0-9a-f]{12,}\b", LEFT_OUT),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?", LEFT_OUT),
        (r"\b\d{8}T\d{6}Z(?:-\d+)?", LEFT_OUT),
        (r"\b\d\d:\d\d(?::\d\d(?:\.\d+)?)?\b", LEFT_OUT),
        (rf"\b((?i:pid|process)(?:es)?[ =:]+|{_ROLE} )\d+(?:, \d+)*\b", rf"\g<1>{LEFT_OUT}"),
        (rf"\b\d+( \({_ROLE}\))", rf"{LEFT_OUT}\1"),
        (r"(?<=[A-Za-z0-9\]]):\d{1,5}\b(?!:)", f":{LEFT_OUT}"),
        (r"\b(port )\d+", rf"\g<1>{LEFT_OUT}"),
        # A command to paste names the host and where it is listed.
        (r"(\s-[li] )[^\s)]+", rf"\g<1>{LEFT_OUT}"),
        # What is measured, or counted, anew every time.
        (
            rf"(?<![\w.]){_NUMBER}( ?(?:ns|µs|ms|s|min|h|seconds?|minutes?|%|[kKMGT]?i?B|bytes|tokens/s))(?!\w)",
            rf"{LEFT_OUT}\1",
        ),
        (
            rf"(?<![\w.]){_NUMBER}(?:( of)|( (?:more )?(?:tokens?|events?|deltas?|reads?|lines?|pings?|streams?)\b))",
            rf"{LEFT_OUT}\1\2",
        ),
        (r"\b((?:event|got|statistics:) )\d+\b", rf"\g<1>{LEFT_OUT}"),
    )
)
_PORT = re.compile(r"--[a-z-]*port")


def stable(text: str) -> str:
    """``main 74: state S, 9.4 s CPU`` -> ``main …: state S, … s CPU``. Numbers that are settings stay.

    Of ``Words`` it is ``Words``: what is volatile is found in English, and is left out in every language.
    """
    plain = _plain(text)
    return _left_out(text, plain, str) if isinstance(text, Words) else plain


def _plain(text: str) -> str:
    return _masked(" ".join(text.split()))


def _masked(text: str) -> str:
    for pattern, put in _PATTERNS:
        text = pattern.sub(put, text)
    return text


class _WithoutNumbers(str):
    """A value that leaves its numbers out, however it is formatted."""

    value: Any

    def __format__(self, spec: str) -> str:
        return re.sub(_NUMBER, LEFT_OUT, format(self.value, spec))


def _left_out(part: Words, plain: str, whole: Callable[[Words], str]) -> Words:
    """``part`` without what ``plain``, the whole sentence in English, leaves out. ``whole``: it with another part."""
    values: Dict[str, Any] = {}
    for name, value in part.values.items():

        def with_other(other: object, name: str = name) -> str:
            return whole(say(part.template, **{**part.values, name: other}))

        values[name] = _value(value, plain, with_other)
    found = Words(_plain(part))
    found.template, found.values = part.template, values
    return found


def _value(value: Any, plain: str, whole: Callable[[Any], str]) -> Any:
    """A value does not matter to ``plain`` when that is the same with another one; then its number is left out."""
    if isinstance(value, Words):
        return _left_out(value, plain, whole)
    if isinstance(value, str):
        if value and _plain(whole("other")) == plain:
            return LEFT_OUT
        if _masked(value) != value:
            return _masked(value)
    other = _other(value)
    if other is None or _plain(whole(other)) != plain:
        return value
    left = _WithoutNumbers(value)
    left.value = value
    return left


def _other(value: Any) -> Any:
    """``value`` with other numbers of the same kind; None when it has none."""
    if isinstance(value, str):
        return re.sub(r"\d", lambda digit: str(abs(int(digit[0]) - 1)), value) if re.search(r"\d", value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value + (1 if value >= 0 else -1)


def stable_arguments(argv: List[str]) -> List[str]:
    """A command line, option and value as one word each, ports left out: ``["--port …", "--host 0.0.0.0"]``."""
    words: List[str] = []
    option = ""  # that may get its value from the next word
    for word in argv:
        if word.startswith("-"):
            option, given, value = word.partition("=")
            words.append(_with_value(option, value) if given else option)
            option = "" if given else option
        elif option:
            words[-1], option = _with_value(option, word), ""
        else:
            words.append(word)
    return words


def _with_value(option: str, value: str) -> str:
    return f"{option} {LEFT_OUT if _PORT.fullmatch(option) else value}"
