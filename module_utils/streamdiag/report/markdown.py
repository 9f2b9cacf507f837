"""Render Markdown with Jinja so that no text of a host can become markup: what does not say it is safe is escaped.

GitHub-flavoured Markdown, as CommonMark 0.31 and the GFM specification define escapes, code spans and tables.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any, Callable, Dict

import jinja2

from ..words import in_language
from .language import ENGLISH, Language
from .terms import term

#: Characters of one excerpt in a report; the whole text is in the evidence.
EXCERPT_LIMIT = 1200
LINE_LIMIT = 300
#: Stands for a value that is not known.
NOTHING = "-"

# What GFM gives a meaning inside a line: escapes, code, emphasis, links, HTML, tables, math, mentions, bare URLs.
# A "_" between letters is plain (GFM, 6.2), and names are full of them.
_SPECIAL = re.compile(r"([\\`*\[\]<>|~$&@#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.|:(?=[a-z0-9_+-]+:))")
# What makes a list, a rule or a heading of a line that it begins.
_LEADING = re.compile(r"^(?:(\d{1,9})(?=[.)](?:\s|$)))?((?<!\d)[-+=]|(?<=\d)[.)])")
# An unfinished one is left to be marked: it must not take the text behind it along.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])")

_MENTION = re.compile(r"([^\s|`]*@[^\s|`]+)")


class Safe(str):
    """Markdown that was made here and needs no escaping."""


def clean(text: str) -> str:
    """Without terminal escapes and without characters that are invisible or change the direction of text."""
    text = _ANSI.sub("", text)
    return "".join(
        c
        if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Cn")
        else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def shorten(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters; what is shortened says so."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} … ({len(text) - limit} more characters)"


def escape(value: object) -> str:
    """Any value as inline Markdown on one line that shows exactly its text. ``Safe`` passes as it is."""
    if isinstance(value, Safe):
        return value
    if value is None:
        return NOTHING
    text = " ".join(clean(shorten(str(value), EXCERPT_LIMIT)).split())
    # GitHub looks for mentions and mail addresses after rendering, so no escape hides them; a code span does.
    words = _MENTION.split(text)
    plain = (_SPECIAL.sub(r"\\\1", word) if number % 2 == 0 else code(word) for number, word in enumerate(words))
    return _LEADING.sub(lambda m: (m.group(1) or "") + "\\" + m.group(2), "".join(plain))


def code(value: object) -> Safe:
    """A code span, whatever backticks and pipes the text holds. For tables too, so a pipe is escaped there."""
    text = " ".join(clean(shorten(str(value), EXCERPT_LIMIT)).split()).replace("|", "\\|")
    if not text:
        return Safe("")
    fence = "`" * (_longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return Safe(fence + pad + text + pad + fence)


def block(value: object) -> Safe:
    """A fenced code block for text of several lines."""
    lines = str(value).strip("\n").split("\n")
    text = clean(shorten("\n".join(shorten(line, LINE_LIMIT) for line in lines), EXCERPT_LIMIT))
    fence = "`" * max(3, _longest_run(text) + 1)
    return Safe(f"{fence}text\n{text}\n{fence}")


def command(value: object) -> Safe:
    """A fenced block to paste. Not shortened: half a command is worse than none."""
    text = clean(str(value)).strip()
    fence = "`" * max(3, _longest_run(text) + 1)
    return Safe(f"{fence}console\n{text}\n{fence}")


def number(value: object, digits: int = 2, unit: str = "") -> Safe:
    """A number with its unit, or a dash for one that is not known."""
    if not isinstance(value, (int, float)):
        return Safe(NOTHING)
    return Safe("{0:.{1}f}{2}".format(value, digits, " " + unit if unit else ""))


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def render(template: Path, context: Dict[str, Any], language: Language = ENGLISH) -> str:
    """Fill ``template``. Every expression is escaped; an unknown name is an error. Raises jinja2.TemplateError.

    ``Words`` are said in ``language``; a text of the template itself stands in ``_("… {name}", name=value)``; the id of
    a status or the like is a word with ``| term``.
    """

    def said(value: object) -> object:
        return in_language(value, language.gettext)

    def text_of(text: str, **values: object) -> Safe:
        filled = {name: escape(said(value)) for name, value in values.items()}
        return Safe(language.gettext(text).format(**filled))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(template.parent)),
        finalize=lambda value: escape(said(value)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # that would escape for HTML; finalize escapes for Markdown
    )
    filters: Dict[str, Callable[..., Safe]] = {"code": code, "block": block, "command": command, "number": number}
    environment.filters.update({name: _translating(filter_, said) for name, filter_ in filters.items()}, said=said)
    environment.filters["term"] = term
    environment.globals["_"] = text_of
    text = environment.get_template(template.name).render(context)
    return re.sub(r"\n{3,}", "\n\n", text)


def _translating(filter_: Callable[..., Safe], said: Callable[[object], object]) -> Callable[..., Safe]:
    """``filter_`` for a value that is first said in the report's language."""
    return lambda value, *arguments, **options: filter_(said(value), *arguments, **options)
