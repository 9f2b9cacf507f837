"""Everything that is written about one host, about one comparison, and about one run, in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, NamedTuple, Optional

from ..compare.comparison import Comparison
from ..judge.result import Result
from ..store import Bundle, to_json, write_text
from ..words import in_language
from .audit import render_audit
from .html import page
from .language import Language, load_language
from .markdown import clean, render
from .report import render_report
from .summary import Summary


class Style(NamedTuple):
    """How reports are written. ``role``: the folder of the role ``report``, with its ``templates`` and ``texts``."""

    role: Path
    language: Language


def style(role: str, language: str) -> Style:
    """``language``: en | ru. Raises OSError when the role has no texts of it."""
    return Style(Path(role), load_language(language, Path(role) / "texts"))


def write_report(folder: Path, bundle: Bundle, result: Result, look: Style) -> Path:
    """``result.json``, ``report.md`` and its page of the host whose run is in ``folder``; the path of ``report.md``."""
    write_text(folder / "result.json", to_json(result))
    text = render_report(bundle, result, look.role / "templates" / "report.md.j2", look.language)
    return _write_text_and_page(
        folder / "report.md", text, "{}: {}".format(result["verdict"]["status"], result["host"]), look
    )


def write_audit(folder: Path, comparison: Comparison, look: Style) -> Path:
    """``audit.json``, ``audit.md`` and its page in ``folder``; the path of ``audit.md``."""
    write_text(folder / "audit.json", to_json(comparison))
    text = render_audit(comparison, look.role / "templates" / "audit.md.j2", look.language)
    title = "{}: {}".format(in_language(comparison["conclusion"]["word"], look.language.gettext), comparison["host"])
    return _write_text_and_page(folder / "audit.md", text, title, look)


def write_summary(folder: Path, summary: Summary, look: Style) -> Path:
    """``summary.json``, ``summary.md`` and its page of the run in ``folder``; the path of ``summary.md``."""
    write_text(folder / "summary.json", to_json(summary))
    text = render(look.role / "templates" / "summary.md.j2", {"summary": summary}, look.language)
    return _write_text_and_page(folder / "summary.md", text, summary["run_id"], look)


def _write_text_and_page(
    path: Path, text: str, title: str, look: Style, pictures: Optional[Mapping[str, str]] = None
) -> Path:
    """``text`` to ``path`` and the same as HTML beside it; ``path``. ``pictures``: as ``html.page`` takes them."""
    write_text(path, text)
    whole = page(text, clean(title), look.role / "templates" / "page.html.j2", look.language, pictures)
    write_text(path.with_suffix(".html"), whole)
    return path
