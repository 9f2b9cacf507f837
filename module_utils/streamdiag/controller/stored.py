"""A stored run, recognised: whether a folder is certainly one of ours, when it began, whether it is still written."""

from __future__ import annotations

import calendar
import json
import os
import re
import time
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

from ..bundle import RUN, TARGET
from ..store import EVIDENCE

#: Without a summary a run is still going on, or was interrupted; which one, nobody can tell before this time is over.
UNFINISHED_SECONDS = 24 * 3600.0
#: From the summary to the link that points to the run, with room.
SETTLING_SECONDS = 60.0
_GIVEN_BY_US = re.compile(r"\d{8}T\d{6}Z(-\d{1,3})?")


def is_ours(run: Path) -> bool:
    """``run`` is certainly a run of this tool, under the name that the run had.

    What somebody copied or renamed is theirs, and so is any other folder, whatever lies in it.
    """
    if run.is_symlink() or not run.is_dir():
        return False
    if any(part.get("run_id") == run.name for part in _stories(run)):
        return True
    # Interrupted before it could say so: then its name has to be one that nobody else gives.
    return bool(_GIVEN_BY_US.fullmatch(run.name)) and any(_is_file(host / EVIDENCE / TARGET) for host in _hosts(run))


def started(run: Path) -> float:
    """When the run began, epoch seconds; of one that does not say so when its folder was last changed."""
    for part in _stories(run):
        try:
            return float(calendar.timegm(time.strptime(str(part.get("started_at")), "%Y-%m-%dT%H:%M:%SZ")))
        except ValueError:
            continue
    return run.stat().st_mtime


def is_being_written(run: Path, now: float) -> bool:
    """Another controller may be writing it: it has no summary yet and changed lately, or has it since a moment."""
    summary = run / "summary.json"
    if summary.exists():
        return now - summary.stat().st_mtime < SETTLING_SECONDS
    return now - _last_change(run) < UNFINISHED_SECONDS


def _last_change(folder: Path) -> float:
    newest = folder.stat().st_mtime
    for at, _folders, files in os.walk(str(folder)):
        for path in (at, *(os.path.join(at, name) for name in files)):
            try:
                newest = max(newest, os.lstat(path).st_mtime)
            except FileNotFoundError:  # written whole under another name, as our files are
                continue
    return newest


def _hosts(run: Path) -> Iterator[Path]:
    for path in sorted(run.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield path


def _stories(run: Path) -> Iterator[Dict[str, Any]]:
    """What tells the name of a run and when it began, the smallest files first."""
    hosts = list(_hosts(run))
    for path in [host / EVIDENCE / RUN for host in hosts] + [run / "summary.json"] + [h / "result.json" for h in hosts]:
        found = _object(path)
        if found is not None:
            yield found


def _object(path: Path) -> Optional[Dict[str, Any]]:
    if not _is_file(path):
        return None
    try:
        found = json.loads(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and not path.parent.is_symlink()
