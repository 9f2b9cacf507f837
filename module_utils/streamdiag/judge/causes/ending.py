"""Streams that end in the wrong way: cut without a terminal event."""

from __future__ import annotations

from ...responses import acting_events, name_of
from ..facts import Facts
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
    reason = "{} ended after {}: {}; {}".format(cut[0].case, last, cut[0].stream["end"]["reason"], words)
    summary = "The server on {} cuts streams: {} ended after {} without a terminal event; {}".format(
        facts.run["host"], cut[0].case, last, words
    )
    return Claim(CONFIRMED, reason, summary)


RULES = (
    Rule(
        "stream_truncated",
        None,
        stream_truncated,
        ("step-1", "step-2", "step-3"),
        ("step-1", "step-3"),
        "Look for a traceback at the time of the cut in the server's log: it names the exception that cut the stream.",
    ),
)
