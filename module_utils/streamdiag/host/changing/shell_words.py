"""The words of a small shell script, with their places in it, so that one command can be edited and the rest stays."""

from __future__ import annotations

from typing import List, NamedTuple

_OPERATORS = "|&;<>()\n"


class Token(NamedTuple):
    """``script[start:end]``. ``value``: unquoted, variables as written. ``operator``: ``;``, ``|``, a line's end."""

    start: int
    end: int
    value: str
    operator: bool = False


class NotReadable(ValueError):
    """A script with what is not understood here; the message names it."""


def tokens(script: str) -> List[Token]:
    """The words and operators of ``script``, without comments. Raises NotReadable for substitutions and the like."""
    found: List[Token] = []
    at = 0
    while at < len(script):
        char = script[at]
        if script.startswith("\\\n", at):
            at += 2
        elif char in _OPERATORS:
            end = at + 1
            while end < len(script) and script[end] in "|&;<>" and char in "|&;<>":
                end += 1
            if script[at:end] == "<<":
                raise NotReadable("a here-document")
            found.append(Token(at, end, script[at:end], True))
            at = end
        elif char.isspace():
            at += 1
        elif char == "#":
            while at < len(script) and script[at] != "\n":
                at += 1
        else:
            found.append(_word(script, at))
            at = found[-1].end
    return found


def _word(script: str, at: int) -> Token:
    start, value, quote = at, "", ""
    while at < len(script) and (quote or not (script[at].isspace() or script[at] in _OPERATORS)):
        char = script[at]
        if quote != "'" and (char == "`" or script.startswith("$(", at)):
            raise NotReadable(f"a command substitution ({script[at : at + 20]})")
        if char == "\\" and quote != "'" and at + 1 < len(script):
            following = script[at + 1]
            if following != "\n":
                value += following if not quote or following in '"\\`$' else char + following
            at += 2
            continue
        if quote and char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote = char
        elif not quote and script.startswith("${", at) and "}" in script[at:]:
            end = script.index("}", at) + 1
            value += script[at:end]
            at = end
            continue
        else:
            value += char
        at += 1
    if quote:
        raise NotReadable(f"a quote ({quote}) that is never closed")
    return Token(start, at, value)
