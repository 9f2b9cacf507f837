"""A control group of its own for each host, on a machine where no systemd hands them out."""

from __future__ import annotations

import contextlib
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# The old mixed layout has one tree per controller; systemd in a host needs these two.
TREES = (ROOT, ROOT / "systemd", ROOT / "unified")


def group_folders(name: str, create: bool = False) -> list[Path]:
    """The host's group in every tree there is; none where systemd manages the machine's groups."""
    if Path("/run/systemd/system").is_dir():
        return []
    folders = [tree / f"streamdiag-{name}" for tree in TREES if (tree / "cgroup.procs").exists()]
    for folder in folders:
        if create:
            folder.mkdir(exist_ok=True)
    return folders


def remove_groups(name: str) -> None:
    """Remove the host's groups with all that its systemd made below; the processes are gone by now."""
    for folder in group_folders(name):
        below = [path for path in folder.rglob("*") if path.is_dir()] if folder.exists() else []
        for group in [*sorted(below, reverse=True), folder]:
            with contextlib.suppress(OSError):
                group.rmdir()
