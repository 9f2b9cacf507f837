"""The pages of reports in a real browser: readable in light and dark, on a phone and on a desk; nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium import open_page
from tests.browser.pages import EXECUTED, INTRUSION, PAGES

pytestmark = pytest.mark.browser

MEASURES = (Path(__file__).parent / "measures.js").read_text(encoding="utf-8")
SCHEMES = ("light", "dark")
PHONE, DESK = 360, 1280
#: WCAG 2.2, 1.4.3, level AA.
CONTRAST = 4.5
#: All that the body of a page consists of.
ELEMENTS = {
    *("main", "h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "blockquote", "hr", "details", "summary", "div", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td", "strong", "em", "s", "b", "code", "a", "img"),
}
ATTRIBUTES = {"id", "class", "href", "src", "alt", "style", "data-name", "open"}


def measured(tab, width):
    return tab.ask(MEASURES.replace("WIDTH", str(width)))


@pytest.fixture(params=SCHEMES)
def scheme(request):
    return request.param


@pytest.fixture(params=[PHONE, DESK], ids=["phone", "desk"])
def width(request):
    return request.param


@pytest.fixture(params=PAGES)
def name(request):
    return request.param


@pytest.fixture
def tab(browser, pages, name, width, scheme):
    opened = open_page(browser, pages[name], width, scheme)
    yield opened
    opened.close()


def test_a_page_is_readable(tab, width, scheme):
    for smallest in (0, 1):  # as it opens, where a folded picture takes no room, and with everything unfolded
        found = measured(tab, width)
        assert found["width"] <= width and not found["outside"]
        assert min(found["contrasts"].values()) >= CONTRAST, found["contrasts"]
        assert (sum(found["paper"]) > 600) == (scheme == "light")
        assert all(len(set(rows)) == 1 for rows in found["tables"]), found["tables"]
        assert all(picture["width"] > 0 and smallest <= picture["shown"] <= width for picture in found["pictures"])
        tab.ask("document.querySelectorAll('details').forEach(one => { one.open = true })")


@pytest.mark.parametrize("scheme", ["light"])
@pytest.mark.parametrize("width", [DESK], ids=["desk"])
def test_a_page_asks_nobody_and_runs_nothing(tab, pages, name, width):
    found = measured(tab, width)
    assert found["title"] != EXECUTED
    assert set(found["elements"]) <= ELEMENTS and set(found["attributes"]) <= ATTRIBUTES
    assert all(":" not in link.split("/")[0] and not link.startswith("/") for link in found["links"])
    tab.look_back()
    own = pages[name].resolve().as_uri()
    assert [url for url in tab.requests if not url.startswith("data:")] == [own]
    assert not tab.complaints


@pytest.mark.parametrize("scheme", ["light"])
@pytest.mark.parametrize("name", ["sample"])
@pytest.mark.parametrize("width", [PHONE], ids=["phone"])
def test_what_is_folded_can_be_unfolded(tab, width):
    shown = "document.querySelector('details pre').checkVisibility({contentVisibilityAuto: true})"
    assert tab.ask(shown) is False
    tab.ask("document.querySelector('summary').click()")
    assert tab.ask("document.querySelector('details').open")
    assert tab.comes_true(shown)  # it is laid out with the next frame


@pytest.mark.parametrize("scheme", ["light"])
@pytest.mark.parametrize("name", ["sample"])
@pytest.mark.parametrize("width", [DESK], ids=["desk"])
def test_the_sample_is_shown_whole(tab, width):
    found = measured(tab, width)
    assert len(found["pictures"]) == 1 and found["pictures"][0]["shown"] > 600
    assert found["links"][:2] == ["evidence/stream-simple.json", "audit.html#times"]
    assert found["targets"] == [True, True]
    assert {"a", "code", "td", "th", "summary", "blockquote", "body"} <= set(found["contrasts"])
    assert len(found["tables"]) == 3


# The tests above can fail


def _tampered(folder, markup):
    page = folder / "page.html"
    page.write_text(markup, encoding="utf-8")
    return page


def test_without_any_defence_it_would_be_executed(browser, tmp_path):
    tab = open_page(browser, _tampered(tmp_path, f"<!DOCTYPE html><title>x</title>{INTRUSION}"))
    assert tab.ask("document.title") == EXECUTED
    tab.close()


def test_the_policy_alone_stops_it(browser, pages, tmp_path):
    whole = pages["sample"].read_text(encoding="utf-8")
    tab = open_page(browser, _tampered(tmp_path, whole.replace("<main>", f"<main>{INTRUSION}")))
    assert tab.ask("document.title") == "broken: gpu43"
    assert any("Content Security Policy" in said for said in tab.complaints)
    tab.close()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("<main><p style='width:2000px'>wide</p>", "width"),
        ("<main><p style='color:#999;background:#fff'>pale</p>", "contrasts"),
        ("<main><table><tr><td>1<td>2<tr><td>3</table>", "tables"),
        ("<main><img src='data:image/svg+xml,broken'>", "pictures"),
    ],
)
def test_a_fault_of_a_page_is_seen(browser, pages, tmp_path, change, key):
    whole = pages["sample"].read_text(encoding="utf-8")
    tab = open_page(browser, _tampered(tmp_path, whole.replace("<main>", change)), PHONE)
    found = measured(tab, PHONE)
    tab.close()
    seen = {
        "width": found["width"] > PHONE,
        "contrasts": min(found["contrasts"].values()) < CONTRAST,
        "tables": any(len(set(rows)) > 1 for rows in found["tables"]),
        "pictures": any(not picture["width"] for picture in found["pictures"]),
    }
    assert [what for what, bad in seen.items() if bad] == [key]
