"""What this tool is about to do to a unit, written on the host before anything else changes.

The controller may die at any moment; whoever comes next finds here what was meant, how far it came and what was there
before. The file survives a reboot, which a drop-in in ``/run`` does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any, Dict

from ...bundle import Intent
from ...words import say
from ..process import user_name

FOLDER = Path("/var/lib/streamdiag")
#: In the order in which a change goes through them.
PHASES = ("prepared", "written", "restarting", "in_force", "removing", "rolling_back")


def path_of(unit: str, folder: Path = FOLDER) -> Path:
    """``vllm.service`` -> ``/var/lib/streamdiag/vllm.service.json``."""
    return folder / (unit.replace("/", "_") + ".json")


def read_intent(unit: str, folder: Path = FOLDER) -> Intent:
    """What is written for ``unit``: ``absent`` when nothing is, ``denied`` to a login that may not read it."""
    path = path_of(unit, folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Intent(
            state="absent", reason=say("{path} is not there: no change of this tool is under way", path=str(path))
        )
    except PermissionError:
        return Intent(state="denied", reason=say("{path} not readable as {user}", path=str(path), user=user_name()))
    except (OSError, ValueError) as error:
        return Intent(state="failed", reason=say("{path}: {error}", path=str(path), error=str(error)))
    if not isinstance(content, dict):
        foreign = say("{path} does not hold what this tool writes there", path=str(path))
        return Intent(state="failed", reason=foreign)
    found = Intent(state="ok", reason="")
    found.update(content)  # type: ignore[typeddict-item]  # what it holds is checked where it is used
    return found


def new_intent(unit: str, what: str, run_id: str, by: str, change: Dict[str, Any], before: Dict[str, Any]) -> Intent:
    """An intent in its first phase. ``by``: restart | audit. ``before``: what rolling back needs."""
    return Intent(
        version=1,
        unit=unit,
        what=what,
        by=by,
        run_id=run_id,
        started_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        phase=PHASES[0],
        kept=False,
        boot_id=boot_id(),
        change=change,
        before=before,
    )


def is_half_way(intent: Intent) -> bool:
    """There is one, and what it says is neither done nor undone."""
    return intent["state"] == "ok" and not (intent.get("kept") and intent.get("phase") == "in_force")


def write_intent(intent: Intent, folder: Path = FOLDER) -> None:
    """Whole or not at all, on the disk when this returns; mode 0600. Raises OSError."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = path_of(intent["unit"], folder)
    content = {key: value for key, value in intent.items() if key not in ("state", "reason")}
    write_whole(path, json.dumps(content, indent=1, sort_keys=True) + "\n", 0o600)


def remove_intent(unit: str, folder: Path = FOLDER) -> bool:
    """Whether there was one. The folder goes with the last of them. Raises OSError."""
    try:
        path_of(unit, folder).unlink()
    except FileNotFoundError:
        return False
    with contextlib.suppress(OSError):  # another unit's may be there
        folder.rmdir()
    return True


def write_whole(path: Path, text: str, mode: int) -> None:
    """``text`` at ``path``: a reader, or a machine without power, finds the old content or the new. Raises OSError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(str(fresh), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(str(fresh), str(path))
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    folder = os.open(str(path.parent), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def boot_id() -> str:
    """Tells one boot of the host from another; ``""`` where it cannot be read."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
