"""Facts and rows -> ranked causes. The order is the order of proof: the first cause that is shown is the verdict's."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from ...words import as_words, say
from ..facts import Facts
from ..result import Cause, Check
from . import (
    cause_1_dead,
    cause_1_pace,
    cause_1_queue,
    cause_1_standing,
    cause_1_thought,
    cause_2_tools,
    cause_3_buffering,
    cause_4_compatibility,
    ending,
    network,
    service,
)
from .remedy import remedy
from .rule import CONFIRMED, LIKELY, NOT_TESTED, Claim, Rule, not_tested

_BY_ID: Dict[str, Rule] = {
    rule.id: rule
    for rules in (
        service.RULES,
        cause_1_dead.RULES,
        cause_1_standing.RULES,
        cause_1_queue.RULES,
        cause_1_thought.RULES,
        cause_1_pace.RULES,
        cause_2_tools.RULES,
        cause_3_buffering.RULES,
        cause_4_compatibility.RULES,
        ending.RULES,
        network.RULES,
    )
    for rule in rules
}

#: A memory kill or a GPU fault explains a dead engine, and a dead engine a service that is down: causes before effects.
#: What hangs comes before what is refused: a server without tools refuses them whether or not its engine stands.
ORDER: Tuple[str, ...] = (
    "auth_rejected",
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
    "compat_mode_filtering",
    "tool_call_withheld",
    "awaiting_tool_output",
    "request_rejected",
    "stream_truncated",
    "protocol_violation",
    "server_buffering",
    "reasoning_hidden",
    "runaway_reasoning",
    "output_limit",
    "client_timeout",
    "slow_generation",
    "proxy_interference",
    "proxy_buffering",
    "network_stall",
    "no_heartbeat",
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
            claim = not_tested(as_words(facts.probe_broke)) if facts.probe_broke else rule.judge(facts)
        except Exception as broken:  # a bug in one rule must not cost the verdict
            claim = not_tested(
                say("the rule itself broke: {error}: {message}", error=type(broken).__name__, message=str(broken))
            )
        found.append(Weighed(rule, claim))
    return found


def shown(weighed: List[Weighed], failing: Set[str]) -> Optional[Weighed]:
    """The cause that the verdict names: the first that is confirmed, else the first that is likely.

    ``failing``: the names of the streams that brought no answer. A cause is named only when it explains one of them, or
    when there is none; what only contributes only then, and when nothing else is shown.
    """
    main = [w for w in weighed if not w.rule.contributing and _explains(w, failing)]
    for found in (main, [] if failing else weighed):
        for state in (CONFIRMED, LIKELY):
            for one in found:
                if one.claim.state == state:
                    return one
    return None


def _explains(weighed: Weighed, failing: Set[str]) -> bool:
    return not failing or not weighed.claim.about or bool(failing & set(weighed.claim.about))


def to_causes(weighed: List[Weighed], checks: Dict[str, Check], facts: Facts) -> List[Cause]:
    """The ``causes`` of a result."""
    return [
        Cause(
            id=rule.id,
            checklist_cause=rule.checklist_cause,
            state=claim.state,
            reason=claim.reason,
            evidence_for=_rows(rule.for_, checks, ("fail", "warn"))
            if claim.state in ("confirmed", "likely", "possible")
            else [],
            evidence_against=_rows(rule.against, checks, ("pass",)) if claim.state != NOT_TESTED else [],
            fix=remedy(rule.fix, facts),
        )
        for rule, claim in weighed
    ]


def _rows(ids: Tuple[str, ...], checks: Dict[str, Check], statuses: Tuple[str, ...]) -> List[str]:
    return [id_ for id_ in ids if checks[id_]["status"] in statuses]


def bearing(cause: str) -> Tuple[str, ...]:
    """The rows of the checklist that could speak for or against ``cause``; none for an unknown one."""
    rule = _BY_ID.get(cause)
    return tuple(dict.fromkeys(rule.for_ + rule.against)) if rule is not None else ()
