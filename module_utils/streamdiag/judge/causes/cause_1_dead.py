"""Checklist, cause 1: the model hangs in generation, because the engine, its memory or its GPU is gone."""

from __future__ import annotations

from typing import List, Optional

from ..earlier import old_until
from ..facts import Facts
from ..logs import Seen
from .rule import CONFIRMED, LIKELY, Claim, Rule, not_tested, ruled_out


def _fatal(facts: Facts, *meanings: str) -> Optional[Seen]:
    """Lines of one of ``meanings`` that are about the server which the streams met, not about an earlier one."""
    old = old_until(facts)
    for meaning in meanings:
        seen = facts.logs.unit.get(meaning)
        lines = [line for line in seen.lines if line["at"] > old] if seen is not None else []
        if seen is not None and lines:
            return Seen(seen.meaning, lines)
    return None


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
    cut = [s.name for s in bad if s.outcome in ("truncated", "failed")]
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


RULES = (
    Rule(
        "out_of_memory",
        1,
        out_of_memory,
        ("step-1", "step-2", "check-1"),
        ("step-2",),
        "Give it less to hold (--gpu-memory-utilization, --max-model-len, --max-num-seqs) or more memory. {restart}",
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
        "{restart}",
    ),
)
