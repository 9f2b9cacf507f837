"""Checklist, cause 1: the model does not hang in generation, it is slow, waits its turn, or thinks without an end."""

from __future__ import annotations

from ...responses import data_of
from ..facts import CLIENT_TIMEOUT, SLOW, Facts, StreamFacts
from ..streams import cut_by_limit, flows, tokens_asked
from ..tokens import deltas, tokens_used
from ..unshown import MANY, unshown
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out
from .witness import began, canary_answered, clock_words, gauges, halted, keeps_tokens, works_on

#: Share of the KV cache in use from which there is no room for another request.
FULL = 0.95
#: A whole budget of this many tokens spent on reasoning, for a question that needs none, is worth a word.
REASONING_BUDGET = 256
#: Characters at the end of a thought that, when they come a third time, show that it goes round in circles.
LOOP = 80
#: Tokens per second from which on a long stream is a long answer; slower, people wait for the words.
BRISK = 10.0


def queue_saturated(facts: Facts) -> Claim:
    """Requests wait while others run and tokens rise: our turn does not come. vllm:num_requests_waiting."""
    if not facts.sent:
        return not_tested("no stream was sent")
    late = [s for s in facts.sent if s.stalled or (s.silence is not None and s.silence.seconds > SLOW)]
    if not late:
        return ruled_out("no stream had to wait")
    queued = [s for s in late if _waits_its_turn(s)]
    if queued:
        words = _queue_words(queued[0])
        summary = f"The queue on {facts.run['host']} is full: {words}"
        return Claim(CONFIRMED, words, summary, about=names(queued))
    if all(not gauges(sent) for sent in late):
        return not_tested("/metrics does not say how many requests wait")
    return ruled_out(_no_queue(late[0]))


def _waits_its_turn(sent: StreamFacts) -> bool:
    """Nothing of an engine has come, and meanwhile requests wait, others run and get tokens. vLLM serves in order."""
    queue = gauges(sent)
    if sent.silence is None or began(sent.silence) or not sent.unseen or len(queue) < 3:
        return False
    answered = canary_answered(sent)
    if answered is not None and answered < sent.silence.end - 1.0:
        return False  # it came later and was served earlier
    return sum(1 for sample in queue if sample.waiting and sample.running) >= 0.8 * len(queue)


def _queue_words(sent: StreamFacts) -> str:
    queue, seconds = gauges(sent), sent.silence.seconds if sent.silence else 0.0
    most, running = max(sample.waiting for sample in queue), max(sample.running for sample in queue)
    tokens = f"{sent.unseen or 0:.0f} tokens were made for others"
    return f"{sent.name} waited {seconds:.0f} s for its turn: {most:g} waiting, {running:g} running, {tokens}"


def _no_queue(sent: StreamFacts) -> str:
    queue = gauges(sent)
    if not any(sample.waiting for sample in queue):
        return f"{sent.name}: no other request was waiting in its silence"
    if sent.silence is not None and began(sent.silence):
        return f"{sent.name}: requests wait, but it had its turn already: it fell silent after {sent.silence.after}"
    if not sent.unseen:
        return f"{sent.name}: requests wait, but nobody gets a token"
    return f"{sent.name}: requests wait, but not all the time, or a later one was served before it"


def kv_cache_exhausted(facts: Facts) -> Claim:
    """Requests wait, none runs, tokens stand: there is no room to start one. vllm:kv_cache_usage_perc."""
    if not facts.sent:
        return not_tested("no stream was sent")
    silent = [s for s in facts.sent if s.stalled]
    if not silent:
        return ruled_out("no stream fell silent")
    if all(not gauges(sent) for sent in silent):
        return not_tested("/metrics does not say how many requests wait")
    if any(halted(sent.standing) for sent in silent):
        return ruled_out("a process of the server stands, so its gauges do too")
    stuck = [s for s in silent if not s.unseen and gauges(s) and all(g.waiting and not g.running for g in gauges(s))]
    if not stuck:
        last = gauges(silent[0])[-1:]
        numbers = [f"{g.waiting:g} waiting, {g.running:g} running, {silent[0].unseen or 0:.0f} tokens" for g in last]
        return ruled_out("".join(numbers) or "requests ran, or none waited")
    waiting = gauges(stuck[0])[-1].waiting
    usage = max((m.get("kv_cache_usage") or 0.0 for m in facts.metrics), default=0.0)
    words = f"{stuck[0].name}: {waiting:g} waiting, none running, no token, KV cache {usage:.0%} full"
    summary = f"No request can start on {facts.run['host']}: {words}"
    if usage >= FULL:
        return Claim(CONFIRMED, words, summary, about=names(stuck))
    summary += "; what they wait for (cache blocks, a grammar, another host's cache) the counters do not say"
    return Claim(LIKELY, words, summary, "medium", about=names(stuck))


def runaway_reasoning(facts: Facts) -> Claim:
    """Whole budgets are spent on reasoning, and no word of an answer follows: a thought without an end, or a long one.

    One budget alone proves little: healthy reasoning models think 500 tokens and more about a question that needs none.
    What repeats itself does not stop.
    """
    asked = [s for s in facts.sent if s.completed or flows(s.stream)]
    if not asked:
        return not_tested("no stream got far enough to tell")
    endless = [s for s in asked if _only_reasoning(s)]
    if not endless:
        return ruled_out("every answer went beyond its reasoning, or had none")
    long = [s for s in endless if _thought(s) >= REASONING_BUDGET]
    looping = [s for s in long if _repeats_itself(s)]
    words = "; ".join(_thought_words(s) for s in long or endless)
    ended = next((s.name for s in asked if _went_beyond(s)), "")
    if ended:
        return Claim(POSSIBLE, f"{words}; but {ended} came to the end of its reasoning", about=names(endless))
    if not looping and len(long) < 2:
        return Claim(POSSIBLE, f"{words}; that may just be a long thought", about=names(endless))
    if looping:
        summary = f"The model on {facts.run['host']} reasons without an end, it repeats itself: {words}"
        return Claim(LIKELY, f"{words}; it repeats itself", summary, "high", about=names(endless))
    summary = f"The model on {facts.run['host']} spends whole budgets on reasoning and comes to no answer: {words}"
    return Claim(LIKELY, words, summary, "medium", about=names(endless))


def _only_reasoning(sent: StreamFacts) -> bool:
    tally = sent.protocol.tally
    cut = cut_by_limit(sent.stream) == "max_output_tokens" or flows(sent.stream)
    return tally.reasoning > 0 and not tally.text and not tally.arguments and cut


def _went_beyond(sent: StreamFacts) -> bool:
    tally = sent.protocol.tally
    return tally.reasoning > 0 and bool(tally.text or tally.arguments or sent.protocol.calls)


def _thought(sent: StreamFacts) -> int:
    """Tokens of reasoning: by the server's own usage, else one for each delta."""
    return tokens_used(sent.stream) or sent.protocol.tally.reasoning + sent.stream["dropped_events"]


def _repeats_itself(sent: StreamFacts) -> bool:
    """The end of the thought has been there before, word for word, and more than once."""
    text = "".join(str(data_of(event).get("delta", "")) for event in deltas(sent.stream))
    return len(text) > 4 * LOOP and text.count(text[-LOOP:]) > 2


def _thought_words(sent: StreamFacts) -> str:
    asked = tokens_asked(sent.stream)
    if flows(sent.stream):
        cut = "still going when the probe ended it after {:.0f} s".format(sent.stream["end"]["t"])
    else:
        cut = "cut by the limit of its context" if asked is None else f"cut by its own limit of {asked}"
    return f"{sent.name}: {_thought(sent)} tokens of reasoning and no word of an answer, {cut}"


def reasoning_hidden(facts: Facts) -> Claim:
    """Tokens are made and the client is shown none of them, yet the answer goes on or ends well: hidden reasoning.

    ``include_reasoning: false``, a parser that drops the thought, or a filter; without tools in the request.
    """
    plain = [s for s in facts.sent if s.name in ("simple", "reasoning", "padded")]
    whole = [s for s in plain if s.completed]
    found = [(s, unshown(facts, s)) for s in whole]
    hidden = [(s, words) for s, words in found if words]
    thinking = [s for s in facts.sent if works_on(facts, s) and (s in plain or any(map(keeps_tokens, whole)))]
    if hidden or thinking:
        words = hidden[0][1] if hidden else _thinks(thinking[0])
        summary = f"The model on {facts.run['host']} works and its client is not shown it: {words}"
        about = names([*(s for s, _words in hidden), *thinking])
        return Claim(CONFIRMED if hidden else LIKELY, words, summary, "high" if hidden else "medium", about=about)
    if not whole:
        return not_tested("no stream without tools came to its end")
    return ruled_out("what was made was shown: " + ", ".join(names(whole)))


def _thinks(sent: StreamFacts) -> str:
    silence = sent.silence.seconds if sent.silence else 0.0
    return f"{sent.name}: {sent.unseen or 0:.0f} tokens in {silence:.0f} s of silence, and more to the very end of it"


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
    """It completes, or flows to the end of the probe's patience: slow, and not hung."""
    limit = facts.setting("client_timeout", CLIENT_TIMEOUT)
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


def _explained(facts: Facts, sent: StreamFacts) -> bool:
    """The silence was one of a queue, or the engine made tokens in it that were not shown: both have their own name."""
    return _waits_its_turn(sent) or (not facts.traffic and (sent.unseen or 0) >= MANY)


def _deltas(sent: StreamFacts) -> int:
    tally = sent.protocol.tally
    return tally.text + tally.reasoning + tally.arguments + sent.stream["dropped_events"]


def _pace(sent: StreamFacts) -> float:
    """Tokens per second over the whole stream: by the server's own usage, else one for each delta."""
    return (tokens_used(sent.stream) or _deltas(sent)) / max(sent.stream["end"]["t"], 0.001)


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
        ("fix-1", "fix-4", "step-1", "step-3", "step-5"),
        ("fix-1",),
        "Have clients ask for less reasoning (reasoning.effort), or allow it more tokens where it only thinks long; "
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
