"""``reports_keep``: the newest runs stay, older ones are removed, so that the reports never fill the disk.

Only what is certainly a run of this tool is ever removed, and never one that is being written or that a link in the
reports folder points to. Several controllers may do this in one folder at once.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import List, NamedTuple, Set

from .stored import is_being_written, is_ours, started

DEFAULT_KEEP = 100
#: A run that is being removed has another name first: nobody takes half a run for a whole one.
_REMOVING = ".removing-"
_NAMED = 5


class Removed(NamedTuple):
    """``names``: the runs that were removed, the oldest first. ``notes``: what could not be, a sentence each."""

    names: List[str]
    notes: List[str]


def remove_old_runs(reports_dir: Path, keep: int, writing: Path) -> Removed:
    """Remove runs in ``reports_dir`` beyond the ``keep`` newest (0: keep all), never ``writing``. Raises nothing."""
    names: List[str] = []
    notes: List[str] = []
    if keep < 1:
        return Removed(names, notes)
    try:
        _finish_interrupted(reports_dir, notes)
        surplus = _surplus(reports_dir, keep, writing)
    except OSError as error:
        return Removed([], [f"old runs in {reports_dir} could not be looked for: {error.strerror or error}"])
    for run in surplus:
        try:
            _remove(run)
        except FileNotFoundError:  # another controller was quicker
            continue
        except OSError as error:
            notes.append(f"the old run {run} could not be removed: {error.strerror or error}")
            continue
        names.append(run.name)
    return Removed(names, notes)


def words(removed: Removed, keep: int) -> List[str]:
    """What was done, for the operator: one line for all that was removed, and the notes."""
    lines = []
    if removed.names:
        shown = ", ".join(removed.names[:_NAMED])
        more = f" and {len(removed.names) - _NAMED} more" if len(removed.names) > _NAMED else ""
        lines.append(f"removed old runs, as reports_keep={keep} says: {shown}{more}")
    return lines + [f"note: {note}" for note in removed.notes]


def _surplus(reports_dir: Path, keep: int, writing: Path) -> List[Path]:
    """The runs to remove, the oldest first."""
    aged = []
    for run in reports_dir.iterdir():
        try:
            if not run.name.startswith(".") and is_ours(run):
                aged.append((started(run), run.name, run))
        except (FileNotFoundError, PermissionError):  # being removed, or not ours to read
            continue
    others = sorted((one for one in aged if one[2].name != writing.name), reverse=True)
    old = [run for _started, _name, run in reversed(others[max(0, keep - 1) :])]  # the one that is written counts
    linked, now = _linked(reports_dir), time.time()
    return [run for run in old if os.path.realpath(str(run)) not in linked and not _busy(run, now)]


def _busy(run: Path, now: float) -> bool:
    try:
        return is_being_written(run, now)
    except OSError:
        return True


def _linked(reports_dir: Path) -> Set[str]:
    """Where links in the folder lead: ``latest``, and what an operator wants to keep."""
    return {os.path.realpath(str(path)) for path in reports_dir.iterdir() if path.is_symlink()}


def _remove(run: Path) -> None:
    """Raises OSError. ``rmtree`` follows no link."""
    hidden = run.parent / f"{_REMOVING}{run.name}"
    if hidden.exists():  # left by an interruption, and somebody ran under this name again
        _delete(hidden)
    os.rename(str(run), str(hidden))
    _delete(hidden)


def _finish_interrupted(reports_dir: Path, notes: List[str]) -> None:
    for hidden in sorted(reports_dir.glob(f"{_REMOVING}*")):
        try:
            if hidden.is_dir() and not hidden.is_symlink():
                _delete(hidden)
        except OSError as error:
            notes.append(f"{hidden}, of an interrupted removal, could not be removed: {error.strerror or error}")


def _delete(folder: Path) -> None:
    """Two controllers may do so at once: what is gone already is no failure."""
    for _attempt in range(100):
        try:
            shutil.rmtree(str(folder))
        except FileNotFoundError:
            if folder.exists():
                continue
        return
