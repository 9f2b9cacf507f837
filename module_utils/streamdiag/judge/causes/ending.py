"""Streams that end in the wrong way: cut, cut short by a limit of the server, or against the protocol."""

from __future__ import annotations

from ...responses import FAILED, acting_events, data_of, name_of
from ..facts import Facts, StreamFacts
from ..streams import cut_by_limit, tokens_asked, tokens_used
from .rule import CONFIRMED, Claim, Rule, not_tested, ruled_out


def stream_truncated(facts: Facts) -> Claim:
    """The answer ended, and no terminal event came. vLLM emits no ``response.failed``: an exception just cuts."""
    begun = [s for s in facts.sent if s.stream["http_status"] == 200]
    if not begun:
        return not_tested("no stream began")
    cut = [s for s in begun if s.outcome == "truncated"]
    if not cut:
        return ruled_out("no stream ended without a terminal event")
    traceback = facts.logs.unit.get("asgi") or facts.logs.unit.get("traceback")
    words = (
        traceback.lines[0]["text"].strip()[:200]
        if traceback
        else facts.logs.unreadable or "no traceback in the journal"
    )
    events = acting_events(cut[0].stream)
    last = name_of(events[-1]) if events else "the headers"
    reason = "{} ended after {}: {}; {}".format(cut[0].name, last, cut[0].stream["end"]["reason"], words)
    summary = "The server on {} cuts streams: {} ended after {} without a terminal event; {}".format(
        facts.run["host"], cut[0].name, last, words
    )
    return Claim(CONFIRMED, reason, summary)


def output_limit(facts: Facts) -> Claim:
    """A limit of the server, lower than the one that was asked for, cuts answers short."""
    done = [s for s in facts.sent if s.completed]
    if not done:
        return not_tested("no stream completed")
    told = [s for s in done if tokens_used(s.stream) is not None and tokens_asked(s.stream) is not None]
    if not told:
        return not_tested("no answer says how many tokens it has")
    for sent in told:
        used, asked = tokens_used(sent.stream) or 0, tokens_asked(sent.stream) or 0
        if cut_by_limit(sent.stream) == "max_output_tokens" and used < asked:
            words = f"{sent.name}: asked for {asked} tokens, cut after {used} by the token limit"
            summary = f"A token limit of the server on {facts.run['host']} cuts answers short: {words}"
            return Claim(CONFIRMED, words, summary)
    return ruled_out("no limit but the one that was asked for cut an answer")


def protocol_violation(facts: Facts) -> Claim:
    """The stream completes, but its events break the protocol: a client cannot make an answer of them."""
    done = [s for s in facts.sent if s.completed]
    wrong = [s for s in facts.sent if _breaks(s)]
    if wrong:
        words = f"{wrong[0].name}: {_breaks(wrong[0])}"
        summary = f"The server on {facts.run['host']} breaks the protocol of its streams: {words}"
        return Claim(CONFIRMED, words, summary)
    if not done:
        return not_tested("no stream completed")
    return ruled_out("the events of {} are in order".format(", ".join(s.name for s in done)))


def _breaks(sent: StreamFacts) -> str:
    """In words how a stream that came to its end breaks the protocol, else ``""``."""
    fail = sent.protocol.first_fail
    if sent.completed:
        return fail.words if fail is not None else ""
    ends = [event for event in acting_events(sent.stream) if name_of(event) in FAILED]
    if sent.outcome != "failed" or not ends:
        return ""
    data = data_of(ends[-1])
    error = data.get("error") or (data.get("response") or {}).get("error") or data
    message = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    return f"{name_of(ends[-1])}: {' '.join(message.split())[:200]}" if "valid" in message.lower() else ""


RULES = (
    Rule(
        "stream_truncated",
        None,
        stream_truncated,
        ("step-1", "step-2", "step-3"),
        ("step-1", "step-3"),
        "Look for a traceback at the time of the cut in the server's log: it names the exception that cut the stream.",
    ),
    Rule(
        "output_limit",
        None,
        output_limit,
        ("fix-4",),
        ("fix-4",),
        "Raise what caps it: --max-model-len, or max_new_tokens of the generation config.",
    ),
    Rule(
        "protocol_violation",
        None,
        protocol_violation,
        ("step-1", "step-3"),
        ("step-1", "step-3"),
        "Take middlewares out of the server first; then report it to whoever builds it, with the stream's file.",
    ),
)
