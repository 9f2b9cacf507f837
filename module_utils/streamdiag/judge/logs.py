"""The journal and the kernel log -> what their lines mean. Patterns by vLLM's own messages, old and new versions."""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Pattern, Tuple

from ..bundle import JOURNAL, Journal, Log, LogLine
from ..words import say


class Meaning(NamedTuple):
    id: str
    title: str
    pattern: Pattern[str]


def _meaning(id_: str, title: str, *patterns: str) -> Meaning:
    return Meaning(id_, title, re.compile("|".join(patterns)))


#: What a line of the unit means; the first match counts, so the particular comes before the general.
UNIT_MEANINGS: Tuple[Meaning, ...] = (
    _meaning(
        "usage_error",
        say("the server does not know its own command line"),
        r"error: unrecognized arguments",
        r"^(?:api_server\.py|vllm(?: \w+)?): error: ",
    ),
    _meaning(
        "out_of_memory",
        say("out of memory"),
        r"OutOfMemoryError",
        r"CUDA out of memory",
        r"MemoryError",
        r"DefaultCPUAllocator: can't allocate memory",
    ),
    _meaning("cuda_error", say("CUDA error"), r"CUDA error:", r"device-side assert", r"illegal memory access"),
    _meaning("nccl", say("NCCL watchdog"), r"Watchdog caught collective operation timeout"),
    _meaning(
        "engine_dead",
        say("the engine core died"),
        r"EngineDeadError",
        r"EngineCore encountered a fatal error",
        r"EngineCore encountered an issue",
        r"AsyncLLM output_handler failed",
        r"(?:Worker|Engine core) proc \S+ died unexpectedly",
        r"Engine core initialization failed",
        r"EngineCore failed to start",
    ),
    _meaning("rpc_timeout", say("a call to a worker timed out"), r"RPC call to \w+ timed out"),
    _meaning("worker_wait", say("the engine waits for a worker"), r"No available shared memory broadcast block found"),
    _meaning(
        "tool_parser",
        say("the tool parser failed"),
        r"Error in extracting tool call from response",
        r"Error trying to handle streaming tool call",
    ),
    _meaning(
        "harmony", say("the harmony parser failed"), r"HarmonyError", r"unexpected tokens remaining in message header"
    ),
    _meaning(
        "debug_buffering",
        say("response logging holds the stream back"),
        r"CAUTION: Enabling log response",
        r"response_body=\{streaming_started",
    ),
    _meaning("asgi", say("an exception cut a stream"), r"Exception in ASGI application"),
    _meaning("exit", say("systemd saw the main process exit"), r"Main process exited", r"Failed with result"),
    _meaning("restart", say("systemd restarted the unit"), r"Scheduled restart job"),
    _meaning("stop", say("systemd stopped the unit"), r"^Stopping .*", r"^Stopped .*"),
    _meaning("stats", say("engine statistics"), r"Engine \d{3}: Avg prompt throughput", r"\d+ Engines Aggregated:"),
    _meaning(
        "request",
        say("life of a request"),
        r"Received request",
        r"Added request",
        r"Request \S+ aborted",
        r"Generated response",
    ),
    _meaning("traceback", say("an exception"), r"Traceback \(most recent call last\)", r"^(?:\([^)]*\) )?ERROR\b"),
)

KERNEL_MEANINGS: Tuple[Meaning, ...] = (
    _meaning("xid", say("the GPU driver reported a fault"), r"NVRM: Xid"),
    _meaning(
        "oom_kill",
        say("the kernel killed a process for memory"),
        r"[Oo]ut of memory: Killed process",
        r"oom-kill:",
        r"oom_reaper: reaped",
    ),
)

#: Lines at these levels quote prompts, answers and settings: they report no failure, whatever words stand in them.
_QUIET = re.compile(r"^(?:\([^)]*\) )?(?:INFO|DEBUG)\b")
_OF_QUIET_LINES = frozenset({"worker_wait", "debug_buffering", "stats", "request"})

#: Meanings that are trouble by themselves.
TROUBLE = frozenset(
    {
        "usage_error",
        "out_of_memory",
        "cuda_error",
        "nccl",
        "engine_dead",
        "rpc_timeout",
        "tool_parser",
        "harmony",
        "debug_buffering",
        "asgi",
        "exit",
        "traceback",
    }
)
KERNEL_TROUBLE = frozenset({"xid", "oom_kill"})


class Seen(NamedTuple):
    """All lines of one meaning. ``first`` and ``last``: seconds since the epoch."""

    meaning: Meaning
    lines: List[LogLine]

    @property
    def first(self) -> float:
        return self.lines[0]["at"]

    @property
    def last(self) -> float:
        return self.lines[-1]["at"]


def classify(lines: List[LogLine], meanings: Tuple[Meaning, ...]) -> Dict[str, Seen]:
    """Meaning id -> its lines, in the order of the log. Lines without a meaning are left out."""
    found: Dict[str, Seen] = {}
    for line in lines:
        quiet = _QUIET.match(line["text"]) is not None
        fitting = (m for m in meanings if not quiet or m.id in _OF_QUIET_LINES)
        meaning = next((m for m in fitting if m.pattern.search(line["text"])), None)
        if meaning is not None:
            found.setdefault(meaning.id, Seen(meaning, [])).lines.append(line)
    return found


class Logs(NamedTuple):
    """``readable``: "" when the unit's journal was read, else why it was not; likewise for the kernel log."""

    unit: Dict[str, Seen]
    kernel: Dict[str, Seen]
    unit_lines: List[LogLine]
    unit_dropped: int  # older lines that were left out on the host
    unreadable: str
    kernel_unreadable: str
    path: str


def read_logs(journal: Optional[Journal]) -> Logs:
    """Classify a stored journal part. A part that is missing or was denied is unreadable, never empty."""
    stored = journal or Journal()
    unit = stored.get("unit", Log(state="absent", reason=say("the journal was not gathered")))
    kernel = stored.get("kernel", Log(state="absent", reason=say("the kernel log was not gathered")))
    return Logs(
        unit=classify(unit.get("lines", []), UNIT_MEANINGS),
        kernel=classify(kernel.get("lines", []), KERNEL_MEANINGS),
        unit_lines=unit.get("lines", []),
        unit_dropped=unit.get("dropped", 0),
        unreadable=_unreadable(unit),
        kernel_unreadable=_unreadable(kernel),
        path="evidence/" + JOURNAL,
    )


def _unreadable(log: Log) -> str:
    """Why the log is not the whole one: an ``ok`` with a reason is a part of it, such as one user's lines only."""
    return log.get("reason", "") if log.get("state") == "ok" else log.get("reason") or say("not read")
