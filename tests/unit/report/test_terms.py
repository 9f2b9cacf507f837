"""Ids of the contract are words in a report, and everything else stays what it is."""

from __future__ import annotations

import pytest

from streamdiag.judge.assess import assess
from streamdiag.report.language import Language
from streamdiag.report.markdown import render
from streamdiag.report.terms import TERMS, term
from streamdiag.words import Words
from tests.unit.judge.bundles import EXPECTED, real

RUSSIAN = Language("ru", {"flaky": "нестабильно", "status: {word}": "статус: {word}"}.get)


@pytest.fixture
def rendered(tmp_path):
    def of(text, **values):
        template = tmp_path / "t.md.j2"
        template.write_text(text, encoding="utf-8")
        return render(template, values, RUSSIAN)

    return of


def test_an_id_is_said_in_the_language_of_the_report(rendered):
    assert rendered("{{ word | term }}", word="flaky") == "нестабильно"
    assert rendered('{{ _("status: {word}", word=word | term) }}', word="flaky") == "статус: нестабильно"


@pytest.mark.parametrize("other", ["*x*", "{0}", "", "Flaky"])
def test_what_is_no_id_stays_data(rendered, other):
    assert term(other) is other
    assert rendered("{{ word | term }}", word=other) == rendered("{{ word }}", word=other)


def test_nothing_is_no_id():
    assert term(None) is None


def test_english_shows_the_id():
    assert all(id_ == word and isinstance(word, Words) for id_, word in TERMS.items())


@pytest.mark.parametrize("condition", EXPECTED)
def test_every_id_of_a_real_result_is_known(condition):
    result = assess(real(condition))
    ids = {result["verdict"]["status"], result["verdict"]["confidence"], result["target"]["compat_mode"]}
    ids |= {check["status"] for check in result["checks"]} | {cause["state"] for cause in result["causes"]}
    ids |= {stream[key] for stream in result["streams"] for key in ("outcome", "arrival")}
    assert ids <= set(TERMS)
