"""Facts and rows -> ranked causes. The order is the order of proof: the first cause that is shown is the verdict's."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Tuple

from ..facts import Facts
from ..result import Cause, Check
from . import ending, generation, service
from .rule import NOT_TESTED, Claim, Rule, not_tested

_BY_ID: Dict[str, Rule] = {rule.id: rule for rule in service.RULES + generation.RULES + ending.RULES}

#: A memory kill or a GPU fault explains a dead engine, and a dead engine a service that is down: causes before effects.
ORDER: Tuple[str, ...] = (
    "auth_rejected",
    "request_rejected",
    "api_server_stalled",
    "out_of_memory",
    "gpu_fault",
    "crash_loop",
    "endpoint_unreachable",
    "engine_dead",
    "service_down",
    "engine_asleep",
    "queue_saturated",
    "kv_cache_exhausted",
    "engine_stalled",
    "stream_truncated",
    "slow_generation",
)
#: Causes of the contract that no rule of this version weighs: said, so that nobody takes silence for "ruled out".
UNWEIGHED: Tuple[Tuple[str, int | None], ...] = (
    ("runaway_reasoning", 1),
    ("client_timeout", None),
    ("output_limit", None),
    ("tool_call_withheld", 2),
    ("awaiting_tool_output", 2),
    ("no_heartbeat", 2),
    ("server_buffering", 3),
    ("proxy_buffering", 3),
    ("proxy_interference", 3),
    ("reasoning_hidden", 1),
    ("compat_mode_filtering", 4),
    ("protocol_violation", None),
    ("network_stall", None),
)


class Weighed(NamedTuple):
    rule: Rule
    claim: Claim


def weigh(facts: Facts) -> List[Weighed]:
    """Every rule's claim, in ORDER. A rule that breaks is ``not_tested`` with its error and stops no other."""
    found: List[Weighed] = []
    for id_ in ORDER:
        rule = _BY_ID[id_]
        try:
            claim = not_tested(facts.probe_broke) if facts.probe_broke else rule.judge(facts)
        except Exception as broken:  # a bug in one rule must not cost the verdict
            claim = Claim(NOT_TESTED, f"the rule itself broke: {type(broken).__name__}: {broken}")
        found.append(Weighed(rule, claim))
    return found


def to_causes(weighed: List[Weighed], checks: Dict[str, Check], fields: Dict[str, str]) -> List[Cause]:
    """The ``causes`` of a result. ``fields``: host, unit and base_url for the fixes."""
    causes = [
        Cause(
            id=rule.id,
            checklist_cause=rule.checklist_cause,
            state=claim.state,
            reason=claim.reason,
            evidence_for=_rows(rule.for_, checks, ("fail", "warn"))
            if claim.state in ("confirmed", "likely", "possible")
            else [],
            evidence_against=_rows(rule.against, checks, ("pass",)) if claim.state != NOT_TESTED else [],
            fix=rule.fix.format(**fields),
        )
        for rule, claim in weighed
    ]
    causes += [
        Cause(
            id=id_,
            checklist_cause=number,
            state=NOT_TESTED,
            reason="no rule of this version weighs it",
            evidence_for=[],
            evidence_against=[],
            fix="",
        )
        for id_, number in UNWEIGHED
    ]
    return causes


def _rows(ids: Tuple[str, ...], checks: Dict[str, Check], statuses: Tuple[str, ...]) -> List[str]:
    return [id_ for id_ in ids if checks[id_]["status"] in statuses]
