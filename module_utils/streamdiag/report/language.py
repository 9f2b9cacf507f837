"""The language of a report: the texts of the code are English; ``texts/<language>.po`` has them in another one.

gettext's own files, read by Babel: translators have editors for them, and ``tests/unit/report/test_languages.py`` finds
what one lacks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from babel.messages.pofile import read_po

from ..words import GetText, in_language

ENGLISH_NAME = "en"


class Language(NamedTuple):
    name: str  # en | ru
    gettext: GetText

    def said(self, text: Any) -> Any:
        """``text`` in this language where it is ``Words``; anything else as it is. English is what it is already."""
        return text if self.name == ENGLISH_NAME else in_language(text, self.gettext)


ENGLISH = Language(ENGLISH_NAME, str)


def load_language(name: str, texts: Path) -> Language:
    """The language of ``texts/<name>.po``. Raises OSError when there is no such file."""
    if name == ENGLISH_NAME:
        return ENGLISH
    with open(texts / f"{name}.po", "rb") as file:
        catalogue = read_po(file, locale=name)
    known = {str(message.id): str(message.string) for message in catalogue if message.id and message.string}
    return Language(name, lambda template: known.get(template, template))
