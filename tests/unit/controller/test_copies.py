"""A run that may not be written is judged in a copy; the source stays as it is, and no link is followed."""

from __future__ import annotations

import os
import stat

import pytest

from streamdiag.controller.copies import copy_run, writable
from streamdiag.controller.folders import Unusable, find_run
from streamdiag.manifest import write_manifest
from streamdiag.store import write_part, write_text


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    for part in (folder / "gpu43", folder / "gpu43" / "after", folder / "gpu44"):
        write_part(part, "run.json", {"run_id": "run"})
        write_text(part / "report.md", "old")
    write_manifest(folder / "gpu43")
    os.symlink("/etc/hostname", folder / "gpu43" / "evidence" / "target.json")
    for path in folder.rglob("*.json"):
        path.chmod(0o444) if not path.is_symlink() else None
    return folder


def test_evidence_and_manifests_are_copied(run, tmp_path):
    _path, hosts = find_run("run", tmp_path, tmp_path)
    to, folders = copy_run(hosts, tmp_path / "a" / "copy")
    assert folders == [to / "gpu43", to / "gpu44"]
    copied = sorted(str(path.relative_to(to)) for path in to.rglob("*") if path.is_file())
    assert copied == [
        "gpu43/after/evidence/run.json",
        "gpu43/evidence/run.json",
        "gpu43/manifest.json",
        "gpu44/evidence/run.json",
    ]
    assert not any(path.is_symlink() for path in to.rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in to.rglob("*")} == {0o600, 0o700}


def test_a_folder_that_is_there_is_not_written_into(run, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(
        Unusable, match=r"there exists already, and is not overwritten; choose another -e assess_to=DIR"
    ):
        copy_run([run / "gpu43"], tmp_path / "there")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(Unusable, match=r"-e assess_to=DIR"):
        copy_run([run / "gpu43"], tmp_path / "file" / "below")


def test_a_folder_that_may_not_be_written_is_named_before_anything_is_done(run, monkeypatch):
    writable(run, [run / "gpu43"])
    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith("gpu44"))
    with pytest.raises(Unusable, match=r"gpu44 may not be written by this user.*-e assess_to=DIR"):
        writable(run, [run / "gpu43", run / "gpu44"])
