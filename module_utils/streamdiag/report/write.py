"""Everything that is written about one host, about one comparison, and about one run, in its folder.

What is for other programs is held against its published schema, after all is written: evidence is never lost for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ..compare.comparison import Comparison
from ..judge.result import Result
from ..store import Bundle, to_json, write_text
from ..words import in_language
from .audit import render_audit
from .html import page
from .junit import junit
from .language import Language, load_language
from .markdown import clean
from .report import render_report
from .schemas import AUDIT, RESULT, SUMMARY, require
from .stored import Stored
from .summary import Summary
from .summary_report import render_summary
from .terms import term

REPORT = "report.md"


class Style(NamedTuple):
    """How reports are written. ``role``: the folder of the role ``report``, with its ``templates`` and ``texts``."""

    role: Path
    language: Language


def style(role: str, language: str) -> Style:
    """``language``: en | ru. Raises OSError when the role has no texts of it."""
    return Style(Path(role), load_language(language, Path(role) / "texts"))


def write_report(folder: Path, bundle: Bundle, result: Result, look: Style) -> Path:
    """``result.json``, ``report.md`` and its page of the host whose run is in ``folder``; the path of ``report.md``.

    Raises NotAsPublished when ``result`` does not fit its schema.
    """
    report = _put_report(folder, bundle, result, look)
    _require(RESULT, result, folder, look)
    return report


def write_audit(folder: Path, comparison: Comparison, look: Style) -> Path:
    """``audit.json``, ``audit.md`` and its page in ``folder``; the path of ``audit.md``. Raises NotAsPublished."""
    report = _put_audit(folder, comparison, look)
    _require(AUDIT, comparison, folder, look)
    return report


def write_both(folder: Path, bundle: Bundle, result: Result, comparison: Comparison, look: Style) -> tuple[Path, Path]:
    """What ``write_report`` and ``write_audit`` write; the paths of report and audit. Raises NotAsPublished."""
    paths = _put_report(folder, bundle, result, look), _put_audit(folder, comparison, look)
    _require(RESULT, result, folder, look)
    _require(AUDIT, comparison, folder, look)
    return paths


def write_summary(folder: Path, summary: Summary, stored: Stored, look: Style) -> Path:
    """``summary.json``, ``summary.md``, its page and ``junit.xml`` of the run in ``folder``; the path of the second.

    Raises NotAsPublished.
    """
    write_text(folder / "summary.json", to_json(summary))
    text = render_summary(summary, look.role / "templates" / "summary.md.j2", look.language)
    report = _write_text_and_page(folder / "summary.md", text, summary["run_id"], look)
    write_text(folder / "junit.xml", junit(summary["run_id"], stored))
    _require(SUMMARY, summary, folder, look)
    return report


def _put_report(folder: Path, bundle: Bundle, result: Result, look: Style) -> Path:
    write_text(folder / "result.json", to_json(result))
    text = render_report(bundle, result, look.role / "templates" / "report.md.j2", look.language)
    return _write_text_and_page(folder / REPORT, text, _title(result["verdict"]["status"], result["host"], look), look)


def _put_audit(folder: Path, comparison: Comparison, look: Style) -> Path:
    write_text(folder / "audit.json", to_json(comparison))
    text = render_audit(comparison, look.role / "templates" / "audit.md.j2", look.language)
    title = _title(comparison["conclusion"]["word"], comparison["host"], look)
    return _write_text_and_page(folder / "audit.md", text, title, look)


def _title(word: str, host: str, look: Style) -> str:
    return f"{in_language(term(word), look.language.gettext)}: {host}"


def _write_text_and_page(path: Path, text: str, title: str, look: Style) -> Path:
    """``text`` to ``path`` and the same as HTML beside it; ``path``."""
    write_text(path, text)
    whole = page(text, clean(title), look.role / "templates" / "page.html.j2", look.language)
    write_text(path.with_suffix(".html"), whole)
    return path


def _require(name: str, document: Any, folder: Path, look: Style) -> None:
    require(look.role / "schemas", name, document, folder / f"{name}.json")
