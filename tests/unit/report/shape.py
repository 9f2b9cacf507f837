"""What a reader of an HTML document sees of its structure, whoever made it: to hold two of them against each other."""

from __future__ import annotations

from html.parser import HTMLParser


class Shape(HTMLParser):
    """``headings``: level and text; ``tables``: rows of cells, as texts; ``folded``: summaries; ``blocks``: of code."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.headings: list[tuple[str, str]] = []
        self.tables: list[list[list[str]]] = []
        self.links: list[str] = []
        self.folded: list[str] = []
        self.blocks: list[str] = []
        self._text: list[str] = []
        self.feed(html.split("<main>")[-1])
        self.close()

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag == "a":
            self.links.append(named["href"])
        if tag in ("h1", "h2", "h3", "h4", "th", "td", "summary", "pre", "p", "li"):
            self._text = []

    def handle_data(self, data):
        self._text.append(data)

    def handle_endtag(self, tag):
        text = " ".join("".join(self._text).split())
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((tag, text))
        elif tag in ("th", "td"):
            self.tables[-1][-1].append(text)
        elif tag == "summary":
            self.folded.append(text)
        elif tag == "pre":
            self.blocks.append("".join(self._text))
