"""A stored run that somebody changed: named file by file, in the report and in a comparison, whenever it is judged."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from streamdiag.compare.compare import compare
from streamdiag.compare.read import read_result
from streamdiag.controller.report_hosts import Order, report_hosts
from streamdiag.judge.assess import assess
from streamdiag.manifest import MANIFEST, read_manifest
from streamdiag.report.altered import doubted, evidence_note
from streamdiag.report.language import Language
from streamdiag.report.retold import retold
from streamdiag.report.write import style, write_audit, write_report
from streamdiag.store import load, write_part
from streamdiag.words import Words
from tests.play import ROOT
from tests.unit.judge.bundles import REAL

CHANGED = "the evidence is not as it was gathered on the host, and was judged as it is: "
UNTOLD = "whether the evidence is as it was gathered cannot be told: "
ROLE = ROOT / "roles" / "report"
ENGLISH = Order(str(ROLE), "en", "never")


def gathered(folder, condition="engine-stopped"):
    """A host's folder as a run leaves it."""
    shutil.copytree(REAL / condition / "evidence", folder / "evidence")
    one = load(folder)
    write_report(folder, one, assess(one), style(str(ROLE), "en"))
    return folder


@pytest.fixture
def host(tmp_path):
    return gathered(tmp_path / "run" / "gpu43")


def edit(folder, name="journal.json"):
    path = folder / "evidence" / name
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")


def again(folder, order=ENGLISH):
    """Judged as ``assess.yml`` does it."""
    (one,) = report_hosts([str(folder)], {}, order)
    return one


def notes(folder):
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))["notes"]


# What is said


def test_what_was_not_touched_is_not_spoken_of(host):
    assert evidence_note(host) == ""
    (host / "report.md").write_text("mine", encoding="utf-8")
    (host / "result.json").unlink()
    assert evidence_note(host) == "", "reports are written anew"


def test_what_changed_is_missing_or_came_is_named(host):
    edit(host)
    (host / "evidence" / "machine.json").unlink()
    write_part(host, "stream-tools.json", {})
    (host / "evidence" / "more.txt").write_text("x", encoding="utf-8")
    note = evidence_note(host)
    assert isinstance(note, Words)
    assert note == CHANGED + (
        "changed: evidence/journal.json; missing: evidence/machine.json; "
        "added: evidence/more.txt, evidence/stream-tools.json"
    )


def test_a_link_in_the_place_of_evidence_is_another_file(host, tmp_path):
    path = host / "evidence" / "target.json"
    path.rename(tmp_path / "target.json")
    os.symlink(tmp_path / "target.json", path)
    assert evidence_note(host) == CHANGED + "changed: evidence/target.json"


def test_of_many_some_are_named_and_none_can_move_a_cursor(host):
    for number in range(7):
        (host / "evidence" / f"a{number}\x1b[2K").write_text("x", encoding="utf-8")
    note = evidence_note(host)
    assert note.endswith("evidence/a4 and 2 more") and "\x1b" not in note


def test_nothing_is_known_of_what_has_no_manifest(host):
    (host / MANIFEST).unlink()
    edit(host)
    assert evidence_note(host) == ""
    assert again(host).altered == "" and notes(host) == []
    edit(host)
    assert evidence_note(host) == CHANGED + "changed: evidence/journal.json", "from the first judging on it has one"


# Judged again


def test_it_is_judged_all_the_same_and_says_so_each_time(host):
    before = read_result(host)
    assert before["notes"] == []
    edit(host)
    one = again(host)
    words = CHANGED + "changed: evidence/journal.json"
    assert one.verdict["primary_cause"] == before["verdict"]["primary_cause"]
    assert (one.altered, one.damaged, one.failures) == (f"gpu43: {words}", "", [])
    assert f"note: {words}" in one.announcement
    assert notes(host) == [words] and read_result(host)["notes"] == [words]
    assert f"Note: {words}" in (host / "report.md").read_text(encoding="utf-8")
    first = {path: path.read_bytes() for path in host.rglob("*") if path.is_file()}
    assert again(host).altered == one.altered
    assert {path: path.read_bytes() for path in host.rglob("*") if path.is_file()} == first


def test_its_own_writing_is_no_change(host):
    first = {path: path.read_bytes() for path in host.rglob("*") if path.is_file()}
    for _time in range(2):
        assert again(host).altered == "" and notes(host) == []
    assert {path: path.read_bytes() for path in host.rglob("*") if path.is_file()} == first


def test_what_was_added_stays_added(host):
    write_part(host, "stream-tools.json", load(host).streams["simple"] | {"case": "tools"})
    for _time in range(2):
        again(host)
        assert notes(host) == [CHANGED + "added: evidence/stream-tools.json"]


def test_what_is_put_back_is_as_it_was(host):
    shutil.copytree(host / "evidence", host.parent / "kept")
    edit(host)
    again(host)
    shutil.copytree(host.parent / "kept", host / "evidence", dirs_exist_ok=True)
    assert again(host).altered == "" and notes(host) == []


@pytest.mark.parametrize("text", ["{", '{"schema_version": 2, "files": []}'])
def test_a_manifest_that_cannot_be_read_tells_nothing_and_is_not_replaced(host, text):
    (host / MANIFEST).write_text(text, encoding="utf-8")
    edit(host)
    for _time in range(2):
        assert again(host).altered.startswith(f"gpu43: {UNTOLD}{MANIFEST} ")
        assert len(notes(host)) == 1
        assert (host / MANIFEST).read_text(encoding="utf-8") == text


def test_evidence_that_cannot_be_judged_is_named_as_changed(host):
    (host / "evidence" / "run.json").write_text("{", encoding="utf-8")
    one = again(host)
    assert "run.json is not whole JSON" in one.damaged
    assert one.altered == f"gpu43: {CHANGED}changed: evidence/run.json"


def test_a_fresh_run_is_what_it_gathered(tmp_path):
    folder = tmp_path / "gpu43"
    shutil.copytree(REAL / "healthy" / "evidence", folder / "evidence")
    run = {**load(folder).run, "run_id": "fresh"}
    (one,) = report_hosts([str(folder)], {str(folder): run}, ENGLISH)
    assert one.altered == "" and notes(folder) == [] and again(folder).altered == ""


def test_it_is_said_in_russian(host):
    edit(host)
    one = again(host, ENGLISH._replace(language="ru"))
    assert one.altered == (
        "gpu43: данные уже не те, что были собраны на хосте; вывод сделан по тому, что есть: "
        "изменено: evidence/journal.json"
    )
    assert notes(host)[0].startswith(CHANGED)


def test_an_altered_run_can_be_said_in_another_language(host):
    """A result with its note is what judging says again."""
    edit(host)
    again(host)
    stored = read_result(host)
    assert isinstance(retold(host, stored, Language("ru", str))["notes"][0], Words)


# An audit


def audited(host):
    after = gathered(host / "after", "healthy")
    assert (after.parent / MANIFEST).exists() and not (after / MANIFEST).exists()
    return after


def test_each_arm_of_an_audit_has_its_own(host):
    after = audited(host)
    assert (evidence_note(host), evidence_note(after)) == ("", "")
    edit(after)
    assert evidence_note(after) == CHANGED + "changed: after/evidence/journal.json" == evidence_note(host)
    edit(host)
    assert "changed: after/evidence/journal.json" in evidence_note(after)
    assert "changed: after/evidence/journal.json, evidence/journal.json" in evidence_note(host)


def test_what_an_interrupted_audit_left_was_not_added_by_anybody(host):
    shutil.copytree(REAL / "healthy" / "evidence", host / "after" / "evidence")
    assert evidence_note(host) == ""
    again(host)
    assert not [one for one in read_manifest(host)["files"] if one["path"].startswith("after/")]


# Compared


def test_a_comparison_doubts_what_was_changed(tmp_path):
    before, after = gathered(tmp_path / "1" / "gpu43"), gathered(tmp_path / "2" / "gpu43", "worker-stopped")
    plain = compare(read_result(before), read_result(after), force=True)
    assert doubted(plain, before, after) == plain
    edit(before)
    result = after / "result.json"
    result.write_text(result.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    doubts = [
        "the run before is not as it was written, and was compared as it is: changed: evidence/journal.json",
        "the run after is not as it was written, and was compared as it is: changed: result.json",
    ]
    for _time in range(2):
        comparison = doubted(plain, before, after)
        assert comparison["conclusion"]["doubts"] == doubts + plain["conclusion"]["doubts"]
        report = write_audit(after, comparison, style(str(ROLE), "en")).read_text(encoding="utf-8")
        assert f"But: {doubts[1]}" in report, "and its own writing does not make the run whole"
    (before / MANIFEST).write_text("{", encoding="utf-8")
    said = doubted(plain, before, after)["conclusion"]["doubts"][0]
    assert said.startswith(
        "whether the run before is as it was written cannot be told: manifest.json is not whole JSON"
    )
