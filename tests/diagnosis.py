"""The whole diagnosis in one process, without Ansible: host wing, stored bundle, judge."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from simulator.demo import start_server, stop
from streamdiag.bundle import JOURNAL, MACHINE, RUN, TARGET, stream_file
from streamdiag.host.machine import read_machine
from streamdiag.host.outcome import settles
from streamdiag.host.probe import Server, run_case
from streamdiag.host.target import Wanted, read_target
from streamdiag.host.watch import Deadlines
from streamdiag.judge.assess import assess
from streamdiag.judge.result import Result
from streamdiag.store import load, write_part

CASES = ("simple", "tools", "codex")


@contextlib.contextmanager
def simulator(folder: Path, *arguments: str) -> Iterator[str]:
    """A running simulator's base URL. Stopped by its process id."""
    server, base_url = start_server(folder, *arguments)
    try:
        yield base_url
    finally:
        stop(server)


def diagnose(
    base_url: str,
    folder: Path,
    cases: Sequence[str] = CASES,
    deadlines: Deadlines | None = None,
    **wanted: str,
) -> Result:
    """What the playbook does for one host, in this process; the bundle stays in ``folder``."""
    target = read_target(Wanted(unit="nosuch-unit-of-a-test", base_url=base_url, **wanted), become=False)
    write_part(folder, TARGET, target)
    server = Server(base_url, target["model"], wanted.get("api_key", ""), target["processes"].get("processes", []))
    settled, skipped = "", {}
    for case in cases:
        if settled:
            skipped[case] = settled
            continue
        stream = run_case(case, server, deadlines or Deadlines())
        write_part(folder, stream_file(case), stream)
        settled = settles(stream)
    gathered = read_machine("nosuch-unit-of-a-test", base_url, wanted.get("api_key", ""), target["at"] - 120, False)
    write_part(folder, MACHINE, gathered.machine)
    write_part(folder, JOURNAL, gathered.journal)
    run: dict[str, Any] = {
        "run_id": "test",
        "host": "gpu43",
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:01:00Z",
        "tool_version": "test",
        "skipped_cases": skipped,
        "unreachable": "",
        "errors": [],
    }
    write_part(folder, RUN, run)
    return assess(load(folder))
