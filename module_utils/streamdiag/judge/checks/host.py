"""Checklist, "Checks": process, GPU, requests, the log of the last two minutes."""

from __future__ import annotations

from typing import List, Optional

from ...bundle import Gpu, Process
from ...clocks import HALTED_STATES, serving, starving
from ...words import Words, joined, say
from ..facts import Facts, was_asked
from ..unfinished import unfinished
from ..witness import starved
from .row import Finding, Row, skip


def process_alive(facts: Facts) -> Finding:
    """Unit state, main process, its children: state, CPU time, memory, uptime, restarts; a change left half-way."""
    finding, left = _processes_alive(facts), unfinished(facts)
    if not left.words or finding.status == "skip":
        return finding
    status = "warn" if left.half_way and finding.status == "pass" else finding.status
    evidence = [*finding.evidence, facts.quote("target.json", left.words)]
    return Finding(status, finding.observed, joined("; ", [finding.reason, left.words]), evidence)


def _processes_alive(facts: Facts) -> Finding:
    processes = facts.target.get("processes", {})
    listed = processes.get("processes", [])
    none = processes.get("reason", say("no process was found"))
    if not facts.unit.known and not listed:
        return skip(joined("; ", [facts.unit.reason, none]))
    words: List[str] = [say("unit {state}", state=facts.unit.state)] if facts.unit.known else [facts.unit.reason]
    restarts = facts.unit.number("NRestarts")
    if restarts:
        words.append(say("{restarts} restarts", restarts=restarts))
    states = {process["pid"]: process["state"] for process in facts.last_seen}
    now = [Process(**{**process, "state": states.get(process["pid"], process["state"])}) for process in listed]
    # What is out of the ordinary first, helpers last: a row is cut where it is skimmed.
    now.sort(key=lambda process: (process["state"] not in HALTED_STATES, process["role"] == "other"))
    words += map(_process, now)
    halted = [p for p in serving(facts.last_seen) if p["state"] in HALTED_STATES]
    observed = joined("; ", words)
    evidence = [facts.quote("target.json", observed)]
    if facts.unit.after:
        text = "after the streams: {}, result {}".format(facts.unit.state, facts.unit.now("Result"))
        evidence.append(facts.quote("machine.json", text))
    if facts.unit.known and facts.unit.now("ActiveState") != "active":
        return Finding("fail", observed, say("the unit is {state}", state=facts.unit.state), evidence)
    if facts.vanished:
        names = ", ".join("{} ({})".format(p["pid"], p["role"]) for p in facts.vanished)
        evidence.append(facts.quote("machine.json", "gone after the streams: " + names))
        return Finding("fail", observed, say("gone since the streams began: {processes}", processes=names), evidence)
    if halted:
        named = joined(", ", map(_halted, halted))
        sampled = next((s.name for s in reversed(facts.sent) if s.stream["samples"]["processes"]), None)
        evidence.insert(0, facts.quote_stream(sampled, named) if sampled else facts.quote("target.json", named))
        if facts.sent and all(sent.completed for sent in facts.sent):
            reason = say("seen standing, and yet every stream completed: {processes}", processes=named)
            return Finding("warn", observed, reason, evidence)
        return Finding("fail", observed, say("there, but executing nothing: {processes}", processes=named), evidence)
    if not listed:
        return skip(joined("; ", [facts.unit.state, none]))
    hungry = next((s for s in sorted(facts.sent, key=lambda s: s.completed) if starved(s.standing)), None)
    if hungry is not None:
        waits = joined(": ", [hungry.name, starving(starved(hungry.standing))])
        evidence.insert(0, facts.quote_stream(hungry.name, waits))
        reason = say("there, but without the CPU time that it wants: {processes}", processes=waits)
        return Finding("warn" if hungry.completed else "fail", observed, reason, evidence)
    if restarts:
        reason = say("systemd has restarted it {restarts} times", restarts=restarts)
        return Finding("warn", observed, reason, evidence)
    return Finding("pass", observed, say("every process of the server is there and may run"), evidence)


def _halted(process: Process) -> Words:
    return say("{pid} ({role}) in state {state}", pid=process["pid"], role=process["role"], state=process["state"])


def _process(process: Process) -> Words:
    if process["state"] == "gone":
        return say("{role} {pid}: gone", role=process["role"], pid=process["pid"])
    return say(
        "{role} {pid}: state {state}, {cpu:.1f} s CPU, {megabytes:.0f} MB",
        role=process["role"],
        pid=process["pid"],
        state=process["state"],
        cpu=process.get("cpu", 0.0),
        megabytes=process.get("rss_bytes", 0) / 1e6,
    )


def gpu_in_use(facts: Facts) -> Finding:
    """``nvidia-smi``: utilisation, memory, processes, ECC, throttling; Xid in the kernel log."""
    gpus = facts.machine.get("gpus")
    xid = facts.logs.kernel.get("xid")
    if xid is not None:
        quotes = [facts.quote("journal.json", line["text"]) for line in xid.lines[:3]]
        observed = say("{lines} Xid lines", lines=len(xid.lines))
        return Finding("fail", observed, say("the GPU driver reported faults"), quotes)
    if gpus is None:
        return skip(say("the host was not looked at after the streams"))
    if gpus["state"] == "absent":
        return skip(gpus["reason"])
    if gpus["state"] != "ok":
        quotes = [facts.quote("machine.json", gpus["reason"])]
        return Finding("fail", gpus["reason"], say("the GPUs cannot be read"), quotes)
    if not gpus["gpus"]:
        return skip(say("nvidia-smi names no GPU"))
    words = [_gpu(gpu) for gpu in gpus["gpus"]]
    observed = joined("; ", words)
    evidence = [facts.quote("machine.json", word) for word in words]
    lost = [gpu for gpu in gpus["gpus"] if gpu.get("lost")]
    broken = [gpu for gpu in gpus["gpus"] if gpu.get("ecc_uncorrected")]
    if lost:
        return Finding("fail", observed, say("a GPU is lost: {reason}", reason=lost[0].get("lost")), evidence)
    if broken:
        return Finding("warn", observed, say("uncorrected ECC errors since the driver was loaded"), evidence)
    unread = facts.logs.kernel_unreadable
    if unread:
        return skip(say("every GPU answers without errors, but Xid lines cannot be seen: {reason}", reason=unread))
    return Finding("pass", observed, say("every GPU answers without errors"), evidence)


def _gpu(gpu: Gpu) -> Words:
    if gpu.get("lost"):
        return say("GPU {index}: {lost}", index=gpu["index"], lost=gpu["lost"])
    used, total = gpu.get("memory_used_bytes"), gpu.get("memory_total_bytes")
    memory = say("memory unknown")
    if used is not None and total:
        memory = say("{used:.0f} of {total:.0f} GB", used=used / 1e9, total=total / 1e9)
    busy = gpu.get("utilization_percent")
    return say(
        "GPU {index} {name}: {load}, {memory}",
        index=gpu["index"],
        name=gpu["name"],
        load=say("load unknown") if busy is None else say("{percent:.0f} % busy", percent=busy),
        memory=memory,
    )


def active_requests(facts: Facts) -> Finding:
    """Gauges and counters, ``/load`` where it counts, open connections on the port."""
    metrics, after = facts.metrics, facts.machine.get("metrics", {})
    if not metrics:
        if not was_asked(after):
            return skip(say("/metrics was not asked after the streams, because /health was not answered"))
        reason = after.get("reason", say("the host was not looked at"))
        return skip(say("/metrics was not answered: {reason}", reason=reason))
    running, waiting = metrics[-1].get("running"), metrics[-1].get("waiting")
    words = [say("{running} running, {waiting} waiting", running=_number(running), waiting=_number(waiting))]
    connections = facts.machine.get("sockets", {}).get("connections")
    if connections is not None:
        open_ = [c for c in connections if c["state"] == "ESTABLISHED"]
        words.append(say("{count} open connections", count=len(open_)))
    before = facts.target.get("metrics", {}).get("running")
    if before:
        words.append(say("{count:g} were running before the first stream", count=before))
    observed = joined("; ", words)
    evidence = [facts.quote("machine.json" if after.get("state") == "ok" else "target.json", observed)]
    if running is None:
        return skip(say("/metrics carries no gauges (is --disable-log-stats set?)"))
    if not after:
        return skip(joined("; ", [observed, say("the host was not asked after the streams")]))
    if after.get("state") == "ok" and running:
        reason = say("requests are counted as running after all of ours were closed")
        if before:
            reason = joined("; ", [reason, say("other clients' requests were there before, so they may be theirs")])
        return Finding("warn", observed, reason, evidence)
    if after.get("state") != "ok":
        return Finding(
            "warn", observed, say("/metrics stopped answering: {reason}", reason=after.get("reason")), evidence
        )
    return Finding("pass", observed, say("no request is left behind"), evidence)


def _number(gauge: Optional[float]) -> str:
    return say("unknown") if gauge is None else f"{gauge:g}"


def recent_log(facts: Facts) -> Finding:
    """The unit's journal from two minutes before the first stream to the end of the last one."""
    logs = facts.logs
    if logs.unreadable:
        return skip(logs.unreadable)
    excerpt = "\n".join(line["text"] for line in logs.unit_lines[-12:])
    if not logs.unit_lines:
        reason = say("the unit logged nothing in the window")
        return Finding("warn", say("no line"), reason, [facts.quote("journal.json", "")])
    kinds = [say("{what}: {count}", what=s.meaning.title, count=len(s.lines)) for s in logs.unit.values()]
    words = [say("{count} lines", count=len(logs.unit_lines)), joined(", ", kinds) or say("none classified")]
    if logs.unit_dropped:
        words.append(say("{count} older lines were left out", count=logs.unit_dropped))
    return Finding("pass", joined("; ", words), say("the log was read"), [facts.quote("journal.json", excerpt)])


ROWS = (
    Row("check-1", say("Is the model's process alive?"), say("unit active, every process able to run"), process_alive),
    Row("check-2", say("Is the GPU in use?"), say("every GPU readable, no faults"), gpu_in_use),
    Row("check-3", say("Are there active requests?"), say("none left behind by the probe"), active_requests),
    Row("check-4", say("The log of the last 2 minutes"), say("readable"), recent_log),
)
