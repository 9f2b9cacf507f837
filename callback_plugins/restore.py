"""An audit that is interrupted takes its change back before ansible-playbook ends."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: restore
type: aggregate
author: The streamdiag authors
short_description: Take the change of an interrupted audit back
description:
  - Ansible runs no C(always) when it is interrupted. This notices which hosts an audit is changing, and after Ctrl-C or
    SIGTERM runs C(playbooks/undo.yml) for them.
  - Against a controller that dies there is the file on the host, see the runbook.
requirements:
  - Enabled in C(ansible.cfg).
"""

ROOT = Path(__file__).resolve().parent.parent
CHANGE = "vllm_service_change"
#: Options of ansible-playbook that say how to reach hosts: name in CLIARGS -> as it is typed.
REACH = {
    "remote_user": "--user",
    "private_key_file": "--private-key",
    "ssh_common_args": "--ssh-common-args",
    "ssh_extra_args": "--ssh-extra-args",
    "connection": "--connection",
    "become_password_file": "--become-password-file",
    "connection_password_file": "--connection-password-file",
}


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "restore"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._changing: set[str] = set()
        self._audit = False
        atexit.register(self._restore)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Only audits take changes back by themselves."""
        self._audit = any(str(play.get_name()).startswith("Audit ") for play in playbook.get_plays())

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Before the module runs: what it writes must be taken back even if its answer never comes."""
        if self._audit and task.action == CHANGE:
            with self._lock:
                self._changing.add(host.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        """Settled and meant to stay: kept, or taken back. An audit settles its own change as one that does not stay."""
        given = result.result.get("invocation", {}).get("module_args", {})
        if result.task.action == CHANGE and given.get("state") == "settled" and given.get("kept"):
            with self._lock:
                self._changing.discard(result.host.get_name())

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """It came to its end: what could not be taken back was said."""
        with self._lock:
            self._changing.clear()

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        if os.getpid() == self._pid:
            raise KeyboardInterrupt
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # one of Ansible's workers
        os.kill(os.getpid(), signal.SIGTERM)

    def _restore(self) -> None:
        with self._lock:
            hosts = sorted(self._changing)
        if not hosts or os.getpid() != self._pid:
            return
        print(f"\ninterrupted: taking the change back on {', '.join(hosts)}", flush=True)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C is the new play's
        # Ansible keeps its own standard files from its children, so what the new play says is passed on.
        with subprocess.Popen(
            restoring(hosts, context.CLIARGS),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as play:
            for line in play.stdout or ():
                print(line, end="", flush=True)
        if play.returncode != 0:
            by_hand = f"ansible-playbook restart.yml -l {','.join(hosts)} -e restart_compat=default"
            print(f"the change was not taken back everywhere: {by_hand}", flush=True)


def restoring(hosts: list[str], given: Any) -> list[str]:
    """The command that takes changes back on ``hosts``, reached as in the play with the options ``given``."""
    command = [sys.argv[0], str(ROOT / "playbooks" / "undo.yml"), "-l", ",".join(hosts)]
    for inventory in given.get("inventory") or ():
        command += ["-i", str(inventory)]
    for name, option in REACH.items():
        if given.get(name):
            command += [option, str(given[name])]
    for extra in given.get("extra_vars") or ():
        command += ["-e", str(extra)]
    return command
