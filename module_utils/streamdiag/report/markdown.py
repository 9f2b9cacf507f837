"""Render Markdown with Jinja so that no text of a host can become markup: what does not say it is safe is escaped.

GitHub-flavoured Markdown, as CommonMark 0.31 and the GFM specification define escapes, code spans and tables.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple

import jinja2

from .language import ENGLISH, Language
from .terms import term

#: Characters of one excerpt in a report; the whole text is in the evidence.
EXCERPT_LIMIT = 1200
LINE_LIMIT = 300


class Limits(NamedTuple):
    """How much of one text a report shows, in characters; ``items``: how many entries of a list without an end."""

    text: int  # in a line or a cell
    block: int  # in a fenced block
    line: int  # in one line of a fenced block
    items: int


#: Characters of a text in a list that is there to be skimmed.
BRIEF = 200
#: Characters of the name or the data of an event, in a table that names the file of all of them.
EVENT = 60
#: Characters of a picture in characters (pictures/sketch.py): half of it shows nothing, so it has room for eight GPUs.
DRAWING = 2400
LIMITS = Limits(EXCERPT_LIMIT, EXCERPT_LIMIT, LINE_LIMIT, 40)
#: Stands for a value that is not known.
NOTHING = "-"

# What GFM gives a meaning inside a line: escapes, code, emphasis, links, HTML, tables, math, mentions, bare URLs.
# A "_" between letters is plain (GFM, 6.2), and names are full of them; no emoji is called by two digits, as in times.
_SPECIAL = re.compile(
    r"([\\`*\[\]<>|~$&@#!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.|:(?![0-9]{2}:)(?=[a-z0-9_+-]+:))"
)
# What makes a list, a rule or a heading of a line that it begins.
_LEADING = re.compile(r"^(?:(\d{1,9})(?=[.)](?:\s|$)))?((?<!\d)[-+=]|(?<=\d)[.)])")
# An unfinished one is left to be marked: it must not take the text behind it along.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])")

_MENTION = re.compile(r"([^\s|`]*@[^\s|`]+)")


#: A file of the run that may be linked to: below the report, by a name that nothing has a meaning in.
_BELOW = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,80}/){0,2}[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


class Safe(str):
    """Markdown that was made here and needs no escaping."""


#: Says how many characters of a text are not shown.
Rest = Callable[[int], str]


def more(count: int) -> str:
    """What stands behind a text that was shortened."""
    return f"… ({count} more characters)"


def clean(text: str) -> str:
    """Without terminal escapes and without characters that are invisible or change the direction of text."""
    text = _ANSI.sub("", text)
    return "".join(
        c
        if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Cn")
        else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def shorten(text: str, limit: int, rest: Rest = more) -> str:
    """``text`` in at most ``limit`` characters; what is shortened says so."""
    return text if len(text) <= limit else f"{text[:limit]} {rest(len(text) - limit)}"


def escape(value: object, limit: int = EXCERPT_LIMIT, rest: Rest = more) -> str:
    """Any value as inline Markdown on one line that shows exactly its text. ``Safe`` passes as it is."""
    if isinstance(value, Safe):
        return value
    if value is None:
        return NOTHING
    whole = str(value)
    text = " ".join(clean(whole[:limit]).split())
    # GitHub looks for mentions and mail addresses after rendering, so no escape hides them; a code span does.
    words = _MENTION.split(text)
    plain = (_SPECIAL.sub(r"\\\1", word) if number % 2 == 0 else code(word) for number, word in enumerate(words))
    shown = _LEADING.sub(lambda m: (m.group(1) or "") + "\\" + m.group(2), "".join(plain))
    return shown if len(whole) <= limit else f"{shown} {rest(len(whole) - limit)}"


def code(value: object, limit: int = EXCERPT_LIMIT, rest: Rest = more) -> Safe:
    """A code span, whatever backticks and pipes the text holds. For tables too, so a pipe is escaped there."""
    whole = str(value)
    text = " ".join(clean(whole[:limit]).split()).replace("|", "\\|")
    if not text:
        return Safe("")
    fence = "`" * (_longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    span = fence + pad + text + pad + fence
    return Safe(span if len(whole) <= limit else f"{span} {rest(len(whole) - limit)}")


def block(value: object, limit: int = EXCERPT_LIMIT, line_limit: int = LINE_LIMIT, rest: Rest = more) -> Safe:
    """A fenced code block for text of several lines. ``rest`` must be plain text: there is no markup in a block."""
    lines = str(value).strip("\n").split("\n")
    text = clean(shorten("\n".join(shorten(line, line_limit, rest) for line in lines), limit, rest))
    fence = "`" * max(3, _longest_run(text) + 1)
    return Safe(f"{fence}text\n{text}\n{fence}")


def command(value: object, indent: int = 0) -> Safe:
    """A fenced block to paste. Not shortened: half a command is worse than none.

    ``indent``: columns of each of its lines, so that it belongs to an entry of a list.
    """
    text = clean(str(value)).strip()
    fence = "`" * max(3, _longest_run(text) + 1)
    return Safe(textwrap.indent(f"{fence}console\n{text}\n{fence}", " " * indent))


def number(value: object, digits: int = 2, unit: str = "") -> Safe:
    """A number with its unit, or a dash for one that is not known."""
    if not isinstance(value, (int, float)):
        return Safe(NOTHING)
    return Safe("{0:.{1}f}{2}".format(value, digits, " " + unit if unit else ""))


def link(path: object, limit: int = EXCERPT_LIMIT) -> Safe:
    """A link to a file below the report, named by its path; what is no such path is shown as code."""
    text = str(path)
    return Safe(f"[{escape(text)}]({text})") if _BELOW.fullmatch(text) else code(text, limit)


def image(path: object, alt: object, limit: int = EXCERPT_LIMIT) -> Safe:
    """A picture below the report; where ``path`` is none, what it would show."""
    shown = escape(alt, limit)
    return Safe(f"![{shown}]({path})" if _BELOW.fullmatch(str(path)) else shown)


def row(id_: object) -> Safe:
    """A link to the row of the checklist that has the heading ``id_``."""
    text = str(id_)
    return Safe(f"[{code(text)}](#{text})") if re.fullmatch(r"[a-z][a-z0-9-]{0,39}", text) else code(text)


def html(value: object, limit: int = LINE_LIMIT) -> Safe:
    """Plain text on one line for the one place where Markdown is not read: between tags of the template."""
    text = " ".join(clean(shorten(str(value), limit)).split())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return Safe(text)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def render(
    template: Path,
    context: Dict[str, Any],
    language: Language = ENGLISH,
    limits: Limits = LIMITS,
    whole: str = "",
) -> str:
    """Fill ``template``. Every expression is escaped; an unknown name is an error. Raises jinja2.TemplateError.

    ``Words`` are said in ``language``; a text of the template itself stands in ``_("… {name}", name=value)``; the id of
    a status or the like is a word with ``| term``. Texts are shortened to ``limits``, but those with ``| important``
    only to the widest, those with ``| brief`` to a line or two, and those of an event by ``| event`` and ``| remark``.
    ``whole``: path of the file, relative to the report, that has whole what is shortened.
    """

    def said(value: object) -> object:
        return language.said(value)

    def rest(count: int) -> str:
        return language.gettext("… ({count} more characters)").format(count=count)

    def rest_in_file(count: int) -> str:
        if not whole:
            return rest(count)
        return language.gettext("… ([{count} more characters]({file}))").format(count=count, file=whole)

    def short_rest(count: int) -> str:
        return f"… (+{count})"

    def shown(value: object) -> str:
        return escape(said(value), limits.text, rest_in_file)

    def text_of(text: str, /, **values: object) -> Safe:
        return Safe(language.gettext(text).format(**{name: shown(value) for name, value in values.items()}))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(template.parent)),
        finalize=shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # that would escape for HTML; finalize escapes for Markdown
    )
    filters: Dict[str, Callable[..., Safe]] = {
        "code": lambda value: code(value, limits.text, rest_in_file),
        "block": lambda value: block(value, limits.block, limits.line, rest),
        "drawing": lambda value: block(value, DRAWING, LIMITS.line, rest),
        "important": lambda value: Safe(escape(value, LIMITS.text, rest_in_file)),
        "brief": lambda value: Safe(escape(value, min(BRIEF, limits.text), rest_in_file)),
        "event": lambda value: code(value, max(EVENT, limits.text // 4), short_rest),
        "remark": lambda value: Safe(escape(value, max(BRIEF, limits.text // 4), short_rest)),
        "command": command,
        "number": number,
        "link": lambda path: link(path, min(BRIEF, limits.text)),
        "image": lambda path, alt: image(path, said(alt), min(BRIEF, limits.text)),
        "row": row,
        "html": lambda value: html(value, min(BRIEF, limits.text)),
    }
    environment.filters.update({name: _translating(filter_, said) for name, filter_ in filters.items()}, said=said)
    environment.filters["term"] = term
    environment.globals["_"] = text_of
    text = environment.get_template(template.name).render(context)
    return re.sub(r"\n{3,}", "\n\n", text)


def _translating(filter_: Callable[..., Safe], said: Callable[[object], object]) -> Callable[..., Safe]:
    """``filter_`` for a value that is first said in the report's language, and so is the unit of a number."""
    return lambda value, *arguments, **options: filter_(said(value), *(said(term(a)) for a in arguments), **options)
