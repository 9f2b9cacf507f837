"""The results of a run as they lie in its folder. A damaged one does not cost the others their summary."""

from __future__ import annotations

from pathlib import Path
from typing import List, NamedTuple, TypedDict

from ..compare.read import NotAResult, read_result
from ..judge.result import Result
from ..store import EVIDENCE

#: Of a verdict, from worst to best.
STATUSES = ("unreachable", "broken", "inconclusive", "degraded", "healthy")


class Damaged(TypedDict):
    """A host whose ``result.json`` cannot be used. ``host``: the name of its folder; ``reason`` says what to do."""

    host: str
    reason: str


class Stored(NamedTuple):
    """``folders``: the folder's name of each of ``results``."""

    results: List[Result]
    folders: List[str]
    damaged: List[Damaged]


def of_results(results: List[Result]) -> Stored:
    """Results that are at hand, each in a folder of its host's name."""
    return Stored(results, [result["host"] for result in results], [])


def read_results(run: Path) -> Stored:
    """What the folder of a run holds. A folder without evidence and without a result is no host's."""
    found = Stored([], [], [])
    for folder in sorted(run.iterdir()):
        if not (folder / EVIDENCE).is_dir() and not (folder / "result.json").exists():
            continue
        try:
            result = read_result(folder)
            if result["verdict"]["status"] not in STATUSES:
                status = result["verdict"]["status"][:40]
                raise NotAResult(f"{folder / 'result.json'} is damaged: there is no status {status!r}")
        except NotAResult as error:
            found.damaged.append(Damaged(host=folder.name, reason=str(error)))
            continue
        found.results.append(result)
        found.folders.append(folder.name)
    return found
