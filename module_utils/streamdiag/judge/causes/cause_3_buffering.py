"""Checklist, cause 3: SSE buffering, in the server or in a proxy before it; and a proxy that cuts or loses events."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ...words import NOTHING, Words, as_words, joined, say
from ..arrival import FLOWING, HELD_BACK, compare_arrival
from ..facts import Facts, StreamFacts
from ..streams import ENDED, how_it_ended
from ..witness import clock_words, engine_lives, engines, held, nobody_works_on, works_on
from .cause_1_standing import loop_blocks
from .remedy import check, check_loaded, restart_edited, where_written
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out, shared_counters

#: Cases of which something must be shown although no call is made.
_WITHOUT_A_CALL = ("simple", "reasoning", "codex", "padded")
DEBUG_VARIABLE = "VLLM_DEBUG_LOG_API_SERVER_RESPONSE"


def server_buffering(facts: Facts) -> Claim:
    """On loopback, without any proxy, events are held back: to the end, to a full buffer, or for good."""
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    late = [s for s in facts.sent if s.completed and s.arrival.pattern in HELD_BACK]
    if late:
        words = joined("; ", filter(None, [_arrival(late[0]), _debugging(facts)]))
        summary = say(
            "The server on {host} holds events back, on loopback too: {seen}", host=facts.run["host"], seen=words
        )
        if any(loop_blocks(s) for s in late):
            reason = say("{seen}; but /health is slow, too: see api_server_stalled", seen=words)
            return Claim(POSSIBLE, reason, about=names(late))
        return Claim(CONFIRMED, words, summary, about=names(late))
    kept = [s for s in facts.sent if s.stalled and s.name in _WITHOUT_A_CALL and held(s)]
    if kept:
        return _kept_for_good(facts, kept)
    open_ = [s for s in facts.sent if s.stalled and not s.protocol.calls and nobody_works_on(s)]
    if open_:
        return _left_open(facts, open_)
    told = [s for s in facts.sent if s.completed and s.arrival.pattern in ("one_by_one", "by_count")]
    if not told:
        return not_tested(say("no stream had enough events to tell"))
    return ruled_out(_arrival(told[0]))


def _arrival(sent: StreamFacts) -> Words:
    return joined(": ", [sent.name, sent.arrival.words])


def _kept_for_good(facts: Facts, kept: List[StreamFacts]) -> Claim:
    sent, about = kept[0], names(kept)
    beside = [name for name in ("chat", "nonstream") if facts.came_whole(name)]
    words = say(
        "{case}: {tokens:.0f} tokens were made in its silence and never sent; {clocks}",
        case=sent.name,
        tokens=held(sent),
        clocks=clock_words(sent.standing),
    )
    if beside:
        words = say(
            "{seen}; {cases} came whole, so it is the stream of /v1/responses that is held",
            seen=words,
            cases=joined(say(" and "), beside),
        )
    summary = say("The API server on {host} keeps what the engine made: {seen}", host=facts.run["host"], seen=words)
    if works_on(facts, sent):
        reason = say("{seen}; but the engine still works on it, so it may be a thought", seen=words)
        return Claim(POSSIBLE, reason, about=about)
    if not beside and facts.traffic:
        reason = say("{seen}; but {traffic}, so they may be others' tokens", seen=words, traffic=facts.traffic)
        return Claim(POSSIBLE, reason, about=about)
    return Claim(LIKELY, words, summary, "high" if beside else "medium", shared_counters(facts), about)


def _left_open(facts: Facts, open_: List[StreamFacts]) -> Claim:
    sent, about = open_[0], names(open_)
    words = say(
        "{case}: {silence:.0f} s of silence after {after}; the engine answered a canary, and has nothing to do",
        case=sent.name,
        silence=sent.silence.seconds if sent.silence else 0.0,
        after=sent.silence.after if sent.silence else say("the start"),
    )
    if engines(facts) > 1:
        reason = say("{seen}; but the server has {engines} engines", seen=words, engines=engines(facts))
        return Claim(POSSIBLE, reason, about=about)
    summary = say(
        "The API server on {host} leaves streams open whose work is done: {seen}", host=facts.run["host"], seen=words
    )
    return Claim(LIKELY, words, summary, "medium", shared_counters(facts), about)


def _debugging(facts: Facts) -> Words:
    """What is known to hold a whole answer back (vllm#28134), when it is switched on."""
    value = facts.target.get("environment", {}).get(DEBUG_VARIABLE, "")
    if value.lower() in ("1", "true"):
        return say("{variable}={value} is set", variable=DEBUG_VARIABLE, value=value)
    return say("the journal shows response logging") if "debug_buffering" in facts.logs.unit else NOTHING


def proxy_buffering(facts: Facts) -> Claim:
    """The loopback stream flows, and the same stream through the public URL is held back."""
    loopback, problem = _pair(facts)
    if loopback is None:
        return not_tested(problem)
    held_back = [(s, _held_outside(loopback, s)) for s in _through_the_proxy(facts)]
    found = [(s, words) for s, words in held_back if words]
    if not found:
        return ruled_out(
            say("public streams arrive as those on loopback: {cases}", cases=", ".join(names(facts.public)))
        )
    sent, words = found[0]
    about = names(s for s, _words in found)
    if sent.stalled and not engine_lives(facts, sent):
        reason = say("{seen}; but nothing shows that the engine made its tokens", seen=words)
        return Claim(POSSIBLE, reason, about=about)
    pause = _longest_pause(facts)
    if sent.completed and sent.stream["end"]["t"] <= pause:
        reason = say(
            "{seen}; but a stream that flowed paused for {pause:.1f} s, so this may be a pause", seen=words, pause=pause
        )
        return Claim(POSSIBLE, reason, about=about)
    who = say("clients that accept gzip") if all("gzip" in name for name in about) else say("every client")
    summary = say(
        "What stands before the server on {host} holds its streams back for {who}: {seen}",
        host=facts.run["host"],
        who=who,
        seen=words,
    )
    return Claim(CONFIRMED, words, summary, about=about)


def _longest_pause(facts: Facts) -> float:
    """Seconds for which a stream stood that nothing held back, as on a machine with too much to do."""
    flowing = [s.arrival for s in facts.everything_sent if s.completed and s.arrival.pattern in FLOWING]
    return max((arrival.longest_pause for arrival in flowing), default=0.0)


def _through_the_proxy(facts: Facts) -> List[StreamFacts]:
    """The public streams, without those of the controller that the host itself got whole: they are the network's."""
    return [s for s in facts.public if not (s.afar and facts.came_whole(s.name.replace("-controller", "")))]


def _held_outside(loopback: StreamFacts, sent: StreamFacts) -> Words:
    """In words how a public stream is held back, else NOTHING."""
    encoding = sent.stream["response_headers"].get("content-encoding", "")
    compressed = [f"content-encoding {encoding}"] if encoding else []
    if sent.stalled and sent.stream["t_connect"] is not None and not sent.afar:
        silence = say(
            "{case}: {silence:.0f} s of silence, while {loopback} came whole on loopback",
            case=sent.name,
            silence=sent.silence.seconds if sent.silence else 0.0,
            loopback=loopback.name,
        )
        return joined("; ", [silence, *compressed])
    difference = compare_arrival(loopback.arrival, sent.arrival) if sent.completed else ""
    return joined("; ", [joined(": ", [sent.name, difference]), *compressed]) if difference else NOTHING


def proxy_interference(facts: Facts) -> Claim:
    """The loopback stream is whole, and through the public URL it is refused, cut, or loses events."""
    loopback, problem = _pair(facts)
    if loopback is None:
        return not_tested(problem)
    spoilt = [(s, _spoilt(s)) for s in _through_the_proxy(facts)]
    found = [(s, words) for s, words in spoilt if words]
    if not found:
        return ruled_out(say("public streams are whole: {cases}", cases=", ".join(names(facts.public))))
    sent, words = found[0]
    about = names(s for s, _words in found)
    summary = say(
        "What stands before the server on {host} spoils its streams: {seen}", host=facts.run["host"], seen=words
    )
    unreached = sent.outcome == "unreachable"
    if unreached and facts.came_whole(sent.name.replace("public", "public-controller", 1)):
        reason = say("{seen}; the controller reaches it, only the host itself does not", seen=words)
        return Claim(POSSIBLE, reason, about=about)
    return Claim(LIKELY if unreached else CONFIRMED, words, summary, "medium" if unreached else "high", about=about)


def _spoilt(sent: StreamFacts) -> Words:
    """In words how a public stream is refused, cut or damaged, else NOTHING."""
    if sent.outcome in ("truncated", "failed", "rejected", "unreachable"):
        return say(
            "{case} {ended} after {seconds:.1f} s ({how}); simple came whole on loopback",
            case=sent.name,
            ended=ENDED[sent.outcome],
            seconds=sent.stream["end"]["t"],
            how=how_it_ended(sent.stream),
        )
    fail = sent.protocol.first_fail
    if not sent.completed or not fail:
        return NOTHING
    return say("{case}: {deviation}; on loopback the events are whole", case=sent.name, deviation=fail.words)


def _pair(facts: Facts) -> Tuple[Optional[StreamFacts], Words]:
    """The loopback stream that the public ones are compared with, or why there is none."""
    if not facts.public:
        skipped = facts.run.get("skipped_cases", {})
        return None, as_words(skipped.get("public", say("no public URL was given (vllm_public_url)")))
    simple = facts.streams.get("simple")
    if simple is None or not simple.completed or simple.protocol.first_fail is not None:
        return None, say("the stream on loopback is not whole either")
    return simple, NOTHING


RULES = (
    Rule(
        "server_buffering",
        3,
        server_buffering,
        ("symptom-first-event", "symptom-silence", "step-1", "step-2", "fix-3"),
        ("symptom-first-event", "symptom-silence"),
        (
            where_written(
                say(
                    "Take VLLM_DEBUG_LOG_API_SERVER_RESPONSE and middlewares that collect bodies out of the server's "
                    "configuration."
                )
            ),
            restart_edited,
            check_loaded,
        ),
    ),
    Rule(
        "proxy_buffering",
        3,
        proxy_buffering,
        ("symptom-first-event", "symptom-silence"),
        ("step-1",),
        (
            say(
                "Let the proxy pass the stream on: no gzip for text/event-stream, no buffering "
                "(nginx: gzip_types, proxy_buffering off, or the header X-Accel-Buffering: no)."
            ),
            check,
        ),
    ),
    Rule(
        "proxy_interference",
        3,
        proxy_interference,
        ("symptom-accepted", "symptom-silence"),
        ("step-1",),
        (
            say("Look into the proxy's log at the time of the stream; raise its timeouts (nginx: proxy_read_timeout)."),
            check,
        ),
    ),
)
