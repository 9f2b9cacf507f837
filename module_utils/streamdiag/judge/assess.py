"""A bundle -> ``result.json``. A pure function: the same bundle gives the same bytes, on any machine, at any time."""

from __future__ import annotations

from typing import List, Optional

from ..store import Bundle, NotABundle
from .causes import Weighed, to_causes, weigh
from .causes.rule import CONFIRMED, LIKELY, POSSIBLE, fix_fields
from .checks import REST, SYMPTOMS, judge_rows
from .checks.possible_causes import judge_possible_causes
from .facts import CASE_ORDER, Facts, gather
from .result import SCHEMA_VERSION, Result, SkippedCase, TargetRow, ToolError, Verdict
from .streams import has_delta, row


def assess(bundle: Bundle) -> Result:
    """Judge ``bundle``. Never raises for what the evidence says or lacks; NotABundle where it has not the shape."""
    try:
        return _assess(bundle)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as broken:
        raise NotABundle(
            f"the evidence has not the form of a bundle, so it cannot be judged ({type(broken).__name__}: {broken}); "
            "gather it again with the version of this program that judges it"
        ) from broken


def _assess(bundle: Bundle) -> Result:
    facts = gather(bundle)
    checks = judge_rows(facts)
    weighed = weigh(facts)
    fields = fix_fields(facts)
    causes = to_causes(weighed, checks, fields)
    ordered = [checks[r.id] for r in SYMPTOMS]
    ordered += judge_possible_causes(causes, checks)
    ordered += [checks[r.id] for r in REST]
    skipped = facts.run.get("skipped_cases", {})
    return Result(
        schema_version=SCHEMA_VERSION,
        run_id=facts.run["run_id"],
        host=facts.run["host"],
        started_at=facts.run["started_at"],
        finished_at=facts.run["finished_at"],
        tool_version=facts.run["tool_version"],
        target=_target(facts),
        verdict=_verdict(facts, weighed, fields),
        causes=causes,
        checks=ordered,
        streams=[row(sent.stream) for sent in facts.sent],
        skipped_cases=[SkippedCase(case=c, reason=skipped[c]) for c in CASE_ORDER if c in skipped],
        tool_errors=[ToolError(step=e["step"], message=e["message"]) for e in facts.run.get("errors", [])],
    )


def _target(facts: Facts) -> TargetRow:
    target = facts.target
    pid = facts.unit.number("MainPID")
    return TargetRow(
        base_url=target.get("base_url", ""),
        public_url=target.get("public_url", ""),
        model=target.get("model", ""),
        vllm_version=target.get("vllm_version", ""),
        unit=target.get("unit", {}).get("name", ""),
        unit_state=facts.unit.state,
        main_pid=pid or None,
        compat_mode=target.get("compat_mode", "unknown"),
        argv=target.get("argv", []),
    )


def _verdict(facts: Facts, weighed: List[Weighed], fields: dict[str, str]) -> Verdict:
    host = facts.run["host"]
    unreachable = facts.run.get("unreachable", "")
    if unreachable and not facts.sent:
        summary = "{} could not be reached: {}".format(host, " ".join(unreachable.split()))
        step = f"Try it by hand:\n$ ansible {fields['inventory']}{fields['host']} -m ansible.builtin.ping"
        return _plain("unreachable", summary, step)
    errors = facts.run.get("errors", [])
    if not facts.sent:
        why = errors[0]["message"] if errors else "no stream was sent"
        return _plain("inconclusive", f"Nothing can be said about {host}: {why}", "Correct that and run again.", "low")
    shown = _first(weighed, CONFIRMED) or _first(weighed, LIKELY)
    if facts.probe_broke:
        summary, step = (
            f"Nothing can be said about {host}: {facts.probe_broke}",
            "Run it again; if it stays, report it.",
        )
        return _plain("inconclusive", summary, step, "low")
    if facts.first_bad is None:
        cases = ", ".join(s.case for s in facts.sent)
        ended = unreachable or (errors[0]["message"] if errors else "")
        if shown is None and ended:
            summary = f"{cases} completed on {host}, and then the run ended early: {' '.join(ended.split())}"
            return _plain("inconclusive", summary, "Correct that and run again.", "low")
        simple = next((s for s in facts.sent if s.case == "simple"), None)
        if shown is None and simple is not None and not has_delta(simple.stream):
            summary = f"{cases} completed on {host}, but simple came without a single delta: nothing was streamed"
            return _plain("degraded", summary, "Read the rows that warn, step-1 first.", "medium")
        if shown is None:
            return _plain("healthy", f"Streams on {host} work: {cases} completed", "Nothing to do.", "high")
        return _caused("degraded", shown, fields)
    if shown is not None:
        return _caused("broken", shown, fields)
    bad = facts.first_bad
    open_questions = [w.rule.id for w in weighed if w.claim.state == POSSIBLE]
    status, body = bad.stream["http_status"], " ".join(bad.stream["body"].split())[:200]
    words = f"HTTP {status}: {body}" if body else bad.stream["end"]["reason"]
    summary = "The stream {} on {} {} ({}), and no cause is shown by the evidence{}".format(
        bad.case, host, bad.outcome, words, "; possible: " + ", ".join(open_questions) if open_questions else ""
    )
    return Verdict(
        status="inconclusive",
        primary_cause="inconclusive",
        confidence="low",
        summary=summary,
        next_step="Read the rows that are skipped: each names the evidence that is missing.",
    )


def _first(weighed: List[Weighed], state: str) -> Optional[Weighed]:
    return next((w for w in weighed if w.claim.state == state), None)


def _caused(status: str, shown: Weighed, fields: dict[str, str]) -> Verdict:
    return Verdict(
        status=status,
        primary_cause=shown.rule.id,
        confidence=shown.claim.confidence,
        summary=shown.claim.summary,
        next_step=shown.rule.fix.format(**fields),
    )


def _plain(status: str, summary: str, next_step: str, confidence: str = "high") -> Verdict:
    return Verdict(status=status, primary_cause=None, confidence=confidence, summary=summary, next_step=next_step)
