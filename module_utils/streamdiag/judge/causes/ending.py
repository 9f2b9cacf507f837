"""Streams that end in the wrong way: cut, cut short by a limit of the server, or against the protocol."""

from __future__ import annotations

import re

from ...responses import FAILED, acting_events, data_of, name_of
from ...words import joined, say
from ..facts import Facts, StreamFacts
from ..streams import cut_early, tokens_asked
from ..tokens import tokens_used
from .log_beside import log_beside, stopped_in_order
from .remedy import check_loaded, restart_edited, where_written
from .rule import CONFIRMED, Claim, Rule, names, not_tested, ruled_out

#: The line of a traceback that names the exception: of Python itself, or behind vLLM's prefix.
_RAISED = re.compile(r"(?:^|[\s\]])(?:\w+\.)*\w*(?:Error|Exception)\b: ")
#: An event that the server itself found wrong: the fork's words, and pydantic's. Not "invalid", which is of requests.
_OWN_VALIDATION = re.compile(r"\bfailed validation|\bvalidation (?:error|failed)", re.IGNORECASE)


def stream_truncated(facts: Facts) -> Claim:
    """The answer ended, and no terminal event came. vLLM emits no ``response.failed``: an exception just cuts."""
    begun = [s for s in facts.sent if s.stream["http_status"] == 200]
    if not begun:
        return not_tested(say("no stream began"))
    cut = [s for s in begun if s.outcome == "truncated"]
    if not cut:
        return ruled_out(say("no stream ended without a terminal event"))
    events = acting_events(cut[0].stream)
    last = name_of(events[-1]) if events else say("the headers")
    log = _last_words(facts, cut[0])
    reason = say(
        "{case} ended after {last}: {how}; {log}",
        case=cut[0].name,
        last=last,
        how=cut[0].stream["end"]["reason"],
        log=log,
    )
    summary = say(
        "The server on {host} cuts streams: {case} ended after {last} without a terminal event; {log}",
        host=facts.run["host"],
        case=cut[0].name,
        last=last,
        log=log,
    )
    return Claim(CONFIRMED, reason, summary, about=names(cut))


def _last_words(facts: Facts, cut: StreamFacts) -> str:
    """What the unit's log says at the time of the cut: of a stop in order, else of the exception."""
    if facts.logs.unreadable:
        return facts.logs.unreadable
    stop, lines = stopped_in_order(facts, cut), log_beside(facts, cut)
    if stop:
        return say("systemd was stopping the unit: {line}", line=stop[:200])
    raised = [text for text in lines if _RAISED.search(text)]
    traceback = [text for text in lines if "Traceback (most recent call last)" in text or "Exception in ASGI" in text]
    found = raised[-1:] or traceback[:1]
    if not found:
        return say("no exception in the log at that time")
    return say("the log at that time: {line}", line=found[0][:200])


def output_limit(facts: Facts) -> Claim:
    """A limit of the server, lower than the one that was asked for, cuts answers short."""
    done = [s for s in facts.sent if s.completed]
    if not done:
        return not_tested(say("no stream completed"))
    told = [s for s in done if tokens_used(s.stream) is not None and tokens_asked(s.stream) is not None]
    if not told:
        return not_tested(say("no answer says how many tokens it has"))
    short = [s for s in told if cut_early(s.stream)]
    if short:
        words = say(
            "{case}: asked for {asked} tokens, cut after {used} by a token limit",
            case=short[0].name,
            asked=tokens_asked(short[0].stream),
            used=tokens_used(short[0].stream),
        )
        summary = say(
            "A token limit of the server on {host} cuts answers short: {seen}", host=facts.run["host"], seen=words
        )
        return Claim(CONFIRMED, words, summary, about=names(short))
    return ruled_out(say("no limit but the one that was asked for cut an answer"))


def protocol_violation(facts: Facts) -> Claim:
    """The stream completes, but its events break the protocol: a client cannot make an answer of them."""
    done = [s for s in facts.sent if s.completed]
    wrong = [s for s in facts.sent if _breaks(s)]
    if wrong:
        words = joined(": ", [wrong[0].name, _breaks(wrong[0])])
        summary = say(
            "The server on {host} breaks the protocol of its streams: {seen}", host=facts.run["host"], seen=words
        )
        return Claim(CONFIRMED, words, summary, about=names(wrong))
    if not done:
        return not_tested(say("no stream completed"))
    return ruled_out(say("the events of {cases} are in order", cases=", ".join(names(done))))


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
    if not _OWN_VALIDATION.search(message):
        return ""
    return say(
        "the server took back its own event: {event}: {message}",
        event=name_of(ends[-1]),
        message=" ".join(message.split())[:200],
    )


RULES = (
    Rule(
        "stream_truncated",
        None,
        stream_truncated,
        ("step-1", "step-2", "step-3"),
        ("step-1", "step-3"),
        (
            say(
                "Look for a traceback at the time of the cut in the server's log: "
                "it names the exception that cut the stream."
            ),
        ),
    ),
    Rule(
        "output_limit",
        None,
        output_limit,
        ("fix-4",),
        ("fix-4",),
        (
            where_written(say("Raise what caps it: --max-model-len, or max_new_tokens of the generation config.")),
            restart_edited,
            check_loaded,
        ),
    ),
    Rule(
        "protocol_violation",
        None,
        protocol_violation,
        ("step-1", "step-3"),
        ("step-1", "step-3"),
        (
            say(
                "Take middlewares out of the server first; then report it to whoever builds it, with the stream's file."
            ),
        ),
    ),
)
