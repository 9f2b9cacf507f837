"""The processes of a host as this machine sees them. They are found by namespace and descent, never by name."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process; `pid` is this machine's, `inner_pid` the one that the host itself sees."""

    pid: int
    inner_pid: int
    parent: int
    state: str  # R running, S sleeping, T stopped, Z zombie, ...
    started: int  # clock ticks since boot: tells a reused pid from the process that was meant
    title: str

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended meanwhile is fine."""
        if (now := read(self.pid)) is not None and now.started == self.started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def read(pid: int) -> Process | None:
    """The process `pid`, or None when there is none."""
    folder = PROC / str(pid)
    try:
        # The name in parentheses may hold anything, blanks and parentheses too.
        name, fields = (folder / "stat").read_text(errors="replace").split("(", 1)[1].rsplit(")", 1)
        columns = fields.split()
        title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        inner = next(
            line.split()[-1] for line in (folder / "status").read_text().splitlines() if line.startswith("NSpid:")
        )
    except (OSError, StopIteration):
        return None
    return Process(pid, int(inner), int(columns[1]), columns[0], int(columns[19]), title or f"[{name}]")


def all_pids() -> Iterator[int]:
    """Every process id of this machine."""
    return (int(entry) for entry in os.listdir(PROC) if entry.isdigit())


def namespace_of(pid: int, kind: str) -> int | None:
    """The number of the namespace of `kind` (`pid`, `net`) that `pid` is in."""
    try:
        return os.stat(PROC / str(pid) / "ns" / kind).st_ino
    except OSError:
        return None


def in_namespace(kind: str, inode: int) -> list[Process]:
    """All processes in one namespace."""
    found = (read(pid) for pid in all_pids() if namespace_of(pid, kind) == inode)
    return [process for process in found if process is not None]


def descendants(of: Process, among: list[Process]) -> list[Process]:
    """The children of `of`, their children, and so on, parents first."""
    found = [of]
    for parent in found:
        found += [process for process in among if process.parent == parent.pid]
    return found[1:]


def gone(processes: list[Process], patience: float) -> bool:
    """Whether all the processes have ended within `patience` seconds; a zombie has."""
    deadline = time.monotonic() + patience
    for process in processes:
        while (now := read(process.pid)) is not None and now.started == process.started and now.state != "Z":
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
    return True


def end(processes: list[Process], patience: float = 10) -> None:
    """Kill the processes and wait (at most `patience` seconds) until they are gone."""
    for process in processes:
        process.signal(signal.SIGKILL)
    if not gone(processes, patience):
        raise RuntimeError("do not end: " + ", ".join(f"{process.pid} ({process.title})" for process in processes))
