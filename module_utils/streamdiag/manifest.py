"""``manifest.json`` of a host's folder: every file with its checksum, so that what changed since can be named.

Evidence is gathered once and never changes, so its entry stays as it was first written: judging a damaged bundle
again does not make it whole. What is rendered from it gets a new entry each time. Who judges or compares stored runs
answers for what that wrote only: whatever else was changed, or came since, stays visible.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, TypedDict

from . import __version__
from .store import EVIDENCE, to_json, write_text

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
#: Below the folder of a host that was audited: what was gathered after the change.
ARM_AFTER = "after"


class Entry(TypedDict):
    """One file. ``path`` is relative to the host's folder, with slashes; ``bytes`` is its size."""

    path: str
    sha256: str
    bytes: int


class Manifest(TypedDict):
    schema_version: int
    tool_version: str  # of the program that wrote the manifest
    files: List[Entry]  # by path; the manifest itself is not in it


class NoManifest(ValueError):
    """The folder has no manifest that can be read; the message says why."""


class Seen(NamedTuple):
    """The regular files below a folder, and what else is there: links, sockets and their like are never followed."""

    files: List[str]  # relative to the folder, sorted
    others: List[str]


class Differences(NamedTuple):
    """Paths that are not as the manifest has them."""

    changed: List[str]
    missing: List[str]
    additional: List[str]


def files_below(folder: Path) -> Seen:
    """What is below ``folder``; files whose names start with a dot are in the making and left out. Raises OSError."""
    files: List[str] = []
    others: List[str] = []
    for path in _walk(str(folder)):
        kind = os.lstat(path).st_mode
        (files if stat.S_ISREG(kind) else others).append(os.path.relpath(path, str(folder)).replace(os.sep, "/"))
    return Seen(sorted(files), sorted(others))


def _walk(folder: str) -> Iterator[str]:
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        elif not entry.name.startswith("."):
            yield entry.path


def entry_of(path: str, content: bytes) -> Entry:
    return Entry(path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def host_folder(folder: Path) -> Path:
    """The host's folder whose part ``folder`` is: itself, or the one above ``after`` of an audit."""
    above = folder.parent
    return above if folder.name == ARM_AFTER and (above / EVIDENCE).is_dir() else folder


def write_manifest(folder: Path) -> Path:
    """When something was gathered: the manifest of the host's folder that ``folder`` is, or is a part of; its path.

    All that is there is in it. Raises OSError.
    """
    folder = host_folder(folder)
    found = {name: _entry(folder, name) for name in files_below(folder).files if name != MANIFEST}
    found.update({name: one for name, one in _known(folder).items() if is_evidence(name)})
    return _put(folder, found)


def renew_manifest(folder: Path, written: Iterable[Path]) -> None:
    """When nothing was gathered: new entries for what was ``written``, and no other. Raises OSError.

    A folder without a manifest gets one of all that is there. One that cannot be read stays as it is: another in its
    place would say that nothing was changed.
    """
    folder = host_folder(folder)
    if not os.path.lexists(str(folder / MANIFEST)):
        write_manifest(folder)
        return
    known = _known(folder)
    if not known:
        return
    there = set(files_below(folder).files)
    found = {name: one for name, one in known.items() if is_evidence(name) or name in there}
    names = [path.relative_to(folder).as_posix() for path in written]
    _put(folder, {**found, **{name: _entry(folder, name) for name in names}})


def _put(folder: Path, found: Dict[str, Entry]) -> Path:
    files = [found[name] for name in sorted(found)]
    path = folder / MANIFEST
    write_text(path, to_json(Manifest(schema_version=MANIFEST_VERSION, tool_version=__version__, files=files)))
    return path


def _entry(folder: Path, name: str) -> Entry:
    return entry_of(name, (folder / name).read_bytes())


def is_evidence(path: str) -> bool:
    """``path``: as of an Entry."""
    return EVIDENCE in path.split("/")[:-1]


def _known(folder: Path) -> Dict[str, Entry]:
    """The entries of an earlier manifest; none when there is no earlier one that can be read."""
    try:
        return {one["path"]: one for one in read_manifest(folder)["files"]}
    except NoManifest:
        return {}


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the host's folder. Raises NoManifest."""
    path = folder / MANIFEST
    try:
        if path.is_symlink():
            raise NoManifest(f"{MANIFEST} is a link, which is not followed")
        found = json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise NoManifest("it has no manifest, because it is from an older version or was interrupted") from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, NoManifest):
            raise
        raise NoManifest(f"{MANIFEST} is not whole JSON: {error}") from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version != MANIFEST_VERSION or isinstance(version, bool):
        raise NoManifest(f"{MANIFEST} has schema version {version!r}, and this program reads {MANIFEST_VERSION}")
    files = found.get("files")
    if not isinstance(files, list) or not all(_is_entry(one) for one in files):
        raise NoManifest(f"{MANIFEST} is damaged: its files are not listed as they should be")
    return Manifest(schema_version=version, tool_version=str(found.get("tool_version", "")), files=files)


def _is_entry(one: Any) -> bool:
    return isinstance(one, dict) and all(
        isinstance(one.get(key), kind) for key, kind in (("path", str), ("sha256", str), ("bytes", int))
    )


def compared(manifest: Manifest, found: Dict[str, Optional[Entry]]) -> Differences:
    """``found``: the files that are there now, by path, None for one that could not be read."""
    listed = {one["path"]: one for one in manifest["files"]}
    there = {path: one for path, one in found.items() if path != MANIFEST}
    changed = [path for path, one in there.items() if path in listed and not _same(listed[path], one)]
    return Differences(
        changed=sorted(changed),
        missing=sorted(set(listed) - set(there)),
        additional=sorted(set(there) - set(listed)),
    )


def _same(listed: Entry, found: Optional[Entry]) -> bool:
    return found is not None and (listed["sha256"], listed["bytes"]) == (found["sha256"], found["bytes"])
