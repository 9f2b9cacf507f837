"""Checklist, cause 3: SSE buffering, in the server or in a proxy before it; and a proxy that cuts or loses events."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ..arrival import HELD_BACK, compare_arrival
from ..facts import Facts, StreamFacts
from ..streams import ENDED, how_it_ended
from ..witness import clock_words, engine_lives, engines, held, nobody_works_on, works_on
from .cause_1_standing import loop_blocks
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out, shared_counters

#: Cases of which something must be shown although no call is made.
_WITHOUT_A_CALL = ("simple", "reasoning", "codex", "padded")
DEBUG_VARIABLE = "VLLM_DEBUG_LOG_API_SERVER_RESPONSE"


def server_buffering(facts: Facts) -> Claim:
    """On loopback, without any proxy, events are held back: to the end, to a full buffer, or for good."""
    if not facts.sent:
        return not_tested("no stream was sent")
    late = [s for s in facts.sent if s.completed and s.arrival.pattern in HELD_BACK]
    if late:
        words = f"{late[0].name}: {late[0].arrival.words}{_debugging(facts)}"
        summary = f"The server on {facts.run['host']} holds events back, on loopback too: {words}"
        if any(loop_blocks(s) for s in late):
            return Claim(POSSIBLE, words + "; but /health is slow, too: see api_server_stalled", about=names(late))
        return Claim(CONFIRMED, words, summary, about=names(late))
    kept = [s for s in facts.sent if s.stalled and s.name in _WITHOUT_A_CALL and held(s)]
    if kept:
        return _kept_for_good(facts, kept)
    open_ = [s for s in facts.sent if s.stalled and not s.protocol.calls and nobody_works_on(s)]
    if open_:
        return _left_open(facts, open_)
    told = [s for s in facts.sent if s.completed and s.arrival.pattern in ("one_by_one", "by_count")]
    if not told:
        return not_tested("no stream had enough events to tell")
    return ruled_out(f"{told[0].name}: {told[0].arrival.words}")


def _kept_for_good(facts: Facts, kept: List[StreamFacts]) -> Claim:
    sent, about = kept[0], names(kept)
    beside = [name for name in ("chat", "nonstream") if facts.came_whole(name)]
    words = (
        f"{sent.name}: {held(sent):.0f} tokens were made in its silence and never sent; {clock_words(sent.standing)}"
    )
    if beside:
        words += "; {} came whole, so it is the stream of /v1/responses that is held".format(" and ".join(beside))
    summary = f"The API server on {facts.run['host']} keeps what the engine made: {words}"
    if works_on(facts, sent):
        return Claim(POSSIBLE, words + "; but the engine still works on it, so it may be a thought", about=about)
    if not beside and facts.traffic:
        return Claim(POSSIBLE, f"{words}; but {facts.traffic}, so they may be others' tokens", about=about)
    return Claim(LIKELY, words, summary, "high" if beside else "medium", shared_counters(facts), about)


def _left_open(facts: Facts, open_: List[StreamFacts]) -> Claim:
    sent, about = open_[0], names(open_)
    seconds, after = (sent.silence.seconds, sent.silence.after) if sent.silence else (0.0, "the start")
    silence = f"{seconds:.0f} s of silence after {after}"
    words = f"{sent.name}: {silence}; the engine answered a canary, and has nothing to do"
    if engines(facts) > 1:
        return Claim(POSSIBLE, f"{words}; but the server has {engines(facts)} engines", about=about)
    summary = f"The API server on {facts.run['host']} leaves streams open whose work is done: {words}"
    return Claim(LIKELY, words, summary, "medium", shared_counters(facts), about)


def _debugging(facts: Facts) -> str:
    """What is known to hold a whole answer back (vllm#28134), when it is switched on."""
    value = facts.target.get("environment", {}).get(DEBUG_VARIABLE, "")
    if value.lower() in ("1", "true"):
        return f"; {DEBUG_VARIABLE}={value} is set"
    return "; the journal shows response logging" if "debug_buffering" in facts.logs.unit else ""


def proxy_buffering(facts: Facts) -> Claim:
    """The loopback stream flows, and the same stream through the public URL is held back."""
    loopback, problem = _pair(facts)
    if loopback is None:
        return not_tested(problem)
    held_back = [(s, _held_outside(loopback, s)) for s in _through_the_proxy(facts)]
    found = [(s, words) for s, words in held_back if words]
    if not found:
        return ruled_out("public streams arrive as those on loopback: " + ", ".join(names(facts.public)))
    sent, words = found[0]
    about = names(s for s, _words in found)
    if sent.stalled and not engine_lives(facts, sent):
        return Claim(POSSIBLE, words + "; but nothing shows that the engine made its tokens", about=about)
    who = "clients that accept gzip" if all("gzip" in name for name in about) else "every client"
    summary = f"What stands before the server on {facts.run['host']} holds its streams back for {who}: {words}"
    return Claim(CONFIRMED, words, summary, about=about)


def _through_the_proxy(facts: Facts) -> List[StreamFacts]:
    """The public streams, without those of the controller that the host itself got whole: they are the network's."""
    return [s for s in facts.public if not (s.afar and facts.came_whole(s.name.replace("-controller", "")))]


def _held_outside(loopback: StreamFacts, sent: StreamFacts) -> str:
    encoding = sent.stream["response_headers"].get("content-encoding", "")
    compressed = f"; content-encoding {encoding}" if encoding else ""
    if sent.stalled and sent.stream["t_connect"] is not None and not sent.afar:
        seconds = sent.silence.seconds if sent.silence else 0.0
        return f"{sent.name}: {seconds:.0f} s of silence, while {loopback.name} came whole on loopback{compressed}"
    if not sent.completed:
        return ""
    difference = compare_arrival(loopback.arrival, sent.arrival)
    return f"{sent.name}: {difference}{compressed}" if difference else ""


def proxy_interference(facts: Facts) -> Claim:
    """The loopback stream is whole, and through the public URL it is refused, cut, or loses events."""
    loopback, problem = _pair(facts)
    if loopback is None:
        return not_tested(problem)
    spoilt = [(s, _spoilt(s)) for s in _through_the_proxy(facts)]
    found = [(s, words) for s, words in spoilt if words]
    if not found:
        return ruled_out("public streams are whole: " + ", ".join(names(facts.public)))
    sent, words = found[0]
    about = names(s for s, _words in found)
    summary = f"What stands before the server on {facts.run['host']} spoils its streams: {words}"
    unreached = sent.outcome == "unreachable"
    if unreached and facts.came_whole(sent.name.replace("public", "public-controller", 1)):
        return Claim(POSSIBLE, f"{words}; the controller reaches it, only the host itself does not", about=about)
    return Claim(LIKELY if unreached else CONFIRMED, words, summary, "medium" if unreached else "high", about=about)


def _spoilt(sent: StreamFacts) -> str:
    if sent.outcome in ("truncated", "failed", "rejected", "unreachable"):
        how, seconds = how_it_ended(sent.stream), sent.stream["end"]["t"]
        return f"{sent.name} {ENDED[sent.outcome]} after {seconds:.1f} s ({how}); simple came whole on loopback"
    fail = sent.protocol.first_fail
    return f"{sent.name}: {fail.words}; on loopback the events are whole" if sent.completed and fail else ""


def _pair(facts: Facts) -> Tuple[Optional[StreamFacts], str]:
    """The loopback stream that the public ones are compared with, or why there is none."""
    if not facts.public:
        return None, facts.run.get("skipped_cases", {}).get("public", "no public URL was given (vllm_public_url)")
    simple = facts.streams.get("simple")
    if simple is None or not simple.completed or simple.protocol.first_fail is not None:
        return None, "the stream on loopback is not whole either"
    return simple, ""


RULES = (
    Rule(
        "server_buffering",
        3,
        server_buffering,
        ("symptom-first-event", "symptom-silence", "step-1", "step-2", "fix-3"),
        ("symptom-first-event", "symptom-silence"),
        f"Take {DEBUG_VARIABLE} and middlewares that collect bodies out of the server's configuration. {{restart}}",
    ),
    Rule(
        "proxy_buffering",
        3,
        proxy_buffering,
        ("symptom-first-event", "symptom-silence"),
        ("step-1",),
        "Let the proxy pass the stream on: no gzip for text/event-stream, no buffering "
        "(nginx: gzip_types, proxy_buffering off, or the header X-Accel-Buffering: no).",
    ),
    Rule(
        "proxy_interference",
        3,
        proxy_interference,
        ("symptom-accepted", "symptom-silence"),
        ("step-1",),
        "Look into the proxy's log at the time of the stream; raise its timeouts (nginx: proxy_read_timeout).",
    ),
)
