"""Checklist, "Symptoms": what a client of this server sees."""

from __future__ import annotations

from typing import List, Tuple

from ...bundle import MACHINE, TARGET, Endpoint
from ...responses import acting_events, is_chat, is_streaming, name_of
from ...words import Words, joined, say
from ..arrival import HELD_BACK
from ..facts import SLOW, Facts, was_asked
from .row import Finding, Row, skip

#: What the row of the health check tells of.
ENDPOINTS = ("/health", "/v1/models", "/version")
#: Seconds. A first event is sent before the engine has the request, so it takes milliseconds.
PROMPT_FIRST_EVENT = 5.0
FIRST = frozenset({"response.created", "response.queued"})
#: Seconds. The first connection of a client pays for its own start, hence not milliseconds.
PROMPT_ANSWER = 2.0


def health(facts: Facts) -> Finding:
    """``GET /health``, ``/v1/models``, ``/version``, each timed. A 200 does not prove that the engine lives."""
    before, after = (
        [(path, one) for path in ENDPOINTS for where, one in facts.endpoints(path) if where == file]
        for file in (TARGET, MACHINE)
    )
    answers = [*before, *after]
    if not answers:
        return skip(say("the server's endpoints were not asked: {why}", why=_why_nothing(facts)))
    words, evidence = [], []
    if before:
        words.append(say("before: {answers}", answers=_answers(before)))
        evidence.append(facts.quote(TARGET, words[-1]))
    if after:
        words.append(say("after: {answers}", answers=_answers(after)))
        evidence.append(facts.quote(MACHINE, words[-1]))
    observed = joined("; ", words)
    statuses = [one["http_status"] if one["state"] == "ok" else None for path, one in answers if path == "/health"]
    if not statuses:
        return skip(say("/health was not asked"))
    if all(status == 200 for status in statuses):
        slowest = max(endpoint["seconds"] for _path, endpoint in answers)
        if slowest > PROMPT_ANSWER:
            reason = say("it answers, but takes up to {seconds:.1f} s for it", seconds=slowest)
            return Finding("warn", observed, reason, evidence)
        return Finding("pass", observed, say("it answers; that alone does not prove that the engine lives"), evidence)
    if 200 in statuses:
        reason = say("it answered before the streams and not after them, or the other way")
        return Finding("fail", observed, reason, evidence)
    return Finding("fail", observed, say("the health check is not answered with 200"), evidence)


def _answers(endpoints: List[Tuple[str, Endpoint]]) -> Words:
    """Each path with its answer; those that were not asked are only counted among the others."""
    words: List[str] = []
    for path, endpoint in endpoints:
        if was_asked(endpoint):
            answered = endpoint["state"] == "ok"
            answer = say("HTTP {status}", status=endpoint["http_status"]) if answered else endpoint["reason"]
            words.append(
                say("{path} {answer} in {seconds:.2f} s", path=path, answer=answer, seconds=endpoint["seconds"])
            )
    if len(words) < len(endpoints):
        words.append(say("the others were not asked"))
    return joined(", ", words)


def accepted(facts: Facts) -> Finding:
    """Status, content type, time to the headers."""
    if not facts.everything_sent:
        return skip(say("no stream was sent: {why}", why=_why_nothing(facts)))
    words, evidence, bad = [], [], []
    for sent in facts.everything_sent:
        stream = sent.stream
        kind = stream["response_headers"].get("content-type", "").split(";")[0]
        if stream["http_status"] is None:
            text = say("{case}: no HTTP answer ({reason})", case=sent.name, reason=stream["end"]["reason"])
        else:
            text = say(
                "{case}: HTTP {status} {type} after {seconds:.2f} s",
                case=sent.name,
                status=stream["http_status"],
                type=kind or say("without a content type"),
                seconds=stream["t_headers"] or 0.0,
            )
        words.append(text)
        wanted = "text/event-stream" if is_streaming(stream) else "application/json"
        if stream["http_status"] != 200 or kind != wanted:
            bad.append(sent.name)
            if stream["body"]:
                text = joined(": ", [text, stream["body"][:500]])
        evidence.append(facts.quote_stream(sent.name, text))
    if bad:
        reason = say("not accepted as a stream: {cases}", cases=", ".join(bad))
        return Finding("fail", joined("; ", words), reason, evidence)
    return Finding("pass", joined("; ", words), say("every request was accepted"), evidence)


def first_event(facts: Facts) -> Finding:
    """Time to the first event."""
    accepted_streams = [s for s in facts.everything_sent if s.stream["http_status"] == 200 and is_streaming(s.stream)]
    if not accepted_streams:
        return skip(say("no stream was accepted, so none could begin"))
    words, evidence, missing, late, strange = [], [], [], [], []
    for sent in accepted_streams:
        events = acting_events(sent.stream)
        if not events:
            missing.append(sent.name)
            words.append(say("{case}: no event in {seconds:.1f} s", case=sent.name, seconds=sent.stream["end"]["t"]))
        else:
            name, t = name_of(events[0]), events[0]["t"]
            words.append(say("{case}: {event} after {seconds:.2f} s", case=sent.name, event=name, seconds=t))
            if t > PROMPT_FIRST_EVENT:
                late.append(sent.name)
            if not is_chat(sent.stream) and name not in FIRST:
                strange.append(sent.name)
        evidence.append(facts.quote_stream(sent.name, words[-1]))
    observed = joined("; ", words)
    if missing:
        return Finding("fail", observed, say("no first event in: {cases}", cases=", ".join(missing)), evidence)
    if late:
        return Finding("warn", observed, say("the first event is late in: {cases}", cases=", ".join(late)), evidence)
    if strange:
        reason = say("it does not begin with response.created: {cases}", cases=", ".join(strange))
        return Finding("warn", observed, reason, evidence)
    return Finding("pass", observed, say("the first event comes at once"), evidence)


def silence(facts: Facts) -> Finding:
    """The longest silence between events and where it fell; and what else keeps events from a client."""
    accepted_streams = [s for s in facts.everything_sent if s.stream["http_status"] == 200 and is_streaming(s.stream)]
    if not accepted_streams:
        return skip(say("no request was answered with a stream, so none could fall silent"))
    words, evidence, bad, cut, slow, late, lost = [], [], [], [], [], [], []
    for sent in accepted_streams:
        if sent.silence is None:
            continue
        text = say(
            "{case}: {seconds:.1f} s after {after}",
            case=sent.name,
            seconds=sent.silence.seconds,
            after=sent.silence.after,
        )
        if sent.outcome == "stalled":
            bad.append(sent.name)
            text = say("{silence}, and no event after it", silence=text)
        elif sent.outcome == "truncated":
            cut.append(sent.name)
            text = say("{silence}; it broke off after {seconds:.1f} s", silence=text, seconds=sent.stream["end"]["t"])
        elif sent.silence.seconds > SLOW:
            slow.append(sent.name)
        elif sent.completed and sent.arrival.pattern in HELD_BACK:
            late.append(sent.name)
            text = joined("; ", [text, sent.arrival.words])
        elif sent in facts.public and sent.completed and sent.protocol.first_fail is not None:
            lost.append(sent.name)
            text = joined("; ", [text, sent.protocol.first_fail.words])
        words.append(text)
        evidence.append(facts.quote_stream(sent.name, text))
    observed = say("longest silence: {silences}", silences=joined("; ", words))
    if bad:
        reason = say("these streams fell silent and stayed so: {cases}", cases=", ".join(bad))
        return Finding("fail", observed, reason, evidence)
    if cut:
        return Finding("fail", observed, say("these streams broke off: {cases}", cases=", ".join(cut)), evidence)
    if slow:
        reason = say("long silences, and then they went on: {cases}", cases=", ".join(slow))
        return Finding("warn", observed, reason, evidence)
    if late:
        reason = say("events were held back and came together: {cases}", cases=", ".join(late))
        return Finding("warn", observed, reason, evidence)
    if lost:
        return Finding("warn", observed, say("events were lost on the way: {cases}", cases=", ".join(lost)), evidence)
    return Finding("pass", observed, say("no stream fell silent"), evidence)


def _why_nothing(facts: Facts) -> str:
    if facts.run.get("unreachable"):
        return say("the host was not reached")
    errors = facts.run.get("errors", [])
    return errors[0]["message"] if errors else say("the run ended before that")


ROWS = (
    Row("symptom-health", say("Server answers the health check"), say("HTTP 200 within 2 s"), health),
    Row("symptom-accepted", say("Request accepted"), say("HTTP 200, text/event-stream"), accepted),
    Row("symptom-first-event", say("First event arrives"), say("response.created within 5 s"), first_event),
    Row("symptom-silence", say("Then nothing"), say("no silence longer than 10 s"), silence),
)
