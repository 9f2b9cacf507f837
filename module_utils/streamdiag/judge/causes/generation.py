"""Checklist, cause 1: the model hangs in generation. Waits for GPU, OOM, loops; and what only looks like it."""

from __future__ import annotations

from typing import List, Optional

from ..facts import SLOW, Facts, StreamFacts
from ..logs import Seen
from ..streams import Standing
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, not_tested, ruled_out

#: States of proc(5) in words.
_HALTED = {
    "T": "is stopped by a signal (state T)",
    "t": "is stopped by a debugger (state t)",
    "Z": "has died (state Z)",
    "X": "has died (state X)",
    "gone": "is gone",
}


def _stalled(facts: Facts) -> List[StreamFacts]:
    return [s for s in facts.sent if s.outcome == "stalled"]


def _health_silent(facts: Facts, sent: StreamFacts) -> bool:
    """``/health`` connected and was not answered, beside the stream or else around it."""
    beside = sent.standing.health if sent.standing else {}
    if beside:
        return set(beside) == {"no answer"}
    around = [endpoint for _file, endpoint in facts.endpoints("/health")]
    return bool(around) and all(endpoint["state"] != "ok" for endpoint in around)


def _health_asked(facts: Facts, sent: StreamFacts) -> bool:
    return bool(sent.standing and sent.standing.health) or bool(facts.endpoints("/health"))


def _clock_words(standing: Optional[Standing]) -> str:
    if standing is None or standing.clocks is None:
        return "process clocks were not readable"
    if standing.clocks.halted:
        return ", ".join(
            "process {} ({}) {}".format(p["pid"], p["role"], _HALTED[p["state"]]) for p in standing.clocks.halted
        )
    return f"{standing.clocks.cpu:.2f} s of CPU time in {standing.clocks.seconds:.0f} s"


def _clocks_stand(standing: Optional[Standing]) -> bool:
    return (
        standing is not None and standing.clocks is not None and (bool(standing.clocks.halted) or standing.clocks.idle)
    )


def api_server_stalled(facts: Facts) -> Claim:
    """Connections are accepted (by the kernel), but neither a stream nor ``/health`` gets a single header."""
    if not facts.sent:
        return not_tested("no stream was sent")
    stalled = _stalled(facts)
    if not stalled:
        return ruled_out("there was no connection" if facts.all_unreachable else "no stream fell silent")
    mute = [s for s in stalled if _health_silent(facts, s)]
    if not mute and any(s.stream["http_status"] is None and not _health_asked(facts, s) for s in stalled):
        return Claim(POSSIBLE, "connected, and no header came; /health was not asked meanwhile")
    if not mute:
        return ruled_out("/health answers while the stream is silent")
    sent = mute[0]
    waited, clocks = sent.stream["end"]["t"], _clock_words(sent.standing)
    halted = [
        p
        for p in (sent.standing.clocks.halted if sent.standing and sent.standing.clocks else [])
        if p["role"] == "main"
    ]
    last = sent.silence.after if sent.silence else "connect"
    reason = f"{sent.case}: silent after {last}, {waited:.0f} s in all; /health was asked and silent too; {clocks}"
    stopped = f"; process {halted[0]['pid']} is stopped (state {halted[0]['state']})" if halted else ""
    summary = (
        f"The API server of {facts.server_name} on {facts.run['host']} does not run its event loop: connections are "
        f"accepted and never answered, /health neither{stopped}"
    )
    return Claim(CONFIRMED, reason, summary)


def engine_stalled(facts: Facts) -> Claim:
    """Tokens stand, a canary beside the stream stands too, and so do the engine's process clocks."""
    if not facts.sent:
        return not_tested("no stream was sent")
    begun = [s for s in _stalled(facts) if not _health_silent(facts, s)]
    if not begun:
        done = [s.case for s in facts.sent if s.completed]
        return ruled_out("streams completed: {}".format(", ".join(done)) if done else "no stream fell silent")
    sent = begun[0]
    standing = sent.standing
    if standing is None or sent.silence is None:
        return Claim(POSSIBLE, "the silence was not sampled")
    if standing.tokens:
        return ruled_out(f"{standing.tokens:.0f} tokens in the last {standing.seconds:.0f} s of the silence")
    if standing.canary_progressed:
        return ruled_out("a canary beside the silent stream was answered")
    tokens = "token counters not readable" if standing.tokens is None else f"0 tokens in {standing.seconds:.0f} s"
    canary = "the canary stood too" if standing.canary_sent else "no canary was sent"
    silence = f"{sent.silence.seconds:.0f} s of silence after {sent.silence.after}"
    reason = f"{sent.case}: {silence}; {tokens}; {canary}; {_clock_words(standing)}"
    summary = (
        f"The engine of {facts.server_name} on {facts.run['host']} stopped stepping: {tokens} while a request was "
        f"open; {canary}; {_clock_words(standing)}"
    )
    if not standing.canary_sent:
        return Claim(POSSIBLE, reason, summary, "low")
    if standing.tokens is None:
        return Claim(LIKELY, reason, summary, "medium")
    if _clocks_stand(standing):
        return Claim(CONFIRMED, reason, summary)
    # Without clocks, or with an engine that burns CPU time: a compilation or a spinning wait cannot be told apart.
    return Claim(LIKELY, reason, summary, "medium")


def _fatal(facts: Facts, *meanings: str) -> Optional[Seen]:
    """Lines of one of ``meanings`` that are about the server which the streams met, not about an earlier one."""
    old = _old_until(facts)
    for meaning in meanings:
        seen = facts.logs.unit.get(meaning)
        lines = [line for line in seen.lines if line["at"] > old] if seen is not None else []
        if seen is not None and lines:
            return Seen(seen.meaning, lines)
    return None


def _old_until(facts: Facts) -> float:
    """Up to when lines are about a server that was stopped in order, or replaced before the streams; epoch seconds.

    A server reports a dead engine while it is being stopped, so the lines of the stop itself are old, too. "Stopped"
    without "Stopping" is no order: systemd 252 says it when it restarts what has crashed.
    """
    until, stopping = float("-inf"), False
    for line in facts.logs.unit["stop"].lines if "stop" in facts.logs.unit else []:
        if line["text"].startswith("Stopping"):
            until, stopping = float("inf"), True
        elif stopping:
            until, stopping = line["at"], False
    main = [p["started_at"] for p in facts.target.get("processes", {}).get("processes", []) if p["role"] == "main"]
    answered = any(sent.stream["http_status"] is not None for sent in facts.sent)
    return max(until, *main) if main and answered else until


def _engine_gone(facts: Facts) -> str:
    """In words when engine processes that were there before the streams are gone, else ``""``."""
    gone = [p for p in facts.vanished if p["role"] in ("engine_core", "worker")]
    return ", ".join("{} {}".format(p["role"], p["pid"]) for p in gone)


def engine_dead(facts: Facts) -> Claim:
    """The engine core process died: its lines in the journal, its process gone, ``/health`` 503."""
    if not facts.sent:
        return not_tested("no stream was sent")
    bad = [s for s in facts.sent if not s.completed]
    if not bad:
        return ruled_out("every stream completed")
    witnesses: List[str] = []
    lines = _fatal(facts, "engine_dead")
    if lines is not None:
        witnesses.append("journal: {}".format(" ".join(lines.lines[0]["text"].split())[:200]))
    gone = _engine_gone(facts)
    if gone:
        witnesses.append(f"gone since the streams began: {gone}")
    codes = {endpoint["http_status"] for _file, endpoint in facts.endpoints("/health")}
    codes |= {int(code) for s in facts.sent if s.standing for code in s.standing.health if code.isdigit()}
    if 503 in codes:
        witnesses.append("/health answered 503")
    if not witnesses:
        if facts.logs.unreadable and facts.all_unreachable:
            return not_tested("journal: " + facts.logs.unreadable)
        return ruled_out("no trace of a dead engine: its processes are there, /health is not 503")
    cut = [s.case for s in bad if s.outcome in ("truncated", "failed")]
    reason = "; ".join(witnesses) + ("; cut: " + ", ".join(cut) if cut else "")
    summary = "The engine core of {} on {} died{}: {}".format(
        facts.server_name,
        facts.run["host"],
        f" in the middle of the stream {cut[0]}" if cut else "",
        "; ".join(witnesses),
    )
    # Last words without an orderly stop, and nothing listens since: vLLM 0.32 then exits with status 0, so that systemd
    # neither restarts the unit nor calls it failed.
    down = lines is not None and facts.all_unreachable
    enough = len(witnesses) >= 2 or down
    return Claim(CONFIRMED, reason, summary) if enough or cut else Claim(LIKELY, reason, summary, "medium")


def out_of_memory(facts: Facts) -> Claim:
    """The server, CUDA or the kernel ran out of memory, in the same window."""
    kills = facts.logs.kernel.get("oom_kill")
    ours = [line for line in (kills.lines if kills else []) if _is_ours(line["text"], facts)]
    lines = _fatal(facts, "out_of_memory")
    if not facts.first_bad:
        return ruled_out("every stream completed") if facts.sent else not_tested("no stream was sent")
    if ours or lines is not None:
        text = ours[0]["text"] if ours else (lines.lines[0]["text"] if lines else "")
        summary = "{} on {} ran out of memory: {}".format(facts.server_name, facts.run["host"], text.strip()[:200])
        return Claim(CONFIRMED, text.strip()[:300], summary)
    if facts.logs.unreadable or facts.logs.kernel_unreadable:
        return not_tested(facts.logs.unreadable or facts.logs.kernel_unreadable)
    return ruled_out("neither the journal nor the kernel log names it")


def _is_ours(text: str, facts: Facts) -> bool:
    """Whether the kernel killed a process of this server. Another vLLM on the host has the same process titles."""
    known = [p["pid"] for p in facts.target.get("processes", {}).get("processes", [])]
    if any(f"process {pid} " in text or f"pid={pid}," in text for pid in known):
        return True
    return "VLLM::" in text and (not known or bool(facts.vanished) or facts.all_unreachable)


def gpu_fault(facts: Facts) -> Claim:
    """A CUDA error or an Xid in the window, or a GPU that is lost."""
    if not facts.first_bad:
        return ruled_out("every stream completed") if facts.sent else not_tested("no stream was sent")
    lines = _fatal(facts, "cuda_error", "nccl") or facts.logs.kernel.get("xid")
    gpus = facts.machine.get("gpus", {})
    lost = [gpu.get("lost", "") for gpu in gpus.get("gpus", []) if gpu.get("lost")]
    if lines is not None or lost:
        text = lines.lines[0]["text"].strip() if lines is not None else lost[0]
        return Claim(CONFIRMED, text[:300], "A GPU of {} failed: {}".format(facts.run["host"], text[:200]))
    if gpus.get("state") != "ok" or facts.logs.kernel_unreadable:
        return not_tested(gpus.get("reason") or facts.logs.kernel_unreadable or "the GPUs were not looked at")
    return ruled_out("no CUDA error, no Xid, every GPU answers")


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


def queue_saturated(facts: Facts) -> Claim:
    """Requests wait while others run and tokens rise: slow for us, not hung."""
    return _queue(facts, saturated=True)


def kv_cache_exhausted(facts: Facts) -> Claim:
    """Requests wait, none runs, tokens stand: there is no room to start one."""
    return _queue(facts, saturated=False)


def _queue(facts: Facts, saturated: bool) -> Claim:
    stalled = _stalled(facts)
    if not facts.sent:
        return not_tested("no stream was sent")
    if not stalled:
        return ruled_out("no stream fell silent")
    sent = stalled[0]
    silence = sent.silence
    inside = [
        m
        for m in sent.stream["samples"]["metrics"]
        if m["state"] == "ok" and silence is not None and m["t"] >= silence.start and m.get("waiting") is not None
    ]
    if len(inside) < 2:
        return not_tested("the scheduler's gauges were not sampled during the silence")
    waiting = all((m.get("waiting") or 0) > 0 for m in inside)
    running = [m.get("running") or 0 for m in inside]
    rising = bool(sent.standing and sent.standing.tokens)
    words = "waiting {:g}, running {:g}, {:.0f} tokens in the silence".format(
        inside[-1].get("waiting") or 0, running[-1], (sent.standing.tokens or 0) if sent.standing else 0
    )
    if saturated and waiting and min(running) > 0 and rising:
        return Claim(CONFIRMED, words, "The queue on {} is full: {}".format(facts.run["host"], words))
    if not saturated and waiting and max(running) == 0 and not rising:
        return Claim(LIKELY, words, "No request can start on {}: {}".format(facts.run["host"], words), "medium")
    return ruled_out(words)


def slow_generation(facts: Facts) -> Claim:
    """It completed, after a silence in which the server worked."""
    if not facts.sent:
        return not_tested("no stream was sent")
    slow = [s for s in facts.sent if s.completed and s.silence is not None and s.silence.seconds > SLOW]
    if not slow:
        return ruled_out(f"no stream that completed was silent for longer than {SLOW:.0f} s")
    sent = slow[0]
    seconds = sent.silence.seconds if sent.silence else 0.0
    reason = f"{sent.case}: {seconds:.0f} s of silence, then it completed; {_clock_words(sent.standing)}"
    summary = "The streams on {} are slow, not hung: {} was silent for {:.0f} s and then completed".format(
        facts.run["host"], sent.case, seconds
    )
    return Claim(LIKELY, reason, summary, "medium")


_SILENT = ("symptom-silence", "step-1", "step-3", "step-5")
_RESTART = "{restart}"

RULES = (
    Rule(
        "api_server_stalled",
        1,
        api_server_stalled,
        ("symptom-health", "symptom-accepted", "step-1", "check-1", "check-3"),
        ("symptom-health", "symptom-accepted"),
        "{resume}" + _RESTART,
    ),
    Rule(
        "out_of_memory",
        1,
        out_of_memory,
        ("step-1", "step-2", "check-1"),
        ("step-2",),
        "Give it less to hold (--gpu-memory-utilization, --max-model-len, --max-num-seqs) or more memory. " + _RESTART,
    ),
    Rule(
        "gpu_fault",
        1,
        gpu_fault,
        ("step-1", "step-2", "check-2"),
        ("check-2",),
        "Look up the Xid, drain the host and reset or replace the GPU before the server is started again.",
    ),
    Rule(
        "engine_dead",
        1,
        engine_dead,
        ("symptom-health", "symptom-accepted", "step-1", "step-2", "step-3", "check-1"),
        ("step-2", "check-1"),
        _RESTART,
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
        "queue_saturated",
        1,
        queue_saturated,
        _SILENT,
        ("symptom-silence",),
        "Wait or add capacity; see which clients hold the running requests (--max-num-seqs bounds them).",
    ),
    Rule(
        "kv_cache_exhausted",
        1,
        kv_cache_exhausted,
        _SILENT,
        ("symptom-silence",),
        "Lower --max-model-len or give the KV cache more memory. " + _RESTART,
    ),
    Rule(
        "engine_stalled",
        1,
        engine_stalled,
        (*_SILENT, "check-1", "check-3"),
        ("symptom-silence", "step-1"),
        "{resume}Before a restart, keep its stacks (py-spy dump --nonblocking --pid PID). " + _RESTART,
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
