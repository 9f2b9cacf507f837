"""What is written for other programs is held against its published schema (``roles/report/schemas/``).

A document that does not fit is written all the same: evidence is never lost, and whoever reads it is told.
"""

from __future__ import annotations

import functools
import json
from itertools import islice
from pathlib import Path
from typing import Any, List, NoReturn

from jsonschema import Draft202012Validator, ValidationError

from ..store import to_json
from .markdown import clean, shorten

RESULT, SUMMARY, AUDIT = "result", "summary", "audit"
#: Of what is wrong in one document, how much is said.
MOST = 5
MESSAGE_LIMIT = 200


class NotAsPublished(ValueError):
    """A document was written, and is not as its schema says; the message says which, what is wrong, and where."""


def require(schemas: Path, name: str, document: Any, path: Path) -> None:
    """``document``: what was written to ``path``. ``schemas``: the folder of the schemas, ``name``: result | …

    Raises NotAsPublished, and OSError where there is no such schema.
    """
    wrong = problems(schemas, name, document)
    if wrong:
        raise NotAsPublished(
            f"{path} is written, and it is not as the schema of {path.name} says, so other programs may not read it: "
            f"{'; '.join(wrong)}. This is a fault of this program: report it"
        )


def problems(schemas: Path, name: str, document: Any) -> List[str]:
    """What of ``document`` is not as the schema says, ``$.checks[3].status: …``; the first few. Empty when all is well.

    Looked at is the JSON that programs read. Raises OSError where there is no such schema.
    """
    try:
        written = json.loads(to_json(document), parse_constant=_no_number)
    except ValueError as error:
        return [str(error)]
    return [_words(error) for error in islice(_validator(schemas / f"{name}.schema.json").iter_errors(written), MOST)]


@functools.lru_cache(maxsize=None)
def _validator(path: Path) -> Draft202012Validator:
    """One for all documents: making it costs more than using it."""
    return Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))


def _words(error: ValidationError) -> str:
    return f"{clean(error.json_path)}: {clean(shorten(error.message, MESSAGE_LIMIT))}"


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"it holds {word}, which is no number in JSON")
