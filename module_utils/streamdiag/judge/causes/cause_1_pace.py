"""Checklist, cause 1: the model does not hang in generation, it is slow."""

from __future__ import annotations

from typing import List, Tuple

from ..facts import CLIENT_TIMEOUT, SLOW, Facts, StreamFacts
from ..streams import flows
from ..tokens import tokens_used
from ..unshown import MANY
from ..witness import clock_words, paused
from .cause_1_queue import waits_its_turn
from .rule import CONFIRMED, LIKELY, Claim, Rule, names, not_tested, ruled_out

#: Tokens per second from which on a long stream is a long answer; slower, people wait for the words.
BRISK = 10.0


def client_timeout(facts: Facts) -> Claim:
    """It completes, after a silence longer than clients wait. Not hung; to a client it is."""
    limit = facts.setting("client_timeout", CLIENT_TIMEOUT)
    done = [s for s in facts.sent if s.completed]
    if not done:
        return not_tested("no stream completed")
    late = [s for s in done if s.silence is not None and s.silence.seconds > limit]
    if not late:
        return ruled_out(f"no stream that completed was silent for {limit:.0f} s, as long as clients wait")
    sent = late[0]
    silence = sent.silence.seconds if sent.silence else 0.0
    words = f"{sent.name}: {silence:.0f} s of silence, and then it completed; {clock_words(sent.standing)}"
    summary = (
        f"The streams on {facts.run['host']} complete, but later than clients wait: {words}. A client that gives up "
        f"after {limit:.0f} s sees a hang"
    )
    return Claim(CONFIRMED, words, summary, about=names(late))


def slow_generation(facts: Facts) -> Claim:
    """It completes, or flows to the end of the probe's patience, or its engine goes on later: slow, and not hung."""
    limit = facts.setting("client_timeout", CLIENT_TIMEOUT)
    late = [(s, words) for s in facts.sent for words in [paused(facts, s)] if words]
    if late:
        return _pauses(facts, late)
    moving = [s for s in facts.sent if s.completed or flows(s.stream)]
    if not moving:
        return not_tested("no stream completed") if facts.sent else not_tested("no stream was sent")
    quiet = [s for s in moving if s.silence is not None and s.silence.seconds > SLOW and not _explained(facts, s)]
    long = [s for s in moving if s.stream["end"]["t"] > limit and _pace(s) < BRISK and not _explained(facts, s)]
    if not quiet and not long:
        return ruled_out(f"no silence over {SLOW:.0f} s, and nothing under {BRISK:.0f} tokens/s for {limit:.0f} s")
    sent = (quiet or long)[0]
    seconds, silence = sent.stream["end"]["t"], sent.silence.seconds if sent.silence else 0.0
    words = "{}: {} deltas in {:.0f} s, longest silence {:.0f} s{}; {}".format(
        sent.name,
        _deltas(sent),
        seconds,
        silence,
        "" if sent.completed else ", still flowing when the probe ended it",
        clock_words(sent.standing),
    )
    summary = f"The streams on {facts.run['host']} are slow, not hung: {words}"
    about = names([*quiet, *long])
    return Claim(CONFIRMED if long else LIKELY, words, summary, "high" if long else "medium", about=about)


def _pauses(facts: Facts, late: List[Tuple[StreamFacts, str]]) -> Claim:
    sent, again = late[0]
    silence = sent.silence.seconds if sent.silence else 0.0
    words = f"{sent.name}: nothing for {silence:.0f} s, the canary neither; {clock_words(sent.standing)}; {again}"
    summary = f"The engine of {facts.server_name} on {facts.run['host']} pauses, and goes on: {words}"
    return Claim(LIKELY, words, summary, "medium", about=names(s for s, _again in late))


def _explained(facts: Facts, sent: StreamFacts) -> bool:
    """The silence was one of a queue, or the engine made tokens in it that were not shown: both have their own name."""
    return waits_its_turn(sent) or (not facts.traffic and (sent.unseen or 0) >= MANY)


def _deltas(sent: StreamFacts) -> int:
    tally = sent.protocol.tally
    return tally.text + tally.reasoning + tally.arguments + sent.stream["dropped_events"]


def _pace(sent: StreamFacts) -> float:
    """Tokens per second over the whole stream: by the server's own usage, else one for each delta."""
    return (tokens_used(sent.stream) or _deltas(sent)) / max(sent.stream["end"]["t"], 0.001)


RULES = (
    Rule(
        "client_timeout",
        None,
        client_timeout,
        ("symptom-silence", "step-5"),
        ("symptom-silence",),
        "Give clients a longer idle timeout (Codex: stream_idle_timeout_ms), and the server less to do at once.",
    ),
    Rule(
        "slow_generation",
        1,
        slow_generation,
        ("symptom-silence", "step-5"),
        ("symptom-silence",),
        "Not a hang: give clients a longer timeout, or the server less to do at once.",
    ),
)
