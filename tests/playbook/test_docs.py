"""Every command of README and docs is run by a test; here those that need this machine alone."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.documented import COMMANDS, PAGES, shown
from tests.play import ROOT


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


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"
