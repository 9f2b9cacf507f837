"""The shape of ``result.json``: what an assessment says. Other programs rely on these keys; see docs/result.md.

Sentences are ``Words`` as long as they are in memory, so that a report can say them in another language.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, TypedDict

SCHEMA_VERSION = 1


class Quote(TypedDict):
    """Where a claim comes from. ``path`` is relative to the host's folder; ``excerpt`` is the host's own text."""

    path: str
    sha256: str
    excerpt: str


class Check(TypedDict):
    """One row of the checklist. ``status``: pass | warn | fail | skip | error; missing evidence is never ``pass``."""

    id: str
    title: str
    status: str
    observed: str
    expected: str
    reason: str
    evidence: List[Quote]


class Cause(TypedDict):
    """``state``: confirmed | likely | possible | ruled_out | not_tested."""

    id: str
    checklist_cause: Optional[int]
    state: str
    reason: str
    evidence_for: List[str]
    evidence_against: List[str]
    fix: str


class StreamRow(TypedDict):
    """One stream case in numbers. Times in seconds since its start, sizes in bytes."""

    case: str
    variant: str  # of public: "" | gzip | controller | controller-gzip
    outcome: str  # completed | incomplete | stalled | truncated | failed | rejected | unreachable
    http_status: Optional[int]
    events: int
    bytes: int
    reads: int
    t_headers: Optional[float]
    t_first_event: Optional[float]
    t_last_event: Optional[float]
    duration: float
    max_event_gap: Optional[float]
    max_byte_gap: Optional[float]
    pings: int
    terminal_event: Optional[str]
    tokens_advanced: Optional[float]
    stop_reason: str
    arrival: str  # how the events came: one_by_one | by_count | fixed_size | bursts | at_end | too_short | none
    first_deviation: str  # from the protocol, in words; "" when there is none
    codex: str  # what the Codex CLI does with this stream, in words


class RepeatRow(StreamRow):
    """A stream that an audit sent again. ``repeat``: from 2 on; repeat 1 stands in ``streams``."""

    repeat: int


class TargetRow(TypedDict):
    base_url: str
    public_url: str
    model: str
    vllm_version: str
    unit: str
    unit_state: str
    main_pid: Optional[int]
    compat_mode: str
    argv: List[str]


class Verdict(TypedDict):
    """``status``: healthy | degraded | broken | unreachable | inconclusive."""

    status: str
    primary_cause: Optional[str]
    confidence: str
    summary: str
    said: Dict[
        str, Any
    ]  # the summary's template and values, so that a summary of many hosts can be in another language
    next_step: str
    doubts: List[str]  # what lowered the confidence


class Localisation(TypedDict):
    """``trigger``: what the failing requests have and the working ones have not; ``reason``: the pair that shows it."""

    trigger: str
    reason: str


class SkippedCase(TypedDict):
    case: str
    reason: str


class ToolError(TypedDict):
    step: str
    message: str


class Result(TypedDict):
    schema_version: int
    run_id: str
    host: str
    started_at: str
    finished_at: str
    tool_version: str
    target: TargetRow
    verdict: Verdict
    causes: List[Cause]
    checks: List[Check]
    streams: List[StreamRow]
    repeats: List[RepeatRow]  # empty but in an audit; no check, cause or verdict looks at them
    localisation: Localisation
    skipped_cases: List[SkippedCase]
    tool_errors: List[ToolError]
    notes: List[str]  # what an operator should know besides, whatever the verdict
