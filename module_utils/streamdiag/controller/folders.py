"""The folders of a run: ``<reports_dir>/<run_id>/<host>/``, private, never one that is there already."""

from __future__ import annotations

import errno
import os
import re
import time
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

from ..store import EVIDENCE

#: What one host's evidence may take; less room than this and the run would lose what it gathers.
ROOM_PER_HOST = 4 * 1024 * 1024


class Unusable(OSError):
    """The reports folder cannot take this run; the message says why and what to do."""


class Pairs(NamedTuple):
    """Two stored runs. ``hosts``: folder name -> its folder in either run; then the hosts that only one has."""

    hosts: Dict[str, Tuple[Path, Path]]
    only_before: List[str]
    only_after: List[str]


class RunFolder(NamedTuple):
    run_id: str
    path: Path
    hosts: Dict[str, Path]


def host_folder_name(host: str) -> str:
    """An inventory name as a folder name: anything that a path would read differently becomes ``_``."""
    name = re.sub(r"[^A-Za-z0-9._@:-]", "_", host)
    return name if name.strip(".") else "_" + name


def _folder_names(hosts: List[str]) -> List[str]:
    """One name per host, none twice and none of the files of a run: two hosts must not share evidence."""
    names: List[str] = []
    for host in hosts:
        base, number = host_folder_name(host), 1
        name = base
        while name in names or name in ("summary.json", "summary.md", "summary.html", "junit.xml"):
            number += 1
            name = f"{base}-{number}"
        names.append(name)
    return names


def make_run_folder(reports_dir: Path, run_id: str, hosts: List[str]) -> RunFolder:
    """Make the folders of a run, mode 0700. Raises Unusable.

    ``run_id`` empty: the UTC time, with a suffix when two runs start in the same second.
    """
    try:
        reports_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_room(reports_dir, len(hosts))
        run_id, path = _claim(reports_dir, run_id)
        folders = {host: path / name for host, name in zip(hosts, _folder_names(hosts))}
        for folder in folders.values():
            folder.mkdir(mode=0o700, exist_ok=True)
    except Unusable:
        raise
    except OSError as error:
        raise Unusable(explain(error, reports_dir)) from error
    return RunFolder(run_id, path, folders)


def explain(error: OSError, reports_dir: Path) -> str:
    """An OSError on the reports folder as what is wrong and what to do."""
    advice = "choose another folder with -e reports_dir=DIR"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "free some space there, or " + advice
    return f"reports cannot be written to {error.filename or reports_dir}: {error.strerror or error}; {advice}"


def _check_room(reports_dir: Path, hosts: int) -> None:
    room, needed = os.statvfs(str(reports_dir)), max(1, hosts) * ROOM_PER_HOST
    free = room.f_bavail * room.f_frsize
    if free < needed or (room.f_files and room.f_favail < 64 * max(1, hosts)):
        raise Unusable(
            f"reports cannot be written to {reports_dir}: {free / 1e6:.1f} MB are free and a run of {hosts} host(s) "
            f"may take {needed / 1e6:.0f} MB; "
            "free some space there, or choose another folder with -e reports_dir=DIR"
        )


def _claim(reports_dir: Path, run_id: str) -> Tuple[str, Path]:
    if run_id:
        path = reports_dir / run_id
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            raise Unusable(
                f"{path} exists already, and a run is never overwritten; choose another -e run_id=NAME"
            ) from None
        return run_id, path
    base = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for number in range(1, 1000):
        run_id = base if number == 1 else f"{base}-{number}"
        try:
            (reports_dir / run_id).mkdir(mode=0o700)
        except FileExistsError:
            continue
        return run_id, reports_dir / run_id
    raise Unusable(f"a thousand runs started in this second in {reports_dir}")


def point_latest(reports_dir: Path, run_id: str) -> None:
    """``latest`` -> ``run_id``, at once: a reader finds the old run or the new one, never one without a result."""
    latest, fresh = reports_dir / "latest", reports_dir / f".latest-{run_id}"
    if latest.exists() and not latest.is_symlink():
        return  # somebody's own folder of that name
    os.symlink(run_id, str(fresh))
    os.replace(str(fresh), str(latest))


def find_run(run: str, root: Path, reports_dir: Path) -> Tuple[Path, List[Path]]:
    """The folder of ``run`` (a name in ``reports_dir``, or a path) and those of its hosts. Raises Unusable."""
    named, given = reports_dir / run, root / run
    path = named if named.is_dir() else given
    if not path.is_dir():
        there = sorted(p.name for p in reports_dir.glob("[!.]*") if p.is_dir()) if reports_dir.is_dir() else []
        newest = (
            f"; the newest runs in {reports_dir}: {', '.join(there[-5:])}" if there else f"; {reports_dir} has none"
        )
        raise Unusable(f"there is no run {run}{newest}")
    folders = sorted(part.parent for part in path.glob(f"*/{EVIDENCE}"))
    if not folders:
        raise Unusable(f"{path} holds no evidence: it is not the folder of a run")
    return path, folders


def pair_runs(before: str, after: str, root: Path, reports_dir: Path) -> Pairs:
    """The hosts of two runs, each named as for ``find_run``. Raises Unusable when there is no pair."""
    (old, old_hosts), (new, new_hosts) = (find_run(run, root, reports_dir) for run in (before, after))
    if old.resolve() == new.resolve():
        raise Unusable(f"{before} and {after} are the same run, {old.resolve()}: name the run before and the run after")
    olds, news = ({folder.name: folder for folder in folders} for folders in (old_hosts, new_hosts))
    both = {name: (folder, news[name]) for name, folder in olds.items() if name in news}
    if not both:
        raise Unusable(
            f"the runs have no host in common: {old} has {', '.join(olds)}, and {new} has {', '.join(news)}; "
            "a host is compared with itself"
        )
    return Pairs(both, [name for name in olds if name not in news], [name for name in news if name not in olds])
