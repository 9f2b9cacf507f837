"""Tokens of an answer that came whole, and that its client was never shown: a hidden thought, most often."""

from __future__ import annotations

from ..words import say
from .arrival import HELD_BACK
from .facts import Facts, StreamFacts
from .tokens import ENOUGH_DELTAS, SHARED, deltas, tokens_used

#: Tokens from which on a client should have been shown something; the markup of a call alone has about a dozen.
SOME = 16
#: Tokens in a silence, from which on they are neither markup nor an error of counting.
MANY = 32
#: Seconds of silence in which reasoning that is not shown looks like a hang to a person.
NOTICEABLE = 2.0


def unshown(facts: Facts, sent: StreamFacts) -> str:
    """In words which tokens of a stream that completed were made and not shown, else ``""``."""
    if not sent.completed:
        return ""
    tally = sent.protocol.tally
    return _in_a_silence(facts, sent) if tally.text or tally.reasoning or tally.arguments else _altogether(facts, sent)


def _altogether(facts: Facts, sent: StreamFacts) -> str:
    made = tokens_used(sent.stream) or (0 if facts.traffic else sent.unseen) or 0
    if made < SOME or sent.protocol.first_fail is not None or sent.protocol.calls:
        return ""  # what the final response alone has got lost, and was not hidden
    return say("{case}: {tokens:.0f} tokens, not one delta, then it completed", case=sent.name, tokens=made)


def _all_came(sent: StreamFacts) -> bool:
    """There is a delta for nearly every token that the server says it made."""
    used = tokens_used(sent.stream)
    if used is None:
        return False
    return used - len(deltas(sent.stream)) - sent.stream["dropped_events"] < max(MANY, SHARED * used)


def _in_a_silence(facts: Facts, sent: StreamFacts) -> str:
    tally, silence, unseen = sent.protocol.tally, sent.silence, sent.unseen or 0
    if silence is None or silence.seconds < NOTICEABLE or unseen < MANY or facts.traffic:
        return ""
    if silence.after in ("connect", "the headers") or sent.arrival.pattern in HELD_BACK:
        return ""  # response.created is held back, too, and that comes before all thought
    if tally.text + tally.reasoning < ENOUGH_DELTAS:
        return ""  # one delta for everything: that is a coarse stream, not a hidden thought
    if any(m.get("waiting") for m in sent.stream["samples"]["metrics"] if silence.start < m["t"] <= silence.end):
        return ""  # others have the engine
    if _all_came(sent):
        return ""  # late, by an API server that gets no CPU time for example, and not hidden
    return say(
        "{case}: {tokens:.0f} tokens in {seconds:.1f} s of silence after {after}, then it went on",
        case=sent.name,
        tokens=unseen,
        seconds=silence.seconds,
        after=silence.after,
    )
