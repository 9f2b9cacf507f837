"""Whole reports: of real runs, and of a run in which every text is hostile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamdiag.judge.assess import assess
from streamdiag.report.report import render_report
from streamdiag.report.terminal import announcement, failures
from tests.unit.judge.bundles import (
    EXPECTED,
    bundle,
    fresh,
    journal,
    nothing_sent,
    real,
    rejected,
    run,
    stalled,
    stream,
    target,
)
from tests.unit.judge.test_rows import CHECKLIST

markdown_it = pytest.importorskip("markdown_it", reason="needs markdown-it-py and linkify-it-py (requirements-dev.txt)")

TEMPLATES = Path(__file__).resolve().parents[3] / "roles" / "report" / "templates"
SIZE_LIMIT = 60 * 1024
POISON = (
    "` `` ``` <script>alert(1)</script> <!-- | \\| \\\\| || [x](http://evil.example/) ![](http://evil.example/i.png) "
    "http://evil.example www.evil.example ops@evil.example @oncall :boom: $x$ {{ 7*7 }} {% raw %} \u202eabc\u200b "
    "\x1b[31mred\x1b[0m \U0001f525 *b* _e_ ~~s~~ &lt; # h\n# h2\n---\n- item\n\n```\n"
)


def report_of(result, evidence=None):
    return render_report(evidence or bundle(), result, TEMPLATES / "report.md.j2")


def _tokens(text):
    parser = markdown_it.MarkdownIt("gfm-like")
    parser.linkify.set({"fuzzy_link": False})
    flat = []
    for token in parser.parse(text):
        flat += [token, *(token.children or [])]
    return flat


def is_well_formed(text):
    """No raw HTML, no links, every table row as wide as its head, headings only those of the template."""
    tokens = _tokens(text)
    kinds = {t.type for t in tokens}
    assert not kinds & {"html_inline", "html_block", "image", "hr", "code_block", "blockquote_open"}, kinds
    for token in tokens:
        if token.type == "link_open":
            assert not str(token.attrs["href"]).startswith(("http", "www", "mailto", "ftp", "//")), token.attrs
    width, cells = 0, 0
    for token in tokens:
        if token.type == "thead_open":
            width = 0
        elif token.type == "th_open":
            width += 1
        elif token.type == "tr_open":
            cells = 0
        elif token.type == "td_open":
            cells += 1
        elif token.type == "tr_close" and cells:
            assert cells == width
    # markdown-it fills and cuts rows to the width of the head, so the source is counted, too, as cmark-gfm scans it.
    for line in text.splitlines():
        if line.startswith("| "):
            assert line.endswith(" |")
    return tokens


def _headings(tokens):
    return [tokens[n + 1].content for n, t in enumerate(tokens) if t.type == "heading_open"]


@pytest.mark.parametrize("condition", EXPECTED)
def test_the_report_of_a_real_run(condition):
    result = assess(real(condition))
    text = report_of(result)
    tokens = is_well_formed(text)
    assert len(text.encode()) < SIZE_LIMIT
    assert EXPECTED[condition][0] in _headings(tokens)[0]
    at = [text.find(f"`{id_}`", text.index("## Checklist")) for id_ in CHECKLIST]
    assert -1 not in at and at == sorted(at)
    if EXPECTED[condition][1]:
        assert text.index(f"`{EXPECTED[condition][1]}`") < text.index("## Checklist")
    if condition != "healthy" and condition != "healthy-trixie":
        assert text.index("What to do now") < text.index("## Checklist")
    for literal in ("None", "nan", "{{", "{%"):
        assert literal not in text.replace("None of", ""), literal


@pytest.mark.parametrize("condition", ["healthy", "engine-stopped", "unit-stopped"])
def test_the_verdict_is_the_first_thing_read(condition):
    result = assess(real(condition))
    paragraphs = [t.content for t in _tokens(report_of(result)) if t.type == "inline"]
    assert result["verdict"]["status"] in paragraphs[0]
    first = result["verdict"]["summary"].split(":")[0]
    assert first in paragraphs[1].replace("\\", "")


def _poisoned(value, text):
    """``value`` with ``text`` behind every text that is not part of the contract's fixed words."""
    fixed = {
        "id",
        "status",
        "state",
        "outcome",
        "confidence",
        "primary_cause",
        "checklist_cause",
        "sha256",
        "compat_mode",
    }
    fixed |= {"evidence_for", "evidence_against"}
    if isinstance(value, dict):
        return {k: v if k in fixed else _poisoned(v, text) for k, v in value.items()}
    if isinstance(value, list):
        return [_poisoned(v, text) for v in value]
    return text + value + text if isinstance(value, str) else value


@pytest.mark.parametrize("condition", EXPECTED)
def test_a_report_of_hostile_texts_stays_well_formed(condition):
    result = assess(real(condition))
    expected = _headings(is_well_formed(report_of(result)))
    found = _headings(is_well_formed(report_of(_poisoned(result, POISON))))
    assert len(found) == len(expected)


def test_hostile_evidence_stays_text_to_the_report():
    one = fresh(real("engine-killed"))
    poisoned = one._replace(
        target=_poisoned_part(one.target),
        journal={
            k: {**v, "lines": [{**ln, "text": POISON + ln["text"]} for ln in v["lines"]]}
            for k, v in one.journal.items()
        },
    )
    text = report_of(assess(poisoned))
    is_well_formed(text)
    assert "<script>alert(1)</script>" not in "".join(t.content for t in _tokens(text) if t.type.startswith("html"))
    is_well_formed(report_of(assess(bundle(rejected(404, POISON * 50)))))


def _poisoned_part(part):
    return {**part, "model": POISON, "base_url": "http://x/" + POISON, "vllm_version": POISON, "argv": [POISON] * 3}


def test_a_line_of_a_megabyte_is_shortened_and_says_so():
    huge = "ERROR 11-22 19:53:03 [x.py:1] EngineDeadError " + "x" * 1_000_000
    result = assess(bundle(stalled(), journal=journal(huge)))
    text = report_of(result)
    is_well_formed(text)
    assert len(text.encode()) < SIZE_LIMIT
    assert "more characters" in text


TEN = ("simple", "tools", "reasoning", "codex", "padded", "chat", "nonstream", "tool_turn", "public", "canary")


def _ten_cases():
    sent = [stalled(case, seconds=40.0) if n % 2 else stream(case) for n, case in enumerate(TEN)]
    noise = [f"(APIServer pid=74) ERROR 11-22 19:53:03 [x.py:{n}] something long {'x' * 300}" for n in range(200)]
    return assess(bundle(*sent, journal=journal(*noise), target=target(argv=["--flag-with-a-name=value"] * 200)))


def test_the_report_of_ten_cases_is_small():
    result = _ten_cases()
    assert len(result["streams"]) == 10
    text = report_of(result)
    is_well_formed(text)
    assert len(text.encode()) <= SIZE_LIMIT


@pytest.mark.xfail(reason="cells and excerpts have limits of their own, the report has none", strict=True)
def test_the_report_of_ten_hostile_cases_is_small():
    text = report_of(_poisoned(_ten_cases(), POISON * 20))
    is_well_formed(text)
    assert len(text.encode()) <= SIZE_LIMIT


def test_rendering_changes_nothing_and_gives_the_same_bytes():
    result = assess(real("engine-killed"))
    before = json.dumps(result)
    assert report_of(result) == report_of(json.loads(before))
    assert json.dumps(result) == before


def test_a_run_without_anything_has_a_report():
    for one in (nothing_sent(target=None, machine=None, journal=None), nothing_sent(run=run(unreachable=POISON))):
        is_well_formed(report_of(assess(one)))
        is_well_formed(report_of(assess(one._replace(target=None))))


def test_what_the_tool_could_not_do_is_in_the_report():
    one = nothing_sent(run=run(errors=[{"step": "Find the server", "message": "vllm.service: no such unit"}]))
    result = assess(one)
    assert "no such unit" in report_of(result)
    assert "no such unit" in announcement(result, "report.md")
    assert any("no such unit" in why for why in failures(result, "never", "argv"))


def test_what_was_not_sent_is_in_the_report_with_its_reason():
    one = bundle(stream(), run=run(skipped_cases={"tools": "the host was lost"}))
    assert "the host was lost" in report_of(assess(one))


# Terminal


def test_an_announcement_cannot_move_the_cursor_or_add_lines():
    result = _poisoned(assess(real("engine-stopped")), POISON + "\x1b[2J\r")
    # Of all texts only the next step may have several lines: it is this program's own.
    result["verdict"]["next_step"] = assess(real("engine-stopped"))["verdict"]["next_step"]
    found = announcement(result, "report.md")
    assert not [c for c in found if ord(c) < 32 and c != "\n"]
    assert len(found.splitlines()) == len(announcement(assess(real("engine-stopped")), "report.md").splitlines())


FAIL_ON = [
    ("healthy", "broken", False),
    ("healthy", "degraded", False),
    ("engine-stopped", "never", False),
    ("engine-stopped", "broken", True),
    ("engine-stopped", "degraded", True),
    ("host-unreachable", "never", True),
]


@pytest.mark.parametrize(("condition", "fail_on", "expected"), FAIL_ON)
def test_a_hang_is_a_finding_and_fails_only_on_request(condition, fail_on, expected):
    assert bool(failures(assess(real(condition)), fail_on, "argv")) == expected


def test_degraded_fails_only_on_degraded():
    result = assess(bundle())
    result["verdict"].update(status="degraded", primary_cause="slow_generation")
    assert failures(result, "degraded", "argv") and not failures(result, "broken", "argv")
