"""What a comparison says of the change that was made between its two runs, for the judge and for the record."""

from __future__ import annotations

from typing import List

from ..bundle import BUNDLE_VERSION, Experiment, stream_name
from ..said import taken_apart
from ..store import Bundle
from .comparison import Audit, Comparison, SentRow
from .words import FIXED, numbers


def experiment(comparison: Comparison, audit: Audit) -> Experiment:
    """The part ``experiment.json`` of the bundle that was gathered before the change."""
    overall = comparison["overall"]
    summary = numbers(overall["before"], overall["after"], overall["p_value"])
    return Experiment(
        bundle_version=BUNDLE_VERSION,
        change=audit["change"],
        words=audit["words"],
        conclusion=comparison["conclusion"]["word"],
        summary=summary,
        said=taken_apart(summary),
        fixed=[row["name"] for row in comparison["cases"] if row["word"] == FIXED],
        failing=[row["name"] for row in comparison["cases"] if row["before"]["failed"] and row["after"]["failed"]],
    )


def order(before: Bundle, after: Bundle) -> List[SentRow]:
    """Every stream of both arms in the order in which they were sent; ``at``: seconds since the epoch."""
    found = []
    for arm, bundle in (("before", before), ("after", after)):
        numbered = [(1, stream) for stream in bundle.streams.values()] + list(bundle.repeats)
        found += [
            SentRow(arm=arm, repeat=repeat, name=stream_name(stream), at=stream["at"]) for repeat, stream in numbered
        ]
    return sorted(found, key=lambda one: one["at"])
