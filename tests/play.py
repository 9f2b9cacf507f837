"""Run a playbook as a user would, and keep what was seen: output line by line with its time, exit status, results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


@dataclass
class Play:
    """One run of ansible-playbook. Times in seconds since its start."""

    rc: int
    seconds: float
    lines: list[tuple[float, str]]
    reports: Path
    command: list[str] = field(default_factory=list)

    @property
    def output(self) -> str:
        return "\n".join(line for _t, line in self.lines)

    @property
    def longest_silence(self) -> float:
        """The longest time in which nothing was printed, from the first line on."""
        marks = [t for t, _line in self.lines] + [self.seconds]
        return max((b - a for a, b in zip(marks, marks[1:], strict=False)), default=self.seconds)

    def folder(self, host: str) -> Path:
        return self.reports / "latest" / host

    def result(self, host: str) -> dict[str, Any]:
        """``result.json`` of ``host``; the output of the play stands in the error when there is none."""
        path = self.folder(host) / "result.json"
        assert path.exists(), f"no {path}; rc {self.rc}; the play said:\n{self.output}"
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def verdict(self, host: str) -> tuple[str, str | None]:
        verdict = self.result(host)["verdict"]
        return verdict["status"], verdict["primary_cause"]


def play(
    playbook: str,
    *arguments: str,
    reports: Path,
    environment: dict[str, str] | None = None,
    timeout: float = 300.0,
) -> Play:
    """Run ``playbook`` from the repository's root with ``-e reports_dir=…`` and ``arguments``."""
    command = [str(BIN / "ansible-playbook"), playbook, "-e", f"reports_dir={reports}", *arguments]
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}", **(environment or {})}
    env.pop("ANSIBLE_CONFIG", None)
    started = time.monotonic()
    lines: list[tuple[float, str]] = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append((time.monotonic() - started, line.rstrip("\n")))
            if time.monotonic() - started > timeout:
                process.kill()
        rc = process.wait()
    return Play(rc, time.monotonic() - started, lines, reports, command)


def rows(result: dict[str, Any], *statuses: str) -> Sequence[str]:
    """The ids of the checks with one of ``statuses``."""
    return [check["id"] for check in result["checks"] if check["status"] in statuses]
