"""A run as one file: the same bytes, no owner, checked, never over another file, no link followed."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import tarfile

import pytest

from streamdiag.controller import pack
from streamdiag.controller.folders import Unusable
from streamdiag.controller.pack import commands, pack_run, words
from streamdiag.manifest import write_manifest
from streamdiag.store import write_part, write_text

AT = 1795377041  # 2026-11-22T19:50:41Z


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "reports" / "night"
    for host in ("gpu43", "gpu44"):
        write_part(folder / host, "run.json", {"run_id": "night", "host": host, "started_at": "2026-11-22T19:50:41Z"})
        write_text(folder / host / "report.md", f"# {host}\n")
        write_manifest(folder / host)
    write_text(folder / "summary.json", json.dumps({"run_id": "night"}))
    return folder


def members(path):
    with tarfile.open(path) as archive:
        return {member.name: member for member in archive}


def test_a_run_is_packed_whole(run):
    packed = pack_run(run, "", None)
    assert packed.path == run.parent / "night.tar.gz"
    assert stat.S_IMODE(packed.path.stat().st_mode) == 0o600
    assert hashlib.sha256(packed.path.read_bytes()).hexdigest() == packed.sha256
    assert (packed.bytes, packed.files) == (packed.path.stat().st_size, 7)
    assert (packed.checked, packed.warnings) == (["gpu43", "gpu44"], [])
    found = members(packed.path)
    assert list(found) == sorted(name for name, one in found.items() if one.isdir()) + sorted(
        name for name, one in found.items() if one.isfile()
    )
    for one in found.values():
        assert (one.uid, one.gid, one.uname, one.gname, one.mtime) == (0, 0, "", "", AT)
        assert one.mode == (0o700 if one.isdir() else 0o600)
    with tarfile.open(packed.path) as archive:
        archive.extractall(run.parent / "out", filter="data")
    for path in run.rglob("*"):
        if path.is_file():
            assert (run.parent / "out/night" / path.relative_to(run)).read_bytes() == path.read_bytes()
    assert any("nothing changed since" in line for line in words(packed))
    assert os.listdir(run.parent) == [*os.listdir(run.parent)] and not list(run.parent.glob(".*"))


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    first = pack_run(run, "", tmp_path / "a")
    for path in run.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o755)
    second = pack_run(run, "", tmp_path / "b" / "deep")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.path.read_bytes()[3] == 0, "gzip: no file name"


def test_one_host_alone(run):
    packed = pack_run(run, "gpu44", None)
    assert packed.path.name == "night-gpu44.tar.gz"
    names = [name for name, one in members(packed.path).items() if one.isfile()]
    assert names == [f"night/gpu44/{name}" for name in ("evidence/run.json", "manifest.json", "report.md")]
    assert packed.checked == ["gpu44"]
    with pytest.raises(Unusable, match=r"has no host gpu4; it has gpu43, gpu44"):
        pack_run(run, "gpu4", None)
    with pytest.raises(Unusable, match="has no host"):
        pack_run(run, "../reports", None)


def test_a_file_that_is_there_is_never_overwritten(run, monkeypatch):
    (run.parent / "night.tar.gz").write_text("mine", encoding="utf-8")
    with pytest.raises(Unusable, match=r"night.tar.gz exists already.*-e pack_to=DIR"):
        pack_run(run, "", None)
    os.symlink("nowhere", run.parent / "night-gpu43.tar.gz")
    with pytest.raises(Unusable, match="exists already"):
        pack_run(run, "gpu43", None)
    monkeypatch.setattr(pack.os.path, "lexists", lambda path: False)  # it came between the look and the writing
    with pytest.raises(Unusable, match="exists already"):
        pack_run(run, "", None)
    assert (run.parent / "night.tar.gz").read_text(encoding="utf-8") == "mine"


def test_a_file_system_without_links(run, monkeypatch):
    def refuses(source, target):
        raise PermissionError(1, "Operation not permitted", source)

    monkeypatch.setattr(pack.os, "link", refuses)
    packed = pack_run(run, "", None)
    assert gzip.decompress(packed.path.read_bytes())
    assert sorted(os.listdir(run.parent)) == ["night", "night.tar.gz"]


def test_damage_is_named_and_packed(run):
    write_text(run / "gpu43" / "report.md", "# changed\n")
    (run / "gpu44" / "evidence" / "run.json").unlink()
    write_text(run / "gpu44" / "note.txt", "came later")
    packed = pack_run(run, "", None)
    assert packed.warnings == [
        "files of gpu43 that changed since they were written: report.md",
        "files of gpu44 that are missing: evidence/run.json",
        "files of gpu44 that came later and are in no manifest: note.txt",
    ]
    assert not any("nothing changed" in line for line in words(packed))
    with tarfile.open(packed.path) as archive:
        assert archive.extractfile("night/gpu43/report.md").read() == b"# changed\n"
        assert archive.extractfile("night/gpu44/note.txt").read() == b"came later"


def test_a_run_without_a_manifest_is_packed_with_a_warning(run):
    (run / "gpu43" / "manifest.json").unlink()
    (run / "gpu44" / "manifest.json").write_text("{", encoding="utf-8")
    packed = pack_run(run, "", None)
    assert packed.checked == []
    assert packed.warnings[0].startswith("gpu43 was not checked: it has no manifest")
    assert packed.warnings[1].startswith("gpu44 was not checked: manifest.json is not whole JSON")


def test_links_are_named_and_not_followed(run, tmp_path):
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    os.symlink(tmp_path / "secret", run / "gpu43" / "secret")
    os.symlink(tmp_path, run / "elsewhere")
    (run / "gpu43" / "report.md").unlink()
    os.symlink(tmp_path / "secret", run / "gpu43" / "report.md")
    packed = pack_run(run, "", None)
    assert "files of gpu43 that are missing: report.md" in packed.warnings
    assert "not packed, because they are links or no files: elsewhere, gpu43/report.md, gpu43/secret" in packed.warnings
    assert b"secret\n" not in gzip.decompress(packed.path.read_bytes()).replace(b"secret/", b"")
    assert not any(one.issym() for one in members(packed.path).values())


def test_a_linked_host_is_no_host(run, tmp_path):
    write_part(tmp_path / "other", "run.json", {})
    os.symlink(tmp_path / "other", run / "gpu45")
    with pytest.raises(Unusable, match="has no host gpu45"):
        pack_run(run, "gpu45", None)


def test_latest_is_packed_under_the_run_s_own_name(run):
    os.symlink("night", run.parent / "latest")
    packed = pack_run(run.parent / "latest", "", None)
    assert packed.path.name == "night.tar.gz"
    assert commands(packed, run.parent / "latest") == [
        "tar -xzf night.tar.gz",
        "ansible-playbook playbooks/assess.yml -e assess_run=night",
    ]


def test_a_name_cannot_break_out_of_the_command(run):
    odd = run.rename(run.parent / "a b;c")
    (first, second) = commands(pack_run(odd, "", None), odd)
    assert (first, second[-9:]) == ("tar -xzf 'a b;c.tar.gz'", "n='a b;c'")


def test_a_folder_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(Unusable, match=r"cannot be written: .*; name another folder with -e pack_to=DIR"):
        pack_run(run, "", tmp_path / "file")


def test_a_time_that_gzip_has_no_room_for(run):
    for host in ("gpu43", "gpu44"):
        write_part(run / host, "run.json", {"run_id": "night", "started_at": "9999-01-01T00:00:00Z"})
    assert members(pack_run(run, "", None).path)["night"].mtime == 2**32 - 1
