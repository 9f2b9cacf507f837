"""Stored runs as a user handles them: packed, read on another machine, read-only, of older versions, kept, removed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documented import COMMANDS
from tests.older import HEALTHY, HOST, STALLED, unpack_older
from tests.play import BIN, ROOT, play

PACK, UNPACK, JUDGE = (command for command, who in COMMANDS.items() if who == "stored")
RUN = PACK.split("pack_run=")[1].split()[0]
BUNDLES = ROOT / "tests" / "data" / "bundles"
#: What a checkout of this project is made of, for its playbooks.
CHECKOUT = (
    "ansible.cfg",
    "playbooks",
    "roles",
    "library",
    "module_utils",
    "lookup_plugins",
    "callback_plugins",
    "inventory",
)
NOBODY_THERE = ("-i", "inventory/demo.yml", "-l", "demo", "-e", "vllm_base_url=http://127.0.0.1:9")


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A real run of two hosts, judged today."""
    for host, condition in (("gpu43", "engine-stopped"), ("gpu44", "healthy")):
        shutil.copytree(BUNDLES / condition, tmp_path / "reports" / RUN / host)
    judged = play("playbooks/assess.yml", "-e", f"assess_run={RUN}", reports=tmp_path / "reports")
    assert judged.rc == 0, judged.output
    return tmp_path / "reports"


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder of the older runs that not even root may write."""
    if os.geteuid() != 0:
        unpack_older(tmp_path / "share")
        for path in [tmp_path / "share", *(tmp_path / "share").rglob("*")]:
            path.chmod(path.stat().st_mode & ~0o222)
        yield tmp_path / "share"
        for path in [tmp_path / "share", *(tmp_path / "share").rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)
        return
    share = tmp_path / "share"
    share.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(share)], check=False).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        unpack_older(share)
        subprocess.run(["mount", "-o", "remount,ro", str(share)], check=True)
        yield share
    finally:
        subprocess.run(["umount", str(share)], check=True)


def documented(command: str) -> tuple[str, ...]:
    _ansible, playbook, *arguments = command.split()
    return playbook, *arguments


def test_a_packed_run_is_read_on_another_machine(reports: Path, tmp_path: Path) -> None:
    """The documented commands: pack here, copy the file into another checkout, unpack and judge there."""
    packed = play(*documented(PACK), reports=reports)
    archive = reports / f"{RUN}-gpu43.tar.gz"
    assert packed.rc == 0, packed.output
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert f"sha256 {hashlib.sha256(archive.read_bytes()).hexdigest()}" in packed.output
    assert f"{archive.stat().st_size} bytes" in packed.output
    assert "checked against the manifest of gpu43, nothing changed since" in packed.output
    assert f"$ {UNPACK}" in packed.output and f"$ {JUDGE}" in packed.output
    elsewhere = tmp_path / "elsewhere"
    for name in CHECKOUT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, elsewhere / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            elsewhere.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, elsewhere / name)
    archive.rename(elsewhere / archive.name)
    first = (reports / RUN / "gpu43" / "result.json").read_bytes()
    shutil.rmtree(reports)
    environment = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path / "home"), "LANG": "C.UTF-8"}
    for command in (UNPACK, f"rm {RUN}/gpu43/result.json {RUN}/gpu43/report.md", JUDGE):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert ": BROKEN, cause engine_stalled (confidence high)" in done.stdout
    assert (elsewhere / RUN / "gpu43" / "result.json").read_bytes() == first


def test_damage_is_named_and_nothing_is_overwritten(reports: Path, tmp_path: Path) -> None:
    journal = reports / RUN / "gpu43" / "evidence" / "journal.json"
    journal.write_text(journal.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    (reports / RUN / "gpu44" / "evidence" / "run.json").unlink()
    os.symlink(RUN, reports / "latest")
    words = ("-e", "pack_run=latest", "-e", f"pack_to={tmp_path / 'tickets'}")
    packed = play("playbooks/pack.yml", *words, reports=reports)
    assert packed.rc == 0, packed.output
    assert "warning: files of gpu43 that changed since they were written: evidence/journal.json" in packed.output
    assert "warning: files of gpu44 that are missing: evidence/run.json" in packed.output
    assert "nothing changed since" not in packed.output
    first = (tmp_path / "tickets" / f"{RUN}.tar.gz").read_bytes()
    again = play("playbooks/pack.yml", *words, reports=reports)
    assert again.rc == 2
    assert "exists already, and is not overwritten" in again.output
    assert (tmp_path / "tickets" / f"{RUN}.tar.gz").read_bytes() == first


def test_judging_again_warns_of_evidence_that_was_changed(reports: Path) -> None:
    """In the play's output and in the report, each time; and a comparison with such a run doubts it."""
    host = reports / RUN / "gpu43"
    shutil.copytree(reports / RUN, reports / "later")
    journal = host / "evidence" / "journal.json"
    journal.write_text(journal.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    (host / "evidence" / "machine.json").rename(host / "evidence" / "machine.bak")
    words = (
        "the evidence is not as it was gathered on the host, and was judged as it is: "
        "changed: evidence/journal.json; missing: evidence/machine.json; added: evidence/machine.bak"
    )
    for _time in range(2):
        judged = play("playbooks/assess.yml", "-e", f"assess_run={RUN}", reports=reports)
        assert judged.rc == 0, judged.output
        assert f"warning: gpu43: {words}" in judged.output
        assert judged.output.count("warning: ") == 1
        assert json.loads((host / "result.json").read_text(encoding="utf-8"))["notes"] == [words]
        assert f"Note: {words}" in (host / "report.md").read_text(encoding="utf-8")
    names = ("-e", f"compare_before={RUN}", "-e", "compare_after=later", "-e", "compare_force=true")
    compared = play("playbooks/compare.yml", *names, reports=reports)
    assert "but: the run before is not as it was written, and was compared as it is: changed: " in compared.output
    assert "the run after is not as it was written" not in compared.output
    packed = play("playbooks/pack.yml", "-e", f"pack_run={RUN}", reports=reports)
    assert "warning: files of gpu43 that changed since they were written: evidence/journal.json\n" in packed.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name the run: -e pack_run=RUN"),
        (("-e", "pack_run=nosuch"), "there is no run nosuch"),
        (("-e", f"pack_run={RUN}", "-e", "pack_host=gpu4"), "has no host gpu4; it has gpu43, gpu44"),
        (("-e", f"pack_run={RUN}", "-e", "pack_hosts=gpu43"), "did you mean pack_host?"),
    ],
    ids=["no run", "no such run", "no such host", "slip"],
)
def test_what_cannot_be_packed(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    for host in ("gpu43", "gpu44"):
        shutil.copytree(BUNDLES / "healthy", tmp_path / RUN / host)
    run = play("playbooks/pack.yml", *arguments, reports=tmp_path)
    assert run.rc == 2
    assert words in run.output
    assert not list(tmp_path.glob("*.tar.gz"))


def test_older_runs_are_judged_and_compared(tmp_path: Path) -> None:
    older = unpack_older(tmp_path / "copied")
    names = ("-e", f"compare_before={older / STALLED}", "-e", f"compare_after={older / HEALTHY}")
    compared = play("playbooks/compare.yml", *names, reports=tmp_path / "reports")
    assert compared.rc == 0, compared.output
    assert "but: the run before was judged by an older version of this program" in compared.output
    for run, words in ((STALLED, f"{HOST}: BROKEN, cause engine_stalled"), (HEALTHY, f"{HOST}: HEALTHY")):
        again = play("playbooks/assess.yml", "-e", f"assess_run={older / run}", reports=tmp_path / "reports")
        assert again.rc == 0, again.output
        assert words in again.output
        assert (older / run / HOST / "manifest.json").exists()
    compared = play("playbooks/compare.yml", *names, reports=tmp_path / "reports")
    assert compared.rc == 0, compared.output
    assert "older version" not in compared.output


def test_a_newer_run_is_refused_with_what_to_do(tmp_path: Path) -> None:
    run = unpack_older(tmp_path) / HEALTHY
    target = run / HOST / "evidence" / "target.json"
    target.write_text(target.read_text(encoding="utf-8").replace('"bundle_version": 1', '"bundle_version": 2'))
    again = play("playbooks/assess.yml", "-e", f"assess_run={run}", reports=tmp_path / "reports")
    assert again.rc == 2
    assert "has bundle version 2, and this program reads up to 1: take a newer version of it" in again.output


def test_a_run_that_may_not_be_written_is_judged_in_a_copy(read_only: Path, tmp_path: Path) -> None:
    refused = play("playbooks/assess.yml", "-e", f"assess_run={read_only / STALLED}", reports=tmp_path / "reports")
    assert refused.rc == 2
    assert "name a folder for a copy: -e assess_to=DIR" in refused.output
    to = tmp_path / "mine"
    words = ("-e", f"assess_run={read_only / STALLED}", "-e", f"assess_to={to}")
    copied = play("playbooks/assess.yml", *words, reports=tmp_path / "reports")
    assert copied.rc == 0, copied.output
    assert f"report: {to}/{HOST}/report.md" in copied.output
    assert json.loads((to / "summary.json").read_text(encoding="utf-8"))["totals"] == {"broken": 1}
    names = ("-e", f"compare_before={to}", "-e", f"compare_after={read_only / HEALTHY}")
    compared = play("playbooks/compare.yml", *names, reports=tmp_path / "reports")
    assert compared.rc == 2
    assert "copy the run to a folder of yours, and name that with -e compare_after=DIR" in compared.output


def test_a_run_that_begins_removes_the_oldest(tmp_path: Path) -> None:
    reports = unpack_older(tmp_path / "reports")
    for name, days in ((STALLED, 30), (HEALTHY, 20)):
        for path in [*(reports / name).rglob("*"), reports / name]:
            os.utime(path, (time.time() - days * 86400,) * 2)
    (reports / "mine").mkdir()
    (reports / "mine" / "notes").write_text("x", encoding="utf-8")
    os.symlink(HEALTHY, reports / "latest")
    for wrong in ("-1", "many"):
        refused = play("diagnose.yml", *NOBODY_THERE, "-e", f"reports_keep={wrong}", reports=reports)
        assert refused.rc == 2
        assert (
            f"reports_keep='{wrong}' (how many runs are kept in the reports folder) must be a whole" in refused.output
        )
    assert sorted(os.listdir(reports)) == sorted([STALLED, HEALTHY, "latest", "mine"])
    for keep, gone in (("0", []), ("3", [STALLED]), ("1", [HEALTHY])):
        run = play(
            "diagnose.yml", *NOBODY_THERE, "-e", f"reports_keep={keep}", "-e", f"run_id=keep{keep}", reports=reports
        )
        assert run.verdict("demo")[0] == "broken", run.output
        said = re.findall(r"removed old runs, as reports_keep=\d+ says: (.*)", run.output)
        assert said == [", ".join(gone)] if gone else said == [], run.output
    # keep0 and keep3 are too fresh: nobody knows that they are over.
    assert sorted(os.listdir(reports)) == sorted(["keep0", "keep1", "keep3", "latest", "mine"])
    assert (reports / "latest" / "demo" / "manifest.json").exists()
