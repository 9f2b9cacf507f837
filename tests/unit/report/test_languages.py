"""A report in another language is in that language, whole: every text is found, translated, and really used."""

from __future__ import annotations

import ast
import json
import re
import string

import pytest

from streamdiag.compare.compare import compare
from streamdiag.judge.assess import assess
from streamdiag.report.audit import render_audit
from streamdiag.report.language import load_language
from streamdiag.report.markdown import render
from streamdiag.report.report import render_report
from streamdiag.report.stored import read_results
from streamdiag.report.summary import summarise
from streamdiag.report.summary_report import render_summary
from streamdiag.report.terminal import announcement, conclusion, failures
from streamdiag.said import fields
from streamdiag.store import to_json, write_text
from streamdiag.words import say
from tests import texts
from tests.english import OF_CODEX, english_in, flat
from tests.unit.compare.results import result
from tests.unit.judge.bundles import EXPECTED, real
from tests.unit.report.test_audit_report import AUDITS

TEMPLATES = texts.ROLE / "templates"
LANGUAGES = texts.languages()
CYRILLIC = re.compile(r"[\u0400-\u04ff]")
#: Why a text is the same in Russian, and which ones.
SAME_IN_RUSSIAN = {
    "names of protocols, programs and options": {
        "--max-model-len: {limit}",
        "/health",
        "/metrics",
        "/v1/responses",
        "HTTP 200, text/event-stream",
        "HTTP {status}",
        "HTTP {status}: {body}",
        "{case}: HTTP {status}: {message}",
        "GPU {index} {name}: {load}, {memory}",
        "GPU {index}: {lost}",
        "GPU {number}",
        "GPU",
        "the GPUs",
        "CPU API",
        "CPU engine",
        "CPU worker",
        "HTTP {status}: {count}",
        "vLLM {version}",
        "canary",
        "NCCL watchdog",
        "sequence_number {number}",
        "journalctl: {words}",
        "systemctl: {words}",
        "{type} {name}, call id {id}",
    },
    "terms that the checklist leaves in English": {
        "Heartbeat",
        "heartbeat",
        "compatibility mode",
        "compatibility mode {mode}",
        "reasoning",
        "tools",
    },
    "punctuation instead of a word": {" because "},
}


# The catalogues


def test_there_is_russian():
    assert LANGUAGES == ["ru"]


def test_the_list_of_texts_is_what_is_found():
    assert texts.POT.read_text(encoding="utf-8") == texts.pot(), "make texts"


def test_every_text_is_a_literal():
    """What is put together before it is said is in no catalogue. A name stands for what ``template`` marked."""
    found = []
    for path in sorted(texts.CODE.rglob("*.py")):
        for call in texts.calls(ast.parse(path.read_text(encoding="utf-8")), texts.IN_CODE):
            if not isinstance(call.args[0], (ast.Constant, ast.Name, ast.Attribute, ast.Subscript)):
                found.append(f"{path.name}:{call.lineno}")
    assert not found


@pytest.fixture(params=LANGUAGES)
def translations(request):
    """Message -> translation, and whether it is marked as uncertain."""
    assert not texts.parts(request.param), "make texts"
    return {one.id: one for one in texts.read(texts.TEXTS / f"{request.param}.po", request.param) if one.id}


def test_a_language_has_exactly_the_texts_that_there_are(translations):
    assert set(translations) == set(texts.messages()), "make texts"


def test_every_text_is_translated_for_good(translations):
    assert not [text for text, one in translations.items() if not one.string or one.fuzzy]


def test_a_file_can_tell_of_every_text_how_it_was_made():
    for text in texts.messages():
        fields(text)  # raises ValueError for what ``put_together`` would refuse


def _fields(text):
    """The fields with their conversions and format specifications."""
    return {parts[1:] for parts in string.Formatter().parse(text) if parts[1] is not None}


def test_a_translation_has_the_fields_of_its_text(translations):
    assert not [text for text, one in translations.items() if _fields(text) != _fields(one.string)]


def test_a_translation_has_the_commands_of_its_text(translations):
    """Lines to paste, and where a step begins and ends."""
    for text, one in translations.items():
        pasted, expected = ([line for line in t.splitlines() if line.startswith("$ ")] for t in (one.string, text))
        assert pasted == expected


def _without_fields(text):
    return "".join(literal for literal, *_field in string.Formatter().parse(text))


def test_russian_is_written_in_cyrillic():
    known = texts.read(texts.TEXTS / "ru.po", "ru")
    latin = {one.id for one in known if one.id and not CYRILLIC.search(_without_fields(one.string))}
    same = {text for text in latin if re.search("[A-Za-z]", _without_fields(text))}
    assert same == set().union(*SAME_IN_RUSSIAN.values())


# Reports


@pytest.fixture(scope="module")
def russian():
    return load_language("ru", texts.TEXTS)


@pytest.mark.parametrize("condition", EXPECTED)
def test_no_english_is_left_in_a_russian_report(condition, russian):
    bundle = real(condition)
    text = render_report(bundle, assess(bundle), TEMPLATES / "report.md.j2", russian)
    assert CYRILLIC.search(text)
    assert english_in(text, flat(bundle)) == []


@pytest.mark.parametrize("condition", EXPECTED)
def test_no_english_is_left_on_the_terminal(condition, russian):
    bundle = real(condition)
    found = assess(bundle)
    said = [announcement(found, "report.md", russian), *failures(found, "degraded", "given", russian)]
    prose = [line for line in "\n".join(said).splitlines() if not line.lstrip().startswith("$ ")]
    assert CYRILLIC.search(prose[0])
    assert english_in("\n".join(prose), flat(bundle)) == []


PAIRS = [("healthy", "engine-stopped"), ("engine-killed", "healthy"), ("crash-loop", "unknown-model")]


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_no_english_is_left_in_a_russian_audit_of_real_runs(before, after, russian):
    bundles = real(before), real(after)
    _is_russian(compare(*map(assess, bundles), force=True), russian, flat(bundles))


@pytest.mark.parametrize("name", AUDITS)
def test_no_english_is_left_in_a_russian_audit(name, russian):
    _is_russian(compare(*AUDITS[name], force=True), russian)


def test_no_english_is_left_in_the_audit_of_a_change(russian):
    after = result("after", simple="ooooo", tools="ooo")
    after["tool_errors"] = [{"step": "Потоки", "message": "хост потерян"}]
    skipped = {"padded": "без причины"}
    found = compare(result("before", skipped=skipped, simple="xxxxx", tools="xxooo", codex="xx"), after, force=True)
    order = [{"arm": arm, "repeat": 1, "name": "simple", "at": at} for at, arm in enumerate(("before", "after"))]
    for kept, restored in ((True, False), (False, True), (False, False)):
        found["audit"] = {"change": "args", "words": "--x", "kept": kept, "restored": restored, "order": order}
        _is_russian(found, russian)


def _is_russian(found, russian, said_by_others=OF_CODEX):
    text = render_audit(found, TEMPLATES / "audit.md.j2", russian)
    said = conclusion(found, "audit.md", russian)
    assert CYRILLIC.search(text) and CYRILLIC.search(said)
    assert english_in(text, said_by_others) == []
    assert english_in(said, said_by_others) == []


def test_no_english_is_left_in_a_russian_summary(russian, tmp_path):
    """It is made of results as they are stored."""
    said = ""
    for condition in EXPECTED:
        bundle = real(condition)
        said += flat(bundle)
        write_text(tmp_path / condition / "result.json", to_json({**assess(bundle), "host": condition}))
    text = render_summary(summarise(read_results(tmp_path), "run"), TEMPLATES / "summary.md.j2", russian)
    assert CYRILLIC.search(text)
    assert english_in(text, said) == []


def test_a_report_says_the_same_in_every_language(russian):
    """Files and programs see no language: what a report is made of stays as it is."""
    found = assess(real("engine-stopped"))
    before = json.dumps(found)
    announcement(found, "report.md", russian)
    assert json.dumps(found) == before


# The check itself


UNTRANSLATED = {
    "an f-string": "{{ value }}",
    "a text of the template": "- This text stands in the template: {{ value }}",
    "in a table": "| a | {{ value }} |",
}


@pytest.mark.parametrize("name", UNTRANSLATED)
def test_what_is_not_translated_is_found(name, russian, tmp_path):
    template = tmp_path / "t.md.j2"
    template.write_text(UNTRANSLATED[name], encoding="utf-8")
    seconds = 5
    said = f"the engine stood for {seconds} s and nothing moved"
    assert english_in(render(template, {"value": said}, russian))
    assert english_in(render(template, {"value": say("{what}: это", what=said)}, russian))


def test_an_f_string_of_real_evidence_is_found(russian):
    bundle = real("engine-stopped")
    found = assess(bundle)
    found["verdict"]["summary"] = f"The engine of {found['host']} has not moved since then"
    text = render_report(bundle, found, TEMPLATES / "report.md.j2", russian)
    assert "has not moved since then" in " ".join(english_in(text, flat(bundle)))


@pytest.mark.parametrize(
    "text",
    [
        "Поток завис: `nothing moves any more`",
        "```text\nnothing moves any more\n```",
        "имя [simple](evidence/stream simple is here.json)",
        "vLLM Responses API, compatibility mode, tool call",
        "id response.in_progress some_id_here",
    ],
)
def test_what_is_code_or_a_term_is_no_english(text):
    assert english_in(text) == []


def test_what_the_host_said_is_no_english_of_ours():
    assert english_in("в журнале: Started the vLLM server", "Started the vLLM server") == []
    assert english_in("в журнале: nothing was said there", "Started the vLLM server")
