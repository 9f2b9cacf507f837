"""A run as one file for a ticket: checked against its manifests, the same bytes whenever it is packed."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import shlex
import tarfile
import tempfile
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from ..manifest import Entry, NoManifest, Seen, compared, entry_of, files_below, read_manifest
from ..report.altered import listed
from ..store import EVIDENCE
from .folders import Unusable
from .stored import started


class Packed(NamedTuple):
    """``checked``: hosts that have a manifest. ``warnings``: what is not as it was written, a sentence each."""

    path: Path
    bytes: int
    sha256: str
    files: int
    checked: List[str]
    warnings: List[str]


class _Member(NamedTuple):
    path: str  # relative to the run
    content: bytes


class _Contents(NamedTuple):
    members: List[_Member]
    unread: List[str]  # "path (why)"
    others: List[str]


def pack_run(run: Path, host: str, to: Optional[Path]) -> Packed:
    """Pack ``run``, or of it ``host`` alone (empty: all), into ``to`` (None: beside the run). Raises Unusable.

    What is damaged is packed as it is, and named.
    """
    run = run.resolve()
    hosts = sorted(path.parent.name for path in run.glob(f"*/{EVIDENCE}") if not path.parent.is_symlink())
    if host and host not in hosts:
        raise Unusable(f"{run} has no host {host}; it has {', '.join(hosts)}")
    chosen = [host] if host else hosts
    name = f"{run.name}-{host}" if host else run.name
    folder = (to or run.parent).absolute()
    archive = folder / f"{name}.tar.gz"
    if os.path.lexists(str(archive)):
        raise Unusable(f"{archive} exists already, and is not overwritten; name another folder with -e pack_to=DIR")
    try:
        contents = _read(run, host)
        packed = _compressed(run.name, contents.members, _seconds(started(run)))
    except OSError as error:
        raise Unusable(f"{error.filename or run} cannot be read: {error.strerror or error}") from error
    _write_new(archive, packed)
    checked, warnings = _check(run, chosen, contents)
    digest = hashlib.sha256(packed).hexdigest()
    return Packed(archive, len(packed), digest, len(contents.members), checked, warnings)


def words(packed: Packed) -> List[str]:
    """What was packed, and how to look at it on another machine."""
    checked = f"; checked against the manifest of {', '.join(packed.checked)}" if packed.checked else ""
    state = "" if packed.warnings else ", nothing changed since"
    return [
        f"{packed.path}",
        f"  {packed.files} files, {packed.bytes} bytes, sha256 {packed.sha256}{checked}{state}",
        "  it holds host names, addresses, command lines and log lines: send it only where those may be read",
    ]


def commands(packed: Packed, run: Path) -> List[str]:
    """To paste in a checkout of this project on another machine, into which the file was copied."""
    name = run.resolve().name
    return [
        f"tar -xzf {shlex.quote(packed.path.name)}",
        f"ansible-playbook playbooks/assess.yml -e assess_run={shlex.quote(name)}",
    ]


def _read(run: Path, host: str) -> _Contents:
    """Every file once: what is checked is what is packed."""
    below = files_below(run / host) if host else files_below(run)
    prefix = f"{host}/" if host else ""
    seen = Seen([prefix + name for name in below.files], [prefix + name for name in below.others])
    members: List[_Member] = []
    unread: List[str] = []
    for name in seen.files:
        try:
            members.append(_Member(name, _content(run / name)))
        except OSError as error:
            unread.append(f"{name} ({error.strerror or error})")
    return _Contents(members, unread, seen.others)


def _content(path: Path) -> bytes:
    """Raises OSError, also where a link has taken the file's place meanwhile."""
    handle = os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as file:
        return file.read()


def _check(run: Path, hosts: List[str], contents: _Contents) -> tuple[List[str], List[str]]:
    checked: List[str] = []
    warnings: List[str] = []
    for host in hosts:
        start = host + "/"
        found: Dict[str, Optional[Entry]] = {
            one.path[len(start) :]: entry_of(one.path, one.content)
            for one in contents.members
            if one.path.startswith(start)
        }
        try:
            differences = compared(read_manifest(run / host), found)
        except NoManifest as error:
            warnings.append(f"{host} was not checked: {error}")
            continue
        checked.append(host)
        for what, paths in (
            ("changed since they were written", differences.changed),
            ("are missing", differences.missing),
            ("came later and are in no manifest", differences.additional),
        ):
            if paths:
                warnings.append(f"files of {host} that {what}: {listed(paths)}")
    if contents.unread:
        warnings.append(f"not packed, because they cannot be read: {listed(contents.unread)}")
    if contents.others:
        warnings.append(f"not packed, because they are links or no files: {listed(contents.others)}")
    return checked, warnings


def _compressed(top: str, members: List[_Member], at: int) -> bytes:
    """No owner, no time but that of the run, names in order: the same run gives the same bytes."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder in _folders(top, members):
            archive.addfile(_info(folder, at, tarfile.DIRTYPE, 0o700))
        for one in members:
            info = _info(f"{top}/{one.path}", at, tarfile.REGTYPE, 0o600)
            info.size = len(one.content)
            archive.addfile(info, io.BytesIO(one.content))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=at) as file:
        file.write(tar.getvalue())
    return packed.getvalue()


def _seconds(at: float) -> int:
    """Within what gzip has room for."""
    return int(min(max(at, 0), 2**32 - 1))


def _folders(top: str, members: List[_Member]) -> List[str]:
    found = {top}
    for one in members:
        parts = one.path.split("/")[:-1]
        found |= {"/".join([top, *parts[: count + 1]]) for count in range(len(parts))}
    return sorted(found)


def _info(name: str, at: int, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, at
    return info


def _write_new(path: Path, content: bytes) -> None:
    """Whole or not at all, mode 0600, and never over what is there. Raises Unusable."""
    temporary = ""
    try:
        os.makedirs(str(path.parent), mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=str(path.parent), prefix=".pack-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        _name_new(temporary, path)
    except OSError as error:
        if isinstance(error, FileExistsError) and error.filename2 == str(path):
            raise Unusable(f"{path} exists already, and is not overwritten") from None
        advice = "name another folder with -e pack_to=DIR"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "free some space there, or " + advice
        raise Unusable(f"{path} cannot be written: {error.strerror or error}; {advice}") from error
    finally:
        if temporary and os.path.lexists(temporary):
            os.unlink(temporary)


def _name_new(temporary: str, path: Path) -> None:
    """A link is refused where a name is taken already, which a rename is not."""
    try:
        os.link(temporary, str(path))
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(str(path)):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), temporary, None, str(path)) from None
        os.rename(temporary, str(path))
