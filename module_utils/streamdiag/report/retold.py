"""A stored result in sentences that can be said in another language: the file holds them in English only."""

from __future__ import annotations

import json
from pathlib import Path

from ..judge.assess import assess
from ..judge.result import Result
from ..store import NotABundle, load, to_json
from .altered import evidence_note, noted
from .language import ENGLISH_NAME, Language


def retold(folder: Path, stored: Result, language: Language) -> Result:
    """``stored``, the result in ``folder``, judged again from its evidence when that says the same, word for word.

    As it is stored when it does not: another version of this program judged it, or its evidence is gone. A comparison
    is about what was said then.
    """
    if language.name == ENGLISH_NAME:
        return stored
    try:
        again = noted(assess(load(folder)), evidence_note(folder))
    except (NotABundle, OSError):
        return stored
    return again if json.loads(to_json(again)) == stored else stored
