"""Everything that is written about one host, about one comparison, and about one run, in its folder.

What is for other programs is held against its published schema, after all is written: evidence is never lost for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from ..compare.comparison import Comparison
from ..judge.result import Result, ToolError
from ..manifest import renew_manifest, write_manifest
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


class _Written(NamedTuple):
    """``document``: what stands in the file for other programs; ``files``: all that was written, the report first."""

    document: Any
    files: List[Path]


def write_report(folder: Path, bundle: Bundle, result: Result, look: Style, gathered: bool = True) -> Path:
    """``result.json``, ``report.md``, its page and pictures, of the host of ``folder``; the path of ``report.md``.

    ``gathered``: the evidence has just come; else it is a stored run's, and the manifest goes on saying what it was.
    What could not be drawn is among the tool's errors of what is written; the run has not failed for it.
    Raises NotAsPublished when what is written does not fit its schema.
    """
    report = _put_report(folder, bundle, result, look)
    if gathered:
        write_manifest(folder)  # last: it is of everything else
    else:
        renew_manifest(folder, report.files)
    _require(RESULT, report.document, folder, look)
    return report.files[0]


def write_audit(folder: Path, comparison: Comparison, look: Style, bundles: Optional[Bundles] = None) -> Path:
    """``audit.json``, ``audit.md``, its page and picture in ``folder``, of stored runs; the path of ``audit.md``.

    ``bundles``: the evidence before and after, of which the picture is made. Raises NotAsPublished.
    """
    audit = _put_audit(folder, comparison, look, bundles)
    renew_manifest(folder, audit.files)
    _require(AUDIT, audit.document, folder, look)
    return audit.files[0]


def write_both(
    folder: Path, bundle: Bundle, result: Result, comparison: Comparison, look: Style, bundles: Bundles
) -> Tuple[Path, Path]:
    """What ``write_report`` and ``write_audit`` write, of an audit that has just ended; the paths of report and audit.

    Raises NotAsPublished.
    """
    report = _put_report(folder, bundle, result, look)
    audit = _put_audit(folder, comparison, look, bundles)
    write_manifest(folder)
    _require(RESULT, report.document, folder, look)
    _require(AUDIT, audit.document, folder, look)
    return report.files[0], audit.files[0]


def write_summary(folder: Path, summary: Summary, stored: Stored, look: Style) -> Path:
    """``summary.json``, ``summary.md``, its page and ``junit.xml`` of the run in ``folder``; the path of the second.

    Raises NotAsPublished.
    """
    write_text(folder / "summary.json", to_json(summary))
    text = render_summary(summary, look.role / "templates" / "summary.md.j2", look.language)
    report = _write_text_and_page(folder / "summary.md", text, summary["run_id"], look)[0]
    write_text(folder / "junit.xml", junit(summary["run_id"], stored))
    _require(SUMMARY, summary, folder, look)
    return report


def _put_report(folder: Path, bundle: Bundle, result: Result, look: Style) -> _Written:
    errors: List[ToolError] = []
    pictures = pictures_of(bundle, result, look.language, errors)
    result = {**result, "tool_errors": result["tool_errors"] + errors}
    write_text(folder / "result.json", to_json(result))
    template = look.role / "templates" / "report.md.j2"
    text = render_report(bundle, result, template, look.language, pictures=pictures)
    title = _title(result["verdict"]["status"], result["host"], look)
    files = _write_text_and_page(folder / REPORT, text, title, look, pictures)
    return _Written(result, [*files, folder / "result.json"])


def _put_audit(folder: Path, comparison: Comparison, look: Style, bundles: Optional[Bundles]) -> _Written:
    errors: List[str] = []
    picture = picture_of_pair(comparison, *bundles, look.language, errors) if bundles is not None else None
    comparison = {**comparison, "methods": comparison["methods"] + errors}
    write_text(folder / "audit.json", to_json(comparison))
    text = render_audit(comparison, look.role / "templates" / "audit.md.j2", look.language, picture)
    title = _title(comparison["conclusion"]["word"], comparison["host"], look)
    pictures = [picture] if picture is not None else []
    files = _write_text_and_page(folder / "audit.md", text, title, look, pictures)
    return _Written(comparison, [*files, folder / "audit.json"])


def _title(word: str, host: str, look: Style) -> str:
    return f"{in_language(term(word), look.language.gettext)}: {host}"


def _write_text_and_page(
    path: Path, text: str, title: str, look: Style, pictures: Sequence[Picture] = ()
) -> List[Path]:
    """``text`` to ``path``, the same as HTML beside it, and the pictures of both; all their paths, ``path`` first."""
    embedded = {picture.path: picture.svg for picture in pictures}
    whole = page(text, clean(title), look.role / "templates" / "page.html.j2", look.language, embedded)
    files = {path: text, path.with_suffix(".html"): whole}
    files.update({path.parent / name: svg for name, svg in embedded.items()})
    for file, content in files.items():
        write_text(file, content)
    return list(files)


def _require(name: str, document: Any, folder: Path, look: Style) -> None:
    require(look.role / "schemas", name, document, folder / f"{name}.json")
