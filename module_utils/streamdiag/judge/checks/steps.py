"""Checklist, "Steps": the stream cases, the log, the heartbeat, the longer wait."""

from __future__ import annotations

from typing import List

from ...responses import acting_events, is_streaming, name_of
from ..earlier import old_until
from ..facts import CLIENT_TIMEOUT, Facts, StreamFacts
from ..heartbeat import ping_interval
from ..localise import localise, works
from ..logs import KERNEL_TROUBLE, TROUBLE
from ..silence import pings
from ..streams import flows
from ..unshown import unshown
from ..witness import paused
from .row import Finding, Row, skip


def simple_stream(facts: Facts) -> Finding:
    """No tools, no reasoning. If it fails, base generation is broken; if not, tools or reasoning are."""
    return _case(
        facts,
        "simple",
        good="base generation works; what still fails is about tools, reasoning, size or transport",
        bad="base generation itself does not get through",
    )


def server_log(facts: Facts) -> Finding:
    """The classified journal and kernel log."""
    logs = facts.logs
    if logs.unreadable and logs.kernel_unreadable:
        return skip(f"journal: {logs.unreadable}; kernel log: {logs.kernel_unreadable}")
    old = old_until(facts)
    found = [s._replace(lines=[one for one in s.lines if one["at"] > old]) for s in logs.unit.values()]
    seen = [s for s in found if s.meaning.id in TROUBLE and s.lines]
    seen += [s for id_, s in logs.kernel.items() if id_ in KERNEL_TROUBLE]
    evidence = [facts.quote("journal.json", line["text"]) for s in seen for line in s.lines[:3]]
    unread = [f"{n}: {r}" for n, r in (("journal", logs.unreadable), ("kernel log", logs.kernel_unreadable)) if r]
    counts = "; ".join(f"{s.meaning.title} ({len(s.lines)} lines)" for s in seen)
    if seen:
        return Finding("fail", counts, "; ".join(["the log names trouble", *unread]), evidence)
    if unread:
        return skip("; ".join(unread) + "; the part that was read names no trouble")
    observed = f"{len(logs.unit_lines)} lines of the unit, none of trouble"
    if any(s.meaning.id in TROUBLE for s in logs.unit.values()):
        observed += " since this server was started"
    return Finding("pass", observed, "no error in the window", [facts.quote("journal.json", observed)])


def tool_stream(facts: Facts) -> Finding:
    """Tools without reasoning, beside reasoning without tools and both together: the 2x2."""
    finding = _case(
        facts, "tools", good="a stream with tools gets through", bad="the stream with tools does not get through"
    )
    sent = facts.streams.get("tools")
    if sent is None:
        return finding
    if finding.status == "pass":
        called = bool(sent.protocol.calls)
        word = "with a tool call" if called else "without a tool call, which is the model's choice"
        finding = finding._replace(observed=finding.observed + ", " + word)
    others = [facts.streams[name] for name in ("reasoning", "codex", "tool_turn") if name in facts.streams]
    failing = [one.name for one in others if not works(one)]
    words = "; ".join([finding.observed, *(f"{one.name}: {one.outcome}" for one in others)])
    evidence = finding.evidence + [facts.quote_stream(one.name, one.outcome) for one in others]
    if finding.status == "pass" and failing:
        reason = "{}; but these fail: {} ({})".format(finding.reason, ", ".join(failing), localise(facts).words)
        return Finding("warn", words, reason, evidence)
    return finding._replace(observed=words, evidence=evidence)


def heartbeat(facts: Facts) -> Finding:
    """Pings seen in a real silence longer than the interval; a short silence proves nothing either way."""
    interval = ping_interval(facts)
    accepted = [s for s in facts.sent if s.stream["http_status"] == 200 and is_streaming(s.stream)]
    long_enough = [s for s in accepted if s.silence is not None and s.silence.seconds > interval]
    if interval <= 0:
        return skip("the server's heartbeat is switched off (--responses-ping-interval-seconds 0)")
    if not long_enough:
        return skip(f"no silence was longer than {interval:.0f} s, so no ping was due")
    words, evidence, silent = [], [], []
    for sent in long_enough:
        start, longest = (sent.silence.start, sent.silence.seconds) if sent.silence else (0.0, 0.0)
        count = pings(sent.stream, start, start + longest)
        words.append(f"{sent.name}: {count} pings in a silence of {longest:.0f} s")
        evidence.append(facts.quote_stream(sent.name, words[-1]))
        if not count:
            silent.append(sent.name)
    if silent:
        reason = "no heartbeat in: {}; upstream vLLM has none on /v1/responses".format(", ".join(silent))
        return Finding("warn", "; ".join(words), reason, evidence)
    return Finding("pass", "; ".join(words), "the heartbeat came", evidence)


def longer_timeout(facts: Facts) -> Finding:
    """Slow is not hung: the same stream is held open while the server is seen working."""
    if not facts.sent:
        return skip("no stream was sent")
    limit = facts.setting("client_timeout", CLIENT_TIMEOUT)
    slow: List[StreamFacts] = [
        s for s in facts.sent if (s.completed or flows(s.stream)) and s.stream["end"]["t"] > limit
    ]
    if slow:
        words = "; ".join("{} took {:.0f} s".format(s.name, s.stream["end"]["t"]) for s in slow)
        evidence = [facts.quote_stream(s.name, words) for s in slow]
        reason = f"later than a client's {limit:.0f} s, and moving all the time: a longer timeout helps"
        return Finding("warn", words, reason, evidence)
    stalled = [s for s in facts.sent if s.stalled]
    if not stalled:
        if all(s.completed for s in facts.sent):
            return skip(f"every stream completed within {limit:.0f} s: nothing to wait for")
        return skip("no stream fell silent: waiting longer is not the question")
    words = "; ".join("{} was held open for {:.1f} s".format(s.name, s.stream["end"]["t"]) for s in stalled)
    evidence = [facts.quote_stream(s.name, s.stream["end"]["reason"]) for s in stalled]
    if any(paused(facts, s) for s in stalled):
        return Finding(
            "warn", words, "the engine went on after they had been given up: a longer timeout helps", evidence
        )
    if all(s.stream["end"]["how"] == "stopped" for s in stalled):
        return Finding("fail", words, "nothing moved meanwhile, so a longer timeout cannot help", evidence)
    return Finding("fail", words, "it stayed silent to the end of the probe's patience", evidence)


def _case(facts: Facts, case: str, good: str, bad: str) -> Finding:
    sent = facts.streams.get(case)
    if sent is None:
        return skip("not sent: " + facts.run.get("skipped_cases", {}).get(case, "the run ended before it"))
    events = acting_events(sent.stream)
    deltas = sum(1 for event in events if name_of(event).endswith(".delta"))
    last = name_of(events[-1]) if events else "none"
    observed = "{}: {} events, {} of them deltas, last {}, {:.2f} s".format(
        sent.outcome, len(events), deltas, last, sent.stream["end"]["t"]
    )
    evidence = [facts.quote_stream(case, "{}; {}".format(observed, sent.stream["end"]["reason"]))]
    if not sent.completed:
        return Finding("fail", observed, bad, evidence)
    first = sent.protocol.first_fail or sent.protocol.first
    if first is not None:
        evidence.append(facts.quote_stream(case, first.words))
        return Finding(first.severity, observed, "against the protocol: " + first.words, evidence)
    if not deltas:
        return Finding("warn", observed, "it completed without a single delta", evidence)
    if unshown(facts, sent):
        return Finding("warn", observed, "tokens were made and not shown: " + unshown(facts, sent), evidence)
    return Finding("pass", observed, good, evidence)


ROWS = (
    Row("step-1", "Simple stream: no tools, no reasoning", "several deltas, then response.completed", simple_stream),
    Row("step-2", "Server logs", "no generation error, OOM, GPU error or exception", server_log),
    Row("step-3", "Tools without reasoning", "several deltas, then response.completed", tool_stream),
    Row("step-4", "Heartbeat", "a ping in every silence longer than 15 s", heartbeat),
    Row("step-5", "Longer timeout", "a slow stream completes when it is held open", longer_timeout),
)
