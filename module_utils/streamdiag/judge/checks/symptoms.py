"""Checklist, "Symptoms": what a client of this server sees."""

from __future__ import annotations

from ...responses import acting_events, is_chat, is_streaming, name_of
from ..arrival import HELD_BACK
from ..facts import SLOW, Facts
from .row import Finding, Row, skip

#: Seconds. A first event is sent before the engine has the request, so it takes milliseconds.
PROMPT_FIRST_EVENT = 5.0
FIRST = frozenset({"response.created", "response.queued"})
#: Seconds. The first connection of a client pays for its own start, hence not milliseconds.
PROMPT_ANSWER = 2.0


def health(facts: Facts) -> Finding:
    """``GET /health``, ``/v1/models``, ``/version``, each timed. A 200 does not prove that the engine lives."""
    answers = [
        (file, path, endpoint)
        for path in ("/health", "/v1/models", "/version")
        for file, endpoint in facts.endpoints(path)
    ]
    if not answers:
        return skip("the server's endpoints were not asked: " + _why_nothing(facts))
    words, evidence, statuses = [], [], []
    for file, path, endpoint in answers:
        moment = "before" if file == "target.json" else "after"
        answer = "HTTP {}".format(endpoint["http_status"]) if endpoint["state"] == "ok" else endpoint["reason"]
        words.append("{} {}: {} in {:.2f} s".format(path, moment, answer, endpoint["seconds"]))
        evidence.append(facts.quote(file, words[-1]))
        if path == "/health":
            statuses.append(endpoint["http_status"] if endpoint["state"] == "ok" else None)
    observed = "; ".join(words)
    if not statuses:
        return skip("/health was not asked")
    if all(status == 200 for status in statuses):
        slowest = max(endpoint["seconds"] for _file, _path, endpoint in answers)
        if slowest > PROMPT_ANSWER:
            return Finding("warn", observed, f"it answers, but takes up to {slowest:.1f} s for it", evidence)
        return Finding("pass", observed, "it answers; that alone does not prove that the engine lives", evidence)
    if 200 in statuses:
        return Finding(
            "fail", observed, "it answered before the streams and not after them, or the other way", evidence
        )
    return Finding("fail", observed, "the health check is not answered with 200", evidence)


def accepted(facts: Facts) -> Finding:
    """Status, content type, time to the headers."""
    if not facts.everything_sent:
        return skip("no stream was sent: " + _why_nothing(facts))
    words, evidence, bad = [], [], []
    for sent in facts.everything_sent:
        stream = sent.stream
        kind = stream["response_headers"].get("content-type", "").split(";")[0]
        if stream["http_status"] is None:
            text = "{}: no HTTP answer ({})".format(sent.name, stream["end"]["reason"])
        else:
            text = "{}: HTTP {} {} after {:.2f} s".format(
                sent.name, stream["http_status"], kind or "without a content type", stream["t_headers"] or 0.0
            )
        words.append(text)
        wanted = "text/event-stream" if is_streaming(stream) else "application/json"
        if stream["http_status"] != 200 or kind != wanted:
            bad.append(sent.name)
            if stream["body"]:
                text = "{}: {}".format(text, stream["body"][:500])
        evidence.append(facts.quote_stream(sent.name, text))
    if bad:
        return Finding("fail", "; ".join(words), "not accepted as a stream: " + ", ".join(bad), evidence)
    return Finding("pass", "; ".join(words), "every request was accepted", evidence)


def first_event(facts: Facts) -> Finding:
    """Time to the first event."""
    accepted_streams = [s for s in facts.everything_sent if s.stream["http_status"] == 200 and is_streaming(s.stream)]
    if not accepted_streams:
        return skip("no stream was accepted, so none could begin")
    words, evidence, missing, late, strange = [], [], [], [], []
    for sent in accepted_streams:
        events = acting_events(sent.stream)
        if not events:
            missing.append(sent.name)
            words.append("{}: no event in {:.1f} s".format(sent.name, sent.stream["end"]["t"]))
        else:
            words.append("{}: {} after {:.2f} s".format(sent.name, name_of(events[0]), events[0]["t"]))
            if events[0]["t"] > PROMPT_FIRST_EVENT:
                late.append(sent.name)
            if not is_chat(sent.stream) and name_of(events[0]) not in FIRST:
                strange.append(sent.name)
        evidence.append(facts.quote_stream(sent.name, words[-1]))
    if missing:
        return Finding("fail", "; ".join(words), "no first event in: " + ", ".join(missing), evidence)
    if late:
        return Finding("warn", "; ".join(words), "the first event is late in: " + ", ".join(late), evidence)
    if strange:
        reason = "it does not begin with response.created: " + ", ".join(strange)
        return Finding("warn", "; ".join(words), reason, evidence)
    return Finding("pass", "; ".join(words), "the first event comes at once", evidence)


def silence(facts: Facts) -> Finding:
    """The longest silence between events and where it fell; and what else keeps events from a client."""
    accepted_streams = [s for s in facts.everything_sent if s.stream["http_status"] == 200 and is_streaming(s.stream)]
    if not accepted_streams:
        return skip("no stream was accepted, so none could fall silent")
    words, evidence, bad, cut, slow, late, lost = [], [], [], [], [], [], []
    for sent in accepted_streams:
        if sent.silence is None:
            continue
        text = f"{sent.name}: {sent.silence.seconds:.1f} s after {sent.silence.after}"
        if sent.outcome == "stalled":
            bad.append(sent.name)
            text += ", and no event after it"
        elif sent.outcome == "truncated":
            cut.append(sent.name)
            text += "; it broke off after {:.1f} s".format(sent.stream["end"]["t"])
        elif sent.silence.seconds > SLOW:
            slow.append(sent.name)
        elif sent.completed and sent.arrival.pattern in HELD_BACK:
            late.append(sent.name)
            text += "; " + sent.arrival.words
        elif sent in facts.public and sent.completed and sent.protocol.first_fail is not None:
            lost.append(sent.name)
            text += "; " + sent.protocol.first_fail.words
        words.append(text)
        evidence.append(facts.quote_stream(sent.name, text))
    observed = "longest silence: " + "; ".join(words)
    if bad:
        return Finding("fail", observed, "these streams fell silent and stayed so: " + ", ".join(bad), evidence)
    if cut:
        return Finding("fail", observed, "these streams broke off: " + ", ".join(cut), evidence)
    if slow:
        return Finding("warn", observed, "long silences, and then they went on: " + ", ".join(slow), evidence)
    if late:
        return Finding("warn", observed, "events were held back and came together: " + ", ".join(late), evidence)
    if lost:
        return Finding("warn", observed, "events were lost on the way: " + ", ".join(lost), evidence)
    return Finding("pass", observed, "no stream fell silent", evidence)


def _why_nothing(facts: Facts) -> str:
    if facts.run.get("unreachable"):
        return "the host was not reached"
    errors = facts.run.get("errors", [])
    return errors[0]["message"] if errors else "the run ended before that"


ROWS = (
    Row("symptom-health", "Server answers the health check", "HTTP 200 within 2 s", health),
    Row("symptom-accepted", "Request accepted", "HTTP 200, text/event-stream", accepted),
    Row("symptom-first-event", "First event arrives", "response.created within 5 s", first_event),
    Row("symptom-silence", "Then nothing", "no silence longer than 10 s", silence),
)
