"""A real host without a server: what the operator got wrong is said clearly, and nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import hosts
from tests.hosts import faults
from tests.play import ROOT, play

pytestmark = pytest.mark.hosts


def test_no_such_unit(bare_host: hosts.Host, tmp_path: Path) -> None:
    run = play("diagnose.yml", "-i", str(bare_host.inventory), "-e", "vllm_unit=nosuch", reports=tmp_path)
    assert run.rc == 2
    assert "there is no unit nosuch.service on this host" in run.output
    assert "-e vllm_unit=NAME" in run.output
    assert run.verdict(bare_host.name) == ("inconclusive", None)
    assert run.result(bare_host.name)["tool_errors"]


def test_nothing_listens(bare_host: hosts.Host, tmp_path: Path) -> None:
    url = "http://127.0.0.1:8000"
    run = play("diagnose.yml", "-i", str(bare_host.inventory), "-e", f"vllm_base_url={url}", reports=tmp_path)
    assert run.verdict(bare_host.name) == ("broken", "service_down"), run.output
    assert run.result(bare_host.name)["verdict"]["confidence"] == "medium"


@pytest.mark.parametrize("fault", ["ssh_down", "link_down"])
def test_unreachable_host_has_a_report(bare_host: hosts.Host, tmp_path: Path, fault: str) -> None:
    fresh = {"ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ConnectTimeout=5"}
    with faults.inject(bare_host, fault):
        run = play("diagnose.yml", "-i", str(bare_host.inventory), reports=tmp_path, environment=fresh)
    assert run.rc == 2
    assert run.verdict(bare_host.name) == ("unreachable", None), run.output
    assert (run.reports / "latest" / "summary.json").exists()
    assert run.longest_silence <= 5.0


def test_one_lost_host_does_not_stop_the_other(bare_host: hosts.Host, tmp_path: Path) -> None:
    inventory = tmp_path / "two.yml"
    text = bare_host.inventory.read_text(encoding="utf-8")
    inventory.write_text(text, encoding="utf-8")
    extra = tmp_path / "lost.ini"
    extra.write_text("lost ansible_host=127.0.0.1 ansible_port=9\n", encoding="utf-8")
    run = play(
        "diagnose.yml",
        "-i",
        str(inventory),
        "-i",
        str(extra),
        "-e",
        "vllm_base_url=http://127.0.0.1:8000",
        reports=tmp_path / "reports",
    )
    assert run.verdict("lost") == ("unreachable", None), run.output
    assert run.verdict(bare_host.name) == ("broken", "service_down"), run.output


def test_host_is_as_before(bare_host: hosts.Host, tmp_path: Path) -> None:
    before = hosts.snapshot(bare_host)
    play("diagnose.yml", "-i", str(bare_host.inventory), reports=tmp_path)
    assert before.changed_files(hosts.snapshot(bare_host)) == []


def test_doctor(bare_host: hosts.Host) -> None:
    """The documented ``python -m tests.hosts doctor``, on a machine that can boot hosts, since one runs."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hosts", "doctor"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
