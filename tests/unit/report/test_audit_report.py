"""audit.md and the conclusion on the terminal: of plain comparisons, and of one in which every text is hostile."""

from __future__ import annotations

import pytest

from streamdiag.compare.compare import compare
from streamdiag.report.audit import render_audit
from streamdiag.report.terminal import conclusion
from tests.unit.compare.results import result, timed
from tests.unit.report.test_report import POISON, TEMPLATES, _headings, _poisoned, is_well_formed


def audit_of(before, after):
    return compare(before, after, force=True)


def text_of(found):
    return render_audit(found, TEMPLATES / "audit.md.j2")


AUDITS = {
    "fixed": (result("before", simple="xxxxx"), result("after", simple="ooooo", tools="ooxoo")),
    "two diagnoses": (result("before", simple="x"), result("after", simple="o")),
    "nothing sent": (result("before"), result("after")),
    "slower": (
        result("before", simple=timed("simple", [1.0, 1.1, 1.2, 1.3, 1.4])),
        result("after", simple=timed("simple", [2.0, 2.1, 2.2, 2.3, 2.4])),
    ),
}


@pytest.mark.parametrize("name", AUDITS)
def test_the_report_says_it_in_sentences_first(name):
    found = audit_of(*AUDITS[name])
    text = text_of(found)
    tokens = is_well_formed(text)
    assert _headings(tokens)[0] == f"{found['conclusion']['word']}: gpu43"
    paragraphs = [token.content for token in tokens if token.type == "inline"]
    assert found["conclusion"]["summary"] in paragraphs[1].replace("\\", "")
    for literal in ("None of", "None |", "nan", "{{", "{%", "inf"):
        assert literal not in text, literal


def test_every_case_has_a_row_with_its_intervals():
    text = text_of(audit_of(*AUDITS["fixed"]))
    assert "| `simple` | 5 of 5 (48 to 100 %) | 0 of 5 (0 to 52 %) | 0.0079 | fixed |" in text
    assert "- `tools` was sent after only (1 of 5 failed), so it is not compared" in text


def test_what_became_slower_has_its_interval():
    text = text_of(audit_of(*AUDITS["slower"]))
    assert (
        "| `duration` | `simple` | 1.200 s of 5 | 2.200 s of 5 | 1.000 s | 0.700 to 1.300 s | 96.8 % | slower |" in text
    )


@pytest.mark.parametrize("name", AUDITS)
def test_hostile_texts_stay_text(name):
    before, after = AUDITS[name]
    plain = text_of(audit_of(before, after))
    hostile = text_of(audit_of(_poisoned(before, POISON), _poisoned(after, POISON + "other")))
    assert len(_headings(is_well_formed(hostile))) == len(_headings(is_well_formed(plain)))


def test_the_terminal_gets_lines_that_cannot_move_the_cursor():
    before, after = (_poisoned(one, POISON + "\x1b[2J\r") for one in AUDITS["fixed"])
    said = conclusion(audit_of(before, after), "audit.md")
    assert not [c for c in said if ord(c) < 32 and c != "\n"]


def test_the_terminal_says_word_numbers_and_doubts():
    said = conclusion(audit_of(*AUDITS["two diagnoses"]), "reports/after/gpu43/audit.md").splitlines()
    assert said[0] == "gpu43: NO DIFFERENCE SHOWN (after compared with before)"
    assert any(line.startswith("  but: one stream per arm proves nothing") for line in said)
    assert said[-1] == "  report: reports/after/gpu43/audit.md"
    slower = conclusion(audit_of(*AUDITS["slower"]), "audit.md")
    assert "  duration of simple: slower: +1.000 s (96.8 % interval +0.700 to +1.300 s, 5 and 5 times)" in slower
