"""Everything that is written about one host, about one comparison, and about one run, in its folder.

What is for other programs is held against its published schema, after all is written: evidence is never lost for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from ..compare.comparison import Comparison
from ..judge.result import Result, ToolError
from ..manifest import write_manifest
from ..store import Bundle, to_json, write_text
from ..words import in_language
from .audit import render_audit
from .html import page
from .junit import junit
from .language import Language, load_language
from .markdown import clean
from .pictures.all import picture_of_pair, pictures_of
from .pictures.picture import Picture
from .report import render_report
from .schemas import AUDIT, RESULT, SUMMARY, require
from .stored import Stored
from .summary import Summary
from .summary_report import render_summary
from .terms import term

REPORT = "report.md"
#: The evidence before a change, and after it.
Bundles = Tuple[Bundle, Bundle]


class Style(NamedTuple):
    """How reports are written. ``role``: the folder of the role ``report``, with its ``templates`` and ``texts``."""

    role: Path
    language: Language


def style(role: str, language: str) -> Style:
    """``language``: en | ru. Raises OSError when the role has no texts of it."""
    return Style(Path(role), load_language(language, Path(role) / "texts"))


def write_report(folder: Path, bundle: Bundle, result: Result, look: Style) -> Path:
    """``result.json``, ``report.md``, its page and pictures, of the host of ``folder``; the path of ``report.md``.

    What could not be drawn is among the tool's errors of what is written; the run has not failed for it.
    Raises NotAsPublished when what is written does not fit its schema.
    """
    report, written = _put_report(folder, bundle, result, look)
    write_manifest(folder)  # last: it is of everything else
    _require(RESULT, written, folder, look)
    return report


def write_audit(folder: Path, comparison: Comparison, look: Style, bundles: Optional[Bundles] = None) -> Path:
    """``audit.json``, ``audit.md``, its page and picture in ``folder``; the path of ``audit.md``.

    ``bundles``: the evidence before and after, of which the picture is made. Raises NotAsPublished.
    """
    report, written = _put_audit(folder, comparison, look, bundles)
    write_manifest(folder)
    _require(AUDIT, written, folder, look)
    return report


def write_both(
    folder: Path, bundle: Bundle, result: Result, comparison: Comparison, look: Style, bundles: Bundles
) -> Tuple[Path, Path]:
    """What ``write_report`` and ``write_audit`` write; the paths of report and audit. Raises NotAsPublished."""
    report, result = _put_report(folder, bundle, result, look)
    audit, comparison = _put_audit(folder, comparison, look, bundles)
    write_manifest(folder)
    _require(RESULT, result, folder, look)
    _require(AUDIT, comparison, folder, look)
    return report, audit


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


def _put_report(folder: Path, bundle: Bundle, result: Result, look: Style) -> Tuple[Path, Result]:
    errors: List[ToolError] = []
    pictures = pictures_of(bundle, result, look.language, errors)
    result = {**result, "tool_errors": result["tool_errors"] + errors}
    write_text(folder / "result.json", to_json(result))
    template = look.role / "templates" / "report.md.j2"
    text = render_report(bundle, result, template, look.language, pictures=pictures)
    title = _title(result["verdict"]["status"], result["host"], look)
    return _write_text_and_page(folder / REPORT, text, title, look, pictures), result


def _put_audit(
    folder: Path, comparison: Comparison, look: Style, bundles: Optional[Bundles]
) -> Tuple[Path, Comparison]:
    errors: List[str] = []
    picture = picture_of_pair(comparison, *bundles, look.language, errors) if bundles is not None else None
    comparison = {**comparison, "methods": comparison["methods"] + errors}
    write_text(folder / "audit.json", to_json(comparison))
    text = render_audit(comparison, look.role / "templates" / "audit.md.j2", look.language, picture)
    title = _title(comparison["conclusion"]["word"], comparison["host"], look)
    pictures = [picture] if picture is not None else []
    return _write_text_and_page(folder / "audit.md", text, title, look, pictures), comparison


def _title(word: str, host: str, look: Style) -> str:
    return f"{in_language(term(word), look.language.gettext)}: {host}"


def _write_text_and_page(path: Path, text: str, title: str, look: Style, pictures: Sequence[Picture] = ()) -> Path:
    """``text`` to ``path``, the same as HTML beside it, and the pictures of both; ``path``."""
    for picture in pictures:
        write_text(path.parent / picture.path, picture.svg)
    write_text(path, text)
    embedded = {picture.path: picture.svg for picture in pictures}
    whole = page(text, clean(title), look.role / "templates" / "page.html.j2", look.language, embedded)
    write_text(path.with_suffix(".html"), whole)
    return path


def _require(name: str, document: Any, folder: Path, look: Style) -> None:
    require(look.role / "schemas", name, document, folder / f"{name}.json")
