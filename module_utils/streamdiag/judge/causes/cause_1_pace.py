"""Checklist, cause 1: the model does not hang in generation, it is slow."""

from __future__ import annotations

from typing import List, Tuple

from ...words import Words, joined, say
from ..facts import CLIENT_TIMEOUT, SLOW, Facts, StreamFacts
from ..streams import flows
from ..tokens import tokens_used
from ..unshown import MANY
from ..witness import clock_words, clock_words_throughout, cpu_limit, paused, starved
from .cause_1_queue import waits_its_turn
from .remedy import feed
from .rule import CONFIRMED, LIKELY, Claim, Rule, names, not_tested, ruled_out

#: Tokens per second from which on a long stream is a long answer; slower, people wait for the words.
BRISK = 10.0


def client_timeout(facts: Facts) -> Claim:
    """It completes, after a silence longer than clients wait. Not hung; to a client it is."""
    limit = facts.setting("client_timeout", CLIENT_TIMEOUT)
    done = [s for s in facts.sent if s.completed]
    if not done:
        return not_tested(say("no stream completed"))
    late = [s for s in done if s.silence is not None and s.silence.seconds > limit]
    if not late:
        return ruled_out(
            say("no stream that completed was silent for {limit:.0f} s, as long as clients wait", limit=limit)
        )
    sent = late[0]
    words = say(
        "{case}: {silence:.0f} s of silence, and then it completed; {clocks}",
        case=sent.name,
        silence=sent.silence.seconds if sent.silence else 0.0,
        clocks=clock_words(sent.standing),
    )
    summary = say(
        "The streams on {host} complete, but later than clients wait: {seen}. "
        "A client that gives up after {limit:.0f} s sees a hang",
        host=facts.run["host"],
        seen=words,
        limit=limit,
    )
    return Claim(CONFIRMED, words, summary, about=names(late))


def slow_generation(facts: Facts) -> Claim:
    """It completes, or flows to the end of the probe's patience, or its engine goes on later: slow, and not hung.

    So is a server that its host gives no CPU: nothing is wrong with it, as far as can be seen.
    """
    limit = facts.setting("client_timeout", CLIENT_TIMEOUT)
    late = [(s, words) for s in facts.sent for words in [paused(facts, s)] if words]
    if late:
        return _pauses(facts, late)
    hungry = [s for s in facts.sent if s.stalled and starved(s.standing)]
    if hungry:
        return _without_cpu(facts, hungry)
    moving = [s for s in facts.sent if s.completed or flows(s.stream)]
    if not moving:
        return not_tested(say("no stream completed") if facts.sent else say("no stream was sent"))
    quiet = [s for s in moving if s.silence is not None and s.silence.seconds > SLOW and not _explained(facts, s)]
    long = [s for s in moving if s.stream["end"]["t"] > limit and _pace(s) < BRISK and not _explained(facts, s)]
    if not quiet and not long:
        return ruled_out(
            say(
                "no silence over {slow:.0f} s, and nothing under {brisk:.0f} tokens/s for {limit:.0f} s",
                slow=SLOW,
                brisk=BRISK,
                limit=limit,
            )
        )
    words = _slow_words((quiet or long)[0])
    summary = say("The streams on {host} are slow, not hung: {seen}", host=facts.run["host"], seen=words)
    about = names([*quiet, *long])
    return Claim(CONFIRMED if long else LIKELY, words, summary, "high" if long else "medium", about=about)


def _slow_words(sent: StreamFacts) -> Words:
    measured = {
        "case": sent.name,
        "deltas": _deltas(sent),
        "seconds": sent.stream["end"]["t"],
        "silence": sent.silence.seconds if sent.silence else 0.0,
        "clocks": clock_words_throughout(sent),
    }
    if sent.completed:
        return say("{case}: {deltas} deltas in {seconds:.0f} s, longest silence {silence:.0f} s; {clocks}", **measured)
    return say(
        "{case}: {deltas} deltas in {seconds:.0f} s, longest silence {silence:.0f} s, "
        "still flowing when the probe ended it; {clocks}",
        **measured,
    )


def _pauses(facts: Facts, late: List[Tuple[StreamFacts, str]]) -> Claim:
    sent, again = late[0]
    words = say(
        "{case}: nothing for {silence:.0f} s, the canary neither; {clocks}; {again}",
        case=sent.name,
        silence=sent.silence.seconds if sent.silence else 0.0,
        clocks=clock_words(sent.standing),
        again=again,
    )
    summary = say(
        "The engine of {server} on {host} pauses, and goes on: {seen}",
        server=facts.server_name,
        host=facts.run["host"],
        seen=words,
    )
    return Claim(LIKELY, words, summary, "medium", about=names(s for s, _again in late))


def _without_cpu(facts: Facts, hungry: List[StreamFacts]) -> Claim:
    sent = hungry[0]
    words = say(
        "{case}: nothing for {silence:.0f} s; the host gave the server no CPU: {clocks}",
        case=sent.name,
        silence=sent.silence.seconds if sent.silence else 0.0,
        clocks=clock_words(sent.standing),
    )
    limit = cpu_limit(facts)
    if limit:
        words = joined("; ", [words, limit])
    summary = say(
        "{server} on {host} is not shown to hang, it waits for a CPU: {seen}",
        server=facts.server_name,
        host=facts.run["host"],
        seen=words,
    )
    doubt = say("whether it answers once it gets CPU time was not seen")
    return Claim(LIKELY, words, summary, "high", (doubt,), names(hungry))


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
        (
            say(
                "Give clients a longer idle timeout (Codex: stream_idle_timeout_ms), and the server less to do at once."
            ),
        ),
    ),
    Rule(
        "slow_generation",
        1,
        slow_generation,
        ("symptom-silence", "step-5", "check-1"),
        ("symptom-silence",),
        (
            feed,
            say("Not a hang, and no restart helps: give clients a longer timeout, or the server less to do at once."),
        ),
    ),
)
