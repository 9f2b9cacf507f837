"""What was expected against what was found, entry by entry, and what that adds up to."""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.accuracy.catalogue import CONFIDENCES, Entry
from tests.play import ROOT

FOLDER = ROOT / "reports" / "accuracy"
#: Suites of records: the catalogue, and healthy servers that were diagnosed again and again.
FAULTS, HEALTHY = "faults", "healthy"


class Outcome(NamedTuple):
    """``result``: as in ``result.json``. ``seconds``: of the diagnosis alone. ``leaked``: keys that were stored."""

    result: Mapping[str, Any]
    seconds: float
    leaked: Sequence[str] = ()


@dataclass(frozen=True)
class Record:
    """One diagnosis. ``wrong``: in words what is not as it should be; empty when all is right."""

    suite: str
    name: str
    where: str
    expected: str
    verdict: str
    status: str
    cause: str | None
    confidence: str
    seconds: float
    rows: Mapping[str, list[str]] = field(default_factory=dict)
    wrong: Sequence[str] = ()

    @property
    def right(self) -> bool:
        return not self.wrong


def record(entry: Entry, outcome: Outcome, suite: str = FAULTS) -> Record:
    """Compare the outcome of a diagnosis with what ``entry`` deserves."""
    result, leaked = outcome.result, ["a secret was stored"] if outcome.leaked else []
    verdict = result["verdict"]
    status, cause = verdict["status"], verdict["primary_cause"]
    return Record(
        suite=suite,
        name=entry.name,
        where=entry.where,
        expected=entry.verdict,
        verdict=cause or status,
        status=status,
        cause=cause,
        confidence=verdict["confidence"],
        seconds=round(outcome.seconds, 1),
        rows=_turned(result),
        wrong=(*deviations(entry, result), *leaked),
    )


def broke(entry: Entry, error: BaseException, suite: str = FAULTS) -> Record:
    """The diagnosis itself, or the fault, did not come about."""
    words = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return Record(suite, entry.name, entry.where, entry.verdict, "error", "error", None, "", 0.0, {}, (words,))


def deviations(entry: Entry, result: Mapping[str, Any]) -> list[str]:
    """In words, what is not as ``entry`` says."""
    verdict = result["verdict"]
    found: list[str] = []
    if (verdict["status"], verdict["primary_cause"]) != (entry.status, entry.cause):
        got = f"{verdict['status']} / {verdict['primary_cause']}"
        found.append(f"verdict {got} instead of {entry.status} / {entry.cause}: {verdict['summary']}")
    elif CONFIDENCES.index(verdict["confidence"]) < CONFIDENCES.index(entry.confidence):
        found.append(f"confidence {verdict['confidence']}, less than {entry.confidence}")
    rows = {check["id"]: check for check in result["checks"]}
    for status, ids in entry.rows.items():
        for id_ in ids:
            if rows[id_]["status"] != status:
                found.append(f"row {id_} is {rows[id_]['status']} instead of {status}: {rows[id_]['reason']}")
    broken = [id_ for id_, row in rows.items() if row["status"] == "error"]
    if broken:
        found.append(f"the check itself broke: {', '.join(broken)}")
    blamed = [cause["id"] for cause in result["causes"] if cause["state"] in ("confirmed", "likely")]
    if entry.status == "healthy":
        failed = [id_ for id_, row in rows.items() if row["status"] == "fail"]
        found += [f"a healthy server fails the row {id_}: {rows[id_]['reason']}" for id_ in failed]
        found += [f"a healthy server is blamed for {id_}" for id_ in blamed]
    else:
        found += [f"{id_} is blamed, too" for id_ in blamed if id_ in entry.not_blamed]
    return found


def _turned(result: Mapping[str, Any]) -> dict[str, list[str]]:
    """Status -> rows that do not pass."""
    rows: dict[str, list[str]] = {}
    for check in result["checks"]:
        if check["status"] != "pass":
            rows.setdefault(check["status"], []).append(check["id"])
    return rows


@dataclass
class Matrix:
    """All records of a session. ``entries``: the names of the whole catalogue, so that what was not run is said."""

    entries: Sequence[str]
    folder: Path = FOLDER
    records: list[Record] = field(default_factory=list)

    def keep(self, record: Record) -> Record:
        """Add ``record`` and write everything anew: an interrupted proof leaves its matrix, too."""
        self.records.append(record)
        self.write()
        return record

    def of(self, suite: str) -> list[Record]:
        return [r for r in self.records if r.suite == suite]

    def not_run(self) -> list[str]:
        """Entries of the catalogue that were not run."""
        ran = {r.name for r in self.of(FAULTS)}
        return [name for name in self.entries if name not in ran]

    def flips(self) -> list[str]:
        """Entries that were given different verdicts when they were repeated."""
        verdicts: dict[str, set[tuple[str, str]]] = {}
        for r in self.of(FAULTS):
            verdicts.setdefault(r.name, set()).add((r.status, r.verdict))
        return [name for name, found in verdicts.items() if len(found) > 1]

    def confusion(self) -> dict[str, dict[str, int]]:
        """Expected -> got -> how often."""
        counts: dict[str, Counter[str]] = {}
        for r in self.of(FAULTS):
            counts.setdefault(r.expected, Counter())[r.verdict] += 1
        return {expected: dict(counts[expected].most_common()) for expected in sorted(counts)}

    def totals(self) -> dict[str, Any]:
        ran, healthy = self.of(FAULTS), self.of(HEALTHY)
        sound = [r for r in ran if r.expected == "healthy"] + healthy
        return {
            "runs": len(ran),
            "right": sum(r.right for r in ran),
            "right_verdicts": sum(r.verdict == r.expected for r in ran),
            "entries": len({r.name for r in ran}),
            "of_entries": len(self.entries),
            "flips": len(self.flips()),
            "missed": sum(r.expected != "healthy" and r.status == "healthy" for r in ran),
            "healthy_runs": len(sound),
            "false_alarms": sum(r.status != "healthy" for r in sound),
        }

    def lines(self) -> list[str]:
        """The totals in words."""
        t = self.totals()
        found = [
            f"faults: {t['right']} of {t['runs']} runs are right in every respect, {t['right_verdicts']} by "
            f"their verdict; {t['entries']} of {t['of_entries']} entries were run",
            f"healthy servers: {t['false_alarms']} false alarms in {t['healthy_runs']} runs; "
            f"faults taken for healthy: {t['missed']}",
        ]
        if self.flips():
            found.append(f"verdicts that flipped: {', '.join(self.flips())}")
        return found

    def write(self) -> None:
        """``matrix.json`` and ``matrix.md``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = {
            "revision": revision(),
            "totals": self.totals(),
            "flips": self.flips(),
            "not_run": self.not_run(),
            "confusion": self.confusion(),
            "records": [asdict(r) for r in self.records],
        }
        (self.folder / "matrix.json").write_text(
            json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        (self.folder / "matrix.md").write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        ran = self.of(FAULTS)
        parts = ["# Accuracy", f"`make accuracy` at {revision()}.", *(f"- {line}" for line in self.lines())]
        parts += ["", "## Expected and got", *_confusion_table(self.confusion(), ran)]
        parts += ["", "## Every run", *_table(("fault", "where", "expected", "got", "confidence", "s", ""), _rows(ran))]
        wrong = [r for r in self.records if not r.right]
        parts += ["", "## What is wrong"] if wrong else []
        parts += [f"- **{r.name}** ({r.where}): {_cell('; '.join(r.wrong))}" for r in wrong]
        if self.not_run():
            parts += ["", "## Not run", ", ".join(self.not_run())]
        return "\n".join(parts) + "\n"


def _confusion_table(confusion: Mapping[str, Mapping[str, int]], ran: Sequence[Record]) -> list[str]:
    rows = []
    for expected, got in confusion.items():
        seconds = statistics.median(r.seconds for r in ran if r.expected == expected)
        instead = ", ".join(f"{name} {n}" for name, n in got.items() if name != expected)
        rows.append((expected, sum(got.values()), got.get(expected, 0), instead, f"{seconds:.0f}"))
    return _table(("expected", "runs", "got it", "got instead", "median s"), rows)


def _rows(ran: Iterable[Record]) -> Iterable[tuple[Any, ...]]:
    for r in ran:
        yield r.name, r.where, r.expected, r.verdict, r.confidence, f"{r.seconds:.1f}", "" if r.right else "wrong"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["", *("| " + " | ".join(_cell(str(word)) for word in line) + " |" for line in lines)]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


@functools.cache
def revision() -> str:
    """The commit that was tested, or ``unknown`` outside a repository."""
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
