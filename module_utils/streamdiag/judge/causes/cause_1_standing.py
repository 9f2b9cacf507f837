"""Checklist, cause 1: the model hangs in generation, because a process of the server stands, or the engine sleeps."""

from __future__ import annotations

from ..facts import Facts, StreamFacts
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, not_tested, ruled_out, shared_counters
from .witness import clock_words, clocks_stand, halted, health_asked, health_silent, held, stalled, waiting_in_silence


def api_server_stalled(facts: Facts) -> Claim:
    """Connections are accepted (by the kernel), but neither a stream nor ``/health`` gets a single header."""
    if not facts.sent:
        return not_tested("no stream was sent")
    silent = stalled(facts)
    if not silent:
        return ruled_out("there was no connection" if facts.all_unreachable else "no stream fell silent")
    mute = [s for s in silent if health_silent(facts, s)]
    if not mute and any(s.stream["http_status"] is None and not health_asked(facts, s) for s in silent):
        return Claim(POSSIBLE, "connected, and no header came; /health was not asked meanwhile")
    if not mute:
        return ruled_out("/health answers while the stream is silent")
    sent = mute[0]
    waited, clocks = sent.stream["end"]["t"], clock_words(sent.standing)
    stopped = [
        p
        for p in (sent.standing.clocks.halted if sent.standing and sent.standing.clocks else [])
        if p["role"] == "main"
    ]
    last = sent.silence.after if sent.silence else "connect"
    reason = f"{sent.name}: silent after {last}, {waited:.0f} s in all; /health was asked and silent too; {clocks}"
    which = f"; process {stopped[0]['pid']} is stopped (state {stopped[0]['state']})" if stopped else ""
    summary = (
        f"The API server of {facts.server_name} on {facts.run['host']} does not run its event loop: connections are "
        f"accepted and never answered, /health neither{which}"
    )
    return Claim(CONFIRMED, reason, summary)


def engine_stalled(facts: Facts) -> Claim:
    """Tokens stand, a canary beside the stream stands too, and so do the engine's process clocks."""
    if not facts.sent:
        return not_tested("no stream was sent")
    begun = [s for s in stalled(facts) if not health_silent(facts, s)]
    if not begun:
        done = [s.name for s in facts.sent if s.completed]
        return ruled_out("streams completed: {}".format(", ".join(done)) if done else "no stream fell silent")
    sent = begun[0]
    standing = sent.standing
    if standing is None or sent.silence is None:
        return Claim(POSSIBLE, "the silence was not sampled")
    alive = _engine_lives(facts, sent)
    if alive:
        return ruled_out(alive)
    tokens = "token counters not readable" if standing.tokens is None else f"0 tokens in {standing.seconds:.0f} s"
    canary = "the canary stood too" if standing.canary_sent else "no canary was sent"
    silence = f"{sent.silence.seconds:.0f} s of silence after {sent.silence.after}"
    closer = [one.sentence for one in facts.stall.processes if one.role == "engine_core"]
    reason = "; ".join([f"{sent.name}: {silence}", tokens, canary, clock_words(standing), *closer[:1]])
    summary = (
        f"The engine of {facts.server_name} on {facts.run['host']} stopped stepping: {tokens} while a request was "
        f"open; {canary}; {clock_words(standing)}"
    )
    if not standing.canary_sent:
        return Claim(POSSIBLE, reason, summary, "low")
    queue = waiting_in_silence(sent)
    if queue and not halted(standing) and all(waiting > 0 and running == 0 for waiting, running in queue):
        return Claim(POSSIBLE, reason + "; requests wait and none runs: see kv_cache_exhausted", summary, "low")
    same_stack = facts.stall.same_stack("engine_core")
    if standing.tokens is not None and (clocks_stand(standing) or same_stack):
        return Claim(CONFIRMED, reason, summary)
    if clocks_stand(standing) and (halted(standing) or same_stack):
        return Claim(LIKELY, reason, summary, "high", ("the server's counters could not be read",))
    # Without clocks, or with an engine that burns CPU time: a compilation or a spinning wait cannot be told apart.
    return Claim(LIKELY, reason, summary, "medium", shared_counters(facts))


def _engine_lives(facts: Facts, sent: StreamFacts) -> str:
    """In words what shows that the engine steps although ``sent`` is silent, else ``""``."""
    standing = sent.standing
    if any(m.get("awake") == 0 for m in facts.metrics[-1:]):
        return "the engine is asleep (awake=0), and stands for that reason"
    if standing is not None and standing.tokens:
        return f"{standing.tokens:.0f} tokens in the last {standing.seconds:.0f} s of the silence"
    if standing is not None and standing.canary_progressed:
        return "a canary beside the silent stream was answered"
    if held(sent):
        return f"{sent.name}: {held(sent):.0f} tokens were made in its silence, so the engine did its work"
    for name in ("chat", "nonstream"):
        if facts.came_whole(name):
            return f"{name} came whole after it"
    return ""


def engine_asleep(facts: Facts) -> Claim:
    """``vllm:engine_sleep_state{sleep_state="awake"}`` is 0: somebody put the engine to sleep."""
    known = [m for m in facts.metrics if m.get("awake") is not None]
    if not known:
        return not_tested("/metrics does not say whether the engine is awake")
    if known[-1].get("awake") == 0:
        return Claim(
            CONFIRMED,
            "awake=0",
            "The engine on {} is asleep (sleep mode): it takes requests and does not step".format(facts.run["host"]),
        )
    return ruled_out("awake=1")


_SILENT = ("symptom-silence", "step-1", "step-3", "step-5")

RULES = (
    Rule(
        "api_server_stalled",
        1,
        api_server_stalled,
        ("symptom-health", "symptom-accepted", "step-1", "check-1", "check-3"),
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
