"""The folders of a run: private, never overwritten, and clear words when they cannot be made."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import time

import pytest

from streamdiag.controller import folders
from streamdiag.controller.folders import (
    Unusable,
    explain,
    find_run,
    host_folder_name,
    make_run_folder,
    pair_runs,
    point_latest,
)
from streamdiag.store import write_part, write_text


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_run_s_folders_are_private(tmp_path):
    previous = os.umask(0)
    try:
        run = make_run_folder(tmp_path / "reports", "", ["gpu43", "gpu45"])
        write_part(run.hosts["gpu43"], "run.json", {"host": "gpu43"})
        write_text(run.hosts["gpu43"] / "report.md", "x")
    finally:
        os.umask(previous)
    evidence = run.hosts["gpu43"] / "evidence"
    for folder in (tmp_path / "reports", run.path, *run.hosts.values(), evidence):
        assert _mode(folder) == 0o700, folder
    for file in (evidence / "run.json", run.hosts["gpu43"] / "report.md"):
        assert _mode(file) == 0o600, file
    assert sorted(os.listdir(run.hosts["gpu43"])) == ["evidence", "report.md"]


def test_latest_points_to_the_newest(tmp_path):
    for name in ("first", "second"):
        make_run_folder(tmp_path, name, ["gpu43"])
        point_latest(tmp_path, name)
        assert os.readlink(tmp_path / "latest") == name
    assert sorted(os.listdir(tmp_path)) == ["first", "latest", "second"]


def test_somebody_s_own_folder_named_latest_is_left_alone(tmp_path):
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "mine").write_text("x", encoding="utf-8")
    make_run_folder(tmp_path, "first", ["gpu43"])
    point_latest(tmp_path, "first")
    assert (tmp_path / "latest" / "mine").read_text(encoding="utf-8") == "x"


def test_a_link_that_leads_nowhere_is_replaced(tmp_path):
    os.symlink("gone", tmp_path / "latest")
    make_run_folder(tmp_path, "first", ["gpu43"])
    point_latest(tmp_path, "first")
    assert os.readlink(tmp_path / "latest") == "first"


def test_a_run_is_never_overwritten(tmp_path):
    make_run_folder(tmp_path, "before", ["gpu43"])
    with pytest.raises(Unusable, match=r"exists already.*never overwritten.*-e run_id=NAME"):
        make_run_folder(tmp_path, "before", ["gpu43"])


def test_two_runs_in_the_same_second(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((2026, 11, 22, 19, 52, 22, 6, 326, 0)))
    names = [make_run_folder(tmp_path, "", ["gpu43"]).run_id for _ in range(3)]
    assert names == ["20261122T195222Z", "20261122T195222Z-2", "20261122T195222Z-3"]


HOSTS = {
    "gpu43": "gpu43",
    "gpu43.example.org": "gpu43.example.org",
    "root@gpu43:22": "root@gpu43:22",
    "a/b": "a_b",
    "../../etc": ".._.._etc",
    "..": "_..",
    ".": "_.",
    "": "_",
    "with space": "with_space",
    "a\nb\x00c": "a_b_c",
    "gpu\u00e4": "gpu_",
}


@pytest.mark.parametrize(("host", "expected"), HOSTS.items())
def test_a_host_s_folder_lies_in_the_run_s(host, expected, tmp_path):
    assert host_folder_name(host) == expected
    run = make_run_folder(tmp_path, "run", [host])
    assert run.hosts[host].parent == run.path
    assert run.hosts[host].resolve().parent == run.path.resolve()


def test_hosts_never_share_a_folder(tmp_path):
    run = make_run_folder(tmp_path, "run", ["a/b", "a_b", "a b"])
    assert len(set(run.hosts.values())) == 3


@pytest.mark.parametrize("name", ["summary.json", "summary.md", "summary.html"])
def test_a_host_is_not_taken_for_a_file_of_the_run(tmp_path, name):
    # Those lie beside the hosts' folders.
    run = make_run_folder(tmp_path, "run", [name])
    assert run.hosts[name].name != name


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "reports").write_text("x", encoding="utf-8")
    with pytest.raises(Unusable, match=r"cannot be written to .*reports.*-e reports_dir=DIR"):
        make_run_folder(tmp_path / "reports", "", ["gpu43"])
    with pytest.raises(Unusable, match="-e reports_dir=DIR"):
        make_run_folder(tmp_path / "reports" / "below", "", ["gpu43"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(Unusable, match=r"Permission denied.*-e reports_dir=DIR"):
        make_run_folder(tmp_path / "reports", "", ["gpu43"])


def test_words_for_what_the_system_says(tmp_path):
    denied = explain(PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "x")), tmp_path)
    assert "Permission denied" in denied and str(tmp_path / "x") in denied and "-e reports_dir=DIR" in denied
    for code in (errno.ENOSPC, errno.EDQUOT):
        assert "free some space" in explain(OSError(code, os.strerror(code)), tmp_path)


def test_a_folder_that_denies_is_unusable(tmp_path, monkeypatch):
    def denies(self, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(folders.Path, "mkdir", denies)
    with pytest.raises(Unusable, match=r"Permission denied.*-e reports_dir=DIR"):
        make_run_folder(tmp_path / "reports", "", ["gpu43"])


@pytest.fixture
def tiny_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], stderr=subprocess.PIPE)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_found_before_the_run(tiny_disk):
    with pytest.raises(Unusable, match=r"MB are free and a run of 1 host\(s\) may take 4 MB; free some space"):
        make_run_folder(tiny_disk, "run", ["gpu43"])
    assert os.listdir(tiny_disk) == []


def test_a_disk_that_fills_up_leaves_no_half_file(tiny_disk):
    write_text(tiny_disk / "result.json", "old")
    with pytest.raises(OSError, match="No space left"):
        write_text(tiny_disk / "result.json", "x" * 3_000_000)
    assert os.listdir(tiny_disk) == ["result.json"]
    assert (tiny_disk / "result.json").read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    ("free", "files", "fits"), [(100, 1000, True), (7, 1000, False), (100, 10, False), (100, 0, True)]
)
def test_room_is_counted_for_all_hosts(tmp_path, monkeypatch, free, files, fits):
    """``free`` MiB and ``files`` inodes for two hosts; no inodes at all are those of a file system without such."""
    room = os.statvfs_result((2**20, 2**20, free, free, free, files, files, files, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: room)
    if fits:
        make_run_folder(tmp_path, "run", ["a", "b"])
    else:
        with pytest.raises(Unusable, match="-e reports_dir=DIR"):
            make_run_folder(tmp_path, "run", ["a", "b"])


# Finding a stored run


def _stored(reports, name, *hosts):
    for host in hosts:
        (reports / name / host / "evidence").mkdir(parents=True)


def test_a_run_is_found_by_name_by_latest_and_by_path(tmp_path):
    reports = tmp_path / "reports"
    _stored(reports, "first", "gpu43", "gpu45")
    os.symlink("first", reports / "latest")
    for given in ("first", "latest", "reports/first", str(reports / "first")):
        path, hosts = find_run(given, tmp_path, reports)
        assert path.resolve() == (reports / "first").resolve()
        assert [host.name for host in hosts] == ["gpu43", "gpu45"]


def test_a_run_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    for n in range(7):
        _stored(tmp_path / "reports", f"run{n}", "gpu43")
    with pytest.raises(Unusable, match=r"there is no run nosuch; the newest runs in .*: run2, run3, run4, run5, run6"):
        find_run("nosuch", tmp_path, tmp_path / "reports")
    with pytest.raises(Unusable, match="has none"):
        find_run("nosuch", tmp_path, tmp_path / "elsewhere")


def test_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "reports" / "odd").mkdir(parents=True)
    with pytest.raises(Unusable, match="holds no evidence"):
        find_run("odd", tmp_path, tmp_path / "reports")


# Two stored runs


def test_the_hosts_of_two_runs_are_paired_by_name(tmp_path):
    reports = tmp_path / "reports"
    _stored(reports, "first", "gpu43", "gpu44", "gpu45")
    _stored(reports, "second", "gpu42", "gpu43", "gpu45")
    found = pair_runs("first", str(reports / "second"), tmp_path, reports)
    assert found.hosts == {name: (reports / "first" / name, reports / "second" / name) for name in ("gpu43", "gpu45")}
    assert (found.only_before, found.only_after) == (["gpu44"], ["gpu42"])


def test_a_run_is_no_pair_with_itself_however_it_is_called(tmp_path):
    reports = tmp_path / "reports"
    _stored(reports, "first", "gpu43")
    os.symlink("first", reports / "latest")
    for other in ("first", "latest", "reports/first", str(reports / "first")):
        with pytest.raises(Unusable, match="are the same run"):
            pair_runs("first", other, tmp_path, reports)


def test_runs_without_a_host_in_common_are_no_pair(tmp_path):
    reports = tmp_path / "reports"
    _stored(reports, "first", "gpu43")
    _stored(reports, "second", "gpu44")
    with pytest.raises(Unusable, match=r"no host in common: .*first has gpu43, and .*second has gpu44"):
        pair_runs("first", "second", tmp_path, reports)
