"""What of a stored run is not as it was written: nobody should take an edited bundle for what was seen on a host.

What is older than the manifests, or was interrupted before it had one, is not spoken of: nothing is known of it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

from ..compare.comparison import Comparison
from ..compare.words import AFTER, BEFORE
from ..judge.result import Result
from ..manifest import (
    ARM_AFTER,
    MANIFEST,
    Differences,
    Entry,
    NoManifest,
    compared,
    entry_of,
    files_below,
    host_folder,
    is_evidence,
    read_manifest,
)
from ..words import NOTHING, joined, say
from .markdown import clean

#: So many files of a kind are named, with so many letters each: the names of files that were added are anybody's.
_NAMED = 5
_LETTERS = 100


class _Altered(NamedTuple):
    """``files``: what differs; ``untold``: why that cannot be told. Both empty when nothing was changed."""

    files: str
    untold: str


def evidence_note(folder: Path) -> str:
    """A sentence on the evidence in ``folder``, of a host or an arm of an audit; "" when there is nothing to say."""
    found = _altered(folder)
    if found.untold:
        return say("whether the evidence is as it was gathered cannot be told: {reason}", reason=found.untold)
    if found.files:
        return say(
            "the evidence is not as it was gathered on the host, and was judged as it is: {files}", files=found.files
        )
    return NOTHING


def noted(result: Result, note: str) -> Result:
    """``result`` with a note that its evidence gives no reason for: a bundle does not know that it was changed."""
    return {**result, "notes": [*result["notes"], note]} if note else result


def doubted(comparison: Comparison, before: Path, after: Path) -> Comparison:
    """``comparison`` with a doubt for each of both stored runs that is not as it was written, result included."""
    conclusion = comparison["conclusion"]
    doubts = [*_doubts(before, BEFORE), *_doubts(after, AFTER), *conclusion["doubts"]]
    return {**comparison, "conclusion": {**conclusion, "doubts": doubts}}


def _doubts(folder: Path, arm: str) -> List[str]:
    found = _altered(folder, ("result.json",))
    if found.untold:
        return [
            say("whether the run {arm} is as it was written cannot be told: {reason}", arm=arm, reason=found.untold)
        ]
    if found.files:
        words = say(
            "the run {arm} is not as it was written, and was compared as it is: {files}", arm=arm, files=found.files
        )
        return [words]
    return []


def _altered(folder: Path, besides: Sequence[str] = ()) -> _Altered:
    """Of the evidence in ``folder`` and the files ``besides`` it."""
    host = host_folder(folder)
    if not os.path.lexists(str(host / MANIFEST)):
        return _Altered(NOTHING, NOTHING)
    try:
        manifest = read_manifest(host)
    except NoManifest as error:
        return _Altered(NOTHING, error.args[0])
    start = "" if folder == host else f"{folder.name}/"
    found = compared(manifest, _there(host))
    paths = {start + name for name in besides}
    ours = [[one for one in part if one in paths or (is_evidence(one) and one.startswith(start))] for part in found]
    differences = Differences(*ours)
    if not any(one["path"].startswith(f"{ARM_AFTER}/") for one in manifest["files"]):
        # An audit that was interrupted in its second half: that is in no manifest yet.
        added = [one for one in differences.additional if not one.startswith(f"{ARM_AFTER}/")]
        differences = differences._replace(additional=added)
    return _Altered(_words(differences), NOTHING)


def _there(host: Path) -> Dict[str, Optional[Entry]]:
    """The files of a host; what is a link or cannot be read counts as another file than what was written."""
    seen = files_below(host)
    found: Dict[str, Optional[Entry]] = dict.fromkeys(seen.others)
    for name in seen.files:
        try:
            found[name] = entry_of(name, (host / name).read_bytes())
        except OSError:
            found[name] = None
    return found


def _words(differences: Differences) -> str:
    parts = (
        (differences.changed, say("changed: {files}", files=listed(differences.changed))),
        (differences.missing, say("missing: {files}", files=listed(differences.missing))),
        (differences.additional, say("added: {files}", files=listed(differences.additional))),
    )
    return joined("; ", [words for paths, words in parts if paths])


def listed(paths: List[str]) -> str:
    """The first few of ``paths``, and how many there are besides."""
    names = ", ".join(" ".join(clean(path[:_LETTERS]).split()) for path in paths[:_NAMED])
    return say("{names} and {count} more", names=names, count=len(paths) - _NAMED) if len(paths) > _NAMED else names
