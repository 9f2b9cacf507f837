"""A stored run that is to be judged elsewhere: its evidence is copied, the source stays as it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import List, Tuple

from ..manifest import MANIFEST, files_below
from ..store import EVIDENCE
from .folders import Unusable, explain


def writable(run: Path, folders: List[Path]) -> None:
    """Raises Unusable where reports cannot be written beside the evidence."""
    for folder in (run, *folders):
        if not os.access(str(folder), os.W_OK | os.X_OK):
            raise Unusable(
                f"{folder} may not be written by this user, and reports are written beside the evidence; "
                "name a folder for a copy: -e assess_to=DIR"
            )


def copy_run(folders: List[Path], to: Path) -> Tuple[Path, List[Path]]:
    """Copy the evidence of a run's hosts, and their manifests, into ``to``, which must be new. Raises Unusable.

    Links are not followed. Returns ``to`` and the folders in it.
    """
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.mkdir(mode=0o700)
        for folder in folders:
            _copy_host(folder, to / folder.name)
    except FileExistsError:
        raise Unusable(f"{to} exists already, and is not overwritten; choose another -e assess_to=DIR") from None
    except OSError as error:
        raise Unusable(explain(error, to).replace("-e reports_dir=DIR", "-e assess_to=DIR")) from error
    return to, [to / folder.name for folder in folders]


def _private(folder: Path) -> None:
    """With its parents, each of mode 0700: ``mkdir`` gives it to the last one only."""
    if not folder.is_dir():
        _private(folder.parent)
        folder.mkdir(mode=0o700)


def _copy_host(source: Path, to: Path) -> None:
    for name in files_below(source).files:
        if EVIDENCE not in name.split("/")[:-1] and name != MANIFEST:
            continue
        target = to / name
        _private(target.parent)
        shutil.copyfile(str(source / name), str(target), follow_symlinks=False)
        target.chmod(0o600)
