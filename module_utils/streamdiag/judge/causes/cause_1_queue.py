"""Checklist, cause 1: the model does not hang in generation, the request waits its turn, or for room."""

from __future__ import annotations

from ...words import Words, say
from ..facts import SLOW, Facts, StreamFacts
from ..witness import began, canary_answered, gauges, halted
from .remedy import check, check_loaded, restart_edited, see_clients, where_written
from .rule import CONFIRMED, LIKELY, Claim, Rule, names, not_tested, ruled_out

#: Share of the KV cache in use from which there is no room for another request.
FULL = 0.95
#: Seconds by which a canary was clearly served earlier than the stream it was sent beside.
EARLIER = 1.0
#: The part of the samples of a silence in which requests must have waited and others run.
MOSTLY = 0.8


def queue_saturated(facts: Facts) -> Claim:
    """Requests wait while others run and tokens rise: our turn does not come. vllm:num_requests_waiting."""
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    late = [s for s in facts.sent if s.stalled or (s.silence is not None and s.silence.seconds > SLOW)]
    if not late:
        return ruled_out(say("no stream had to wait"))
    queued = [s for s in late if waits_its_turn(s)]
    if queued:
        words = _queue_words(queued[0])
        summary = say("{host} has more requests than it runs at once: {seen}", host=facts.run["host"], seen=words)
        return Claim(CONFIRMED, words, summary, about=names(queued))
    if all(not gauges(sent) for sent in late):
        return not_tested(say("/metrics does not say how many requests wait"))
    return ruled_out(_no_queue(late[0]))


def waits_its_turn(sent: StreamFacts) -> bool:
    """Nothing of an engine has come, and meanwhile requests wait, others run and get tokens. vLLM serves in order."""
    queue = gauges(sent)
    if sent.silence is None or began(sent.silence) or not _tokens(sent) or len(queue) < 3:
        return False
    answered = canary_answered(sent)
    if answered is not None and answered < sent.silence.end - EARLIER:
        return False  # it came later and was served earlier
    return sum(1 for sample in queue if sample.waiting and sample.running) >= MOSTLY * len(queue)


def _tokens(sent: StreamFacts) -> float:
    """Tokens that were made for anybody at the end of the silence."""
    return (sent.standing.tokens if sent.standing is not None else None) or 0.0


def _queue_words(sent: StreamFacts) -> Words:
    queue = gauges(sent)
    return say(
        "{case} waited {silence:.0f} s for its turn: {waiting:g} waiting, {running:g} running, "
        "{tokens:.0f} tokens were made for others",
        case=sent.name,
        silence=sent.silence.seconds if sent.silence else 0.0,
        waiting=max(sample.waiting for sample in queue),
        running=max(sample.running for sample in queue),
        tokens=max(sent.unseen or 0.0, _tokens(sent)),
    )


def _no_queue(sent: StreamFacts) -> Words:
    queue = gauges(sent)
    if not any(sample.waiting for sample in queue):
        return say("{case}: no other request was waiting in its silence", case=sent.name)
    if sent.silence is not None and began(sent.silence):
        return say(
            "{case}: requests wait, but it had its turn already: it fell silent after {after}",
            case=sent.name,
            after=sent.silence.after,
        )
    if not _tokens(sent):
        return say("{case}: requests wait, but nobody gets a token", case=sent.name)
    return say("{case}: requests wait, but not all the time, or a later one was served before it", case=sent.name)


def kv_cache_exhausted(facts: Facts) -> Claim:
    """Requests wait, none runs, tokens stand: there is no room to start one. vllm:kv_cache_usage_perc."""
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    silent = [s for s in facts.sent if s.stalled]
    if not silent:
        return ruled_out(say("no stream fell silent"))
    if all(not gauges(sent) for sent in silent):
        return not_tested(say("/metrics does not say how many requests wait"))
    if any(halted(sent.standing) for sent in silent):
        return ruled_out(say("a process of the server stands, so its gauges do too"))
    stuck = [s for s in silent if not _tokens(s) and gauges(s) and all(g.waiting and not g.running for g in gauges(s))]
    if not stuck:
        return ruled_out(_no_lack_of_room(silent[0]))
    usage = max((m.get("kv_cache_usage") or 0.0 for m in facts.metrics), default=0.0)
    words = say(
        "{case}: {waiting:g} waiting, none running, no token, KV cache {usage:.0%} full",
        case=stuck[0].name,
        waiting=gauges(stuck[0])[-1].waiting,
        usage=usage,
    )
    summary = say("No request can start on {host}: {seen}", host=facts.run["host"], seen=words)
    if usage >= FULL:
        return Claim(CONFIRMED, words, summary, about=names(stuck))
    summary = say(
        "{summary}; what they wait for (cache blocks, a grammar, another host's cache) the counters do not say",
        summary=summary,
    )
    return Claim(LIKELY, words, summary, "medium", about=names(stuck))


def _no_lack_of_room(sent: StreamFacts) -> Words:
    queue = gauges(sent)
    if not queue:
        return say("requests ran, or none waited")
    return say(
        "{waiting:g} waiting, {running:g} running, {tokens:.0f} tokens",
        waiting=queue[-1].waiting,
        running=queue[-1].running,
        tokens=_tokens(sent),
    )


_SILENT = ("symptom-silence", "step-1", "step-3", "step-5")

RULES = (
    Rule(
        "queue_saturated",
        1,
        queue_saturated,
        (*_SILENT, "check-3"),
        ("symptom-silence",),
        (
            see_clients,
            say("Wait, send some of them elsewhere, or add capacity. A restart would only cut what runs."),
            check,
        ),
    ),
    Rule(
        "kv_cache_exhausted",
        1,
        kv_cache_exhausted,
        (*_SILENT, "check-3"),
        ("symptom-silence",),
        (
            where_written(say("Lower --max-model-len or give the KV cache more memory.")),
            restart_edited,
            check_loaded,
        ),
    ),
)
