"""The text of unit files: what of it is in force for a service once all drop-ins are read.

``systemctl show`` joins the words of a command with spaces and loses their quotes, so the command is read where it is
written. Rules of systemd.syntax(7) and systemd.service(5).
"""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Sequence, Tuple


class UnitText(NamedTuple):
    """One file of a unit, in the order in which systemd reads them: the fragment first, then the drop-ins."""

    path: str
    text: str


class Assignment(NamedTuple):
    section: str
    key: str
    value: str  # as it is written, lines joined
    path: str


class InForce(NamedTuple):
    """``commands``: every ``ExecStart=`` in force; more than one is for oneshot units.

    ``environment``: ``Environment=`` lines; ``environment_files``: ``EnvironmentFile=`` values, with their ``-``.
    """

    commands: List[Assignment]
    environment: List[Assignment]
    environment_files: List[Assignment]


def assignments(file: UnitText) -> Iterator[Assignment]:
    """Every ``Key=value`` of ``file``. A line that ends in a backslash goes on in the next one that is no comment."""
    section, waiting = "", ""
    for line in file.text.split("\n"):
        stripped = line.strip()
        if stripped.startswith(("#", ";")):
            continue  # within a continued line, too
        text = waiting + line
        if text.endswith("\\"):
            waiting = text[:-1] + " "
            continue
        waiting = ""
        text = text.strip()
        if text.startswith("[") and text.endswith("]"):
            section = text[1:-1]
        elif "=" in text:
            key, _, value = text.partition("=")
            yield Assignment(section, key.strip(), value.strip(), file.path)


def in_force(files: Sequence[UnitText]) -> InForce:
    """What ``files`` come to; an empty value takes back what was said before it."""
    found = InForce([], [], [])
    lists: Tuple[Tuple[str, List[Assignment]], ...] = (
        ("ExecStart", found.commands),
        ("Environment", found.environment),
        ("EnvironmentFile", found.environment_files),
    )
    for file in files:
        for one in assignments(file):
            for key, values in lists:
                if one.section == "Service" and one.key == key:
                    if one.value:
                        values.append(one)
                    else:
                        del values[:]
    return found
