"""The results of a run's hosts -> ``summary.json``: totals, one line per host, worst first, and the hosts compared."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, TypedDict, Union, cast

from ..judge.result import SCHEMA_VERSION, Result, Verdict
from ..said import put_together
from .fleet import Fleet, compare_hosts
from .stored import STATUSES, Damaged, Stored, of_results


class HostLine(TypedDict):
    host: str
    status: str
    primary_cause: Optional[str]
    confidence: str
    summary: str
    notes: List[str]
    report: str  # relative to the run's folder


class Summary(TypedDict):
    """``totals`` counts ``hosts``; what is ``damaged`` is not among them."""

    schema_version: int
    run_id: str
    totals: Dict[str, int]
    hosts: List[HostLine]
    damaged: List[Damaged]
    fleet: Fleet


def summarise(stored: Union[Stored, List[Result]], run_id: str = "") -> Summary:
    """``stored``: the results of one run, one per host. ``run_id``: for a run of which no result can be read."""
    found = stored if isinstance(stored, Stored) else of_results(stored)
    results = found.results
    lines = [
        HostLine(
            host=result["host"],
            status=result["verdict"]["status"],
            primary_cause=result["verdict"]["primary_cause"],
            confidence=result["verdict"]["confidence"],
            summary=_said(result["verdict"]),
            notes=result.get("notes", []),
            report=f"{folder}/report.md",
        )
        for result, folder in zip(results, found.folders)
    ]
    lines.sort(key=lambda line: (STATUSES.index(line["status"]), line["host"]))
    totals = {s: sum(1 for line in lines if line["status"] == s) for s in STATUSES}
    return Summary(
        schema_version=SCHEMA_VERSION,
        run_id=results[0]["run_id"] if results else run_id,
        totals={status: count for status, count in totals.items() if count},
        hosts=lines,
        damaged=found.damaged,
        fleet=compare_hosts(results),
    )


def _said(verdict: Verdict) -> str:
    """The summary, as a sentence that can be said in another language where the result has kept one."""
    plain = verdict["summary"]
    try:
        said = put_together(cast(Dict[str, Any], verdict).get("said", {}))
    except (LookupError, TypeError, ValueError, AttributeError):
        return plain
    return said if said == plain else plain
