"""The shape of ``audit.json``: what a comparison of two results says. Other programs rely on these keys."""

from __future__ import annotations

from typing import List, Optional, TypedDict

SCHEMA_VERSION = 1


class RunRow(TypedDict):
    """One of the two runs: when, with what, on what, and its verdict."""

    run_id: str
    started_at: str
    finished_at: str
    tool_version: str
    model: str
    vllm_version: str
    compat_mode: str
    status: str
    primary_cause: Optional[str]


class Difference(TypedDict):
    """Why two runs are not of a kind. ``what``: host | model | cases | tool version."""

    what: str
    before: str
    after: str


class Rate(TypedDict):
    """How many streams did not come to their end, with the Clopper-Pearson interval of that rate at 95 %."""

    failed: int
    sent: int
    rate: Optional[float]  # None when none was sent
    low: float
    high: float


class Overall(TypedDict):
    """All cases that both runs sent, together. ``p_value``: of the exact test over all cases."""

    before: Rate
    after: Rate
    p_value: float


class CaseRow(TypedDict):
    """One case in both runs. ``word``: fixed | broken by the change | flaky | no difference shown."""

    name: str  # the case, with its variant: public-gzip
    before: Rate
    after: Rate
    p_value: float  # Fisher's exact test, two-sided
    smallest_p: float  # the smallest that so many streams can give
    word: str
    words: str  # the word with its numbers


class NotCompared(TypedDict):
    """A case that one run sent and the other did not. ``sent_in``: before | after."""

    name: str
    sent_in: str
    failed: int
    sent: int
    reason: str  # why the other did not


class Timing(TypedDict):
    """One measure of one case. Times in seconds; ``difference``: after minus before (Hodges-Lehmann estimate).

    ``low``, ``high``: its exact Mann-Whitney interval; ``level`` is the confidence that it really has, 0 without one.
    """

    measure: str
    name: str
    before_count: int
    after_count: int
    before_median: Optional[float]
    after_median: Optional[float]
    difference: Optional[float]
    low: Optional[float]
    high: Optional[float]
    level: float
    word: str  # slower | faster | no difference shown
    words: str


class Pace(TypedDict):
    """One measure over all cases. ``measure``: t_first_event | max_event_gap | max_byte_gap | duration."""

    measure: str
    p_value: float  # exact rank-sum test, stratified by case
    p_adjusted: float  # by Holm, over the measures
    word: str  # slower | faster | no difference shown
    words: str


class Change(TypedDict):
    """A row that says something else than before. ``part``: verdict | target | cause | check | stream | …"""

    part: str
    id: str
    before: str
    after: str


class Conclusion(TypedDict):
    """``word``: as of a case, or fixed in part | broken in part | mixed. ``doubts``: what weakens it."""

    word: str
    summary: str
    doubts: List[str]


class SentRow(TypedDict):
    """One stream of an audit. ``arm``: before | after; ``at``: seconds since the epoch."""

    arm: str
    repeat: int
    name: str
    at: float


class Audit(TypedDict):
    """What was changed between the two runs, and what became of the change."""

    change: str  # compat_on | compat_off | args | env | debug_logging
    words: str  # what was changed, in words
    kept: bool  # the change stays in force, because the operator said so
    restored: bool  # the server was seen to run as before again
    order: List[SentRow]  # every stream, in the order in which they were sent


class Comparison(TypedDict):
    schema_version: int
    tool_version: str
    host: str
    before: RunRow
    after: RunRow
    forced: bool  # compared in spite of ``differences``
    differences: List[Difference]
    conclusion: Conclusion
    overall: Overall
    cases: List[CaseRow]
    not_compared: List[NotCompared]
    pace: List[Pace]
    timings: List[Timing]
    changes: List[Change]
    methods: List[str]
    audit: Optional[Audit]  # None: two runs that somebody chose
