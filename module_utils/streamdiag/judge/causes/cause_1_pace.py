"""Checklist, cause 1: the model does not hang in generation, it is slow, waits its turn, or thinks without an end."""

from __future__ import annotations

from typing import List, Optional

from ..arrival import HELD_BACK
from ..facts import CLIENT_TIMEOUT, SLOW, Facts, StreamFacts
from ..streams import cut_by_limit, flows, tokens_asked, tokens_used
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, not_tested, ruled_out, shared_counters
from .witness import HELD_TOKENS, clock_words, halted, waiting_in_silence

#: Share of the KV cache in use from which there is no room for another request.
FULL = 0.95
#: A whole budget of this many tokens spent on reasoning, for a question that needs none, is worth a word.
REASONING_BUDGET = 256
#: Seconds of silence in which reasoning that is not shown looks like a hang to a person.
NOTICEABLE = 2.0


def _late(facts: Facts) -> List[StreamFacts]:
    """Streams on loopback that fell silent for good, or for so long that clients notice."""
    return [s for s in facts.sent if s.stalled or (s.silence is not None and s.silence.seconds > SLOW)]


def queue_saturated(facts: Facts) -> Claim:
    """Requests wait while others run and tokens rise: our turn does not come. vllm:num_requests_waiting."""
    if not facts.sent:
        return not_tested("no stream was sent")
    late = _late(facts)
    if not late:
        return ruled_out("no stream had to wait")
    for sent in late:
        queue = waiting_in_silence(sent)
        if not queue:
            continue
        most = max(waiting for waiting, _running in queue)
        seconds = sent.silence.seconds if sent.silence else 0.0
        numbers = f"{most:g} waiting, {queue[-1][1]:g} running, {sent.unseen or 0:.0f} tokens for others"
        words = f"{sent.name}: {numbers} in {seconds:.0f} s of silence"
        waited = [waiting > 0 and running > 0 for waiting, running in queue]
        if sum(waited) >= 0.8 * len(waited) and sent.unseen and len(waited) >= 3:
            return Claim(CONFIRMED, words, f"The queue on {facts.run['host']} is full; {words}")
    if all(not waiting_in_silence(sent) for sent in late):
        return not_tested("/metrics does not say how many requests wait")
    return ruled_out("the scheduler's queue was empty in the silence")


def kv_cache_exhausted(facts: Facts) -> Claim:
    """Requests wait, none runs, tokens stand: there is no room to start one. vllm:kv_cache_usage_perc."""
    if not facts.sent:
        return not_tested("no stream was sent")
    silent = [s for s in facts.sent if s.stalled]
    if not silent:
        return ruled_out("no stream fell silent")
    sent = silent[0]
    queue = waiting_in_silence(sent)
    if not queue:
        return not_tested("/metrics does not say how many requests wait")
    if halted(sent.standing):
        return ruled_out("a process of the server stands, so its gauges do too")
    usage = max((m.get("kv_cache_usage") or 0.0 for m in facts.metrics), default=0.0)
    words = f"{sent.name}: {queue[-1][0]:g} waiting, none running, no token, KV cache {usage:.0%} full"
    if sent.unseen or not all(waiting > 0 and running == 0 for waiting, running in queue):
        return ruled_out(f"{queue[-1][0]:g} waiting, {queue[-1][1]:g} running, {sent.unseen or 0:.0f} tokens")
    summary = f"No request can start on {facts.run['host']}: {words}"
    return Claim(CONFIRMED, words, summary) if usage >= FULL else Claim(LIKELY, words, summary, "medium")


def runaway_reasoning(facts: Facts) -> Claim:
    """A whole budget of tokens is spent on reasoning that reaches the client, and no word of an answer follows."""
    asked = [s for s in facts.sent if s.completed or flows(s.stream)]
    if not asked:
        return not_tested("no stream got far enough to tell")
    endless = [s for s in asked if _only_reasoning(s)]
    if not endless:
        return ruled_out("every answer went beyond its reasoning, or had none")
    long = [s for s in endless if (_made(s) or s.protocol.tally.reasoning) >= REASONING_BUDGET]
    words = "; ".join(
        f"{s.name}: {s.protocol.tally.reasoning} reasoning deltas, then the budget of {tokens_asked(s.stream)} tokens "
        "was spent, and no word of an answer"
        for s in long or endless
    )
    if not long:
        return Claim(POSSIBLE, words + "; the budget is too small to tell")
    summary = (
        f"The model on {facts.run['host']} reasons without an end: {words}. A client without a limit of its own waits "
        "until the context is full"
    )
    return Claim(LIKELY, words, summary, "high" if len(long) > 1 else "medium")


def _only_reasoning(sent: StreamFacts) -> bool:
    tally = sent.protocol.tally
    cut = cut_by_limit(sent.stream) == "max_output_tokens" or flows(sent.stream)
    return tally.reasoning > 0 and not tally.text and not tally.arguments and cut


def _made(sent: StreamFacts) -> Optional[float]:
    """Tokens of this very request, by the server's own usage."""
    return tokens_used(sent.stream)


def reasoning_hidden(facts: Facts) -> Claim:
    """Tokens are made and the client is shown none of them, yet the answer goes on or ends well: hidden reasoning.

    ``include_reasoning: false``, a parser that drops the thought, or a filter; without tools in the request.
    """
    plain = [s for s in facts.sent if s.name in ("simple", "reasoning", "padded") and s.completed]
    if not plain:
        return not_tested("no stream without tools came to its end")
    for sent in plain:
        words = _hidden(facts, sent)
        if words:
            summary = f"The model on {facts.run['host']} works and its client is not shown it: {words}"
            return Claim(CONFIRMED, words, summary, "high", () if _made(sent) else shared_counters(facts))
    return ruled_out("what was made was shown: " + ", ".join(s.name for s in plain))


def _hidden(facts: Facts, sent: StreamFacts) -> str:
    tally = sent.protocol.tally
    if not (tally.text or tally.reasoning or tally.arguments):
        made = _made(sent) or (0 if facts.traffic else sent.unseen) or 0
        missing = sent.protocol.first_fail is None  # else the text is in the final response: it got lost, not hidden
        return (
            f"{sent.name}: {made:.0f} tokens, not one delta, then it completed"
            if made >= HELD_TOKENS and missing
            else ""
        )
    silence, unseen = sent.silence, sent.unseen or 0
    queued = any(waiting for waiting, _running in waiting_in_silence(sent))
    if silence is None or silence.seconds < NOTICEABLE or unseen < 2 * HELD_TOKENS or facts.traffic or queued:
        return ""
    if tally.text + tally.reasoning < 3 or sent.arrival.pattern in HELD_BACK:
        return ""
    return (
        f"{sent.name}: {unseen:.0f} tokens in {silence.seconds:.1f} s of silence after {silence.after}, then it went on"
    )


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
    return Claim(CONFIRMED, words, summary)


def slow_generation(facts: Facts) -> Claim:
    """It completes, or flows to the end of the probe's patience: slow, and not hung."""
    limit = facts.setting("client_timeout", CLIENT_TIMEOUT)
    moving = [s for s in facts.sent if s.completed or flows(s.stream)]
    if not moving:
        return not_tested("no stream completed") if facts.sent else not_tested("no stream was sent")
    quiet = [s for s in moving if s.silence is not None and s.silence.seconds > SLOW]
    long = [s for s in moving if s.stream["end"]["t"] > limit]
    if not quiet and not long:
        return ruled_out(f"no silence over {SLOW:.0f} s, none took longer than {limit:.0f} s")
    sent = (quiet or long)[0]
    seconds, silence = sent.stream["end"]["t"], sent.silence.seconds if sent.silence else 0.0
    tally = sent.protocol.tally
    deltas = tally.text + tally.reasoning + tally.arguments
    words = "{}: {} deltas in {:.0f} s, longest silence {:.0f} s{}; {}".format(
        sent.name,
        deltas,
        seconds,
        silence,
        "" if sent.completed else ", still flowing when the probe ended it",
        clock_words(sent.standing),
    )
    summary = f"The streams on {facts.run['host']} are slow, not hung: {words}"
    return Claim(CONFIRMED if long else LIKELY, words, summary, "high" if long else "medium")


_SILENT = ("symptom-silence", "step-1", "step-3", "step-5")

RULES = (
    Rule(
        "queue_saturated",
        1,
        queue_saturated,
        (*_SILENT, "check-3"),
        ("symptom-silence",),
        "Wait or add capacity; see which clients hold the running requests (--max-num-seqs bounds them).",
    ),
    Rule(
        "kv_cache_exhausted",
        1,
        kv_cache_exhausted,
        (*_SILENT, "check-3"),
        ("symptom-silence",),
        "Lower --max-model-len or give the KV cache more memory. {restart}",
    ),
    Rule(
        "runaway_reasoning",
        1,
        runaway_reasoning,
        ("fix-1", "fix-4", "step-1", "step-3"),
        ("fix-1",),
        "Have clients ask for less reasoning (reasoning.effort) and bound it (max_output_tokens); "
        "check that --reasoning-parser is the one of this model.",
    ),
    Rule(
        "reasoning_hidden",
        1,
        reasoning_hidden,
        ("symptom-silence", "step-1", "step-3", "fix-1"),
        ("symptom-silence",),
        "Show it (no include_reasoning: false; the --reasoning-parser of this model), or have clients wait longer.",
    ),
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
