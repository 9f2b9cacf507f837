"""A bundle as files: ``<folder>/evidence/*.json``, private to the operator, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple, cast

from .bundle import (
    BUNDLE_VERSION,
    EXPERIMENT,
    JOURNAL,
    MACHINE,
    RUN,
    STALL,
    TARGET,
    Experiment,
    Journal,
    Machine,
    Run,
    Stall,
    Stream,
    Target,
    stream_file,
)
from .said import SAID, as_said, made_of
from .words import say

EVIDENCE = "evidence"
#: A part that names no version has this one.
FIRST_VERSION = 1
_REPEAT = re.compile(r"repeat-([1-9]\d{0,5})-.+\.json")


class NotABundle(ValueError):
    """The folder holds no bundle that this version can judge; the message says why and what to do."""


class Bundle(NamedTuple):
    """All evidence of one host. A part that was never gathered is None, a case that was never sent is absent."""

    run: Run
    target: Optional[Target]
    machine: Optional[Machine]
    journal: Optional[Journal]
    stall: Optional[Stall]
    streams: Dict[str, Stream]
    digests: Dict[str, str]  # path relative to the host's folder -> sha256
    repeats: Tuple[Tuple[int, Stream], ...] = ()  # what was sent again in an audit, from repeat 2 on
    experiment: Optional[Experiment] = None


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` with mode 0600, in one step: readers see the old file or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=str(path.parent), prefix="." + path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, str(path))
    except BaseException:
        os.unlink(temporary)
        raise


def to_json(value: Any) -> str:
    """JSON as this project stores it: keys in the order of their making, two spaces, UTF-8, lone surrogates escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2) + "\n"
    return text


def write_part(folder: Path, name: str, part: Any) -> None:
    """Store one part (``target.json``, ``stream-simple.json``, …) of the bundle in ``folder``."""
    write_text(folder / EVIDENCE / name, to_json(part))


def _interrupted(folder: Path) -> Run:
    """The controller's part of a run that was interrupted before it was written; names are those of the folders."""
    folder = folder.resolve()
    error = {"step": "run", "message": say("the run was interrupted; what it had gathered by then is judged")}
    return Run(
        bundle_version=BUNDLE_VERSION,
        run_id=folder.parent.name,
        host=folder.name,
        started_at="",
        finished_at="",
        tool_version="",
        skipped_cases={},
        unreachable="",
        errors=[error],
    )


def skipped_parts(skipped: Mapping[str, Mapping[str, Any]]) -> Run:
    """Of a Run, which cases were not sent. ``skipped``: case -> ``reason`` and ``said``, as the probe returned it."""
    return Run(
        skipped_cases={case: one["reason"] for case, one in skipped.items()},
        skipped_said={case: one[SAID]["reason"] for case, one in skipped.items() if SAID in one},
    )


def _skipped_as_said(run: Run) -> Run:
    """``run`` with the reasons why cases were skipped as they are said."""
    told = run.get("skipped_said", {})
    return {**run, "skipped_cases": {c: made_of(told.get(c), why) for c, why in run.get("skipped_cases", {}).items()}}


def _check_version(path: Path, version: Any) -> None:
    """Raises NotABundle for a version that this program does not read."""
    if isinstance(version, bool) or not isinstance(version, int) or version < FIRST_VERSION:
        raise NotABundle(
            f"{path} has bundle version {version!r}, which there never was: the file is damaged; "
            "take the run from where it was copied again"
        )
    if version > BUNDLE_VERSION:
        raise NotABundle(
            f"{path} has bundle version {version}, and this program reads up to {BUNDLE_VERSION}: "
            "take a newer version of it, at least the one that gathered this"
        )


def load(folder: Path) -> Bundle:
    """Read the bundle of one host. Raises NotABundle, naming the file that is missing, broken or too new."""
    evidence = folder / EVIDENCE
    parts: Dict[str, Any] = {}
    digests: Dict[str, str] = {}
    for path in sorted(evidence.glob("*.json")):
        raw = path.read_bytes()
        try:
            part = json.loads(raw.decode("utf-8"))
        except ValueError as error:
            raise NotABundle(f"{path} is not whole JSON: {error}; without it the rest can be judged") from error
        if not isinstance(part, dict):
            raise NotABundle(f"{path} is not a part of a bundle: it holds no JSON object")
        _check_version(path, part.get("bundle_version", FIRST_VERSION))
        parts[path.name] = as_said(part)
        digests[f"{EVIDENCE}/{path.name}"] = hashlib.sha256(raw).hexdigest()
    if not parts:
        raise NotABundle(f"{evidence} holds no evidence: {folder} is not the folder of one host's run")
    parts[RUN] = _skipped_as_said(parts.get(RUN) or _interrupted(folder))
    prefix, suffix = stream_file("|").split("|")
    streams = {
        name[len(prefix) : -len(suffix)]: cast(Stream, part)
        for name, part in parts.items()
        if name.startswith(prefix) and name.endswith(suffix)
    }
    numbered = [(_REPEAT.fullmatch(name), part) for name, part in parts.items()]
    repeats = [(int(found[1]), cast(Stream, part)) for found, part in numbered if found and int(found[1]) > 1]
    return Bundle(
        run=cast(Run, parts[RUN]),
        target=cast(Optional[Target], parts.get(TARGET)),
        machine=cast(Optional[Machine], parts.get(MACHINE)),
        journal=cast(Optional[Journal], parts.get(JOURNAL)),
        stall=cast(Optional[Stall], parts.get(STALL)),
        streams=streams,
        digests=digests,
        repeats=tuple(sorted(repeats, key=lambda one: one[0])),
        experiment=cast(Optional[Experiment], parts.get(EXPERIMENT)),
    )
