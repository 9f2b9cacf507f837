"""The playbooks under ansible-runner, as the runbook shows it: unchanged, artifacts per run, events from Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.diagnosis import simulator
from tests.documented import COMMANDS
from tests.play import BIN, ROOT

PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
#: Instead of the run that the page names: somebody may have one of that name.
NAME = "night-of-a-test"


@pytest.fixture
def base_url(tmp_path: Path) -> Iterator[str]:
    """The demo's host has a server; what the page's words leave behind is removed."""
    with simulator(tmp_path) as url:
        yield url
    for left in ("reports", "reports/runner/artifacts"):
        shutil.rmtree(ROOT / left / NAME, ignore_errors=True)


def run(*command: str) -> str:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_from_the_command_line(base_url: str) -> None:
    (command,) = (command for command, who in COMMANDS.items() if who == "runner")
    command = command.replace(" -i night ", f" -i {NAME} ")
    run("bash", "-c", command.replace("run_id=night", f"run_id={NAME} -e vllm_base_url={base_url}"))
    artifacts = ROOT / "reports" / "runner" / "artifacts" / NAME
    assert (artifacts / "rc").read_text() == "0" and (artifacts / "status").read_text() == "successful"
    assert any((artifacts / "job_events").iterdir())
    assert '"status": "healthy"' in (ROOT / "reports" / NAME / "demo" / "result.json").read_text(encoding="utf-8")


def test_from_python(base_url: str) -> None:
    """The page's program, word for word but for the name of the run and the server's address."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert '{"run_id": "night"}' in program
    said = run(
        sys.executable, "-c", program.replace('{"run_id": "night"}', repr({"run_id": NAME, "vllm_base_url": base_url}))
    )
    assert "demo simple: 200" in said, said
    assert said.splitlines()[-1] == "successful 0"
