"""Checklist, cause 1: the model hangs in generation, because a process of the server stands, or the engine sleeps."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from ...bundle import Process
from ...clocks import API_SERVERS
from ...responses import acting_events, is_chat
from ...words import Words, as_words, joined, say
from ..facts import Facts, StreamFacts
from ..silence import Silence, Standing
from ..witness import (
    clock_words,
    clocks_stand,
    engine_lives,
    engines,
    gauges,
    gpu_busy,
    halted,
    health_asked,
    health_silent,
    paused,
    slowest_health,
    stalled,
    starved,
    steps_again,
)
from .remedy import check, check_loaded, restart_with_stacks, resume, wake_up
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out

#: Seconds. An event loop that runs answers ``/health`` in milliseconds.
SLOW_HEALTH = 0.5


def api_server_stalled(facts: Facts) -> Claim:
    """Connections are accepted (by the kernel), but neither a stream nor ``/health`` gets a single header."""
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    silent = stalled(facts)
    blocked = [s for s in facts.sent if loop_blocks(s) and not starved(s.standing)]
    if not silent and blocked:
        return _blocks_now_and_then(facts, blocked)
    if not silent:
        return ruled_out(say("there was no connection") if facts.all_unreachable else say("no stream fell silent"))
    mute = [s for s in silent if health_silent(facts, s) or _api_servers_halted(s)]
    if not mute and any(s.stream["http_status"] is None and not health_asked(facts, s) for s in silent):
        return Claim(POSSIBLE, say("connected, and no header came; /health was not asked meanwhile"))
    if not mute:
        return ruled_out(say("/health answers while the stream is silent"))
    fed = [s for s in mute if not _api_servers_starve(s)]
    if not fed:
        return _without_cpu(facts, mute)
    sent = fed[0]
    if not health_silent(facts, sent):
        return _one_stands(facts, sent)
    reason = say(
        "{case}: silent after {last}, {seconds:.0f} s in all; /health was asked and silent too; {clocks}",
        **_waited(sent),
    )
    return Claim(CONFIRMED, reason, _none_runs(facts, _api_servers_halted(sent)))


def _waited(sent: StreamFacts) -> Dict[str, Any]:
    """How long a silent stream waited, after what, and what the processes did: fields of a sentence."""
    return {
        "case": sent.name,
        "last": sent.silence.after if sent.silence else say("connect"),
        "seconds": sent.stream["end"]["t"],
        "clocks": clock_words(sent.standing),
    }


def _none_runs(facts: Facts, stopped: List[Process]) -> Words:
    if not stopped:
        return say(
            "The API server of {server} on {host} does not run its event loop: connections are accepted and never "
            "answered, /health neither",
            server=facts.server_name,
            host=facts.run["host"],
        )
    return say(
        "The API server of {server} on {host} does not run its event loop: connections are accepted and never "
        "answered, /health neither; process {pid} is stopped (state {state})",
        server=facts.server_name,
        host=facts.run["host"],
        pid=stopped[0]["pid"],
        state=stopped[0]["state"],
    )


def _api_servers_halted(sent: StreamFacts) -> List[Process]:
    """The API server, or those of several, that could not run to the end of the silence."""
    clocks = sent.standing.clocks if sent.standing is not None else None
    return [process for process in clocks.halted if process["role"] in API_SERVERS] if clocks is not None else []


def _api_servers_starve(sent: StreamFacts) -> bool:
    return any(one.role in API_SERVERS for one in starved(sent.standing))


def _without_cpu(facts: Facts, silent: List[StreamFacts]) -> Claim:
    """What gets no CPU does not run, whether or not it would: nothing is shown against it."""
    reason = say(
        "{case}: silent after {last}, {seconds:.0f} s in all; but the host gave it no CPU: {clocks}",
        **_waited(silent[0]),
    )
    return Claim(POSSIBLE, reason, about=names(silent))


def _one_stands(facts: Facts, sent: StreamFacts) -> Claim:
    """One of several: ``/health`` may have met another one."""
    one = _api_servers_halted(sent)[0]
    reason = say(
        "{case}: silent after {last}, {seconds:.0f} s in all; {clocks}; /health was answered, by another one",
        **_waited(sent),
    )
    summary = say(
        "An API server of {server} on {host} stands: process {pid} is in state {state}, and {case} fell silent; "
        "another one answers /health",
        server=facts.server_name,
        host=facts.run["host"],
        pid=one["pid"],
        state=one["state"],
        case=sent.name,
    )
    return Claim(CONFIRMED, reason, summary, about=(sent.name,))


def loop_blocks(sent: StreamFacts) -> bool:
    """Events came in bursts, and ``/health`` was as slow as they: the event loop stood between them, not a buffer."""
    return sent.completed and sent.arrival.pattern == "bursts" and slowest_health(sent) > SLOW_HEALTH


def _blocks_now_and_then(facts: Facts, blocked: List[StreamFacts]) -> Claim:
    sent = blocked[0]
    words = say(
        "{case}: {arrival}; /health took up to {seconds:.1f} s meanwhile",
        case=sent.name,
        arrival=sent.arrival.words,
        seconds=slowest_health(sent),
    )
    summary = say(
        "The event loop of the API server on {host} blocks again and again: {seen}",
        host=facts.run["host"],
        seen=words,
    )
    return Claim(LIKELY, words, summary, "medium", about=names(blocked))


def engine_stalled(facts: Facts) -> Claim:
    """Tokens stand, a canary beside the stream stands too, and so do the engine's process clocks."""
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    if any(m.get("awake") == 0 for m in facts.metrics[-1:]):
        return ruled_out(say("the engine is asleep (awake=0), and stands for that reason"))
    silent = [s for s in facts.everything_sent if s.stalled and not s.afar]
    begun = [s for s in silent if not health_silent(facts, s)]
    if not begun and any(_api_servers_starve(s) for s in silent):
        return _without_cpu(facts, silent)
    if not begun:
        return ruled_out(say("the API server itself stands") if silent else say("no stream fell silent"))
    signs = [as_words(engine_lives(facts, s) or paused(facts, s)) for s in begun]
    standing = [s for s, sign in zip(begun, signs) if not sign]
    fed = [s for s in standing if not starved(s.standing)]
    if standing:
        return _stands(facts, fed) if fed else _without_cpu(facts, standing)
    if engines(facts) > 1:
        return _one_of_several(facts, begun, signs[0])
    return ruled_out(signs[0])


def _stands(facts: Facts, found: List[StreamFacts]) -> Claim:
    sent, about = found[0], names(found)
    standing = sent.standing
    if standing is None or sent.silence is None:
        return Claim(POSSIBLE, say("{case}: the silence was not sampled", case=sent.name), about=about)
    reason = _what_stood(facts, sent, sent.silence, standing)
    summary = say(
        "The engine of {server} on {host} stopped stepping: {seen}",
        server=facts.server_name,
        host=facts.run["host"],
        seen=_as_what(standing),
    )
    if not standing.canary_sent:
        return Claim(POSSIBLE, reason, summary, "low", about=about)
    queue = gauges(sent)
    if queue and not halted(standing) and all(sample.waiting and not sample.running for sample in queue):
        reason = say("{seen}; requests wait and none runs: see kv_cache_exhausted", seen=reason)
        return Claim(POSSIBLE, reason, summary, "low", about=about)
    state, strength, doubts = _weight(facts, found)
    return Claim(state, reason, summary, strength, doubts, about)


def _what_stood(facts: Facts, sent: StreamFacts, silence: Silence, standing: Standing) -> Words:
    silent = say(
        "{case}: {silence:.0f} s of silence after {after}",
        case=sent.name,
        silence=silence.seconds,
        after=silence.after,
    )
    closer = [one.sentence for one in facts.stall.processes if one.role == "engine_core"]
    return joined("; ", [silent, _tokens(standing), _canary(standing), clock_words(standing), *closer[:1]])


def _as_what(standing: Standing) -> Words:
    """What stood, and what else than a dead end may look like that."""
    if standing.tokens is None:
        tokens = say("as far as it shows without counters")
    else:
        tokens = say("{tokens} while a request was open", tokens=_tokens(standing))
    seen = joined("; ", [tokens, _canary(standing), clock_words(standing)])
    if standing.clocks is not None and not clocks_stand(standing) and not standing.clocks.wanted:
        return say("{seen}, as a wait that spins does, or a compilation", seen=seen)
    if gpu_busy(standing) and not halted(standing):
        return say(
            "{seen}; its GPU was {gpu:.0f} % busy, as with a collective that hangs, or a long prompt",
            seen=seen,
            gpu=standing.gpu,
        )
    return seen


def _tokens(standing: Standing) -> Words:
    if standing.tokens is None:
        return say("its counters could not be read")
    return say("{tokens:.0f} tokens in {seconds:.0f} s", tokens=standing.tokens, seconds=standing.seconds)


def _canary(standing: Standing) -> Words:
    return say("the canary stood too") if standing.canary_sent else say("no canary was sent")


def _weight(facts: Facts, found: List[StreamFacts]) -> Tuple[str, str, Tuple[Words, ...]]:
    """State, strength and doubts of a claim that the engine stands, by its clocks and its stacks."""
    sent = found[0]
    cannot_run = halted(sent.standing)
    stands = cannot_run or (clocks_stand(sent.standing) and not gpu_busy(sent.standing))
    known = sent.standing is not None and sent.standing.clocks is not None
    same, moves = _stacks(facts)
    doubts = [as_words(steps_again(facts, sent))]
    if not cannot_run and not is_chat(sent.stream) and not acting_events(sent.stream):
        doubts.append(
            say("not even response.created came, which the API server sends before the engine has the request")
        )
    if sent.standing is None or sent.standing.tokens is None:
        # A filter in the API server keeps the canary silent, too, and the engine idles at one and the same stack; it
        # stops no process, makes none spin, and does not keep chat silent.
        doubts.append(say("the server's counters could not be read"))
        sure = cannot_run or (same and known and not stands)
        sure = sure or (stands and any(is_chat(other.stream) for other in found))
        return (LIKELY, "high", _said(doubts)) if sure else (POSSIBLE, "medium", _said(doubts))
    if stands or (same and not known):
        return CONFIRMED, "high", _said(doubts)
    if same:
        return LIKELY, "high", _said(doubts)
    # Without clocks, or with an engine or a GPU that is busy: a compilation, a long prompt or a wait that never ends.
    if moves and known:
        doubts.append(say("the stacks of its processes move, so it may be compiling"))
    return LIKELY, "medium", _said(doubts)


def _said(doubts: List[Words]) -> Tuple[Words, ...]:
    return tuple(doubt for doubt in doubts if doubt)


def _stacks(facts: Facts) -> Tuple[bool, bool]:
    """Whether engine cores and workers stood at the same stacks twice, and whether one of them moved."""
    seen = [facts.stall.same_stack(role) for role in ("engine_core", "worker")]
    return True in seen and False not in seen, False in seen


def _one_of_several(facts: Facts, begun: List[StreamFacts], sign: Words) -> Claim:
    """With data parallelism the canary may have met another engine than the stream."""
    sent = begun[0]
    met = {"case": sent.name, "sign": sign, "engines": engines(facts)}
    if not halted(sent.standing):
        reason = say(
            "{case} stood, and {sign}, but the server has {engines} engines: the one that has the stream may stand",
            **met,
        )
        return Claim(POSSIBLE, reason, about=names(begun))
    words = say(
        "{case} stood, and {sign}, but the server has {engines} engines: {clocks}",
        clocks=clock_words(sent.standing),
        **met,
    )
    summary = say(
        "One engine of {server} on {host} stopped stepping: {seen}",
        server=facts.server_name,
        host=facts.run["host"],
        seen=words,
    )
    return Claim(LIKELY, words, summary, "high", about=names(begun))


def engine_asleep(facts: Facts) -> Claim:
    """``vllm:engine_sleep_state{sleep_state="awake"}`` is 0: somebody put the engine to sleep."""
    known = [m for m in facts.metrics if m.get("awake") is not None]
    if not known:
        return not_tested(say("/metrics does not say whether the engine is awake"))
    if known[-1].get("awake") != 0:
        return ruled_out(as_words("awake=1"))
    if facts.sent and not facts.failing:
        return ruled_out(say("awake=0, and the streams came all the same"))
    summary = say(
        "The engine on {host} is asleep (sleep mode): it takes requests and does not step", host=facts.run["host"]
    )
    return Claim(CONFIRMED, as_words("awake=0"), summary)


_SILENT = ("symptom-silence", "step-1", "step-3", "step-5")

RULES = (
    Rule(
        "api_server_stalled",
        1,
        api_server_stalled,
        ("symptom-health", "symptom-accepted", "symptom-silence", "step-1", "check-1", "check-3"),
        ("symptom-health", "symptom-accepted"),
        (resume, restart_with_stacks("main", "api_server"), check_loaded),
    ),
    Rule(
        "engine_asleep",
        1,
        engine_asleep,
        _SILENT,
        ("symptom-silence",),
        (wake_up, check),
    ),
    Rule(
        "engine_stalled",
        1,
        engine_stalled,
        (*_SILENT, "check-1", "check-3"),
        ("symptom-silence", "step-1"),
        (resume, restart_with_stacks("engine_core", "worker"), check_loaded),
    ),
)
