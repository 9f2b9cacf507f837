"""The playbooks as a user runs them, against the simulator on this machine: what is printed, written and refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamdiag.host.plan import ORDER
from tests.diagnosis import simulator
from tests.play import BIN, ROOT, play

VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
DEMO = ("-i", "inventory/demo.yml", "-l", "demo")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with simulator(tmp_path_factory.mktemp("simulator")) as base_url:
        yield base_url


#: What a healthy server is sent.
HEALTHY = ("simple", "tools", "reasoning", "codex", "tool_turn")


def test_healthy_run(healthy: str, tmp_path: Path) -> None:
    run = play("diagnose.yml", *DEMO, "-e", f"vllm_base_url={healthy}", "-e", "run_id=first", reports=tmp_path)
    assert run.rc == 0, run.output
    assert run.verdict("demo") == ("healthy", None)
    assert [stream["case"] for stream in run.result("demo")["streams"]] == list(HEALTHY)
    assert run.longest_silence <= 5.0, run.lines
    for case in HEALTHY:
        assert any(line.startswith(f"demo | {case}: 200, ") for _t, line in run.lines), run.output
    assert os.readlink(tmp_path / "latest") == "first"
    folders = [tmp_path / "first", tmp_path / "first/demo", tmp_path / "first/demo/evidence"]
    files = [p for p in (tmp_path / "first").rglob("*") if p.is_file()]
    assert {stat.S_IMODE(p.stat().st_mode) for p in folders} == {0o700}
    assert {stat.S_IMODE(p.stat().st_mode) for p in files} == {0o600}
    assert {p.name for p in files} >= {"result.json", "report.md", "summary.json", "summary.md", "stream-codex.json"}
    again = play("diagnose.yml", *DEMO, "-e", f"vllm_base_url={healthy}", "-e", "run_id=first", reports=tmp_path)
    assert again.rc == 2
    assert "a run is never overwritten" in again.output


def test_stall_speaks_every_five_seconds_and_is_judged_again(tmp_path: Path) -> None:
    with simulator(tmp_path, "--fault", "engine_stalled") as base_url:
        arguments = ("-e", f"vllm_base_url={base_url}", "-e", "diagnose_fail_on=broken")
        run = play("diagnose.yml", *DEMO, *arguments, reports=tmp_path / "reports")
    assert run.verdict("demo") == ("broken", "engine_stalled"), run.output
    assert run.rc == 2, "diagnose_fail_on=broken"
    assert run.longest_silence <= 5.0, run.lines
    skipped = {entry["case"]: entry["reason"] for entry in run.result("demo")["skipped_cases"]}
    assert set(skipped) == set(ORDER) - {"simple"}
    first = (run.folder("demo") / "result.json").read_bytes()
    moved = tmp_path / "elsewhere"
    run.folder("demo").parent.resolve().rename(moved)
    (moved / "demo/result.json").unlink()
    (moved / "demo/report.md").unlink()
    again = play("playbooks/assess.yml", "-e", f"assess_run={moved}", reports=tmp_path / "reports")
    assert again.rc == 0, again.output
    assert (moved / "demo/result.json").read_bytes() == first
    assert (moved / "demo/report.md").read_text(encoding="utf-8").startswith("# broken: demo")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-e", "vllm_modle=x"), "vllm_modle is not a variable of this project; did you mean vllm_model?"),
        (("-e", "vllm_colour=x"), "vllm_colour is not a variable of this project; there are: "),
        (("-e", "probe_case=simple"), "did you mean probe_cases?"),
        (("-e", "vllm_base_url=localhost:8000"), "must be a URL such as http://127.0.0.1:8000"),
        (("-e", "vllm_base_url=http://127.0.0.1:8000/v1"), "must be the server's root, without /v1"),
        (("-e", "diagnose_fail_on=always"), "must be one of: never, degraded, broken"),
        (("-e", "run_id=../x"), "names a folder"),
        (("-e", "vllm_unit=nosuch"), "name the unit with -e vllm_unit=NAME"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else None,
)
def test_bad_input(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    run = play("diagnose.yml", *DEMO, *arguments, reports=tmp_path)
    assert run.rc == 2
    assert words in run.output


def test_an_inventory_s_own_variables_are_only_warned_of(healthy: str, tmp_path: Path) -> None:
    inventory = tmp_path / "own.ini"
    text = "demo ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}"
    inventory.write_text(f"{text} vllm_models=x vllm_port=9\n", encoding="utf-8")
    run = play("diagnose.yml", "-i", str(inventory), "-e", f"vllm_base_url={healthy}", reports=tmp_path / "reports")
    assert run.verdict("demo") == ("healthy", None), run.output
    assert "the inventory sets vllm_models, which is not a variable of this project; is vllm_model meant?" in run.output


def test_an_interrupted_run_keeps_what_it_has(healthy: str, tmp_path: Path) -> None:
    """Ctrl-C in a stalled stream: ``latest`` still names the last whole run, and what was gathered can be judged."""
    whole = play("diagnose.yml", *DEMO, "-e", f"vllm_base_url={healthy}", "-e", "run_id=whole", reports=tmp_path)
    assert whole.rc == 0
    with simulator(tmp_path, "--fault", "engine_stalled") as base_url:
        words = ["diagnose.yml", *DEMO, "-e", f"vllm_base_url={base_url}", "-e", "run_id=cut"]
        command = [str(BIN / "ansible-playbook"), *words, "-e", f"reports_dir={tmp_path}"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
            assert running.stdout is not None
            next(line for line in running.stdout if "Stream simple" in line)
            os.killpg(running.pid, signal.SIGINT)
            running.communicate(timeout=20)
    assert os.readlink(tmp_path / "latest") == "whole"
    again = play("playbooks/assess.yml", "-e", "assess_run=cut", reports=tmp_path)
    assert "the run was interrupted" in again.output
    result = json.loads((tmp_path / "cut/demo/result.json").read_text(encoding="utf-8"))
    assert result["verdict"]["status"] == "inconclusive"
    assert result["target"]["model"] == "tiny"


def test_a_damaged_file_costs_only_its_host(healthy: str, tmp_path: Path) -> None:
    inventory = tmp_path / "two.ini"
    local = "ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}"
    inventory.write_text(f"one {local}\ntwo {local}\n", encoding="utf-8")
    run = play("diagnose.yml", "-i", str(inventory), "-e", f"vllm_base_url={healthy}", reports=tmp_path / "reports")
    assert run.rc == 0, run.output
    (run.folder("one") / "evidence/stream-tools.json").write_text("", encoding="utf-8")
    (run.folder("two") / "result.json").unlink()
    again = play("playbooks/assess.yml", "-e", "assess_run=latest", reports=tmp_path / "reports")
    assert again.rc == 2
    assert "stream-tools.json is not whole JSON" in again.output
    assert run.verdict("two") == ("healthy", None)


def test_closed_port(tmp_path: Path) -> None:
    run = play("diagnose.yml", *DEMO, "-e", "vllm_base_url=http://127.0.0.1:9", reports=tmp_path)
    assert run.verdict("demo") == ("broken", "service_down")
    assert "Nothing answers at http://127.0.0.1:9" in run.output


def test_port_without_http(tmp_path: Path) -> None:
    banner = "import socket\ns = socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\n"
    banner += "while True:\n c, _ = s.accept()\n c.sendall(b'SSH-2.0-OpenSSH_9.2\\r\\n')\n c.close()\n"
    with subprocess.Popen([sys.executable, "-c", banner], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            run = play("diagnose.yml", *DEMO, "-e", f"vllm_base_url=http://127.0.0.1:{port}", reports=tmp_path)
        finally:
            server.terminate()
    assert run.verdict("demo") == ("broken", "endpoint_unreachable"), run.output
    assert "SSH-2.0-OpenSSH_9.2" in run.output
    assert run.rc == 2


def test_full_disk(healthy: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a full disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        run = play("diagnose.yml", *DEMO, "-e", f"vllm_base_url={healthy}", reports=disk / "reports")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert run.rc == 2
    assert "free some space there, or choose another folder with -e reports_dir=DIR" in run.output


def test_unreachable_hosts_leave_a_report(tmp_path: Path) -> None:
    inventory = tmp_path / "lost.ini"
    inventory.write_text("gone ansible_host=127.0.0.1 ansible_port=9\nlost ansible_host=127.0.0.1 ansible_port=9\n")
    run = play("diagnose.yml", "-i", str(inventory), reports=tmp_path / "reports")
    assert run.rc == 2
    assert run.verdict("gone") == run.verdict("lost") == ("unreachable", None)
    summary = json.loads((tmp_path / "reports/latest/summary.json").read_text(encoding="utf-8"))
    assert summary["totals"] == {"unreachable": 2}


def test_every_python_of_a_host(healthy: str, tmp_path: Path) -> None:
    """Host-side code runs on Python 3.8 to 3.13, as a module of Ansible; all that are here, side by side."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {v: shutil.which(f"python{v}") for v in VERSIONS}
    found |= {v: str(p) for v in VERSIONS for p in sorted(pyenv.glob(f"versions/{v}.*/bin/python"))}
    usable = {version: path for version, path in found.items() if path and _runs(path)}
    if len(usable) < 2:
        pytest.skip("only one Python from 3.8 to 3.13 on the path or under pyenv")
    lines = [f"py{version} ansible_connection=local ansible_python_interpreter={p}" for version, p in usable.items()]
    inventory = tmp_path / "pythons.ini"
    inventory.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = play("diagnose.yml", "-i", str(inventory), "-e", f"vllm_base_url={healthy}", reports=tmp_path / "reports")
    for version in usable:
        assert run.verdict(f"py{version}") == ("healthy", None), run.output
        target = json.loads((run.folder(f"py{version}") / "evidence/target.json").read_text(encoding="utf-8"))
        assert target["observer"]["python"].startswith(f"{version}.")


def _runs(path: str) -> bool:
    return subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0


def test_verbose_output_is_ansibles_own(healthy: str, tmp_path: Path) -> None:
    run = play("diagnose.yml", *DEMO, "-e", f"vllm_base_url={healthy}", "-v", reports=tmp_path)
    assert run.rc == 0
    assert "PLAY RECAP" in run.output
    assert "unreachable=0" in run.output


def test_check_mode_does_the_same(healthy: str, tmp_path: Path) -> None:
    run = play("diagnose.yml", *DEMO, "-e", f"vllm_base_url={healthy}", "--check", reports=tmp_path)
    assert run.verdict("demo") == ("healthy", None), run.output


def _encrypted(folder: Path, key: str) -> list[str]:
    """The key as a report asks for it: in a file of ansible-vault."""
    password, file = folder / "password", folder / "vllm-key.yml"
    password.write_text("of the vault\n", encoding="utf-8")
    file.write_text(f'vllm_api_key: "{key}"\n', encoding="utf-8")
    subprocess.run([BIN / "ansible-vault", "encrypt", "--vault-password-file", password, file], check=True)
    assert key not in file.read_text(encoding="utf-8")
    return ["-e", f"@{file}", "--vault-password-file", str(password)]


@pytest.mark.parametrize("given", ["as a variable", "in an encrypted file"])
def test_key_does_not_leave(given: str, tmp_path: Path) -> None:
    key = "sekret-key-123456"
    arguments = ["-e", f"vllm_api_key={key}"] if given == "as a variable" else _encrypted(tmp_path, key)
    with simulator(tmp_path, "--api-key", key) as base_url:
        arguments += ["-e", f"vllm_base_url={base_url}", "-vvv"]
        run = play("diagnose.yml", *DEMO, *arguments, reports=tmp_path / "reports")
    assert run.verdict("demo") == ("healthy", None), run.output
    assert key not in run.output
    stored = [p.read_text(encoding="utf-8") for p in (tmp_path / "reports").rglob("*") if p.is_file()]
    assert not any(key in text for text in stored)
