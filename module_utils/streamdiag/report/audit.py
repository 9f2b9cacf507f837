"""``audit.json`` -> ``audit.md``: the conclusion in sentences, then case by case, times, and rows that changed."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from ..compare.comparison import Change, Comparison
from ..compare.words import p
from .language import ENGLISH, Language
from .markdown import render
from .pictures.picture import Picture
from .terms import terms_within

#: Rows of a result that hold ids; of others a value that looks like one is a name that somebody gave.
_OF_IDS = {("verdict", "status"), ("verdict", "confidence"), ("target", "compat_mode")}


def render_audit(
    comparison: Comparison, template: Path, language: Language = ENGLISH, picture: Optional[Picture] = None
) -> str:
    """The comparison of one host. ``template``: ``roles/report/templates/audit.md.j2``."""
    context = {
        "audit": comparison,
        "changes": [_with_terms(one) for one in comparison["changes"]],
        "p": p,
        "picture": picture,
    }
    return render(template, context, language)


def _with_terms(change: Change) -> Change:
    part, id_ = change["part"], change["id"]
    if part in ("cause", "check") or (part == "stream" and id_.endswith((" outcome", " arrival"))):
        ids = True
    else:
        ids = (part, id_) in _OF_IDS
    if not ids:
        return change
    return Change(part=part, id=id_, before=terms_within(change["before"]), after=terms_within(change["after"]))
