"""No text of a host becomes markup: what was put in comes out as text, in GitHub's Markdown."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdiag.report.markdown import (
    EXCERPT_LIMIT,
    LINE_LIMIT,
    Limits,
    Safe,
    block,
    clean,
    code,
    command,
    escape,
    html,
    image,
    link,
    number,
    render,
    row,
)

markdown_it = pytest.importorskip("markdown_it", reason="needs markdown-it-py and linkify-it-py (requirements-dev.txt)")

HOSTILE = {
    "backticks": "a ` b `` c ``` d",
    "fence": "```\n# not a heading\n```",
    "long fence": "`````````\nx",
    "pipes": "a | b || c",
    "escaped pipe": "a \\| b \\\\| c \\",
    "html": "<script>alert(1)</script> <img src=x onerror=alert(1)> <!-- hidden --> <details>",
    "entities": "&lt;b&gt; &#96; &nbsp;",
    "emphasis": "*a* **b** _c_ __d__ ~~e~~ snake_case _é_",
    "links": "[x](http://evil.example/) ![y](http://evil.example/i.png) [z][1] <http://evil.example>",
    "bare": "see http://evil.example/a?b=c and https://evil.example, www.evil.example or ftp://evil.example",
    "mail": "ops@evil.example mailto:ops@evil.example",
    "mention": "@team/oncall fixes #12 and GH-3",
    "jinja": "{{ lookup('pipe', 'id') }} {% for x in y %} {# gone #}",
    "math": "$x^2$ $$y$$ $`z`$",
    "shortcode": "all fine :white_check_mark: :+1:",
    "heading": "# heading",
    "setext": "title\n===\nother\n---",
    "rule": "---",
    "stars": "***",
    "list": "- item",
    "plus": "+ item",
    "ordered": "1. item",
    "ordered 2": "7) item",
    "quote": "> said",
    "reference": "[1]: http://evil.example",
    "indented": "    code",
    "emoji": "\U0001f525 hot \u2705",
    "spaces": "a  b\t c",
    "windows": "C:\\path\\to|x",
}


def _parser():
    found = markdown_it.MarkdownIt("gfm-like")
    found.linkify.set({"fuzzy_link": False, "fuzzy_email": True})  # GFM links no bare name without a scheme or www.
    return found


def _inline(tokens):
    for token in tokens:
        yield token
        yield from _inline(token.children or [])


def tokens_of(text):
    return list(_inline(_parser().parse(text)))


def shown(text):
    """The text that a reader of ``text`` sees."""
    return "".join(t.content for t in tokens_of(text) if t.type in ("text", "code_inline", "text_special"))


def _is_plain(text):
    kinds = {t.type for t in tokens_of(text)}
    assert not kinds & {"html_inline", "html_block", "link_open", "image", "em_open", "strong_open", "s_open"}, kinds
    assert not kinds & {"fence", "code_block", "heading_open", "hr", "bullet_list_open", "ordered_list_open"}, kinds
    assert not kinds & {"blockquote_open", "table_open"}, kinds


def flat(text):
    return " ".join(clean(text).split())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_an_escaped_text_is_plain_and_whole(text):
    found = escape(text)
    _is_plain(found)
    assert shown(found) == flat(text)
    assert "\n" not in found


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="ab \\`*_[]()<>|~$&@#!:/.-+=1{}%\n\"'w", max_size=40))
def test_any_text_is_plain_and_whole(text):
    found = escape(text)
    _is_plain(found)
    assert shown(found) == flat(text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_code_span_holds_the_text(text):
    spans = [t for t in tokens_of("| a | b |\n|---|---|\n| " + code(text) + " | x |\n") if t.type == "code_inline"]
    assert len(spans) == 1
    assert spans[0].content == flat(text)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="a`\\| ", max_size=12))
def test_no_text_adds_a_column(text):
    for cell in (escape(text), code(text)):
        tokens = tokens_of(f"| a | b |\n|---|---|\n| {cell} | last |")
        cells = [tokens[n + 1].content for n, t in enumerate(tokens) if t.type == "td_open"]
        assert len(cells) == 2 and cells[1] == "last"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_block_is_one_block_that_holds_the_text(text):
    found = _parser().parse("before\n\n" + block(text) + "\n\nafter\n")
    assert [t.type for t in found if t.type != "inline"] == [
        *("paragraph_open", "paragraph_close"),
        "fence",
        *("paragraph_open", "paragraph_close"),
    ]
    assert next(t for t in found if t.type == "fence").content.rstrip("\n") == clean(text).strip("\n")


def test_a_command_is_not_shortened():
    long = "ansible gpu43 -m ansible.builtin.command -a '" + "x" * 3000 + "'"
    found = _parser().parse(command(long))
    assert [(t.type, t.info, t.content) for t in found] == [("fence", "console", long + "\n")]


INVISIBLE = {
    "right to left": "a\u202eb\u2066c\u200f",
    "zero width": "a\u200bb\ufeffc\u2060",
    "control": "a\x00b\x08c\x7f\x9b",
    "carriage return": "real text\rfake",
    "surrogate": "a\ud800b",
    "private": "a\ue000b",
    "tag": "a\U000e0041b",
}


@pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE)
def test_what_cannot_be_seen_is_marked(text):
    for found in (clean(text), escape(text), code(text), block(text)):
        assert "\N{REPLACEMENT CHARACTER}" in found
        assert not {c for c in text if ord(c) > 126 or ord(c) < 32} & set(found) - {"\n"}


def test_terminal_escapes_are_taken_away_and_their_text_is_kept():
    assert clean("\x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07end\x1b(B").startswith("red ")
    assert "\x1b" not in clean("\x1b[31mred\x1b[ \x1b]8;;http://x\x1b\\y\x1b")
    assert clean("a\nb\tc") == "a\nb\tc"


def test_an_unfinished_terminal_escape_hides_nothing():
    assert "the real error" in clean("\x1b]0; the real error\nnext line\x07")
    assert "the real error" in clean("\x1b] the real error")


def test_what_is_shortened_says_so():
    for made in (escape, code, block):
        found = made("x" * 1_000_000)
        assert len(found) < EXCERPT_LIMIT + 100
        assert re.search(r"\d{6} more characters", found)
        assert "more characters" not in made("x" * 200)
    lines = block("\n".join("y" * (LINE_LIMIT + 7) for _ in range(3))).splitlines()
    assert [line.endswith("… (7 more characters)") for line in lines[1:-1]] == [True] * 3


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_path_of_ours_is_no_link_and_no_picture(text):
    for path in (text, "../" + text, "/etc/passwd", "evidence/../../x", "//evil.example/x", "javascript:alert(1)"):
        for made in (link(path), image(path, text), row(path)):
            assert not {t.type for t in tokens_of(made)} & {"link_open", "image", "html_inline", "html_block"}


def test_paths_of_ours_are_links_and_pictures():
    (opened,) = (t for t in tokens_of(link("evidence/stream-tool_turn.json")) if t.type == "link_open")
    assert opened.attrs["href"] == "evidence/stream-tool_turn.json"
    (picture,) = (t for t in tokens_of(image("pictures/simple.svg", "] <b>(x)")) if t.type == "image")
    assert picture.attrs["src"] == "pictures/simple.svg" and picture.content.replace("\\", "") == "] <b>(x)"
    assert row("step-1") == "[`step-1`](#step-1)"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_between_our_tags_stays_text(text):
    blocks = [
        t for t in tokens_of(f"<details><summary>{html(text)}</summary>\n\nx\n\n</details>") if t.type == "html_block"
    ]
    assert len(blocks) == 2
    inside = blocks[0].content.removeprefix("<details><summary>").removesuffix("</summary>\n")
    assert not set("<>") & set(inside)
    assert unescape(inside) == flat(text)


def test_a_report_says_where_the_rest_of_a_text_is(tmp_path):
    template = tmp_path / "t.md.j2"
    template.write_text("{{ a }}\n\n{{ a | code }}\n\n{{ a | important }}\n\n{{ a | block }}\n", encoding="utf-8")
    found = render(template, {"a": "x" * 100}, limits=Limits(10, 20, 20, 3), whole="result.json").splitlines()
    assert found[0] == "xxxxxxxxxx … ([90 more characters](result.json))"
    assert found[2] == "`xxxxxxxxxx` … ([90 more characters](result.json))"
    assert found[4] == "x" * 100
    assert "more characters)" in found[7] and "](" not in found[7]


def test_values():
    assert escape(None) == "-"
    assert escape(Safe("*as it is*")) == "*as it is*"
    assert (number(1.234), number(1.234, 1, "s"), number(0), number(None), number("x")) == (
        "1.23",
        "1.2 s",
        "0.00",
        "-",
        "-",
    )
    assert code("") == "" and code(None) in ("-", "`-`", "`None`")


def test_a_template_cannot_be_filled_with_markup_or_forget_a_name(tmp_path):
    import jinja2

    template = tmp_path / "t.md.j2"
    template.write_text("{{ a }} {{ a | code }}\n", encoding="utf-8")
    assert render(template, {"a": "{{ 7 * 7 }} *x*"}) == "{{ 7 \\* 7 }} \\*x\\* `{{ 7 * 7 }} *x*`\n"
    with pytest.raises(jinja2.UndefinedError):
        render(template, {})
