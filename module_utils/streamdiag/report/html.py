"""``report.md`` -> ``report.html``: the same report as one file that needs no network and runs nothing.

The Markdown has every text of a host escaped already (``markdown.py``). The page does not rely on it: of raw HTML only
the template's own ``<details>`` survive, links lead to files beside the page, and its Content-Security-Policy allows
nothing but its own style and the pictures in it.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, MutableMapping, Optional, Sequence, Set
from urllib.parse import unquote

import jinja2
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup

from ..words import in_language, say
from .language import ENGLISH, Language
from .tables import shape_tables, text_of

#: Reports that have a page of their own; a link to one of them leads to its page.
_REPORTS = re.compile(r"(?<![^/])(report|audit|summary)\.md(?=$|#)")
_OWN_TAGS = re.compile(
    r"(<details>|<details open>|</details>|<summary>(?:[^<>]|<b>[^<>]*</b>|<code>[^<>]*</code>)*</summary>)"
)


def page(
    markdown: str,
    title: str,
    template: Path,
    language: Language = ENGLISH,
    pictures: Optional[Mapping[str, str]] = None,
) -> str:
    """A whole HTML document that shows ``markdown``; the same bytes for the same arguments.

    ``title``: plain text. ``template``: ``roles/report/templates/page.html.j2``, with ``page.css`` beside it.
    ``pictures``: path as in the Markdown -> SVG. Raises jinja2.TemplateError.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(template.parent)),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    style = (template.parent / "page.css").read_text(encoding="utf-8")
    return environment.get_template(template.name).render(
        language=language.name,
        title=title,
        style=Markup(style),
        body=Markup(body(markdown, language, pictures or {})),
    )


def body(markdown: str, language: Language, pictures: Mapping[str, str]) -> str:
    """The inside of the page: ``markdown`` as HTML that holds no markup but this program's."""
    # As GitHub reads it. Bare addresses are no links here: no link leaves the page.
    parser = MarkdownIt("gfm-like", {"linkify": False}, renderer_cls=_Renderer)
    env: Dict[str, Any] = {"language": language, "pictures": pictures, "details": 0, "link": False}
    tokens = parser.parse(markdown, env)
    _name_headings(tokens)
    shape_tables(tokens)
    return str(parser.renderer.render(tokens, parser.options, env)) + "</details>\n" * int(env["details"])


Env = MutableMapping[str, Any]


class _Renderer(RendererHTML):
    """markdown-it's renderer, where each method renders the token of its name; these are the ones that differ."""

    def html_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        pieces = _OWN_TAGS.split(tokens[idx].content)
        return "".join(_own_tag(piece, env) if n % 2 else escapeHtml(piece) for n, piece in enumerate(pieces))

    def html_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return escapeHtml(tokens[idx].content)

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return '<div class="table">' + self.renderToken(tokens, idx, options, env)

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return "</table></div>\n"

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        token = tokens[idx]
        path = unquote(str(token.attrs["src"]))
        alt = self.renderInlineAsText(token.children or [], options, env)
        if path not in env["pictures"]:
            missing = say("{what} (the picture is not in this page)", what=alt or path)
            return f"<em>{escapeHtml(in_language(missing, env['language'].gettext))}</em>"
        # An image may load nothing and run nothing, whatever is written in it.
        data = base64.b64encode(env["pictures"][path].encode("utf-8")).decode("ascii")
        return f'<img src="data:image/svg+xml;base64,{data}" alt="{escapeHtml(alt)}">'

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        href = str(tokens[idx].attrs["href"])
        env["link"] = _stays_here(href)  # links do not nest
        target = escapeHtml(_REPORTS.sub(r"\1.html", href))
        return f'<a href="{target}">' if env["link"] else ""

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return "</a>" if env["link"] else ""


def _own_tag(tag: str, env: Env) -> str:
    """``tag``, but never more ends of ``<details>`` than beginnings."""
    if tag == "</details>":
        if not env["details"]:
            return escapeHtml(tag)
        env["details"] -= 1
    elif tag.startswith("<details"):
        env["details"] += 1
    return tag


def _stays_here(href: str) -> bool:
    """Whether ``href`` is a place in this page or a file in its folder or below."""
    path = unquote(href.split("#")[0])
    if not path:
        return href.startswith("#")
    plain = not re.search(r"[\\?\x00-\x20]|^/|//", path)
    return plain and ":" not in href.split("/")[0] and ".." not in path.split("/")


def _name_headings(tokens: List[Token]) -> None:
    """Give each heading the id that GitHub gives it, so that links within the report work."""
    taken: Set[str] = set()
    for opening, inline in zip(tokens, tokens[1:]):
        if opening.type != "heading_open":
            continue
        base = re.sub(r"[^\w\- ]", "", text_of(inline).lower()).replace(" ", "-")
        name, number = base, 0
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        opening.attrSet("id", name)
