"""Everything that is written about one host, about one comparison, and about one run, in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..compare.comparison import Comparison
from ..judge.result import Result
from ..manifest import write_manifest
from ..store import Bundle, to_json, write_text
from .audit import render_audit
from .language import Language, load_language
from .markdown import render
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
    """``result.json`` and ``report.md`` of the host whose run is in ``folder``; the path of the report."""
    write_text(folder / "result.json", to_json(result))
    report = folder / "report.md"
    write_text(report, render_report(bundle, result, look.role / "templates" / "report.md.j2", look.language))
    write_manifest(folder)  # last: it is of everything else
    return report


def write_audit(folder: Path, comparison: Comparison, look: Style) -> Path:
    """``audit.json`` and ``audit.md`` in ``folder``; the path of the latter."""
    write_text(folder / "audit.json", to_json(comparison))
    report = folder / "audit.md"
    write_text(report, render_audit(comparison, look.role / "templates" / "audit.md.j2", look.language))
    write_manifest(folder)
    return report


def write_summary(folder: Path, summary: Summary, look: Style) -> Path:
    """``summary.json`` and ``summary.md`` of the run in ``folder``; the path of the latter."""
    write_text(folder / "summary.json", to_json(summary))
    report = folder / "summary.md"
    write_text(report, render(look.role / "templates" / "summary.md.j2", {"summary": summary}, look.language))
    return report
