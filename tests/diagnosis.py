"""The whole diagnosis in one process, without Ansible: host wing, stored bundle, judge."""

from __future__ import annotations

import base64
import contextlib
import functools
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lookup_plugins.pyspy_archive import build_archive
from simulator.demo import ROOT, start_server, stop
from streamdiag.bundle import (
    JOURNAL,
    MACHINE,
    RUN,
    STALL,
    TARGET,
    Journal,
    Log,
    LogLine,
    Target,
    stream_file,
    stream_name,
)
from streamdiag.host.machine import LOG_LINES, read_machine
from streamdiag.host.plan import ORDER, Seen, needless, see
from streamdiag.host.probe import Server, run_case
from streamdiag.host.redact import Redactor
from streamdiag.host.stacks import PySpy
from streamdiag.host.stall import take_stall
from streamdiag.host.target import Wanted, read_target
from streamdiag.host.watch import Deadlines
from streamdiag.judge.assess import assess
from streamdiag.judge.result import Result
from streamdiag.said import as_said, with_said
from streamdiag.store import load, skipped_parts, write_part

#: The clients that the case public plays, from the host and from the controller.
VARIANTS = ("", "gzip", "controller", "controller-gzip")
NO_UNIT = "nosuch-unit-of-a-test"
#: The unit's journal is read from so many seconds before the diagnosis on, as the playbook does.
LOG_SECONDS = 120.0
_PID = re.compile(r"^\(\w+ pid=(\d+)\) ")


class FollowedLog:
    """A log file as it grows: each line gets the time at which it was written, as journald gives it one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[LogLine] = []
        self._rest = b""
        self._offset = 0
        self._ended = threading.Event()
        self._reading = threading.Lock()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def lines(self) -> list[LogLine]:
        """All whole lines so far, oldest first."""
        self._read()
        return list(self._lines)

    def close(self) -> None:
        """Follow no further; what was read stays."""
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(0.1):
            self._read()

    def _read(self) -> None:
        with self._reading, self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
            self._offset += len(data)
            *whole, self._rest = (self._rest + data).split(b"\n")
            now = time.time()
            self._lines += [_log_line(now, text.decode("utf-8", "replace")) for text in whole]


def _log_line(at: float, text: str) -> LogLine:
    found = _PID.match(text)
    return LogLine(at=at, pid=int(found[1]) if found else None, priority=None, text=text)


@contextlib.contextmanager
def simulator(folder: Path, *arguments: str) -> Iterator[str]:
    """A running simulator's base URL. Its log is ``folder / "simulator.log"``. Stopped by its process id."""
    server, base_url = start_server(folder, *arguments)
    try:
        yield base_url
    finally:
        stop(server)


@contextlib.contextmanager
def proxy(folder: Path, upstream: str, fault: str) -> Iterator[str]:
    """The base URL of a proxy before the server at ``upstream``. Raises RuntimeError when it does not come up."""
    command = [sys.executable, "-m", "simulator.proxy", "--upstream", upstream, "--fault", fault]
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()  # its only line there, once the port is open
        if not url:
            raise RuntimeError(f"the proxy did not come up:\n{(folder / 'proxy.log').read_text(encoding='utf-8')}")
        yield url
    finally:
        stop(process)
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def followed(path: Path) -> Iterator[FollowedLog]:
    """The log at ``path``, followed until the block ends."""
    log = FollowedLog(path)
    try:
        yield log
    finally:
        log.close()


def diagnose(
    base_url: str,
    folder: Path,
    cases: Sequence[str] = ORDER,
    deadlines: Deadlines | None = None,
    log: FollowedLog | None = None,
    settings: dict[str, float] | None = None,
    **wanted: str,
) -> Result:
    """What the playbook does for one host, in this process; the bundle stays in ``folder``.

    ``log``: the server's own, which stands for the journal of a unit that a simulator does not have.
    ``wanted``: what an operator may say, see ``Wanted``: ``public_url``, ``model``, ``api_key`` …
    """
    target = read_target(Wanted(unit=NO_UNIT, base_url=base_url, **wanted), become=False)
    write_part(folder, TARGET, target)
    api_key = wanted.get("api_key", "")
    skipped = _send(base_url, folder, target, cases, deadlines or Deadlines(), api_key)
    since = target["at"] - LOG_SECONDS
    gathered = read_machine(NO_UNIT, base_url, api_key, since, False)
    write_part(folder, MACHINE, gathered.machine)
    write_part(folder, JOURNAL, gathered.journal if log is None else _with_log(gathered.journal, log, since, api_key))
    run: dict[str, Any] = {
        "run_id": "test",
        "host": "gpu43",
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:01:00Z",
        "tool_version": "test",
        **skipped_parts(with_said({case: {"reason": why} for case, why in skipped.items()})),
        "settings": settings or {},
        "unreachable": "",
        "errors": [],
    }
    write_part(folder, RUN, run)
    return assess(load(folder))


def _send(
    base_url: str, folder: Path, target: Target, cases: Sequence[str], deadlines: Deadlines, api_key: str
) -> dict[str, str]:
    """Send what is worth sending, as the role ``probe`` does. Returns the cases that were not sent, and why."""
    server = Server(base_url, target["model"], api_key, target["processes"].get("processes", []))
    public = server._replace(base_url=target["public_url"], counters_url=base_url)
    redactor = Redactor()
    redactor.learn(api_key)
    seen: list[Seen] = []
    skipped: dict[str, str] = {}
    for case in cases:
        reason = needless(seen, bool(target["public_url"])).get(case)
        if reason:
            skipped[case] = reason
            continue
        for variant in VARIANTS if case == "public" else ("",):
            stream = redactor.tree(run_case(case, public if case == "public" else server, deadlines, variant))
            write_part(folder, stream_file(stream_name(stream)), stream)
            seen.append(see(as_said(stream)))
    if any(one["stalled"] for one in seen):
        _look_closer(server, folder)
    return skipped


def _look_closer(server: Server, folder: Path) -> None:
    """What the role ``stall`` does."""
    py_spy = PySpy(_py_spy())
    try:
        write_part(folder, STALL, take_stall(server, py_spy, become=False))
    finally:
        py_spy.close()


@functools.cache
def _py_spy() -> str:
    return base64.b64encode(build_archive()).decode("ascii")


def _with_log(journal: Journal, log: FollowedLog, since: float, api_key: str) -> Journal:
    """``journal`` with ``log`` as the unit's part, cut and cleared of the key as the host wing does it."""
    redactor = Redactor()
    redactor.learn(api_key)
    lines = [line for line in log.lines() if line["at"] >= since]
    unit = Log(state="ok", reason="", since=since, lines=lines[-LOG_LINES:], dropped=max(0, len(lines) - LOG_LINES))
    return Journal(unit=redactor.tree(unit), kernel=journal["kernel"])
