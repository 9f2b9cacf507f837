"""Does the installed program know an option? Asked of itself, without starting a server.

Older vLLM prints all options for ``--help``; newer ones print groups, and everything for ``--help=all``, which the
older ones refuse (vllm/utils/argparse_utils.py). Importing vLLM takes 8 to 20 s.
"""

from __future__ import annotations

import os
import pwd
import re
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from .. import command, flags

QUESTIONS = ("--help=all", "--help")
#: Seconds for one question.
PATIENCE = 90.0
#: Fewer options than this is no server's list.
_FEWEST = 20
_OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][A-Za-z0-9_.-]*")


class Program(NamedTuple):
    """How to start the installed server, without its arguments: as whom, where, with which environment."""

    argv: List[str]
    environment: Dict[str, str]
    cwd: str
    uid: Optional[int]  # None: as ourselves
    gid: Optional[int]


class Known(NamedTuple):
    """``options``: names, as ``flags.option_name`` has them; None when the program did not say, and ``reason`` why."""

    options: Optional[List[str]]
    reason: str


def options_in(text: str) -> List[str]:
    """The names of the long options in a help text, those of its usage lines included."""
    return sorted({flags.option_name(word) for word in _OPTION.findall(text) if word.startswith("--")})


def unknown(words: Sequence[str], options: Sequence[str]) -> List[str]:
    """Those of ``words``, options as on the command line, that a program with ``options`` refuses.

    ``--json-arg.key`` is the option ``--json-arg``; argparse takes an abbreviation, too, which is not counted on.
    """
    known = set(options)
    return [word for word in words if word.startswith("--") and flags.option_name(word).partition(".")[0] not in known]


def without_arguments(argv: Sequence[str]) -> Optional[List[str]]:
    """The program of a server's command line; None when it is no vLLM server by name."""
    start = flags.server_start(list(argv))
    return list(argv[:start]) if start is not None else None


def ask(program: Program, patience: float = PATIENCE) -> Known:
    """Run the program with ``--help``. Never raises for what it does."""
    reason = ""
    for question in QUESTIONS:
        result = command.run(
            [*program.argv, question],
            patience,
            env=dict(program.environment, COLUMNS="200"),
            only_env=True,
            cwd=program.cwd or "/",
            become=_become(program),
        )
        options = options_in(result.stdout)
        if result.rc == 0 and len(options) >= _FEWEST:
            return Known(options, "")
        reason = f"{' '.join([*program.argv, question])} " + (
            f"did not end within {patience:.0f} s"
            if result.timed_out
            else f"ended with {result.rc}: {result.words(200)}"
        )
        if result.timed_out:
            break
    return Known(None, reason)


def _become(program: Program) -> Optional[Callable[[], None]]:
    """To be run in the child: leaves the service's own user in charge, as systemd does."""
    uid, gid = program.uid, program.gid
    if uid is None or os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwuid(uid)
        name, group = entry.pw_name, entry.pw_gid if gid is None else gid
    except KeyError:  # DynamicUser= of a unit that does not run
        name, group = "", uid if gid is None else gid

    def become() -> None:
        if name:
            os.initgroups(name, group)
        else:
            os.setgroups([])
        os.setgid(group)
        os.setuid(uid)
        os.nice(10)  # the server that is asked about has the right of way

    return become
