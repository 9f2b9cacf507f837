"""``result.json`` -> ``report.md``: the verdict first, then the checklist row by row in the order of the original."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence

from ..judge.result import Result
from ..store import Bundle
from .language import ENGLISH, Language
from .markdown import render
from .pictures.picture import Picture

#: Sections of the checklist by the prefix of their rows' ids.
SECTIONS = (
    ("symptom-", "Symptoms"),
    ("cause-", "Possible causes"),
    ("step-", "Steps"),
    ("fix-", "Quick fixes"),
    ("check-", "Checks"),
)


#: The original's 2x2 of tools and reasoning.
TWO_BY_TWO = ("simple", "reasoning", "tools", "codex")


def render_report(
    bundle: Bundle, result: Result, template: Path, language: Language = ENGLISH, pictures: Sequence[Picture] = ()
) -> str:
    """The report of one host, whose evidence is ``bundle``. ``template``: ``roles/report/templates/report.md.j2``."""
    sections: List[Dict[str, Any]] = [
        {"title": title, "checks": [check for check in result["checks"] if check["id"].startswith(prefix)]}
        for prefix, title in SECTIONS
    ]
    open_checks = [c for c in result["checks"] if c["status"] in ("fail", "warn", "error") and c["evidence"]]
    outcomes = {stream["case"]: stream["outcome"] for stream in result["streams"]}
    context = {
        "result": result,
        "sections": sections,
        "open_checks": open_checks,
        "pictures": pictures,
        "two_by_two": {case: outcomes.get(case, "not sent") for case in TWO_BY_TWO},
    }
    return render(template, context, language)
