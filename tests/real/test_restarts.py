"""restart.yml on a real vLLM of a real host: it takes effect, it is refused, it is rolled back, it is put right."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import hosts
from tests.documented import COMMANDS
from tests.hosts import faults
from tests.hosts.faults.traffic import LONG, clients
from tests.play import BIN, ROOT, play
from tests.real.service import OFF, ON, SILENT, killed_at, main_process, ours, restart, unit_files

pytestmark = [pytest.mark.vllm, pytest.mark.changes]

RESTART_OFF = ("restart.yml", "-e", "restart_compat=off")


@pytest.fixture
def put_right(fork_host: hosts.Host) -> Iterator[hosts.Host]:
    yield fork_host
    assert restart(fork_host, "default", "-e", "service_insist=true").rc == 0
    assert ours(fork_host) == []


def test_upstream_is_refused_before_anything_is_touched(vllm_host: hosts.Host) -> None:
    before = main_process(vllm_host)
    with clients(vllm_host, 1, {"max_tokens": 100, "ignore_eos": True, "stream": False}):
        for arguments in ((), ("--check",)):
            run = restart(vllm_host, "off", *arguments)
            assert run.rc == 2 and f"does not know {OFF}" in run.output, run.output
            assert "nothing was changed" in run.output and run.longest_silence <= SILENT
    assert main_process(vllm_host) == before and ours(vllm_host) == []


def test_no_sudo(vllm_host: hosts.Host) -> None:
    run = restart(vllm_host, "off", "-e", "ansible_user=guest")
    assert run.rc == 2 and "needs root" in run.output and "-K" in run.output, run.output


@pytest.mark.short
def test_on_off_default(put_right: hosts.Host, tmp_path: Path) -> None:
    """Each takes effect, a second time changes nothing, and a host beside it that fails stops and restores nothing."""
    host, start = put_right, unit_files(put_right)
    beside = tmp_path / "beside.ini"
    beside.write_text("lost ansible_host=127.0.0.1 ansible_port=9\n", encoding="utf-8")
    where = ("-i", str(beside))
    with contextlib.ExitStack() as stack:
        stack.enter_context(
            _environment(ANSIBLE_SSH_ARGS="-o ControlMaster=auto -o ControlPersist=60s -o ConnectTimeout=5")
        )
        both = restart(host, "off", *where, inventory=host.inventory)
    assert both.rc != 0 and "lost | unreachable" in both.output, both.output
    assert main_process(host)[1].endswith(OFF) and both.longest_silence <= SILENT, both.lines
    pid = main_process(host)[0]
    again = restart(host, "off", "-v")
    assert again.rc == 0 and "changed=0" in again.output and main_process(host)[0] == pid, again.output
    check = restart(host, "on", "--check", "--diff")
    assert check.rc == 0 and "-ExecStart=" in check.output and main_process(host)[0] == pid, check.output
    assert f"{ON}\n" in check.output and OFF in check.output
    switched = restart(host, "on", "-e", "service_persist=true")
    assert switched.rc == 0 and main_process(host)[1].endswith(" " + ON), switched.output
    assert any(name.startswith("/etc/systemd") for name in ours(host)) and len(ours(host)) == 2
    back = restart(host, "default")
    assert back.rc == 0 and "compatibility-mode" not in main_process(host)[1], back.output
    assert unit_files(host) == start and ours(host) == []
    idle = restart(host, "default", "-v")
    assert "changed=0" in idle.output and idle.rc == 0, idle.output


@pytest.mark.short
def test_a_server_that_does_not_come_up_is_rolled_back(put_right: hosts.Host) -> None:
    """A pair of flags that this build knows, with a value that it refuses at its start."""
    host, start, argv = put_right, unit_files(put_right), main_process(put_right)[1]
    run = restart(host, "off", "-e", "vllm_compat_flag_off=--max-model-len=one", "-e", "vllm_compat_flag_on=")
    assert run.rc == 2 and run.longest_silence <= SILENT, run.output
    assert "rolled back, the server answers as before" in run.output and "max-model-len" in run.output
    assert "argument" in run.output, "the reason, in the program's words"
    assert unit_files(host) == start and ours(host) == [] and main_process(host)[1] == argv
    assert hosts.Server(host).request("/health")[0] == 200


def test_a_request_in_flight_is_not_cut(put_right: hosts.Host) -> None:
    host = put_right
    pid = main_process(host)[0]
    with faults.inject(host, "paced=5"), clients(host, 1, LONG):
        time.sleep(3)
        run = restart(host, "off", "-e", "service_wait=4")
        assert run.rc == 2 and "requests are in flight" in run.output, run.output
        assert "service_wait=SECONDS" in run.output and "service_insist=true" in run.output
        assert main_process(host)[0] == pid and ours(host) == []
        insisted = restart(host, "off", "-e", "service_insist=true")
    assert insisted.rc == 0 and main_process(host)[1].endswith(OFF), insisted.output


def test_a_stalled_server_can_be_restarted(put_right: hosts.Host) -> None:
    """Its gauge says for ever that a request runs, and nobody is served."""
    host, server = put_right, hosts.Server(put_right)
    server.configure(service={"TimeoutStopSec": "5"}, name="90-stop")
    try:
        # Paced: once the server is back, its client would else leave the machine's cores no room for anything.
        with faults.inject(host, "paced=5"), clients(host, 1, LONG):
            time.sleep(3)
            server.engine_core().signal(signal.SIGSTOP)
            run = restart(host, "off", "-e", "service_wait=0")
    finally:
        server.remove_configuration("90-stop")
    assert run.rc == 0 and "nobody is served" in run.output and run.longest_silence <= SILENT, run.output


@pytest.mark.parametrize(
    "at", ["Ask the installed", "wrote /run", "restarts (it was", "does not answer yet", "answers, process"]
)
def test_the_controller_is_killed(put_right: hosts.Host, tmp_path: Path, at: str) -> None:
    host = put_right
    assert killed_at(host, RESTART_OFF, at)
    left = [name for name in ours(host) if name.endswith(".json")]
    if at in ("restarts (it was", "does not answer yet"):
        seen = play("diagnose.yml", "-i", str(host.inventory), reports=tmp_path)
        assert "was left half-way: compat_off" in seen.output and "restart_compat=default" in seen.output, seen.output
        row = next(row for row in seen.result(host.name)["checks"] if row["id"] == "check-1")
        assert "left half-way" in row["reason"] and left
    run = restart(host, "default")
    assert run.rc == 0 and ours(host) == [], run.output
    assert "compatibility-mode" not in main_process(host)[1] and hosts.Server(host).request("/health")[0] == 200


def test_the_host_is_booted_in_the_middle(put_right: hosts.Host, tmp_path: Path) -> None:
    host = put_right
    assert killed_at(host, RESTART_OFF, "does not answer yet")
    hosts.power_cycle(host)
    fresh = {"ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}
    seen = play("diagnose.yml", "-i", str(host.inventory), reports=tmp_path, environment=fresh)
    assert "was left half-way: compat_off" in seen.output, seen.output
    run = restart(host, "default")
    assert run.rc == 0 and "is put right" in run.output and ours(host) == [], run.output


FORMS = {
    "a shell": ("ExecStart=/bin/bash -c 'exec {command} >/tmp/vllm.log 2>&1'", ""),
    "a variable of a file": (
        "EnvironmentFile=/etc/vllm.env\nExecStart={program} $VLLM_ARGS",
        "VLLM_ARGS={arguments}\n",
    ),
    "a wrapper that passes its arguments on": ("ExecStart=/usr/local/bin/start-vllm {arguments}", ""),
}
WRAPPER = '#!/bin/sh\nexec {program} "$@"\n'


@pytest.mark.parametrize("form", FORMS)
def test_commands_in_other_forms(put_right: hosts.Host, form: str) -> None:
    """The flag that is there is replaced wherever the command has it; files of the operator stay as they are."""
    host, server = put_right, hosts.Server(put_right)
    command = f"{server.command()} {ON}"
    program, _api_server, arguments = command.partition(" -m vllm.entrypoints.openai.api_server ")
    fields = {"command": command, "program": program + _api_server.rstrip(), "arguments": arguments}
    line, variables = (text.format(**fields) for text in FORMS[form])
    files = {
        server.drop_ins / "95-form.conf": f"[Service]\nExecStart=\n{line}\n",
        host.root / "etc/vllm.env": variables,
        host.root / "usr/local/bin/start-vllm": WRAPPER.format(**fields),
    }
    server.drop_ins.mkdir(exist_ok=True)
    try:
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
        host.enter("systemctl", "daemon-reload")
        server.restart()
        assert ON in _server_argv(host)
        run = restart(host, "off")
        assert run.rc == 0 and OFF in _server_argv(host) and f" {ON}" not in _server_argv(host), run.output
        assert all(path.read_text(encoding="utf-8") == text for path, text in files.items())
        back = restart(host, "default")
        assert back.rc == 0 and ON in _server_argv(host) and ours(host) == [], back.output
    finally:
        for path in files:
            path.unlink(missing_ok=True)
        host.enter("systemctl", "daemon-reload")
        server.restart()


def _server_argv(host: hosts.Host) -> str:
    """The command line of the server, below a shell where there is one."""
    titles = [process.title for process in host.processes() if "vllm.entrypoints" in process.title]
    return next(title for title in titles if not title.startswith(("/bin/bash", "/bin/sh")))


def test_one_host_is_rolled_back_and_another_goes_on(
    put_right: hosts.Host, vllm_host: hosts.Host, tmp_path: Path
) -> None:
    """Side by side in one run: what fails on one neither stops nor takes back the other."""
    entries = {}
    for host, flag in ((put_right, OFF), (vllm_host, "--max-model-len=one")):
        (entry,) = json.loads(host.inventory.read_text(encoding="utf-8"))["all"]["hosts"].values()
        entries[host.name] = {**entry, "vllm_compat_flag_off": flag, "vllm_compat_flag_on": ON}
    both = tmp_path / "both.yml"
    both.write_text(json.dumps({"all": {"hosts": entries}}), encoding="utf-8")
    before = main_process(vllm_host)[1]
    run = restart(put_right, "off", inventory=both)
    assert run.rc == 2 and "rolled back" in run.output and run.longest_silence <= SILENT, run.output
    assert main_process(put_right)[1].endswith(OFF), run.output
    assert main_process(vllm_host)[1] == before and ours(vllm_host) == [], run.output


def test_documented_restarts(put_right: hosts.Host) -> None:
    """Word for word, for the host that the documentation calls gpu43."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    inventory = ROOT / "reports" / "documented.json"
    inventory.parent.mkdir(exist_ok=True)
    inventory.write_text(put_right.inventory.read_text(encoding="utf-8").replace(f'"{put_right.name}"', '"gpu43"'))
    environment = {**os.environ, "ANSIBLE_INVENTORY": str(inventory), "PATH": path}
    try:
        for command in (command for command, who in COMMANDS.items() if who in ("restart", "audit")):
            done = subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        inventory.unlink()


@contextlib.contextmanager
def _environment(**more: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
