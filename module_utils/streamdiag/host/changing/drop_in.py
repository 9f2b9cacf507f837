"""A change -> the text of the drop-in that makes it. Pure: what it needs of the host is handed in."""

from __future__ import annotations

import hashlib
import os
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from . import unit_words
from .change import Change, describe
from .command_line import CannotEdit, edit, variables_of
from .environment_file import write_environment_file
from .unit_file import UnitText, assignments, in_force

#: Sorts behind what people call theirs, so that it is read last.
NAME = "zz-streamdiag.conf"
#: Beside it, where a variable has to win over an ``EnvironmentFile=`` of the unit. systemd reads only ``*.conf``.
ENVIRONMENT_NAME = "zz-streamdiag.env"
#: The server's processes inherit it: by this they tell that they were started with the drop-in, and with which text.
MARK = "STREAMDIAG_CHANGE"


class DropIn(NamedTuple):
    """``text``: of the drop-in; ``environment``: of the file beside it, empty when there is none."""

    text: str
    environment: str
    mark: str
    expanded: List[str]


def build(
    files: Sequence[UnitText],
    change: Change,
    folder: str,
    environment_files: Mapping[str, Dict[str, str]],
    read_file: Callable[[str], Optional[str]],
) -> DropIn:
    """The drop-in that makes ``change``, to be kept in ``folder``. Raises CannotEdit.

    ``files``: of the unit, without ours, in systemd's order. ``environment_files``: what its ``EnvironmentFile=`` hold,
    by path.
    """
    now = in_force(files)
    rows: List[str] = []
    expanded: List[str] = []
    if change.touches_command:
        _check_command(files, now.commands)
        held = [environment_files[path] for path in environment_files]
        variables = variables_of([one.value for one in now.environment], held)
        edited = edit(now.commands[0].value, change, variables, read_file)
        expanded = edited.expanded
        rows += ["ExecStart=", "ExecStart=" + edited.command]
    named = {name for held in environment_files.values() for name in held}
    beside = {name: value for name, value in change.environment if name in named}
    for name, value in change.environment:
        if name not in beside:
            rows.append("Environment=" + unit_words.write(f"{name}={value}".replace("%", "%%")).raw)
    if beside:
        rows.append("EnvironmentFile=" + os.path.join(folder, ENVIRONMENT_NAME))
    if change.unset:
        rows.append("UnsetEnvironment=" + " ".join(change.unset))
    text = "\n".join(rows) + "\n"
    environment = write_environment_file(beside) if beside else ""
    mark = hashlib.sha256((text + environment).encode("utf-8")).hexdigest()[:16]
    head = [
        f"# Made by streamdiag (restart.yml, audit.yml): {describe(change)}",
        "# To undo it: ansible-playbook restart.yml -e restart_compat=default",
        "[Service]",
        f"Environment={MARK}={mark}",
    ]
    return DropIn("\n".join(head) + "\n" + text, environment, mark, expanded)


def mark_in(text: Optional[str]) -> str:
    """The mark of a drop-in's text, ``""`` when it has none."""
    for line in (text or "").splitlines():
        if line.startswith(f"Environment={MARK}="):
            return line.partition(MARK + "=")[2].strip()
    return ""


def _check_command(files: Sequence[UnitText], commands: Sequence[object]) -> None:
    if len(commands) != 1:
        raise CannotEdit(
            f"the unit has {len(commands)} commands (ExecStart=) in force, and only one can be changed. Two ways out: "
            "give the server a unit of its own, or change its arguments by hand and restart it"
        )
    later = [file for file in files if os.path.basename(file.path) > NAME and file.path.endswith(".conf")]
    for file in later:
        if any((one.section, one.key) == ("Service", "ExecStart") for one in assignments(file)):
            raise CannotEdit(
                f"the drop-in {file.path} is read after ours and sets ExecStart= again. Two ways out: give it a name "
                f"that sorts before {NAME}, or change the arguments in it, by hand, and restart the unit"
            )
