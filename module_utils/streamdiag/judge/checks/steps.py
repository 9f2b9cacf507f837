"""Checklist, "Steps": the stream cases, the log, the heartbeat, the longer wait."""

from __future__ import annotations

from typing import List

from ...responses import acting_events, is_streaming, name_of
from ...words import joined, say
from ..earlier import old_until
from ..facts import CLIENT_TIMEOUT, Facts, StreamFacts
from ..heartbeat import ping_interval
from ..localise import localise, works
from ..logs import KERNEL_TROUBLE, TROUBLE
from ..silence import pings
from ..streams import OUTCOMES, flows
from ..unshown import unshown
from ..witness import paused
from .row import Finding, Row, skip


def simple_stream(facts: Facts) -> Finding:
    """No tools, no reasoning. If it fails, base generation is broken; if not, tools or reasoning are."""
    return _case(
        facts,
        "simple",
        good=say("base generation works; what still fails is about tools, reasoning, size or transport"),
        bad=say("base generation itself does not get through"),
    )


def server_log(facts: Facts) -> Finding:
    """The classified journal and kernel log."""
    logs = facts.logs
    unread = []
    if logs.unreadable:
        unread.append(say("journal: {reason}", reason=logs.unreadable))
    if logs.kernel_unreadable:
        unread.append(say("kernel log: {reason}", reason=logs.kernel_unreadable))
    if logs.unreadable and logs.kernel_unreadable:
        return skip(joined("; ", unread))
    old = old_until(facts)
    found = [s._replace(lines=[one for one in s.lines if one["at"] > old]) for s in logs.unit.values()]
    seen = [s for s in found if s.meaning.id in TROUBLE and s.lines]
    seen += [s for id_, s in logs.kernel.items() if id_ in KERNEL_TROUBLE]
    evidence = [facts.quote("journal.json", line["text"]) for s in seen for line in s.lines[:3]]
    if seen:
        counts = [say("{what} ({lines} lines)", what=s.meaning.title, lines=len(s.lines)) for s in seen]
        reason = joined("; ", [say("the log names trouble"), *unread])
        return Finding("fail", joined("; ", counts), reason, evidence)
    if unread:
        return skip(joined("; ", [*unread, say("the part that was read names no trouble")]))
    observed = say("{lines} lines of the unit, none of trouble", lines=len(logs.unit_lines))
    if any(s.meaning.id in TROUBLE for s in logs.unit.values()):
        observed = say(
            "{lines} lines of the unit, none of trouble since this server was started", lines=len(logs.unit_lines)
        )
    return Finding("pass", observed, say("no error in the window"), [facts.quote("journal.json", observed)])


def tool_stream(facts: Facts) -> Finding:
    """Tools without reasoning, beside reasoning without tools and both together: the 2x2."""
    finding = _case(
        facts,
        "tools",
        good=say("a stream with tools gets through"),
        bad=say("the stream with tools does not get through"),
    )
    sent = facts.streams.get("tools")
    if sent is None:
        return finding
    if finding.status == "pass":
        if sent.protocol.calls:
            observed = say("{stream}, with a tool call", stream=finding.observed)
        else:
            observed = say("{stream}, without a tool call, which is the model's choice", stream=finding.observed)
        finding = finding._replace(observed=observed)
    others = [facts.streams[name] for name in ("reasoning", "codex", "tool_turn") if name in facts.streams]
    failing = [one.name for one in others if not works(one)]
    beside = [say("{case}: {outcome}", case=one.name, outcome=OUTCOMES[one.outcome]) for one in others]
    words = joined("; ", [finding.observed, *beside])
    evidence = finding.evidence + [facts.quote_stream(one.name, one.outcome) for one in others]
    if finding.status == "pass" and failing:
        reason = say(
            "{good}; but these fail: {cases} ({pair})",
            good=finding.reason,
            cases=", ".join(failing),
            pair=localise(facts).words,
        )
        return Finding("warn", words, reason, evidence)
    return finding._replace(observed=words, evidence=evidence)


def heartbeat(facts: Facts) -> Finding:
    """Pings seen in a real silence longer than the interval; a short silence proves nothing either way."""
    interval = ping_interval(facts)
    accepted = [s for s in facts.sent if s.stream["http_status"] == 200 and is_streaming(s.stream)]
    long_enough = [s for s in accepted if s.silence is not None and s.silence.seconds > interval]
    if interval <= 0:
        return skip(say("the server's heartbeat is switched off (--responses-ping-interval-seconds 0)"))
    if not long_enough:
        return skip(say("no silence was longer than {interval:.0f} s, so no ping was due", interval=interval))
    words, evidence, silent = [], [], []
    for sent in long_enough:
        start, longest = (sent.silence.start, sent.silence.seconds) if sent.silence else (0.0, 0.0)
        count = pings(sent.stream, start, start + longest)
        words.append(
            say("{case}: {count} pings in a silence of {seconds:.0f} s", case=sent.name, count=count, seconds=longest)
        )
        evidence.append(facts.quote_stream(sent.name, words[-1]))
        if not count:
            silent.append(sent.name)
    if silent:
        reason = say("no heartbeat in: {cases}; upstream vLLM has none on /v1/responses", cases=", ".join(silent))
        return Finding("warn", joined("; ", words), reason, evidence)
    return Finding("pass", joined("; ", words), say("the heartbeat came"), evidence)


def longer_timeout(facts: Facts) -> Finding:
    """Slow is not hung: the same stream is held open while the server is seen working."""
    if not facts.sent:
        return skip(say("no stream was sent"))
    limit = facts.setting("client_timeout", CLIENT_TIMEOUT)
    slow: List[StreamFacts] = [
        s for s in facts.sent if (s.completed or flows(s.stream)) and s.stream["end"]["t"] > limit
    ]
    if slow:
        took = [say("{case} took {seconds:.0f} s", case=s.name, seconds=s.stream["end"]["t"]) for s in slow]
        words = joined("; ", took)
        evidence = [facts.quote_stream(s.name, words) for s in slow]
        reason = say(
            "later than a client's {limit:.0f} s, and moving all the time: a longer timeout helps", limit=limit
        )
        return Finding("warn", words, reason, evidence)
    stalled = [s for s in facts.sent if s.stalled]
    if not stalled:
        if all(s.completed for s in facts.sent):
            return skip(say("every stream completed within {limit:.0f} s: nothing to wait for", limit=limit))
        return skip(say("no stream fell silent: waiting longer is not the question"))
    held = [say("{case} was held open for {seconds:.1f} s", case=s.name, seconds=s.stream["end"]["t"]) for s in stalled]
    words = joined("; ", held)
    evidence = [facts.quote_stream(s.name, s.stream["end"]["reason"]) for s in stalled]
    if any(paused(facts, s) for s in stalled):
        reason = say("the engine went on after they had been given up: a longer timeout helps")
        return Finding("warn", words, reason, evidence)
    if all(s.stream["end"]["how"] == "stopped" for s in stalled):
        return Finding("fail", words, say("nothing moved meanwhile, so a longer timeout cannot help"), evidence)
    return Finding("fail", words, say("it stayed silent to the end of the probe's patience"), evidence)


def _case(facts: Facts, case: str, good: str, bad: str) -> Finding:
    sent = facts.streams.get(case)
    if sent is None:
        why = facts.run.get("skipped_cases", {}).get(case, say("the run ended before it"))
        return skip(say("not sent: {why}", why=why))
    events = acting_events(sent.stream)
    deltas = sum(1 for event in events if name_of(event).endswith(".delta"))
    outcome, seconds = OUTCOMES[sent.outcome], sent.stream["end"]["t"]
    if events:
        observed = say(
            "{outcome}: {events} events, {deltas} of them deltas, last {last}, {seconds:.2f} s",
            outcome=outcome,
            events=len(events),
            deltas=deltas,
            last=name_of(events[-1]),
            seconds=seconds,
        )
    else:
        observed = say("{outcome} after {seconds:.2f} s without an event", outcome=outcome, seconds=seconds)
    evidence = [facts.quote_stream(case, "{}; {}".format(observed, sent.stream["end"]["reason"]))]
    if not sent.completed:
        return Finding("fail", observed, bad, evidence)
    first = sent.protocol.first_fail or sent.protocol.first
    if first is not None:
        evidence.append(facts.quote_stream(case, first.words))
        reason = say("against the protocol: {deviation}", deviation=first.words)
        return Finding(first.severity, observed, reason, evidence)
    if not deltas:
        return Finding("warn", observed, say("it completed without a single delta"), evidence)
    hidden = unshown(facts, sent)
    if hidden:
        return Finding("warn", observed, say("tokens were made and not shown: {tokens}", tokens=hidden), evidence)
    return Finding("pass", observed, good, evidence)


ROWS = (
    Row(
        "step-1",
        say("Simple stream: no tools, no reasoning"),
        say("several deltas, then response.completed"),
        simple_stream,
    ),
    Row("step-2", say("Server logs"), say("no generation error, OOM, GPU error or exception"), server_log),
    Row("step-3", say("Tools without reasoning"), say("several deltas, then response.completed"), tool_stream),
    Row("step-4", say("Heartbeat"), say("a ping in every silence longer than 15 s"), heartbeat),
    Row("step-5", say("Longer timeout"), say("a slow stream completes when it is held open"), longer_timeout),
)
