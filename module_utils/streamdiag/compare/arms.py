"""The streams of both runs, side by side by case: what was sent how often, and how often it failed."""

from __future__ import annotations

from typing import Dict, List, NamedTuple

from ..judge.result import Result, StreamRow

#: One run's streams by case; of ``public`` by variant, ``public-gzip``.
Arm = Dict[str, List[StreamRow]]


class Counts(NamedTuple):
    """Failed and sent streams of one case. ``*_missing``: how many fewer than the other cases of the same run."""

    before_failed: int
    before_sent: int
    after_failed: int
    after_sent: int
    before_missing: int = 0
    after_missing: int = 0

    @property
    def fell(self) -> bool:
        """The rate of failures is lower after than before."""
        return self.after_failed * self.before_sent < self.before_failed * self.after_sent

    @property
    def mirrored(self) -> Counts:
        """The same with the runs in the other order."""
        return Counts(
            self.after_failed,
            self.after_sent,
            self.before_failed,
            self.before_sent,
            self.after_missing,
            self.before_missing,
        )

    @property
    def against_a_fix(self) -> Counts:
        """As if every missing stream had spoken against a fix: a run that was ended early must not look better."""
        return self.filled(0, self.after_missing)

    def filled(self, before: int, after: int) -> Counts:
        """As if the missing streams had been sent, and so many of them had failed."""
        return Counts(
            self.before_failed + before,
            self.before_sent + self.before_missing,
            self.after_failed + after,
            self.after_sent + self.after_missing,
        )


def arm_of(result: Result) -> Arm:
    """The streams of a run by case, in the order in which a result lists them, repeats behind."""
    arm: Arm = {}
    again: List[StreamRow] = [*result["repeats"]]
    for row in result["streams"] + again:
        arm.setdefault(name_of(row), []).append(row)
    return arm


def name_of(row: StreamRow) -> str:
    """``public-gzip``: the case, and which of its variants."""
    return row["case"] + ("-" + row["variant"] if row["variant"] else "")


def failed(row: StreamRow) -> bool:
    """The stream did not come to its end. A server's own limit is an end (``response.incomplete``), ours is not."""
    ended = row["outcome"] == "completed" or (row["outcome"] == "incomplete" and row["terminal_event"] is not None)
    return not ended


def failures(rows: List[StreamRow]) -> int:
    return sum(1 for row in rows if failed(row))


def count(name: str, before: Arm, after: Arm) -> Counts:
    """The counts of a case that both runs sent.

    A run sends its cases equally often; one that was sent less often was missed, or the run was ended early.
    """
    return Counts(
        failures(before[name]),
        len(before[name]),
        failures(after[name]),
        len(after[name]),
        _most(before) - len(before[name]),
        _most(after) - len(after[name]),
    )


def _most(arm: Arm) -> int:
    return max(len(rows) for rows in arm.values())
