"""The service of a real host as the tests of restarts and audits see it, and a controller that dies in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from tests import hosts
from tests.hosts.processes import all_pids, descendants, read
from tests.play import BIN, ROOT, Play, play

#: Seconds in which something must have been printed. The promise is 5; hosts that share two cores stand still for a
#: moment now and then.
SILENT = 10.0
ON, OFF = "--responses-compatibility-mode", "--no-responses-compatibility-mode"
#: Where a drop-in or an intent of ours could be.
OURS = ("run/systemd/system/vllm.service.d", "etc/systemd/system/vllm.service.d", "var/lib/streamdiag")


def restart(host: hosts.Host, mode: str, *arguments: str, inventory: Path | None = None) -> Play:
    where = ("-i", str(inventory or host.inventory))
    limit = () if inventory else ("-l", host.name)
    return play(
        "restart.yml", *where, *limit, "-e", f"restart_compat={mode}", *arguments, reports=Path("reports"), timeout=1200
    )


def main_process(host: hosts.Host) -> tuple[int, str]:
    """Process id and command line, from /proc."""
    main = host.main_process()
    return main.pid, main.title


def ours(host: hosts.Host) -> list[str]:
    """Files of this tool on the host; /run is seen from inside only."""
    found = host.enter("find", *(f"/{folder}" for folder in OURS), "-type", "f", check=False)
    return sorted(line for line in found.splitlines() if "streamdiag" in line and "No such file" not in line)


def unit_files(host: hosts.Host) -> dict[str, str]:
    names = host.enter(
        "sh", "-c", "find /etc/systemd /run/systemd/system -name '*.conf' -o -name 'vllm*.service'"
    ).split()
    return {name: host.enter("cat", name) for name in names if "vllm" in name}


def killed_at(host: hosts.Host, command: Sequence[str], *words: str, with_: signal.Signals = signal.SIGKILL) -> bool:
    """Run a playbook and kill it, all of it, once it has said ``words``, one after the other; whether it did.

    ``with_``: another signal goes to ansible-playbook alone, which then ends in its own time.
    """
    argv = [str(BIN / "ansible-playbook"), command[0], "-i", str(host.inventory), "-l", host.name, *command[1:]]
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    awaited = list(words)
    with subprocess.Popen(
        argv,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell in the background, as of CI, ignores it, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        assert running.stdout is not None
        late = threading.Timer(600, running.kill)
        late.start()
        try:
            for line in running.stdout:
                if awaited and awaited[0] in line:
                    awaited.pop(0)
                if not awaited:
                    break
            if with_ is not signal.SIGKILL:
                running.send_signal(with_)
                running.stdout.read()
        finally:
            late.cancel()
            _kill_all(running.pid)
    return not awaited


def _kill_all(root: int) -> None:
    """Ansible's workers are in sessions of their own and would finish their task."""
    everyone = [one for pid in all_pids() if (one := read(pid)) is not None]
    for one in [one for one in everyone if one.pid == root]:
        for other in [one, *descendants(one, everyone)]:
            other.signal(signal.SIGKILL)
