"""Log lines of the unit and of the kernel, from journald.

A user without access gets no error from ``journalctl -u``: exit code 0, no entries, and a hint on
stderr. An empty log is therefore only reported as such when the system's journal was readable.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ..bundle import Log, LogLine
from ..words import say, template
from . import command
from . import unit as systemd
from .process import user_name

_TIMEOUT = 20.0
_JOURNALS = (Path("/var/log/journal"), Path("/run/log/journal"))

#: More than this is not even counted.
_READ_LINES = 50000
_READ_BYTES = 32 * 1024 * 1024
_LINE_CHARACTERS = 8192

_HINT = re.compile(r"not seeing messages from other users|insufficient permissions|Permission denied", re.IGNORECASE)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_unit_log(unit: str, since: float, max_lines: int, max_bytes: int, journals: Sequence[Path] = _JOURNALS) -> Log:
    """The unit's lines since ``since`` (seconds since the epoch), oldest first; systemd's own lines on it, too.

    Beyond ``max_lines`` or ``max_bytes`` of text the newest are kept, and ``dropped`` counts the others.
    """
    if not systemd.is_unit_name(unit):
        return Log(state="absent", reason=systemd.no_name(unit), since=since, lines=[], dropped=0)
    return _read(["--unit=" + systemd.full_name(unit)], since, max_lines, max_bytes, journals)


def read_kernel_log(since: float, max_lines: int, max_bytes: int, journals: Sequence[Path] = _JOURNALS) -> Log:
    """The kernel's lines in the journal, like ``read_unit_log``. There is no other source: ``dmesg`` is not asked."""
    log = _read(["_TRANSPORT=kernel"], since, max_lines, max_bytes, journals)
    if log["state"] == "ok" and not log["lines"]:
        ever = command.run(["journalctl", "--no-pager", "-n", "1", "-o", "cat", "_TRANSPORT=kernel"], _TIMEOUT)
        if ever.rc == 0 and not _entries(ever.stdout):
            log["state"] = "absent"
            log["reason"] = say("this host's journal holds no kernel messages at all (a container?)")
    return log


def parse_entry(line: str) -> Optional[LogLine]:
    """One line of ``journalctl -o json``; ``None`` when it is none.

    A kernel line is dated by the kernel: journald takes all that the kernel remembers when it starts, and would date
    the faults of last week today. See _SOURCE_MONOTONIC_TIMESTAMP in systemd.journal-fields(7).
    """
    try:
        entry = json.loads(line)
        at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6 - _delay(entry)
    except (ValueError, KeyError, TypeError):
        return None
    text = _ANSI.sub("", _text(entry.get("MESSAGE")))
    if len(text) > _LINE_CHARACTERS:
        text = text[:_LINE_CHARACTERS] + "…"
    return LogLine(at=at, pid=_integer(entry.get("_PID")), priority=_integer(entry.get("PRIORITY")), text=text)


def _delay(entry: Dict[str, Any]) -> float:
    """Seconds that the line was on its way from the kernel to journald; 0 for lines that are none of the kernel's."""
    said, received = (_integer(entry.get(n)) for n in ("_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP"))
    return max(0, received - said) / 1e6 if said is not None and received is not None else 0.0


def _read(matches: List[str], since: float, max_lines: int, max_bytes: int, journals: Sequence[Path]) -> Log:
    # Newest first, so that a cut takes the oldest; --all, because JSON has null for fields above 4 KiB without it.
    argv = [
        "journalctl",
        "--no-pager",
        "--all",
        "--reverse",
        f"--lines={_READ_LINES}",
        f"--since=@{int(since)}",
        "--output=json",
        "--output-fields=MESSAGE,PRIORITY,_PID,_SOURCE_MONOTONIC_TIMESTAMP",
    ]
    result = command.run(argv + matches, _TIMEOUT, _READ_BYTES)
    log = Log(state="ok", reason="", since=since, lines=[], dropped=0)
    entries = _entries(result.stdout)
    reason = _trouble(result, bool(entries), journals)
    if reason is not None:
        log["state"], log["reason"] = reason
        if not entries:
            return log
    if result.truncated:
        entries = entries[:-1]  # the last one is cut in the middle
        much = _READ_BYTES >> 20
        log["reason"] = say("more than {size} MiB of log: 'dropped' counts only what was read", size=much)
    size = 0
    for at, entry in enumerate(entries):
        line = parse_entry(entry)
        if line is None or line["at"] < since:
            continue
        size += len(line["text"].encode("utf-8", "replace"))
        if len(log["lines"]) >= max_lines or size > max_bytes:
            log["dropped"] = len(entries) - at
            break
        log["lines"].append(line)
    log["lines"].reverse()
    return log


def _trouble(result: command.Result, any_entries: bool, journals: Sequence[Path]) -> Optional[List[str]]:
    """``[state, reason]`` when the answer is not the whole truth, else ``None``."""
    if result.missing:
        return ["absent", say("no journalctl on this host: it has no journald")]
    if result.timed_out:
        return ["failed", say("journalctl did not answer within {seconds:.0f} s", seconds=_TIMEOUT)]
    hidden = bool(_HINT.search(result.stderr)) or not _readable(journals)
    if hidden and any_entries:
        own = say("only messages of {user}'s own processes: {why}", user=user_name(), why=_no_access())
        return ["ok", own]
    if hidden:
        return ["denied", _no_access()]
    if "No journal files were found" in result.stderr:
        return ["absent", say("no journal files on this host: journald does not run, or stores nothing")]
    if result.rc != 0 and not result.truncated:
        return ["failed", say("journalctl: {words}", words=result.words() or command.SILENT)]
    return None


def _no_access() -> str:
    refused = template("journal not readable as {user}: not root, not in group {journal} or {adm}")
    return say(refused, user=user_name(), journal="systemd-journal", adm="adm")


def _readable(journals: Sequence[Path]) -> bool:
    """Whether a system journal may be read; where there is none to be seen, journalctl's own words decide."""
    for folder in journals:
        try:
            machines = list(folder.iterdir())
        except FileNotFoundError:
            continue
        except OSError:
            return False
        for machine in machines:
            file = machine / "system.journal"
            if file.exists():
                return os.access(str(file), os.R_OK)
    return True


def _entries(stdout: str) -> List[str]:
    return [line for line in stdout.split("\n") if line and not line.startswith("-- ")]


def _text(message: Any) -> str:
    """A message is text, an array of bytes when it is not printable, or several of these."""
    if isinstance(message, str):
        return message
    if isinstance(message, list) and all(isinstance(one, int) and 0 <= one < 256 for one in message):
        return bytes(message).decode("utf-8", "replace")
    if isinstance(message, list):
        return "\n".join(_text(one) for one in message)
    return ""


def _integer(text: Any) -> Optional[int]:
    try:
        return int(text)
    except (TypeError, ValueError):
        return None
