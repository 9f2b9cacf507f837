"""The page of a report shows what its Markdown says, as GitHub reads it, and holds no markup but this program's."""

from __future__ import annotations

import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

from streamdiag.judge.assess import assess
from streamdiag.report.html import body, page
from streamdiag.report.language import ENGLISH, Language
from streamdiag.report.stored import read_results
from streamdiag.report.summary import summarise
from streamdiag.report.write import style, write_report, write_summary
from tests.unit.judge.bundles import EXPECTED, real
from tests.unit.report.shape import Shape
from tests.unit.report.test_audit_report import AUDITS, audit_of
from tests.unit.report.test_audit_report import text_of as audit_text
from tests.unit.report.test_report import POISON, TEMPLATES, _poisoned, markdown_it, report_of

DATA = Path(__file__).resolve().parents[2] / "data" / "page"
SAMPLE = (DATA / "sample.md").read_text(encoding="utf-8")
FRAME = TEMPLATES / "page.html.j2"
SVG = "<svg xmlns='http://www.w3.org/2000/svg'><text>ünï</text></svg>"


def shown(markdown, pictures=None):
    return body(markdown, ENGLISH, pictures or {})


# As GitHub reads it

TEXTS = {
    "sample": lambda: SAMPLE,
    **{condition: lambda condition=condition: report_of(assess(real(condition))) for condition in EXPECTED},
    **{f"audit {name}": lambda name=name: audit_text(audit_of(*AUDITS[name])) for name in AUDITS},
    "hostile": lambda: report_of(_poisoned(assess(real("engine-killed")), POISON)),
    "hostile audit": lambda: audit_text(audit_of(*(_poisoned(run, POISON) for run in AUDITS["fixed"]))),
}


@pytest.fixture(params=TEXTS)
def text(request):
    return TEXTS[request.param]()


def _same(ours, theirs):
    assert ours.headings == theirs.headings and ours.headings
    assert ours.tables == theirs.tables
    assert ours.folded == theirs.folded
    assert ours.blocks == theirs.blocks
    assert [link.replace(".html", ".md") for link in ours.links] == theirs.links


def test_the_page_has_the_structure_of_its_markdown(text):
    plain = markdown_it.MarkdownIt("gfm-like")
    plain.linkify.set({"fuzzy_link": False})
    _same(Shape(shown(text)), Shape(plain.render(text)))


def _cmark(text):
    if not shutil.which("cmark-gfm"):
        pytest.skip("cmark-gfm is not installed (on Debian: the package cmark-gfm)")
    extensions = [word for name in ("table", "strikethrough", "autolink", "tagfilter") for word in ("-e", name)]
    command = ["cmark-gfm", "--unsafe", *extensions, "--to", "html"]
    return subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=True, timeout=60).stdout


def test_github_s_own_parser_sees_the_same(text):
    _same(Shape(shown(text)), Shape(_cmark(text)))


def _cells(row):
    """How many cells the source of a table's row has: GFM splits at every pipe that is not escaped, code or not."""
    return sum(1 for at, sign in enumerate(row) if sign == "|" and row[at - 1] != "\\") - 1


def test_no_row_is_filled_or_cut_to_its_table_s_width(text):
    # Parsers do that in silence, so that a page shows nothing of a row that broke.
    rows, width = [line for line in text.splitlines() if line.startswith("|")], 0
    assert rows
    for before, row in zip(["", *text.splitlines()], text.splitlines()):
        if row.startswith("|"):
            width = width if before.startswith("|") else _cells(row)
            assert _cells(row) == width, row


# Its own markup, and no other

INTRUDERS = {
    "script": "<script>alert(1)</script>",
    "picture": "x <img src=x onerror=alert(1)> y",
    "handler": "<details ontoggle=alert(1) open>",
    "more in a tag": "<details><summary onclick=alert(1)>x</summary></details>",
    "tag in a summary": "<details><summary><img src=x onerror=alert(1)></summary>",
    "comment": "<!-- hidden -->",
    "declaration": "<?php x ?> <!DOCTYPE x> <![CDATA[x]]>",
    "style": "<style>\n* {display: none}\n</style>",
    "inline": "x <details><summary>y</summary></details> <b>z</b>",
    "upper case": "<DETAILS>\n<SUMMARY>x</SUMMARY>",
    "frame": '<iframe srcdoc="&lt;script&gt;">',
    "end of the page": "</main></body></html>",
    "in a cell": "| a |\n|---|\n| <script>alert(1)</script> |",
}


@pytest.mark.parametrize("markdown", INTRUDERS.values(), ids=INTRUDERS)
def test_other_html_is_text(markdown):
    found = shown(markdown)
    for tag in ("<script", "<img", "<details o", "<summary o", "<!--", "<?", "<!", "<style", "<b>", "<DET", "<iframe"):
        assert tag not in found
    assert "</main>" not in found
    tags = [line for line in markdown.splitlines() if line.startswith("<")]
    assert all(line in unescape(found) for line in tags)


def test_our_own_details_are_markup():
    found = shown("<details open><summary>✅ a &lt;b&gt; <code>c</code></summary>\n\n*x*\n\n</details>\n")
    assert found == ("<details open><summary>✅ a &lt;b&gt; <code>c</code></summary>\n<p><em>x</em></p>\n</details>\n")


def test_details_are_closed_once():
    assert shown("<details>\n\nx\n").count("</details>") == 1
    assert "<" not in shown("</details>").replace("&lt;", "")


@pytest.mark.parametrize(
    "href",
    [
        *("https://evil.example/", "//evil.example/", "javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x"),
        *("/etc/passwd", "file:///etc/passwd", "../other/report.md", "evidence/../../x", "%2e%2e/x", "a\\b", "x?y=z"),
        *(
            "mailto:ops@evil.example",
            "evidence/%2e%2e/x",
            "&#106;avascript:alert(1)",
            "\\/\\/e.example",
        ),
    ],
)
def test_a_link_that_leaves_is_text(href):
    assert shown(f"a [text](<{href}>) b") in (
        "<p>a text b</p>\n",
        f"<p>a [text](&lt;{escape(unescape(href))}&gt;) b</p>\n",
    )


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("evidence/stream-simple.json", "evidence/stream-simple.json"),
        ("#checklist", "#checklist"),
        ("gpu43/report.md", "gpu43/report.html"),
        ("./a:b/report.md#causes", "./a:b/report.html#causes"),
        ("audit.md", "audit.html"),
        ("after/report.md", "after/report.html"),
        ("my-report.md", "my-report.md"),
        ("report.md/x", "report.md/x"),
        ("result.json", "result.json"),
    ],
)
def test_a_link_that_stays_leads_to_a_page(href, expected):
    assert f'<a href="{expected}">x</a>' in shown(f"[x]({href})")


def test_autolinks_and_bare_addresses_are_text():
    assert "<a" not in shown("<https://evil.example/> https://evil.example/ www.evil.example ops@evil.example")


# Pictures


def test_a_picture_is_in_the_page():
    found = shown('![a "quoted" <b>](pictures/x.svg)', {"pictures/x.svg": SVG})
    assert (
        found.startswith('<p><img src="data:image/svg+xml;base64,') and 'alt="a &quot;quoted&quot; &lt;b&gt;"' in found
    )
    assert SVG not in found


def test_a_picture_that_is_not_there_leaves_its_words():
    assert shown("![what it *shows*](pictures/x.svg)") == (
        "<p><em>what it shows (the picture is not in this page)</em></p>\n"
    )
    assert "<img" not in shown("![x](https://evil.example/x.png)")


# The frame


def test_the_frame():
    found = page("# x\n", "broken: <gpu43>", FRAME, Language("ru", str))
    assert found.startswith('<!DOCTYPE html>\n<html lang="ru">\n<head>\n<meta charset="utf-8">\n<meta http-equiv=')
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in found
    assert "<title>broken: &lt;gpu43&gt;</title>" in found
    assert "{{" not in found and "@import" not in found and "url(" not in found


def test_what_looks_like_a_template_stays_text():
    assert "{{ 7*7 }} {% raw %}" in page("{{ 7*7 }} {% raw %}", "{{ 7*7 }}", FRAME)


def test_headings_have_the_names_that_github_gives_them():
    found = shown("# What's *new*: `a_b`?\n\n## x y\n\n## x y\n\n## Что делать\n")
    for name in ("whats-new-a_b", "x-y", "x-y-1", "что-делать"):
        assert f'id="{name}"' in found


def test_the_same_bytes():
    assert page(SAMPLE, "x", FRAME) == page(SAMPLE, "x", FRAME)


# Tables


def test_columns_of_prose_have_room_and_rows_say_their_status():
    long = "a text that takes more than a few words"
    found = shown(
        f"| | item | why |\n|---|---|---|\n| ❌ fail | x | {long} |\n| ⚠️ warn | y | \\- |\n| ✅ pass | z | w |\n"
    )
    assert '<table class="prose">' in found
    assert found.count('<tr class="fail">') == found.count('<tr class="warn">') == 1
    assert f'<td class="long" data-name="why">{long}</td>' in found
    assert '<td class="long nothing" data-name="why">-</td>' in found and '<td data-name="item">x</td>' in found
    assert "prose" not in shown(f"| a | b |\n|---|---|\n| {long} | x |\n")


# Beside the report


def test_pages_lie_beside_the_reports(tmp_path):
    look, one = style(str(TEMPLATES.parent), "en"), real("engine-stopped")
    result = assess(one)
    path = write_report(tmp_path / "gpu45", one, result, look)
    assert path.name == "report.md"
    written = path.with_suffix(".html").read_text(encoding="utf-8")
    assert "<title>broken: gpu45</title>" in written
    assert Shape(written).headings == Shape(shown(path.read_text(encoding="utf-8"))).headings
    assert (tmp_path / "gpu45" / "report.html").stat().st_mode & 0o777 == 0o600
    stored = read_results(tmp_path)
    summary = write_summary(tmp_path, summarise(stored), stored, look).with_suffix(".html")
    assert 'href="./gpu45/report.html"' in summary.read_text(encoding="utf-8")
