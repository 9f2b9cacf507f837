"""Checklist, cause 1: the model hangs in generation, because a process of the server stands, or the engine sleeps."""

from __future__ import annotations

from typing import List, Tuple

from ...bundle import Process
from ...clocks import API_SERVERS
from ...responses import acting_events, is_chat
from ..facts import Facts, StreamFacts
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
    steps_again,
)
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out

#: Seconds. An event loop that runs answers ``/health`` in milliseconds.
SLOW_HEALTH = 0.5


def api_server_stalled(facts: Facts) -> Claim:
    """Connections are accepted (by the kernel), but neither a stream nor ``/health`` gets a single header."""
    if not facts.sent:
        return not_tested("no stream was sent")
    silent = stalled(facts)
    blocked = [s for s in facts.sent if loop_blocks(s)]
    if not silent and blocked:
        return _blocks_now_and_then(facts, blocked)
    if not silent:
        return ruled_out("there was no connection" if facts.all_unreachable else "no stream fell silent")
    mute = [s for s in silent if health_silent(facts, s) or _api_servers_halted(s)]
    if not mute and any(s.stream["http_status"] is None and not health_asked(facts, s) for s in silent):
        return Claim(POSSIBLE, "connected, and no header came; /health was not asked meanwhile")
    if not mute:
        return ruled_out("/health answers while the stream is silent")
    sent = mute[0]
    waited, clocks = sent.stream["end"]["t"], clock_words(sent.standing)
    stopped = _api_servers_halted(sent)
    last = sent.silence.after if sent.silence else "connect"
    if not health_silent(facts, sent):
        return _one_stands(facts, sent, f"{sent.name}: silent after {last}, {waited:.0f} s in all; {clocks}")
    reason = f"{sent.name}: silent after {last}, {waited:.0f} s in all; /health was asked and silent too; {clocks}"
    which = f"; process {stopped[0]['pid']} is stopped (state {stopped[0]['state']})" if stopped else ""
    summary = (
        f"The API server of {facts.server_name} on {facts.run['host']} does not run its event loop: connections are "
        f"accepted and never answered, /health neither{which}"
    )
    return Claim(CONFIRMED, reason, summary)


def _api_servers_halted(sent: StreamFacts) -> List[Process]:
    """The API server, or those of several, that could not run to the end of the silence."""
    clocks = sent.standing.clocks if sent.standing is not None else None
    return [process for process in clocks.halted if process["role"] in API_SERVERS] if clocks is not None else []


def _one_stands(facts: Facts, sent: StreamFacts, reason: str) -> Claim:
    """One of several: ``/health`` may have met another one."""
    one = _api_servers_halted(sent)[0]
    summary = (
        f"An API server of {facts.server_name} on {facts.run['host']} stands: process {one['pid']} is in state "
        f"{one['state']}, and {sent.name} fell silent; another one answers /health"
    )
    return Claim(CONFIRMED, reason + "; /health was answered, by another one", summary, about=(sent.name,))


def loop_blocks(sent: StreamFacts) -> bool:
    """Events came in bursts, and ``/health`` was as slow as they: the event loop stood between them, not a buffer."""
    return sent.completed and sent.arrival.pattern == "bursts" and slowest_health(sent) > SLOW_HEALTH


def _blocks_now_and_then(facts: Facts, blocked: List[StreamFacts]) -> Claim:
    sent = blocked[0]
    words = f"{sent.name}: {sent.arrival.words}; /health took up to {slowest_health(sent):.1f} s meanwhile"
    summary = f"The event loop of the API server on {facts.run['host']} blocks again and again: {words}"
    return Claim(LIKELY, words, summary, "medium", about=names(blocked))


def engine_stalled(facts: Facts) -> Claim:
    """Tokens stand, a canary beside the stream stands too, and so do the engine's process clocks."""
    if not facts.sent:
        return not_tested("no stream was sent")
    if any(m.get("awake") == 0 for m in facts.metrics[-1:]):
        return ruled_out("the engine is asleep (awake=0), and stands for that reason")
    silent = [s for s in facts.everything_sent if s.stalled and not s.afar]
    begun = [s for s in silent if not health_silent(facts, s)]
    if not begun:
        return ruled_out("the API server itself stands" if silent else "no stream fell silent")
    signs = [engine_lives(facts, s) or paused(facts, s) for s in begun]
    standing = [s for s, sign in zip(begun, signs) if not sign]
    if standing:
        return _stands(facts, standing)
    if engines(facts) > 1:
        return _one_of_several(facts, begun, signs[0])
    return ruled_out(signs[0])


def _stands(facts: Facts, found: List[StreamFacts]) -> Claim:
    sent, about = found[0], names(found)
    standing = sent.standing
    if standing is None or sent.silence is None:
        return Claim(POSSIBLE, f"{sent.name}: the silence was not sampled", about=about)
    tokens = (
        "its counters could not be read"
        if standing.tokens is None
        else f"{standing.tokens:.0f} tokens in {standing.seconds:.0f} s"
    )
    canary = "the canary stood too" if standing.canary_sent else "no canary was sent"
    silence = f"{sent.silence.seconds:.0f} s of silence after {sent.silence.after}"
    closer = [one.sentence for one in facts.stall.processes if one.role == "engine_core"]
    reason = "; ".join([f"{sent.name}: {silence}", tokens, canary, clock_words(standing), *closer[:1]])
    seen = (
        f"{tokens} while a request was open" if standing.tokens is not None else "as far as it shows without counters"
    )
    seen = "; ".join([seen, canary, clock_words(standing)])
    if standing.clocks is not None and not clocks_stand(standing):
        seen += ", as a wait that spins does, or a compilation"
    elif gpu_busy(standing) and not halted(standing):
        seen += f"; its GPU was {standing.gpu:.0f} % busy, as with a collective that hangs, or a long prompt"
    summary = f"The engine of {facts.server_name} on {facts.run['host']} stopped stepping: {seen}"
    if not standing.canary_sent:
        return Claim(POSSIBLE, reason, summary, "low", about=about)
    queue = gauges(sent)
    if queue and not halted(standing) and all(sample.waiting and not sample.running for sample in queue):
        return Claim(
            POSSIBLE, reason + "; requests wait and none runs: see kv_cache_exhausted", summary, "low", about=about
        )
    state, strength, doubts = _weight(facts, found)
    return Claim(state, reason, summary, strength, doubts, about)


def _weight(facts: Facts, found: List[StreamFacts]) -> Tuple[str, str, Tuple[str, ...]]:
    """State, strength and doubts of a claim that the engine stands, by its clocks and its stacks."""
    sent = found[0]
    cannot_run = halted(sent.standing)
    stands = cannot_run or (clocks_stand(sent.standing) and not gpu_busy(sent.standing))
    known = sent.standing is not None and sent.standing.clocks is not None
    same, moves = _stacks(facts)
    doubts = [steps_again(facts, sent)]
    if not cannot_run and not is_chat(sent.stream) and not acting_events(sent.stream):
        doubts.append("not even response.created came, which the API server sends before the engine has the request")
    if sent.standing is None or sent.standing.tokens is None:
        # A filter in the API server keeps the canary silent, too, and the engine idles at one and the same stack; it
        # stops no process, makes none spin, and does not keep chat silent.
        doubts.append("the server's counters could not be read")
        sure = cannot_run or (same and known and not stands)
        sure = sure or (stands and any(is_chat(other.stream) for other in found))
        return (LIKELY, "high", _said(doubts)) if sure else (POSSIBLE, "medium", _said(doubts))
    if stands or (same and not known):
        return CONFIRMED, "high", _said(doubts)
    if same:
        return LIKELY, "high", _said(doubts)
    # Without clocks, or with an engine or a GPU that is busy: a compilation, a long prompt or a wait that never ends.
    if moves and known:
        doubts.append("the stacks of its processes move, so it may be compiling")
    return LIKELY, "medium", _said(doubts)


def _said(doubts: List[str]) -> Tuple[str, ...]:
    return tuple(doubt for doubt in doubts if doubt)


def _stacks(facts: Facts) -> Tuple[bool, bool]:
    """Whether engine cores and workers stood at the same stacks twice, and whether one of them moved."""
    seen = [facts.stall.same_stack(role) for role in ("engine_core", "worker")]
    return True in seen and False not in seen, False in seen


def _one_of_several(facts: Facts, begun: List[StreamFacts], sign: str) -> Claim:
    """With data parallelism the canary may have met another engine than the stream."""
    sent = begun[0]
    words = f"{sent.name} stood, and {sign}, but the server has {engines(facts)} engines"
    if not halted(sent.standing):
        return Claim(POSSIBLE, words + ": the one that has the stream may stand", about=names(begun))
    words += f": {clock_words(sent.standing)}"
    summary = f"One engine of {facts.server_name} on {facts.run['host']} stopped stepping: {words}"
    return Claim(LIKELY, words, summary, "high", about=names(begun))


def engine_asleep(facts: Facts) -> Claim:
    """``vllm:engine_sleep_state{sleep_state="awake"}`` is 0: somebody put the engine to sleep."""
    known = [m for m in facts.metrics if m.get("awake") is not None]
    if not known:
        return not_tested("/metrics does not say whether the engine is awake")
    if known[-1].get("awake") != 0:
        return ruled_out("awake=1")
    if facts.sent and not facts.failing:
        return ruled_out("awake=0, and the streams came all the same")
    return Claim(
        CONFIRMED,
        "awake=0",
        "The engine on {} is asleep (sleep mode): it takes requests and does not step".format(facts.run["host"]),
    )


_SILENT = ("symptom-silence", "step-1", "step-3", "step-5")

RULES = (
    Rule(
        "api_server_stalled",
        1,
        api_server_stalled,
        ("symptom-health", "symptom-accepted", "symptom-silence", "step-1", "check-1", "check-3"),
        ("symptom-health", "symptom-accepted"),
        "{resume}{restart}",
    ),
    Rule(
        "engine_asleep",
        1,
        engine_asleep,
        _SILENT,
        ("symptom-silence",),
        "Wake it:\n$ ansible {inventory}{host} -m ansible.builtin.uri -a 'url={base_url}/wake_up method=POST'",
    ),
    Rule(
        "engine_stalled",
        1,
        engine_stalled,
        (*_SILENT, "check-1", "check-3"),
        ("symptom-silence", "step-1"),
        "{resume}Before a restart, keep its stacks (py-spy dump --nonblocking --pid PID). {restart}",
    ),
)
