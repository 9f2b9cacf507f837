"""Our drop-in and the environment file beside it, in both places where they may be."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional

from .drop_in import ENVIRONMENT_NAME, NAME, DropIn
from .intent import write_whole

#: A drop-in in ``/etc`` hides the one of the same name in ``/run``, see systemd.unit(5).
TEMPORARY, LASTING = Path("/run/systemd/system"), Path("/etc/systemd/system")
_HEAD = "# Made by streamdiag "


class Places(NamedTuple):
    temporary: Path = TEMPORARY
    lasting: Path = LASTING

    def folder(self, unit: str, persist: bool) -> Path:
        """The drop-in folder of ``unit`` in the one place or in the other."""
        return (self.lasting if persist else self.temporary) / (unit + ".d")

    def all_paths(self, unit: str) -> List[Path]:
        """Every path that may be ours."""
        folders = (self.folder(unit, True), self.folder(unit, False))
        return [folder / name for folder in folders for name in (NAME, ENVIRONMENT_NAME)]


def read_ours(unit: str, places: Places = Places()) -> Dict[str, str]:  # noqa: B008  (a constant)
    """Path -> text of what is there. Raises OSError for what cannot be read."""
    found = {}
    for path in places.all_paths(unit):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found[str(path)] = path.read_text(encoding="utf-8")
    return found


def foreign(ours: Mapping[str, str]) -> List[str]:
    """Drop-ins of our name that somebody else wrote."""
    return [path for path, text in ours.items() if path.endswith(NAME) and not text.startswith(_HEAD)]


def wanted_files(folder: Path, made: Optional[DropIn]) -> Dict[str, str]:
    """Path -> text of what should be there; ``made`` None: nothing."""
    if made is None:
        return {}
    found = {str(folder / NAME): made.text}
    if made.environment:
        found[str(folder / ENVIRONMENT_NAME)] = made.environment
    return found


def put(unit: str, wanted: Mapping[str, str], places: Places = Places()) -> bool:  # noqa: B008  (a constant)
    """Make ``wanted`` all that there is of ours; whether something changed. Raises OSError.

    A folder that we leave empty goes, too: the unit's files are then as before, to the byte.
    """
    now = read_ours(unit, places)
    if now == dict(wanted):
        return False
    for name, text in sorted(wanted.items(), reverse=True):  # the environment file first: the drop-in names it
        path = Path(name)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if now.get(name) != text:
            write_whole(path, text, 0o600 if name.endswith(ENVIRONMENT_NAME) else 0o644)
    for name in now:
        if name not in wanted:
            Path(name).unlink()
            with contextlib.suppress(OSError):
                Path(name).parent.rmdir()
    return True
