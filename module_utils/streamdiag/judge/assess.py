"""A bundle -> ``result.json``. A pure function: the same bundle gives the same bytes, on any machine, at any time."""

from __future__ import annotations

from typing import List

from ..store import Bundle, NotABundle
from .causes import Weighed, shown, to_causes, weigh
from .causes.rule import NOT_TESTED, POSSIBLE, fix_fields
from .checks import REST, SYMPTOMS, judge_rows
from .checks.possible_causes import judge_possible_causes
from .codex_client import codex_says
from .facts import STREAM_ORDER, Facts, StreamFacts, gather
from .localise import localise
from .result import SCHEMA_VERSION, Localisation, Result, SkippedCase, TargetRow, ToolError, Verdict
from .streams import flows, has_delta, row


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
    where = localise(facts)
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
        streams=[row(sent.stream) for sent in facts.everything_sent],
        localisation=Localisation(trigger=where.trigger, reason=where.words),
        skipped_cases=[SkippedCase(case=c, reason=skipped[c]) for c in STREAM_ORDER if c in skipped],
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
    if facts.probe_broke:
        step = "Run it again; if it stays, report it."
        return _plain("inconclusive", f"Nothing can be said about {host}: {facts.probe_broke}", step, "low")
    cause = shown(weighed)
    if cause is not None:
        return _caused(_status(facts, cause), cause, fields)
    bad = next((sent for sent in facts.everything_sent if not sent.completed), None)
    if bad is not None:
        return _open(facts, bad, weighed)
    cases = ", ".join(s.name for s in facts.everything_sent)
    ended = unreachable or (errors[0]["message"] if errors else "")
    if ended:
        summary = f"{cases} completed on {host}, and then the run ended early: {' '.join(ended.split())}"
        return _plain("inconclusive", summary, "Correct that and run again.", "low")
    simple = facts.streams.get("simple")
    if simple is not None and not has_delta(simple.stream):
        summary = f"{cases} completed on {host}, but simple came without a single delta: nothing was streamed"
        return _plain("degraded", summary, "Read the rows that warn, step-1 first.", "medium")
    return _plain("healthy", f"Streams on {host} work: {cases} completed", "Nothing to do.", "high")


def _status(facts: Facts, cause: Weighed) -> str:
    """``broken`` when a client does not get its answer; ``degraded`` when it does, late or all at once."""
    if all(sent.completed or flows(sent.stream) for sent in facts.everything_sent):
        lost = cause.rule.id == "protocol_violation" and not _usable(facts)
        return "broken" if lost or cause.rule.id == "tool_call_withheld" else "degraded"
    return "broken"


def _usable(facts: Facts) -> bool:
    """The Codex CLI makes an answer of every stream that breaks the protocol."""
    broken = [s for s in facts.sent if s.completed and s.protocol.first_fail is not None]
    return all(codex_says(sent.stream, sent.protocol).outcome == "works" for sent in broken)


def _open(facts: Facts, bad: StreamFacts, weighed: List[Weighed]) -> Verdict:
    """No cause is shown: say what happened, what is still possible, and which evidence is missing."""
    status, body = bad.stream["http_status"], " ".join(bad.stream["body"].split())[:200]
    words = f"HTTP {status}: {body}" if body else bad.stream["end"]["reason"]
    possible = [f"{w.rule.id} ({w.claim.reason})" for w in weighed if w.claim.state == POSSIBLE]
    missing = [f"{w.rule.id}: {w.claim.reason}" for w in weighed if w.claim.state == NOT_TESTED]
    summary = "The stream {} on {} {} ({}), and no cause is shown by the evidence{}{}".format(
        bad.name,
        facts.run["host"],
        bad.outcome,
        words,
        "; possible: " + "; ".join(possible) if possible else "",
        "; missing: " + "; ".join(missing[:3]) if missing else "",
    )
    step = "Read the rows that are skipped: each names the evidence that is missing."
    return Verdict(
        status="inconclusive",
        primary_cause="inconclusive",
        confidence="low",
        summary=summary,
        next_step=step,
        doubts=missing,
    )


def _caused(status: str, cause: Weighed, fields: dict[str, str]) -> Verdict:
    return Verdict(
        status=status,
        primary_cause=cause.rule.id,
        confidence=cause.claim.confidence,
        summary=cause.claim.summary,
        next_step=cause.rule.fix.format(**fields),
        doubts=list(cause.claim.doubts),
    )


def _plain(status: str, summary: str, next_step: str, confidence: str = "high") -> Verdict:
    return Verdict(
        status=status, primary_cause=None, confidence=confidence, summary=summary, next_step=next_step, doubts=[]
    )
