"""What a stored result says can be said in another language when its evidence still says the same."""

from __future__ import annotations

import json
import shutil

import pytest

from streamdiag.compare.read import read_result
from streamdiag.judge.assess import assess
from streamdiag.report.language import ENGLISH, Language
from streamdiag.report.retold import retold
from streamdiag.store import load, to_json
from streamdiag.words import Words
from tests.unit.judge.bundles import REAL

RUSSIAN = Language("ru", str)


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "gpu43"
    shutil.copytree(REAL / "engine-stopped", copy)
    (copy / "result.json").write_text(to_json(assess(load(copy))), encoding="utf-8")
    return copy


def test_the_sentences_are_words_again(folder):
    stored = read_result(folder)
    assert not isinstance(stored["verdict"]["summary"], Words)
    found = retold(folder, stored, RUSSIAN)
    assert found == stored
    assert isinstance(found["verdict"]["summary"], Words)


def test_english_needs_no_second_judgement(folder):
    stored = read_result(folder)
    assert retold(folder, stored, ENGLISH) is stored


def test_what_was_judged_otherwise_stays_as_it_was_said(folder):
    changed = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    changed["verdict"]["summary"] = "It was said otherwise then"
    (folder / "result.json").write_text(json.dumps(changed), encoding="utf-8")
    stored = read_result(folder)
    assert retold(folder, stored, RUSSIAN) is stored


@pytest.mark.parametrize("lost", ["evidence", "evidence/stream-simple.json"])
def test_without_its_evidence_it_stays_as_it_was_said(folder, lost):
    stored = read_result(folder)
    path = folder / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert retold(folder, stored, RUSSIAN) is stored
