"""A bundle -> ``result.json``. A pure function: the same bundle gives the same bytes, on any machine, at any time."""

from __future__ import annotations

import re
from typing import Iterable, List, Tuple

from ..bundle import stream_name
from ..said import taken_apart
from ..store import Bundle, NotABundle
from ..words import Words, joined, say
from .causes import Weighed, shown, to_causes, weigh
from .causes.remedy import remedy
from .causes.rule import CONFIRMED, LIKELY, NOT_TESTED, POSSIBLE
from .checks import REST, SYMPTOMS, judge_rows
from .checks.possible_causes import judge_possible_causes
from .codex_client import codex_says
from .commands import diagnose_command, host_command
from .facts import STREAM_ORDER, Facts, StreamFacts, gather
from .localise import localise
from .result import SCHEMA_VERSION, Localisation, RepeatRow, Result, SkippedCase, TargetRow, ToolError, Verdict
from .streams import ENDED, flows, has_delta, how_it_ended, is_responses_stream, row
from .unfinished import notes
from .witness import paused

#: Causes that can be seen through the public URL only.
_OUTSIDE = frozenset({"proxy_buffering", "proxy_interference", "network_stall"})
#: Causes by which a stream that was given up would have come to its end.
_LATE = frozenset({"slow_generation", "client_timeout"})
#: Ansible's words for a host that was reached, and whose sudo was not.
_PRIVILEGES = re.compile(r"privilege|become|sudo", re.IGNORECASE)


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
    causes = to_causes(weighed, checks, facts)
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
        verdict=_verdict(facts, weighed),
        causes=causes,
        checks=ordered,
        streams=[row(sent.stream) for sent in facts.everything_sent],
        repeats=_repeats(bundle),
        localisation=Localisation(trigger=where.trigger, reason=where.words),
        skipped_cases=[SkippedCase(case=c, reason=skipped[c]) for c in STREAM_ORDER if c in skipped],
        tool_errors=[ToolError(step=e["step"], message=e["message"]) for e in facts.run.get("errors", [])],
        notes=notes(facts),
    )


def _repeats(bundle: Bundle) -> List[RepeatRow]:
    """What an audit sent again: for a comparison only, so the facts know nothing of them."""
    known = {name: place for place, name in enumerate(STREAM_ORDER)}
    ordered = sorted(bundle.repeats, key=lambda one: (one[0], known.get(stream_name(one[1]), len(known))))
    return [{**row(stream), "repeat": repeat} for repeat, stream in ordered]


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


def _verdict(facts: Facts, weighed: List[Weighed]) -> Verdict:
    host = facts.run["host"]
    unreachable = facts.run.get("unreachable", "")
    if unreachable and not facts.sent:
        return _plain("unreachable", *_unreachable(facts, " ".join(unreachable.split())))
    errors = facts.run.get("errors", [])
    if not facts.sent:
        why = errors[0]["message"] if errors else say("no stream was sent")
        summary = say("Nothing can be said about {host}: {why}", host=host, why=why)
        return _plain("inconclusive", summary, _again(facts), "low")
    if facts.probe_broke:
        summary = say("Nothing can be said about {host}: {why}", host=host, why=facts.probe_broke)
        return _plain("inconclusive", summary, say("Run it again; if it stays, report it."), "low")
    failing = facts.failing
    cause = shown(weighed, {sent.name for sent in failing})
    if cause is not None:
        return _caused(_status(facts, cause), cause, facts)
    if failing:
        return _open(facts, failing[0], weighed)
    flowing = next((sent for sent in facts.everything_sent if flows(sent.stream)), None)
    if flowing is not None:
        return _endless(facts, flowing)
    cases = ", ".join(s.name for s in facts.everything_sent)
    ended = unreachable or (errors[0]["message"] if errors else "")
    if ended:
        summary = say(
            "{cases} completed on {host}, and then the run ended early: {reason}",
            cases=cases,
            host=host,
            reason=" ".join(ended.split()),
        )
        return _plain("inconclusive", summary, _again(facts), "low")
    simple = facts.streams.get("simple")
    if simple is not None and not has_delta(simple.stream):
        summary = say(
            "{cases} completed on {host}, but simple came without a single delta: nothing was streamed",
            cases=cases,
            host=host,
        )
        return _plain("degraded", summary, say("Read the rows that warn, step-1 first."), "medium")
    summary = say("Streams on {host} work: {cases} completed", host=host, cases=cases)
    return _plain("healthy", summary, say("Nothing to do."), "high")


def _again(facts: Facts) -> str:
    return say("Correct that, and run it again:\n$ {command}", command=diagnose_command(facts))


def _unreachable(facts: Facts, reason: str) -> Tuple[Words, Words]:
    """The summary and the steps for a host that could not be looked at. ``reason``: ssh's or sudo's own words."""
    ping, ping_as_root = (host_command(facts, "ping", become=become) for become in (False, True))
    again = say("Run it again:\n$ {command}", command=diagnose_command(facts))
    if not _PRIVILEGES.search(reason):
        summary = say(
            "{host} could not be reached, its server was not tested: {reason}", host=facts.run["host"], reason=reason
        )
        return summary, remedy((say("Try it by hand, until it answers pong:\n$ {command}", command=ping), again), facts)
    summary = say(
        "sudo on {host} did not let this run in, its server was not tested: {reason}",
        host=facts.run["host"],
        reason=reason,
    )
    steps = (
        say("See that ssh works (it answers pong):\n$ {command}", command=ping),
        say("See what sudo says; -K behind it asks for a password:\n$ {command}", command=ping_as_root),
        again,
    )
    return summary, remedy(steps, facts)


def _status(facts: Facts, cause: Weighed) -> str:
    """``broken`` when a client does not get its answer; ``degraded`` when it does, late or all at once."""
    if facts.failing:
        late = cause.rule.id in _LATE and all(paused(facts, sent) for sent in facts.failing)
        return "degraded" if late else "broken"
    lost = [cause.rule.id == "protocol_violation" and _lost_on_codex(facts.streams[name]) for name in cause.claim.about]
    return "broken" if any(lost) or cause.rule.id == "tool_call_withheld" else "degraded"


def _lost_on_codex(sent: StreamFacts) -> bool:
    """The Codex CLI makes no answer of a stream that came to its end."""
    return is_responses_stream(sent.stream) and codex_says(sent.stream, sent.protocol).outcome != "works"


def _open(facts: Facts, bad: StreamFacts, weighed: List[Weighed]) -> Verdict:
    """No cause is shown: say what happened, what is still possible, what else is wrong, what evidence is missing."""
    possible = _listed(w for w in weighed if w.claim.state == POSSIBLE and not w.rule.contributing)
    besides = _listed(w for w in weighed if w.claim.state in (CONFIRMED, LIKELY))
    parts = [
        say(
            "The stream {case} on {host} {ended} ({how}), and nothing that was gathered shows why",
            case=bad.name,
            host=facts.run["host"],
            ended=ENDED[bad.outcome],
            how=how_it_ended(bad.stream),
        )
    ]
    if possible:
        parts.append(say("possible: {causes}", causes=possible))
    if besides:
        parts.append(say("seen besides, which does not explain it: {causes}", causes=besides))
    summary = joined("; ", parts)
    missing = [w for w in weighed if w.claim.state == NOT_TESTED and (bad in facts.public or w.rule.id not in _OUTSIDE)]
    step = say("Read the rows that are skipped: each names the evidence that is missing.")
    return _inconclusive(
        summary, step, [say("{cause}: {reason}", cause=w.rule.id, reason=w.claim.reason) for w in missing]
    )


def _listed(weighed: Iterable[Weighed]) -> str:
    return joined("; ", [say("{cause} ({reason})", cause=w.rule.id, reason=w.claim.reason) for w in weighed])


def _endless(facts: Facts, flowing: StreamFacts) -> Verdict:
    """Nothing hangs and nothing was lost, but the end of an answer was not seen."""
    seconds, count = flowing.stream["end"]["t"], len(flowing.stream["events"]) + flowing.stream["dropped_events"]
    summary = say(
        "Nothing hangs on {host}: {case} was still flowing when the probe ended it after {seconds:.0f} s, "
        "{events} events so far; whether its answer has an end was not seen",
        host=facts.run["host"],
        case=flowing.name,
        seconds=seconds,
        events=count,
    )
    step = say("Read what it says (the events of its file): a model that repeats itself needs a limit.")
    return _inconclusive(summary, step, [])


def _inconclusive(summary: str, next_step: str, doubts: List[str]) -> Verdict:
    return Verdict(
        status="inconclusive",
        primary_cause="inconclusive",
        confidence="low",
        summary=summary,
        said=taken_apart(summary),
        next_step=next_step,
        doubts=doubts,
    )


def _caused(status: str, cause: Weighed, facts: Facts) -> Verdict:
    return Verdict(
        status=status,
        primary_cause=cause.rule.id,
        confidence=cause.claim.confidence,
        summary=cause.claim.summary,
        said=taken_apart(cause.claim.summary),
        next_step=remedy(cause.rule.fix, facts),
        doubts=list(cause.claim.doubts),
    )


def _plain(status: str, summary: str, next_step: str, confidence: str = "high") -> Verdict:
    return Verdict(
        status=status,
        primary_cause=None,
        confidence=confidence,
        summary=summary,
        said=taken_apart(summary),
        next_step=next_step,
        doubts=[],
    )
