"""One turn of the real Codex CLI against a server on loopback: no login, no retries, nobody else is asked."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

#: Marks of a module whose tests need the CLI.
NEEDS_CLI = [
    pytest.mark.codex,
    pytest.mark.skipif(
        importlib.util.find_spec("codex_cli_bin") is None,
        reason="the Codex CLI is not installed (requirements-codex.txt; make test-codex installs it)",
    ),
]
PROMPT = "List all Python files in the current directory using the ls command."
KEY = "dummy"
CONFIG = """\
model = "tiny"
model_provider = "loopback"
check_for_update_on_startup = false

[model_providers.loopback]
name = "loopback"
base_url = "{base_url}/v1"
wire_api = "responses"
env_key = "LOOPBACK_KEY"
request_max_retries = 0
stream_max_retries = 0
stream_idle_timeout_ms = {idle_ms}
"""


@dataclass(frozen=True)
class Turn:
    """``events``: what ``--json`` printed, without the CLI's note that it does not know the model."""

    status: int
    events: list[dict[str, Any]]
    stderr: str

    @property
    def items(self) -> list[tuple[str, str]]:
        """Type and text, or command, of each item that was completed."""
        items = [event["item"] for event in self.events if event["type"] == "item.completed"]
        return [(item["type"], item.get("text") or item.get("command") or "") for item in items]

    @property
    def last_words(self) -> str:
        """The message of the failed turn, ``""`` when the turn was completed."""
        last = self.events[-1]
        return str(last["error"]["message"]) if last["type"] == "turn.failed" else ""


def codex_turn(folder: Path, base_url: str, idle_seconds: float = 10.0) -> Turn:
    """Run ``codex exec`` with ``PROMPT`` below ``folder``, an empty one. ``base_url``: without ``/v1``."""
    import codex_cli_bin

    home, work = folder / "home", folder / "work"
    home.mkdir()
    work.mkdir()
    config = CONFIG.format(base_url=base_url, idle_ms=round(idle_seconds * 1000))
    (home / "config.toml").write_text(config, encoding="utf-8")
    nobody = "http://127.0.0.1:9"  # the proxy for every other address
    done = subprocess.run(
        [str(codex_cli_bin.bundled_codex_path()), "exec", "--skip-git-repo-check", "--json", PROMPT],
        cwd=work,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "CODEX_HOME": str(home),
            "LOOPBACK_KEY": KEY,
            "HTTP_PROXY": nobody,
            "HTTPS_PROXY": nobody,
            "NO_PROXY": "127.0.0.1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    known = [event for event in events if "Model metadata for" not in event.get("item", {}).get("message", "")]
    return Turn(done.returncode, known, done.stderr)
