"""``audit.json`` -> ``audit.md``: the conclusion in sentences, then case by case, times, and rows that changed."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from ..compare.comparison import Comparison
from ..compare.words import p
from .language import ENGLISH, Language
from .markdown import render
from .pictures.picture import Picture


def render_audit(
    comparison: Comparison, template: Path, language: Language = ENGLISH, picture: Optional[Picture] = None
) -> str:
    """The comparison of one host. ``template``: ``roles/report/templates/audit.md.j2``."""
    return render(template, {"audit": comparison, "p": p, "picture": picture}, language)
