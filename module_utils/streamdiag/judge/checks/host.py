"""Checklist, "Checks": process, GPU, requests, the log of the last two minutes."""

from __future__ import annotations

from ...bundle import Gpu, Process
from ...clocks import HALTED_STATES, serving
from ..facts import Facts
from ..unfinished import unfinished
from .row import Finding, Row, skip


def process_alive(facts: Facts) -> Finding:
    """Unit state, main process, its children: state, CPU time, memory, uptime, restarts; a change left half-way."""
    finding, left = _processes_alive(facts), unfinished(facts)
    if not left.words or finding.status == "skip":
        return finding
    status = "warn" if left.half_way and finding.status == "pass" else finding.status
    evidence = [*finding.evidence, facts.quote("target.json", left.words)]
    return Finding(status, finding.observed, f"{finding.reason}; {left.words}", evidence)


def _processes_alive(facts: Facts) -> Finding:
    processes = facts.target.get("processes", {})
    listed = processes.get("processes", [])
    if not facts.unit.known and not listed:
        return skip("{}; {}".format(facts.unit.reason, processes.get("reason", "no process was found")))
    words = [f"unit {facts.unit.state}"] if facts.unit.known else [facts.unit.reason]
    restarts = facts.unit.number("NRestarts")
    if facts.unit.known:
        words.append(f"{restarts} restarts")
    states = {process["pid"]: process["state"] for process in facts.last_seen}
    words += [_process(process, states.get(process["pid"], process["state"])) for process in listed]
    halted = [p for p in serving(facts.last_seen) if p["state"] in HALTED_STATES]
    evidence = [facts.quote("target.json", "; ".join(words))]
    if facts.unit.after:
        text = "after the streams: {}, result {}".format(facts.unit.state, facts.unit.now("Result"))
        evidence.append(facts.quote("machine.json", text))
    observed = "; ".join(words)
    if facts.unit.known and facts.unit.now("ActiveState") != "active":
        return Finding("fail", observed, f"the unit is {facts.unit.state}", evidence)
    if facts.vanished:
        names = ", ".join("{} ({})".format(p["pid"], p["role"]) for p in facts.vanished)
        evidence.append(facts.quote("machine.json", "gone after the streams: " + names))
        return Finding("fail", observed, "gone since the streams began: " + names, evidence)
    if halted:
        names = ", ".join("{} ({}) in state {}".format(p["pid"], p["role"], p["state"]) for p in halted)
        sampled = next((s.name for s in reversed(facts.sent) if s.stream["samples"]["processes"]), None)
        evidence.insert(0, facts.quote_stream(sampled, names) if sampled else facts.quote("target.json", names))
        if facts.sent and all(sent.completed for sent in facts.sent):
            return Finding("warn", observed, "seen standing, and yet every stream completed: " + names, evidence)
        return Finding("fail", observed, "there, but executing nothing: " + names, evidence)
    if not listed:
        return skip("{}; {}".format(facts.unit.state, processes.get("reason", "no process was found")))
    if restarts:
        return Finding("warn", observed, f"systemd has restarted it {restarts} times", evidence)
    return Finding("pass", observed, "every process of the server is there and may run", evidence)


def _process(process: Process, state: str) -> str:
    return "{} {}: state {}, {:.1f} s CPU, {:.0f} MB".format(
        process["role"], process["pid"], state, process.get("cpu", 0.0), process.get("rss_bytes", 0) / 1e6
    )


def gpu_in_use(facts: Facts) -> Finding:
    """``nvidia-smi``: utilisation, memory, processes, ECC, throttling; Xid in the kernel log."""
    gpus = facts.machine.get("gpus")
    xid = facts.logs.kernel.get("xid")
    if xid is not None:
        quotes = [facts.quote("journal.json", line["text"]) for line in xid.lines[:3]]
        return Finding("fail", f"{len(xid.lines)} Xid lines", "the GPU driver reported faults", quotes)
    if gpus is None:
        return skip("the host was not looked at after the streams")
    if gpus["state"] == "absent":
        return skip(gpus["reason"])
    if gpus["state"] != "ok":
        return Finding("fail", gpus["reason"], "the GPUs cannot be read", [facts.quote("machine.json", gpus["reason"])])
    if not gpus["gpus"]:
        return skip("nvidia-smi names no GPU")
    words = [_gpu(gpu) for gpu in gpus["gpus"]]
    evidence = [facts.quote("machine.json", word) for word in words]
    lost = [gpu for gpu in gpus["gpus"] if gpu.get("lost")]
    broken = [gpu for gpu in gpus["gpus"] if gpu.get("ecc_uncorrected")]
    if lost:
        return Finding("fail", "; ".join(words), "a GPU is lost: {}".format(lost[0].get("lost")), evidence)
    if broken:
        return Finding("warn", "; ".join(words), "uncorrected ECC errors since the driver was loaded", evidence)
    if facts.logs.kernel_unreadable:
        return skip(f"every GPU answers without errors, but Xid lines cannot be seen: {facts.logs.kernel_unreadable}")
    return Finding("pass", "; ".join(words), "every GPU answers without errors", evidence)


def _gpu(gpu: Gpu) -> str:
    if gpu.get("lost"):
        return "GPU {}: {}".format(gpu["index"], gpu["lost"])
    used, total = gpu.get("memory_used_bytes"), gpu.get("memory_total_bytes")
    memory = f"{used / 1e9:.0f} of {total / 1e9:.0f} GB" if used is not None and total else "memory unknown"
    busy = gpu.get("utilization_percent")
    return "GPU {} {}: {}, {}".format(
        gpu["index"], gpu["name"], f"{busy:.0f} % busy" if busy is not None else "load unknown", memory
    )


def active_requests(facts: Facts) -> Finding:
    """Gauges and counters, ``/load`` where it counts, open connections on the port."""
    metrics, after = facts.metrics, facts.machine.get("metrics", {})
    if not metrics:
        return skip("/metrics was not answered: {}".format(after.get("reason", "the host was not looked at")))
    last = metrics[-1]
    words = ["{} running, {} waiting".format(_number(last.get("running")), _number(last.get("waiting")))]
    connections = facts.machine.get("sockets", {}).get("connections")
    if connections is not None:
        open_ = [c for c in connections if c["state"] == "ESTABLISHED"]
        words.append(f"{len(open_)} open connections")
    before = facts.target.get("metrics", {}).get("running")
    if before:
        words.append(f"{_number(before)} were running before the first stream")
    evidence = [facts.quote("machine.json" if after.get("state") == "ok" else "target.json", "; ".join(words))]
    if last.get("running") is None:
        return skip("/metrics carries no gauges (is --disable-log-stats set?)")
    if not after:
        return skip("{}; the host was not asked after the streams".format("; ".join(words)))
    if after.get("state") == "ok" and last.get("running"):
        reason = "requests are counted as running after all of ours were closed"
        if before:
            reason += "; other clients' requests were there before, so they may be theirs"
        return Finding("warn", "; ".join(words), reason, evidence)
    if after.get("state") != "ok":
        return Finding("warn", "; ".join(words), "/metrics stopped answering: {}".format(after.get("reason")), evidence)
    return Finding("pass", "; ".join(words), "no request is left behind", evidence)


def _number(value: object) -> str:
    return "unknown" if value is None else f"{float(str(value)):g}"


def recent_log(facts: Facts) -> Finding:
    """The unit's journal from two minutes before the first stream to the end of the last one."""
    logs = facts.logs
    if logs.unreadable:
        return skip(logs.unreadable)
    excerpt = "\n".join(line["text"] for line in logs.unit_lines[-12:])
    observed = "{} lines; {}".format(
        len(logs.unit_lines),
        ", ".join(f"{s.meaning.title}: {len(s.lines)}" for s in logs.unit.values()) or "none classified",
    )
    if logs.unit_dropped:
        observed += f"; {logs.unit_dropped} older lines were left out"
    if not logs.unit_lines:
        return Finding("warn", "no line", "the unit logged nothing in the window", [facts.quote("journal.json", "")])
    return Finding("pass", observed, "the log was read", [facts.quote("journal.json", excerpt)])


ROWS = (
    Row("check-1", "Is the model's process alive?", "unit active, every process able to run", process_alive),
    Row("check-2", "Is the GPU in use?", "every GPU readable, no faults", gpu_in_use),
    Row("check-3", "Are there active requests?", "none left behind by the probe", active_requests),
    Row("check-4", "The log of the last 2 minutes", "readable", recent_log),
)
