"""The text of an ``EnvironmentFile=``, as systemd reads it (load_env_file(), systemd.exec(5))."""

from __future__ import annotations

from typing import Dict


def parse_environment_file(text: str) -> Dict[str, str]:
    """``NAME=value`` lines. Comments begin with ``#`` or ``;``; quotes and a backslash at a line's end are known."""
    found: Dict[str, str] = {}
    for line in _lines(text):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ";")) or "=" not in stripped:
            continue
        name, _, value = stripped.partition("=")
        found[name.strip()] = _unquoted(value.strip())
    return found


def write_environment_file(values: Dict[str, str]) -> str:
    """A file that ``parse_environment_file`` and systemd read as ``values``."""
    rows = []
    for name, value in values.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
        rows.append(f'{name}="{escaped}"\n')
    return "".join(rows)


def _lines(text: str) -> list[str]:
    """Lines, those joined that a backslash or an open quote continues."""
    lines, line, quote, at = [], "", "", 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] == "\n" and quote != "'":
            at += 2
            continue
        if char == "\\" and quote != "'":
            line += text[at : at + 2]
            at += 2
            continue
        if quote and char == quote:
            quote = ""
        elif not quote and char in "\"'" and not line.lstrip().startswith(("#", ";")):
            quote = char
        if char == "\n" and not quote:
            lines.append(line)
            line = ""
        else:
            line += char
        at += 1
    return [*lines, line]


def _unquoted(value: str) -> str:
    text, quote, at = "", "", 0
    while at < len(value):
        char = value[at]
        if char == "\\" and quote != "'" and at + 1 < len(value):
            following = value[at + 1]
            # Within double quotes only these lose their backslash, see POSIX 2.2.3.
            text += following if not quote or following in '"\\`$' else char + following
            at += 2
            continue
        if quote and char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote = char
        else:
            text += char
        at += 1
    return text
