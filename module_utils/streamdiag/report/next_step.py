"""``next_step`` of a verdict, a text of lines -> the steps that a reader takes one by one."""

from __future__ import annotations

import re
from typing import List, NamedTuple

_NUMBERED = re.compile(r"([1-9])\. (.*)")
_COMMAND = "$ "


class Line(NamedTuple):
    """``text`` without its mark: ``$ `` of a command to paste, the number of a step."""

    text: str
    command: bool


class Step(NamedTuple):
    """``number``: 1, 2, …, or 0 of what is to be done in one step."""

    number: int
    lines: List[Line]


def steps(text: str) -> List[Step]:
    """The steps of ``text``, in its language. Only the next number begins a step, so no other text can."""
    found: List[Step] = []
    for line in text.splitlines():
        numbered = _NUMBERED.fullmatch(line)
        following = len(found) + 1 if not found or found[-1].number else 0
        if numbered and int(numbered[1]) == following:
            found.append(Step(following, [Line(numbered[2], False)]))
        elif line.strip():
            if not found:
                found.append(Step(0, []))
            command = line.startswith(_COMMAND)
            found[-1].lines.append(Line(line[len(_COMMAND) :] if command else line, command))
    return found
