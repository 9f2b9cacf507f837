"""A stored ``result.json``, read and checked: a comparison must not trip over, or believe, a damaged file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Dict, NoReturn, Tuple, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from ..judge.result import SCHEMA_VERSION, Result
from ..words import NOTHING, joined, say
from .comparable import UNKNOWN


class NotAResult(ValueError):
    """There is no ``result.json`` that can be compared; the message says which file, what is wrong and what to do."""


#: What may be asked for to make a result anew.
_AGAIN = say("judge the run again: {command}", command="ansible-playbook playbooks/assess.yml -e assess_run=RUN")


def read_result(folder: Path) -> Result:
    """The result of one host's run. Raises NotAResult. What an older version did not say yet is completed."""
    path = folder / "result.json"
    try:
        found = json.loads(path.read_bytes().decode("utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        raise _not_a_result(say("{file} is not there", file=path)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _not_a_result(say("{file} is not whole JSON: {error}", file=path, error=error)) from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if not isinstance(version, int):
        raise _not_a_result(say("{file} is no result: it has no schema_version", file=path))
    if isinstance(version, bool) or version < 1:
        raise _not_a_result(say("{file} is damaged: schema version {version} never was", file=path, version=version))
    if version > SCHEMA_VERSION:
        raise NotAResult(
            say(
                "{file} has schema version {version} and this program compares up to version {known}: take a newer "
                "version of it, or {again}",
                file=path,
                version=version,
                known=SCHEMA_VERSION,
                again=_AGAIN,
            )
        )
    _complete(found)
    wrong = _wrong(found, Result, "")
    if wrong:
        raise _not_a_result(say("{file} is damaged: {wrong}", file=path, wrong=wrong))
    return cast(Result, found)


def _not_a_result(why: str) -> NotAResult:
    return NotAResult(joined("; ", (why, _AGAIN)))


#: Keys that came after the first results of schema version 1, and what stands for them. A new key has to be added here.
_LATER: Dict[str, Any] = {
    "repeats": [],
    "notes": [],
    "localisation": {"trigger": UNKNOWN, "reason": ""},
}
_LATER_IN_VERDICT: Dict[str, Any] = {"doubts": []}
_LATER_IN_STREAMS: Dict[str, Any] = {"variant": "", "arrival": UNKNOWN, "first_deviation": UNKNOWN, "codex": UNKNOWN}


def _complete(found: Dict[str, Any]) -> None:
    """Add what ``found`` lacks because it is older. What is not of the right form is left for ``_wrong``."""
    _add(found, _LATER)
    verdict = found.get("verdict")
    _add(verdict, _LATER_IN_VERDICT)
    if isinstance(verdict, dict):
        verdict.setdefault("said", {"text": verdict.get("summary")})
    streams = [found.get("streams"), found["repeats"]]
    for row in (row for rows in streams if isinstance(rows, list) for row in rows):
        _add(row, _LATER_IN_STREAMS)


def _add(found: Any, later: Dict[str, Any]) -> None:
    if isinstance(found, dict):
        for key, value in later.items():
            found.setdefault(key, copy.deepcopy(value))


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON")


def _wrong(value: Any, shape: Any, where: str) -> str:
    """What of ``value`` has not the ``shape`` (a type of judge/result.py), in words; "" when all of it has."""
    if is_typeddict(shape):
        return _wrong_object(value, get_type_hints(shape), where)
    if get_origin(shape) is list:
        if not isinstance(value, list):
            return say("{where} is no list", where=where)
        found = (_wrong(one, get_args(shape)[0], f"{where}[{place}]") for place, one in enumerate(value))
        return next(filter(None, found), NOTHING)
    if get_origin(shape) is dict:  # of any content
        return NOTHING if isinstance(value, dict) else say("{where} is no object", where=where)
    kinds: Tuple[Any, ...] = get_args(shape) if get_origin(shape) is Union else (shape,)
    if isinstance(value, bool) or not isinstance(value, (*kinds, int) if float in kinds else kinds):
        return say("{where} is {value!r}", where=where, value=str(value)[:40])
    return NOTHING


def _wrong_object(value: Any, keys: Dict[str, Any], where: str) -> str:
    if not isinstance(value, dict):
        return say("{where} is no object", where=where or say("it"))
    for name, shape in keys.items():
        if name not in value:
            return say("{where} is missing", where=f"{where}.{name}".lstrip("."))
        wrong = _wrong(value[name], shape, f"{where}.{name}".lstrip("."))
        if wrong:
            return wrong
    return NOTHING
