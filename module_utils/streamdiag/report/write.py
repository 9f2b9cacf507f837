"""Everything that is written about one host, about one comparison, and about one run, in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple

from ..compare.comparison import Comparison
from ..judge.result import Result, ToolError
from ..store import Bundle, to_json, write_text
from .audit import render_audit
from .language import Language, load_language
from .markdown import render
from .pictures.all import picture_of_pair, pictures_of
from .pictures.picture import Picture
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
    """``result.json``, ``report.md`` and its pictures, of the host whose run is in ``folder``; the path of the report.

    What could not be drawn is among the tool's errors of what is written; the run has not failed for it.
    """
    errors: List[ToolError] = []
    pictures = pictures_of(bundle, result, look.language, errors)
    result = {**result, "tool_errors": result["tool_errors"] + errors}
    _write_pictures(folder, pictures)
    write_text(folder / "result.json", to_json(result))
    report = folder / "report.md"
    template = look.role / "templates" / "report.md.j2"
    write_text(report, render_report(bundle, result, template, look.language, pictures=pictures))
    return report


def write_audit(
    folder: Path, comparison: Comparison, look: Style, bundles: Optional[Tuple[Bundle, Bundle]] = None
) -> Path:
    """``audit.json``, ``audit.md`` and its picture in ``folder``; the path of the report.

    ``bundles``: the evidence before and after, of which the picture is made.
    """
    errors: List[str] = []
    picture = picture_of_pair(comparison, *bundles, look.language, errors) if bundles is not None else None
    comparison = {**comparison, "methods": comparison["methods"] + errors}
    _write_pictures(folder, [picture] if picture is not None else [])
    write_text(folder / "audit.json", to_json(comparison))
    report = folder / "audit.md"
    template = look.role / "templates" / "audit.md.j2"
    write_text(report, render_audit(comparison, template, look.language, picture))
    return report


def _write_pictures(folder: Path, pictures: Sequence[Picture]) -> None:
    for picture in pictures:
        write_text(folder / picture.path, picture.svg)


def write_summary(folder: Path, summary: Summary, look: Style) -> Path:
    """``summary.json`` and ``summary.md`` of the run in ``folder``; the path of the latter."""
    write_text(folder / "summary.json", to_json(summary))
    report = folder / "summary.md"
    write_text(report, render(look.role / "templates" / "summary.md.j2", {"summary": summary}, look.language))
    return report
