"""Old runs go, the oldest first; nothing goes that is not certainly a run of this tool, or is in use."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
import time

import pytest

from streamdiag.controller import retention
from streamdiag.controller.folders import make_run_folder, point_latest
from streamdiag.controller.retention import remove_old_runs, words
from streamdiag.controller.settings import problems
from streamdiag.controller.stored import started
from streamdiag.store import write_part, write_text

DAY = 24 * 3600
NOW = time.time()


def a_run(reports, name, days_ago, whole=True, run_id=None, said=True):
    """A run that began so many days ago; not ``whole``: interrupted, so without summary and run.json."""
    at = NOW - days_ago * DAY
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    folder = reports / name
    write_part(folder / "gpu43", "target.json", {"bundle_version": 1})
    if whole:
        story = {"run_id": run_id or name, "host": "gpu43", **({"started_at": began} if said else {})}
        write_part(folder / "gpu43", "run.json", story)
        write_text(folder / "summary.json", json.dumps({"run_id": run_id or name, "hosts": []}))
    age(folder, at)
    return folder


def age(folder, at):
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(path, (at, at), follow_symlinks=False)
    os.utime(folder, (at, at))


def names(reports):
    return sorted(os.listdir(reports))


def a_new_run(reports):
    return make_run_folder(reports, "new", ["gpu43"]).path


def test_the_newest_stay_by_their_own_time(tmp_path):
    for name, days in (("c", 1), ("a", 2), ("d", 3), ("b", 4)):
        a_run(tmp_path, name, days)
    age(tmp_path / "b", NOW)  # somebody judged it again: it is the oldest all the same
    os.utime(tmp_path / "b" / "summary.json", (NOW - DAY, NOW - DAY))
    removed = remove_old_runs(tmp_path, 3, a_new_run(tmp_path))
    assert removed == (["b", "d"], [])
    assert names(tmp_path) == ["a", "c", "new"]
    assert words(removed, 3) == ["removed old runs, as reports_keep=3 says: b, d"]


def test_a_run_that_does_not_say_when_it_began_is_as_old_as_its_folder(tmp_path):
    a_run(tmp_path, "a", 5, said=False)
    a_run(tmp_path, "b", 3)
    assert started(tmp_path / "a") == pytest.approx(NOW - 5 * DAY)
    assert remove_old_runs(tmp_path, 2, a_new_run(tmp_path)).names == ["a"]


def test_nothing_goes_while_there_are_few_or_all_are_kept(tmp_path):
    for days in range(1, 6):
        a_run(tmp_path, f"r{days}", days)
    new = a_new_run(tmp_path)
    for keep in (0, 6, 100):
        assert remove_old_runs(tmp_path, keep, new) == ([], [])
    assert len(names(tmp_path)) == 6
    assert words(remove_old_runs(tmp_path, 0, new), 0) == []


def test_the_one_that_is_written_and_the_latest_stay(tmp_path):
    for days in (2, 3, 4):
        a_run(tmp_path, f"r{days}", days)
    point_latest(tmp_path, "r4")
    new = a_new_run(tmp_path)
    age(new, NOW - 9 * DAY)
    assert remove_old_runs(tmp_path, 1, new).names == ["r3", "r2"]
    assert names(tmp_path) == ["latest", "new", "r4"]


def test_a_link_keeps_a_run(tmp_path):
    a_run(tmp_path, "a", 4)
    os.symlink(tmp_path / "a", tmp_path / "incident-42")
    assert remove_old_runs(tmp_path, 1, a_new_run(tmp_path)).names == []
    assert (tmp_path / "a/gpu43/evidence/run.json").exists()


def test_another_controller_s_run_stays_until_it_is_over(tmp_path):
    stamp = "20261122T195040Z"
    run = a_run(tmp_path, stamp, 3, whole=False)
    write_part(run / "gpu43", "stream-simple.json", {})  # just now
    new = a_new_run(tmp_path)
    assert remove_old_runs(tmp_path, 1, new).names == []
    write_part(run / "gpu43", "run.json", {"run_id": stamp, "started_at": "2026-11-22T19:50:40Z"})
    write_text(run / "summary.json", "{}")
    assert remove_old_runs(tmp_path, 1, new).names == [], "latest is about to point to it"
    age(run, NOW - DAY)
    assert remove_old_runs(tmp_path, 1, new).names == [stamp]


def test_an_interrupted_run_goes_when_nobody_can_be_writing_it(tmp_path):
    stamp = "20261122T195040Z-2"
    a_run(tmp_path, stamp, 2, whole=False)
    assert remove_old_runs(tmp_path, 1, a_new_run(tmp_path)).names == [stamp]


def test_what_is_not_certainly_ours_stays(tmp_path):
    a_run(tmp_path, "renamed", 9, run_id="20261122T195040Z")
    a_run(tmp_path, "named-and-interrupted", 9, whole=False)
    (tmp_path / "accuracy" / "partial").mkdir(parents=True)
    (tmp_path / "accuracy" / "partial" / "matrix.json").write_text("{}", encoding="utf-8")
    (tmp_path / "runner" / "artifacts" / "night").mkdir(parents=True)
    (tmp_path / "mine" / "gpu43" / "evidence").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "summary.json").write_text('{"run_id": 7}', encoding="utf-8")
    (tmp_path / "20261122T195040Z").mkdir()
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    for path in list(tmp_path.iterdir()):
        age(path, NOW - 9 * DAY) if path.is_dir() else None
    before = names(tmp_path)
    assert remove_old_runs(tmp_path, 1, a_new_run(tmp_path)) == ([], [])
    assert names(tmp_path) == sorted([*before, "new"])


def test_links_are_not_followed(tmp_path):
    reports, elsewhere = tmp_path / "reports", tmp_path / "elsewhere"
    outside = a_run(elsewhere, "outside", 9)
    run = a_run(reports, "a", 8)
    os.symlink(outside, reports / "outside")
    os.symlink(elsewhere, run / "gpu44")
    os.symlink(outside / "gpu43/evidence/run.json", run / "gpu43" / "link.json")
    assert remove_old_runs(reports, 1, a_new_run(reports)).names == ["a"]
    assert (outside / "gpu43/evidence/run.json").exists()
    assert names(reports) == ["new", "outside"]


def test_a_host_behind_a_link_makes_no_run(tmp_path):
    reports = tmp_path / "reports"
    a_run(tmp_path, "mine", 9)
    (reports / "mine").mkdir(parents=True)
    os.symlink(tmp_path / "mine" / "gpu43", reports / "mine" / "gpu43")
    assert remove_old_runs(reports, 1, a_new_run(reports)) == ([], [])


def test_an_interrupted_removal_is_finished_and_never_taken_for_a_run(tmp_path, monkeypatch):
    a_run(tmp_path, "a", 2)

    def interrupted(folder):
        os.unlink(os.path.join(folder, "summary.json"))
        raise KeyboardInterrupt

    new = a_new_run(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(shutil, "rmtree", interrupted)
        remove_old_runs(tmp_path, 1, new)
    assert names(tmp_path) == [".removing-a", "new"]
    a_run(tmp_path, "a", 2)  # the name is free again
    assert remove_old_runs(tmp_path, 5, new) == ([], [])
    assert names(tmp_path) == ["a", "new"]


def test_what_cannot_be_removed_is_a_note(tmp_path, monkeypatch):
    for name, days in (("a", 3), ("b", 2)):
        a_run(tmp_path, name, days)
    rename = os.rename

    def denies(source, target):
        if source.endswith("/a"):
            raise PermissionError(errno.EACCES, "Permission denied", source)
        rename(source, target)

    monkeypatch.setattr(retention.os, "rename", denies)
    removed = remove_old_runs(tmp_path, 1, a_new_run(tmp_path))
    assert removed.names == ["b"]
    assert words(removed, 1)[1] == f"note: the old run {tmp_path / 'a'} could not be removed: Permission denied"


def test_a_folder_that_cannot_be_listed_is_a_note(tmp_path):
    removed = remove_old_runs(tmp_path / "gone", 1, tmp_path / "gone" / "new")
    assert removed.names == []
    assert "could not be looked for" in removed.notes[0]


def test_many_at_once_harm_nothing(tmp_path):
    for days in range(1, 41):
        a_run(tmp_path, f"r{days:02}", days)
    started_here = [make_run_folder(tmp_path, f"new{n}", ["gpu43"]).path for n in range(8)]
    found = []
    begin = threading.Barrier(8)

    def prune(new):
        begin.wait()
        found.append(remove_old_runs(tmp_path, 10, new))

    threads = [threading.Thread(target=prune, args=(new,)) for new in started_here]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [removed.notes for removed in found] == [[]] * 8
    assert sorted(name for removed in found for name in removed.names) == [f"r{days:02}" for days in range(10, 41)]
    assert names(tmp_path) == sorted([*(f"new{n}" for n in range(8)), *(f"r{days:02}" for days in range(1, 10))])


def test_many_names_are_shortened():
    line = words(retention.Removed([f"r{n}" for n in range(9)], []), 100)
    assert line == ["removed old runs, as reports_keep=100 says: r0, r1, r2, r3, r4 and 4 more"]


@pytest.mark.parametrize("value", ["0", "1", 100, 0, ""])
def test_what_reports_keep_may_be(value):
    assert problems({"reports_keep": value}, [], []) == []


@pytest.mark.parametrize("value", ["-1", "many", "1.5", True, [3], "1e3", "99999999"])
def test_what_reports_keep_may_not_be(value):
    (found,) = problems({"reports_keep": value}, [], [])
    assert found.startswith(f"reports_keep={str(value)!r}")
    assert "must be a whole number of runs, 0 to keep all" in found
