"""The commands that README and docs show, and which suite runs each: a command that nobody runs is a promise."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.play import ROOT

PAGES = ["README.md", "simulator/README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]

#: Command -> who runs it: ``here`` (test_docs.py), ``server`` (there, too: it runs until
#: it is stopped), ``ci`` (.ci/run), ``compare`` (test_compare.py), ``runner`` (test_runner.py),
#: ``stored`` (test_stored.py), ``hosts``, ``vllm``, ``restart`` or ``audit`` (tests/real).
COMMANDS = {
    "make setup": "ci",
    "make demo": "here",
    "make lint": "ci",
    "make texts": "ci",
    "make test": "ci",
    "make test-codex": "ci",
    "make test-browser": "ci",
    "make test-hosts": "ci",
    "make test-vllm": "ci",
    "make test-changes": "ci",
    "make accuracy": "ci",
    'python -m pytest -q -m accuracy tests/accuracy -k "test_simulator and wrong_model"': "here",
    ". .venv/bin/activate": "here",
    "ansible-playbook diagnose.yml -l gpu43": "vllm",
    "ansible-playbook restart.yml -l gpu43 -e restart_compat=off": "restart",
    "ansible-playbook restart.yml -l gpu43 -e restart_compat=on": "restart",
    "ansible-playbook restart.yml -l gpu43 -e restart_compat=default": "restart",
    "ansible-playbook playbooks/assess.yml -e assess_run=latest": "here",
    "ansible-playbook playbooks/pack.yml -e pack_run=20261124T133711Z -e pack_host=gpu43": "stored",
    "tar -xzf 20261124T133711Z-gpu43.tar.gz": "stored",
    "ansible-playbook playbooks/assess.yml -e assess_run=20261124T133711Z": "stored",
    "ansible-playbook playbooks/compare.yml -e compare_before=before -e compare_after=after": "compare",
    "ansible-playbook audit.yml -l gpu43 -e audit_change=compat_off": "audit",
    'ansible-runner run reports/runner --project-dir "$PWD" --inventory "$PWD/inventory/demo.yml" '
    '-p playbooks/diagnose.yml -i night --cmdline "-e run_id=night"': "runner",
    "python -m tests.hosts doctor": "hosts",
    "python -m tests.hosts up gpu43 --release bookworm --vllm": "vllm",
    "python -m tests.hosts fault gpu43 engine_stopped": "vllm",
    "python -m tests.hosts down --all": "ci",
    "python -m simulator --list-faults": "here",
    "python -m simulator --port 8000": "server",
    "python -m simulator --port 8000 --fault engine_stalled": "server",
    "python -m simulator --port 0 --ready-file url.txt --fault slow=2 --fault-when tools": "server",
    "python -m simulator --port 0 --dialect fork --responses-compatibility-mode --fault compat_filter": "server",
    "python -m simulator.proxy --list-faults": "here",
    "python -m simulator.proxy --upstream http://127.0.0.1:8000 --port 0 --fault gzip_hold": "server",
}


def shown() -> Iterator[tuple[str, str]]:
    """(page, command) for every ``$ …`` line of a console block."""
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL):
            for line in block.splitlines():
                if line.startswith("$ "):
                    yield page, line.removeprefix("$ ").split("  #")[0].strip()
