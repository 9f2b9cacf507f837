"""Run a command of this machine; when it fails, say what it printed."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence


class CommandFailed(RuntimeError):
    """A command ended with another exit code than 0, or not in time."""


def sh(*argv: str, timeout: float = 60, env: Mapping[str, str] | None = None, check: bool = True) -> str:
    """Run `argv` (at most `timeout` seconds) and return what it printed, both streams together."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, **(env or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{shlex.join(argv)}: no end after {timeout:g} s") from error
    if check and done.returncode:
        raise CommandFailed(f"{shlex.join(argv)}: exit code {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def try_sh(argv: Sequence[str], timeout: float = 60) -> bool:
    """Run `argv`; whether it worked. For cleaning up, where a thing may be gone already."""
    try:
        sh(*argv, timeout=timeout)
    except (CommandFailed, OSError):
        return False
    return True
