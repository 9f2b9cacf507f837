"""The results of a run's hosts -> ``summary.json``: totals, and one line per host, worst first."""

from __future__ import annotations

from typing import Dict, List, Optional, TypedDict

from ..judge.result import SCHEMA_VERSION, Result

#: From worst to best; hosts are listed in this order.
STATUSES = ("unreachable", "broken", "inconclusive", "degraded", "healthy")


class HostLine(TypedDict):
    host: str
    status: str
    primary_cause: Optional[str]
    confidence: str
    summary: str
    notes: List[str]


class Summary(TypedDict):
    schema_version: int
    run_id: str
    totals: Dict[str, int]
    hosts: List[HostLine]


def summarise(results: List[Result]) -> Summary:
    """``results``: one per host, all of the same run; at least one."""
    lines = [
        HostLine(
            host=result["host"],
            status=result["verdict"]["status"],
            primary_cause=result["verdict"]["primary_cause"],
            confidence=result["verdict"]["confidence"],
            summary=result["verdict"]["summary"],
            notes=result.get("notes", []),
        )
        for result in results
    ]
    lines.sort(key=lambda line: (STATUSES.index(line["status"]), line["host"]))
    totals = {s: sum(1 for line in lines if line["status"] == s) for s in STATUSES}
    return Summary(
        schema_version=SCHEMA_VERSION,
        run_id=results[0]["run_id"],
        totals={status: count for status, count in totals.items() if count},
        hosts=lines,
    )
