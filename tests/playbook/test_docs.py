"""Every command of README and docs is run by a test; here those that need this machine alone."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.documented import COMMANDS, PAGES, shown
from tests.play import BIN, ROOT


def test_every_command_is_run_somewhere() -> None:
    assert {command for _page, command in shown()} == set(COMMANDS)


@pytest.mark.parametrize("command", [c for c, who in COMMANDS.items() if who == "ci"])
def test_ci_runs(command: str) -> None:
    words = command.replace("python ", ".venv/bin/python ")
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert re.search(rf"^step {re.escape(words)}$", script, re.MULTILINE)


def test_commands_of_this_machine() -> None:
    """In one shell, in the order of the README, as a reader pastes them."""
    here = [command for _page, command in shown() if COMMANDS[command] == "here"]
    script = "set -e\n" + "\n".join(dict.fromkeys(here))
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("demo: BROKEN, cause engine_stalled (confidence high)") == 2, done.stdout


@pytest.mark.parametrize("command", [c for c, who in COMMANDS.items() if who == "server"])
def test_servers_come_up(command: str, tmp_path: Path) -> None:
    """A command that runs until it is stopped prints where it listens."""
    if "--port 8000" in command:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 8000)) == 0:
                pytest.skip("something else listens on port 8000 of this machine")
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("http://127.0.0.1:")
        finally:
            server.terminate()
    assert server.returncode == 0


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"
