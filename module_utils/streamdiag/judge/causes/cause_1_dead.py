"""Checklist, cause 1: the model hangs in generation, because the engine, its memory or its GPU is gone."""

from __future__ import annotations

import re
from typing import List, Optional, Set

from ...words import Words, as_words, joined, say
from ..earlier import old_until
from ..facts import UP, Facts, StreamFacts
from ..logs import Seen
from ..witness import engine_lives, engines
from .log_beside import stopped_in_order
from .remedy import check_loaded, restart, restart_edited, where_written
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, not_tested, ruled_out


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
    """In words when engine processes that were there before the streams are gone, else ``""``.

    Not those of a server that is restarted again and again before it takes a connection: they went with it.
    """
    if facts.all_unreachable and facts.unit.number("NRestarts"):
        return ""
    gone = [p for p in facts.vanished if p["role"] in ("engine_core", "worker")]
    return ", ".join("{} {}".format(p["role"], p["pid"]) for p in gone)


def _harmed(facts: Facts) -> List[StreamFacts]:
    """The streams that a dead engine, a lack of memory or a broken GPU can explain.

    None that was refused or flowed; one through the public URL only where the server was not well afterwards.
    """
    own = [s for s in facts.failing if s in facts.sent and s.outcome != "rejected"]
    return own or ([] if facts.well_after else [s for s in facts.public if not s.completed])


def _works_all_the_same(facts: Facts, harmed: List[StreamFacts]) -> str:
    """In words when the engine works before every stream that needs an explanation, else ``""``.

    With several engines the one that lives need not be the one that has the stream.
    """
    signs = [engine_lives(facts, s) if s.stalled else "" for s in harmed]
    return signs[0] if engines(facts) < 2 and all(signs) else ""


def engine_dead(facts: Facts) -> Claim:
    """The engine core process died: its lines in the journal, its process gone, ``/health`` 503."""
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    bad = _harmed(facts)
    if not bad:
        return ruled_out(say("no stream failed that a dead engine could explain"))
    stop = stopped_in_order(facts, bad[0])
    if stop and bad[0].outcome == "truncated":
        return ruled_out(say("the unit was being stopped in order: {line}", line=stop[:200]))
    witnesses: List[Words] = []
    lines = _fatal(facts, "engine_dead")
    if lines is not None:
        witnesses.append(say("journal: {line}", line=" ".join(lines.lines[0]["text"].split())[:200]))
    gone = _engine_gone(facts)
    if gone:
        witnesses.append(say("gone since the streams began: {processes}", processes=gone))
    codes = {endpoint["http_status"] for _file, endpoint in facts.endpoints("/health")}
    codes |= {int(code) for s in facts.sent if s.standing for code in s.standing.health if code.isdigit()}
    if 503 in codes:
        witnesses.append(say("/health answered 503"))
    if not witnesses:
        if facts.logs.unreadable and facts.all_unreachable:
            return not_tested(say("journal: {why}", why=facts.logs.unreadable))
        return ruled_out(say("no trace of a dead engine: its processes are there, /health is not 503"))
    cut = [s.name for s in bad if s.outcome in ("truncated", "failed")]
    where = {"server": facts.server_name, "host": facts.run["host"]}
    if cut:
        reason = joined("; ", [*witnesses, say("failed with it: {cases}", cases=", ".join(cut))])
        died = say(
            "The engine core of {server} on {host} died in the middle of the stream {case}", case=cut[0], **where
        )
    else:
        reason = joined("; ", witnesses)
        died = say("The engine core of {server} on {host} died", **where)
    if facts.unit.known and facts.unit.now("ActiveState") not in UP:
        died = say("{died}, and the server is down now, {state}", died=died, state=facts.unit.state)
    summary = joined(": ", [died, joined("; ", witnesses)])
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
    harmed = _harmed(facts)
    if not harmed:
        return _nothing_to_explain(facts, say("no stream failed that a lack of memory could explain"))
    if ours or lines is not None:
        text = ours[0]["text"] if ours else (lines.lines[0]["text"] if lines else "")
        works = _works_all_the_same(facts, harmed)
        if works:
            return Claim(POSSIBLE, say("{line}; but {sign}", line=text.strip()[:300], sign=works))
        summary = say(
            "{server} on {host} ran out of memory: {line}",
            server=facts.server_name,
            host=facts.run["host"],
            line=text.strip()[:200],
        )
        return Claim(CONFIRMED, as_words(text.strip()[:300]), summary)
    if facts.logs.unreadable or facts.logs.kernel_unreadable:
        return not_tested(as_words(facts.logs.unreadable or facts.logs.kernel_unreadable))
    return ruled_out(say("neither the journal nor the kernel log names it"))


def _is_ours(text: str, facts: Facts) -> bool:
    """Whether the kernel killed a process of this server. Another vLLM on the host has the same process titles."""
    known = [p["pid"] for p in facts.target.get("processes", {}).get("processes", [])]
    if any(f"process {pid} " in text or f"pid={pid}," in text for pid in known):
        return True
    unit = _unit_of_kill(text, facts)
    if unit and facts.unit.known:
        return unit == facts.server_name
    return "VLLM::" in text and (not known or bool(facts.vanished) or facts.all_unreachable)


def _unit_of_kill(text: str, facts: Facts) -> str:
    """The service in whose control group the kill was, by this line or by the one that the kernel says before it.

    ``oom-kill:constraint=…,task_memcg=/system.slice/vllm.service,task=VLLM::Worker,pid=4711,uid=997``
    """
    killed = re.search(r"Killed process (\d+) |pid=(\d+),", text)
    pid = (killed[1] or killed[2]) if killed else ""
    kills = facts.logs.kernel.get("oom_kill")
    for line in kills.lines if kills else []:
        found = re.search(rf"task_memcg=[^,]*/([^/,]+\.service)[^,]*,.*\bpid={pid}\b", line["text"]) if pid else None
        if found:
            return found[1]
    return ""


def gpu_fault(facts: Facts) -> Claim:
    """A CUDA error or an Xid in the window, or a GPU that is lost."""
    harmed = _harmed(facts)
    if not harmed:
        return _nothing_to_explain(facts, say("no stream failed that a GPU could explain"))
    lines = _fatal(facts, "cuda_error", "nccl") or _xid(facts)
    gpus = facts.machine.get("gpus", {})
    lost = [gpu.get("lost", "") for gpu in gpus.get("gpus", []) if gpu.get("lost")]
    if lines is not None or lost:
        text = lines.lines[0]["text"].strip() if lines is not None else lost[0]
        works = _works_all_the_same(facts, harmed)
        if works:
            return Claim(POSSIBLE, say("{line}; but {sign}", line=text[:300], sign=works))
        summary = say("A GPU of {host} failed: {line}", host=facts.run["host"], line=text[:200])
        return Claim(CONFIRMED, as_words(text[:300]), summary)
    if gpus.get("state") != "ok" or facts.logs.kernel_unreadable:
        why = gpus.get("reason") or facts.logs.kernel_unreadable or say("the GPUs were not looked at")
        return not_tested(as_words(why))
    return ruled_out(say("no CUDA error, no Xid, every GPU answers"))


def _xid(facts: Facts) -> Optional[Seen]:
    """Xid lines of the kernel log, without those that name a process which is none of this server's."""
    seen = facts.logs.kernel.get("xid")
    known = {str(p["pid"]) for p in facts.target.get("processes", {}).get("processes", [])}
    lines = [line for line in (seen.lines if seen else []) if not known or _pids(line["text"]) <= known]
    return Seen(seen.meaning, lines) if seen is not None and lines else None


def _pids(text: str) -> Set[str]:
    return set(re.findall(r"\bpid=(\d+)", text))


def _nothing_to_explain(facts: Facts, reason: Words) -> Claim:
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    return ruled_out(reason)


RULES = (
    Rule(
        "out_of_memory",
        1,
        out_of_memory,
        ("step-1", "step-2", "check-1"),
        ("step-2",),
        (
            where_written(
                say("Give it less to hold (--gpu-memory-utilization, --max-model-len, --max-num-seqs) or more memory.")
            ),
            restart_edited,
            check_loaded,
        ),
    ),
    Rule(
        "gpu_fault",
        1,
        gpu_fault,
        ("step-1", "step-2", "check-2"),
        ("check-2",),
        (say("Look up the Xid, drain the host, and reset or replace the GPU."), restart, check_loaded),
    ),
    Rule(
        "engine_dead",
        1,
        engine_dead,
        ("symptom-health", "symptom-accepted", "step-1", "step-2", "step-3", "check-1"),
        ("step-2", "check-1"),
        (restart, check_loaded),
    ),
)
