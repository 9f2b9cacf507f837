"""The main job on real input: a real vLLM on a real host over real ssh, untouched and with each fault.

``STREAMDIAG_REPEATS=3 make test-vllm`` repeats each condition, for "three times out of three".
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from streamdiag.store import load
from tests import hosts
from tests.documented import COMMANDS
from tests.english import english_in, flat
from tests.hosts import faults
from tests.play import BIN, ROOT, Play, play, rows

pytestmark = pytest.mark.vllm

REPEATS = int(os.environ.get("STREAMDIAG_REPEATS", "1"))
#: Seconds of wall time; by hand it takes an operator 6 and 275.
HEALTHY_SECONDS, STALLED_SECONDS, SILENT_SECONDS = 30.0, 60.0, 8.0

#: Fault, extra arguments, status, primary cause, rows that must have failed.
CONDITIONS = [
    ("none", (), "healthy", None, ()),
    ("engine_stopped", (), "broken", "engine_stalled", ("symptom-silence", "cause-1", "step-1", "check-1")),
    ("worker_stopped_midstream", (), "broken", "engine_stalled", ("symptom-silence", "cause-1", "check-1")),
    ("engine_killed_midstream", (), "broken", "engine_dead", ("cause-1", "step-2", "check-1")),
    ("api_server_stopped", (), "broken", "api_server_stalled", ("symptom-health", "symptom-accepted", "check-1")),
    ("unit_stopped", (), "broken", "service_down", ("symptom-health", "step-1", "check-1")),
    ("crash_loop", (), "broken", "crash_loop", ("symptom-health", "step-1")),
    ("api_key", (), "broken", "auth_rejected", ("symptom-accepted", "step-1")),
    ("none", ("-e", "vllm_model=nosuch"), "broken", "request_rejected", ("symptom-accepted", "step-1")),
    ("ssh_down", (), "unreachable", None, ()),
]
NAMES = ["untouched" if c[0] == "none" and not c[1] else "wrong_model" if c[1] else c[0] for c in CONDITIONS]


def diagnose(host: hosts.Host, reports: Path, *arguments: str) -> Play:
    return play("diagnose.yml", "-i", str(host.inventory), "-l", host.name, *arguments, reports=reports)


def injected(host: hosts.Host, fault: str, reports: Path, *arguments: str) -> Play:
    if fault == "none":
        return diagnose(host, reports, *arguments)
    with faults.inject(host, fault):
        return diagnose(host, reports, *arguments)


@pytest.mark.parametrize("repeat", range(REPEATS))
@pytest.mark.parametrize(("fault", "arguments", "status", "cause", "failed"), CONDITIONS, ids=NAMES)
def test_verdict(
    vllm_host: hosts.Host,
    tmp_path: Path,
    fault: str,
    arguments: tuple[str, ...],
    status: str,
    cause: str | None,
    failed: tuple[str, ...],
    repeat: int,
) -> None:
    run = injected(vllm_host, fault, tmp_path, *arguments)
    result = run.result(vllm_host.name)
    print(f"{vllm_host.name} {fault} {arguments}: {run.verdict(vllm_host.name)} in {run.seconds:.1f} s")
    assert run.verdict(vllm_host.name) == (status, cause), run.output
    assert set(failed) <= set(rows(result, "fail")), run.output
    assert (run.folder(vllm_host.name) / "report.md").read_text(encoding="utf-8").startswith(f"# {status}: ")
    assert run.longest_silence <= SILENT_SECONDS, run.lines
    assert run.seconds <= (HEALTHY_SECONDS if status == "healthy" else STALLED_SECONDS)
    assert run.rc == (2 if status == "unreachable" else 0), run.output
    assert faults.API_KEY not in _everything(tmp_path), "a secret left the host"


@pytest.mark.parametrize("fault", ["none", "engine_stopped", "unit_stopped", "api_server_stopped"])
def test_without_sudo_and_journal(vllm_host: hosts.Host, tmp_path: Path, fault: str) -> None:
    """Verdicts from the stream and the metrics stay right; what could not be read is skipped with its reason."""
    run = injected(vllm_host, fault, tmp_path, "-e", "ansible_user=guest")
    expected = {
        "none": ("healthy", None),
        "engine_stopped": ("broken", "engine_stalled"),
        "unit_stopped": ("broken", "service_down"),
        "api_server_stopped": ("broken", "api_server_stalled"),
    }
    assert run.verdict(vllm_host.name) == expected[fault], run.output
    checks = {check["id"]: check for check in run.result(vllm_host.name)["checks"]}
    assert checks["check-4"]["status"] == "skip"
    assert "guest" in checks["check-4"]["reason"]
    assert checks["step-2"]["status"] == "skip"


def test_log_reader_reads_the_journal(vllm_host: hosts.Host, tmp_path: Path) -> None:
    """A login in group systemd-journal, without sudo."""
    run = diagnose(vllm_host, tmp_path, "-e", "ansible_user=reader")
    checks = {check["id"]: check for check in run.result(vllm_host.name)["checks"]}
    assert checks["check-4"]["status"] == "pass", checks["check-4"]


def test_host_is_as_before(vllm_host: hosts.Host, tmp_path: Path) -> None:
    """Files, processes and running requests: nothing is left behind, and nothing was changed."""
    before = hosts.snapshot(vllm_host)
    diagnose(vllm_host, tmp_path)
    hosts.Server(vllm_host)  # the ssh connection of Ansible stays open for a minute: only its own processes may differ
    after = hosts.snapshot(vllm_host)
    assert before.changed_files(after) == []
    left = [
        title
        for title in before.new_processes(after)
        if not re.match(r"sshd|\(sd-pam\)|systemd|/usr/lib/systemd", title)
    ]
    assert left == []
    assert after.running_requests == before.running_requests == 0


def test_stored_run_is_judged_again_to_the_byte(vllm_host: hosts.Host, tmp_path: Path) -> None:
    run = injected(vllm_host, "engine_stopped", tmp_path)
    stored = run.folder(vllm_host.name) / "result.json"
    first = stored.read_bytes()
    stored.unlink()
    again = play("playbooks/assess.yml", "-e", f"assess_run={tmp_path / 'latest'}", reports=tmp_path)
    assert again.rc == 0, again.output
    assert stored.read_bytes() == first


def test_documented_commands(gpu43: hosts.Host) -> None:
    """The commands of README and docs for a host called gpu43, word for word, with an inventory that knows it."""
    up, diagnose_it, hold_fault = sorted((c for c, who in COMMANDS.items() if who == "vllm"), key=_order)
    assert "runs bookworm" in _shell(up, gpu43)
    assert "gpu43: HEALTHY" in _shell(diagnose_it, gpu43)
    with subprocess.Popen(["bash", "-c", f"exec {hold_fault}"], cwd=ROOT, env=_environment(gpu43)) as holder:
        try:
            deadline = time.monotonic() + 30
            while hosts.Server(gpu43).engine_core().state != "T":
                assert time.monotonic() < deadline, "the fault did not come into force"
                time.sleep(0.2)
            assert "gpu43: BROKEN, cause engine_stalled" in _shell(diagnose_it, gpu43)
        finally:
            holder.terminate()


def _order(command: str) -> int:
    return [" up " in command, "diagnose" in command, " fault " in command].index(True)


def _environment(host: hosts.Host) -> dict[str, str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "ANSIBLE_INVENTORY": str(host.inventory), "PATH": path}


def _shell(command: str, host: hosts.Host) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=_environment(host), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _everything(folder: Path) -> str:
    return "\n".join(p.read_text(encoding="utf-8", errors="replace") for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("arguments", [(), ("-e", "ansible_user=guest")], ids=["root", "no_sudo"])
def test_a_russian_report_is_russian_to_the_end(
    vllm_host: hosts.Host, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """What the host wing says of its evidence, too; what only a login without sudo is told, too."""
    run = injected(vllm_host, "engine_stopped", tmp_path, "-e", "report_language=ru", *arguments)
    report = (run.folder(vllm_host.name) / "report.md").read_text(encoding="utf-8")
    assert "canary тоже стоит" in report
    assert english_in(report, flat(load(run.folder(vllm_host.name)))) == []
