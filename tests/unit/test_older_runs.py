"""Runs of the first version are judged and compared; versions that never were, or are newer, are refused."""

from __future__ import annotations

import json

import pytest

from streamdiag.compare.compare import compare
from streamdiag.compare.read import NotAResult, read_result
from streamdiag.judge.assess import assess
from streamdiag.store import NotABundle, load
from tests.older import HEALTHY, HOST, STALLED, unpack_older


@pytest.fixture
def older(tmp_path):
    return unpack_older(tmp_path)


def change(path, **more):
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored.update(more)
    path.write_text(json.dumps({key: value for key, value in stored.items() if value != "gone"}), encoding="utf-8")


def test_they_really_are_older(older):
    stored = json.loads((older / STALLED / HOST / "result.json").read_text(encoding="utf-8"))
    assert not {"notes", "repeats", "localisation"} & set(stored)
    assert "codex" not in stored["streams"][0] and "doubts" not in stored["verdict"]
    assert not (older / STALLED / HOST / "manifest.json").exists()


def test_they_are_judged_as_they_were(older):
    for run, status, cause in ((STALLED, "broken", "engine_stalled"), (HEALTHY, "healthy", None)):
        verdict = assess(load(older / run / HOST))["verdict"]
        stored = json.loads((older / run / HOST / "result.json").read_text(encoding="utf-8"))["verdict"]
        assert (verdict["status"], verdict["primary_cause"], verdict["confidence"]) == (status, cause, "high")
        assert (stored["status"], stored["primary_cause"]) == (status, cause)


def test_they_are_compared_as_they_are(older):
    before, after = (read_result(older / run / HOST) for run in (STALLED, HEALTHY))
    found = compare(before, after)
    changed = {(one["part"], one["id"]): (one["before"], one["after"]) for one in found["changes"]}
    assert changed["verdict", "primary_cause"] == ("engine_stalled", "-")
    assert changed["stream", "simple outcome"] == ("stalled", "completed")
    assert sum("judged by an older version" in doubt for doubt in found["conclusion"]["doubts"]) == 2


def test_what_an_older_one_does_not_say_is_no_change(older):
    before, after = read_result(older / HEALTHY / HOST), assess(load(older / HEALTHY / HOST))
    found = compare(before, {**after, "run_id": "again"})
    assert not [one for one in found["changes"] if one["part"] in ("stream", "localisation")]
    assert not [one for one in found["changes"] if "not known" in (one["before"], one["after"])]
    assert sum("judged by an older version" in doubt for doubt in found["conclusion"]["doubts"]) == 1
    again = compare(after, {**after, "run_id": "again"})
    assert not any("older version" in doubt for doubt in again["conclusion"]["doubts"])


@pytest.mark.parametrize("part", ["run.json", "target.json", "stream-simple.json"])
def test_a_part_without_a_version_is_of_the_first(older, part):
    change(older / STALLED / HOST / "evidence" / part, bundle_version="gone")
    assert assess(load(older / STALLED / HOST))["verdict"]["primary_cause"] == "engine_stalled"


@pytest.mark.parametrize("part", ["machine.json", "journal.json"])
def test_a_part_that_is_not_there_is_missing_evidence(older, part):
    (older / STALLED / HOST / "evidence" / part).unlink()
    assert assess(load(older / STALLED / HOST))["verdict"]["status"] in ("broken", "inconclusive")


@pytest.mark.parametrize("version", [0, -1, True, "1", None, 1.0])
def test_a_bundle_version_that_never_was_is_damage(older, version):
    change(older / STALLED / HOST / "evidence" / "target.json", bundle_version=version)
    with pytest.raises(NotABundle, match=r"target\.json has bundle version .*never was.*copied again"):
        load(older / STALLED / HOST)


def test_a_newer_bundle_is_refused_with_what_to_do(older):
    change(older / STALLED / HOST / "evidence" / "target.json", bundle_version=2)
    with pytest.raises(NotABundle, match=r"bundle version 2, and this program reads up to 1: take a newer version"):
        load(older / STALLED / HOST)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (0, "schema version 0 never was"),
        (True, "schema version True never was"),
        ("gone", "it has no schema_version"),
        (2, "has schema version 2 and this program compares up to version 1: take a newer version of it, or judge"),
    ],
)
def test_a_result_of_another_version_is_refused_with_what_to_do(older, version, words):
    change(older / STALLED / HOST / "result.json", schema_version=version)
    with pytest.raises(NotAResult) as refused:
        read_result(older / STALLED / HOST)
    assert words in str(refused.value)
    assert "playbooks/assess.yml" in str(refused.value)


def test_keys_of_the_first_version_are_never_made_up(older):
    for key in ("verdict", "streams", "checks", "target", "tool_errors"):
        path = older / HEALTHY / HOST / "result.json"
        stored = path.read_text(encoding="utf-8")
        change(path, **{key: "gone"})
        with pytest.raises(NotAResult, match=f"{key} is missing"):
            read_result(older / HEALTHY / HOST)
        path.write_text(stored, encoding="utf-8")
