"""Which rows of a result say something else than before. Volatile facts are left out, see ``stable``."""

from __future__ import annotations

from typing import Dict, Iterator, List, Set, Tuple

from ..judge.result import Check, Result, StreamRow
from ..words import joined
from .arms import arm_of
from .comparable import UNKNOWN
from .comparison import Change
from .stable import stable, stable_arguments

NOTHING = "-"
#: Of ``arrival``: nothing can be told.
_ARRIVAL_UNKNOWN = (NOTHING, "too_short", "none")
#: (part, id) -> what the row says.
_Rows = Dict[Tuple[str, str], str]


def changes(before: Result, after: Result) -> List[Change]:
    """The rows that differ, in the order of a result. A row that one of the two does not have is ``-`` there."""
    found = _changed(_rows(before), _rows(after)) + _command_line(before, after) + _checks(before, after)
    sent = {row["case"] for result in (before, after) for row in result["streams"]}
    return found + _streams(before, after) + _changed(_undone(before, sent), _undone(after, sent))


def _changed(before: _Rows, after: _Rows) -> List[Change]:
    names = list(dict.fromkeys([*before, *after]))
    pairs = ((name, before.get(name, NOTHING) or NOTHING, after.get(name, NOTHING) or NOTHING) for name in names)
    return [
        Change(part=part, id=id_, before=old, after=new)
        for (part, id_), old, new in pairs
        if old != new and UNKNOWN not in (old, new)
    ]


def _rows(result: Result) -> _Rows:
    verdict, target = result["verdict"], result["target"]
    rows: _Rows = {
        ("verdict", "status"): verdict["status"],
        ("verdict", "primary_cause"): verdict["primary_cause"] or "",
        ("verdict", "confidence"): verdict["confidence"],
        ("localisation", "trigger"): stable(result["localisation"]["trigger"]),
        ("target", "base_url"): stable(target["base_url"]),
        ("target", "public_url"): stable(target["public_url"]),
        ("target", "model"): target["model"],
        ("target", "vllm_version"): target["vllm_version"],
        ("target", "unit"): target["unit"],
        ("target", "unit_state"): stable(target["unit_state"]),
        ("target", "compat_mode"): target["compat_mode"],
    }
    rows.update({("cause", cause["id"]): cause["state"] for cause in result["causes"]})
    return rows


def _checks(before: Result, after: Result) -> List[Change]:
    """Checks whose status changed, or the reason of it."""
    old, new = ({check["id"]: check for check in result["checks"]} for result in (before, after))
    found = []
    for id_ in dict.fromkeys([*old, *new]):
        pair = [old.get(id_), new.get(id_)]
        keys = [(check["status"], stable(check["reason"])) if check else None for check in pair]
        if keys[0] != keys[1]:
            words = [_words(check) if check else NOTHING for check in pair]
            found.append(Change(part="check", id=id_, before=words[0], after=words[1]))
    return found


def _words(check: Check) -> str:
    return joined(": ", filter(None, (check["status"], stable(check["reason"] or check["observed"]))))


def _streams(before: Result, after: Result) -> List[Change]:
    """Cases that both runs sent. Their counts and times are compared as rates and timings."""
    old, new = arm_of(before), arm_of(after)
    found: List[_Rows] = []
    for arm in (old, new):
        sent = [(name, rows) for name, rows in arm.items() if name in old and name in new]
        found.append({("stream", f"{name} {id_}"): said for name, rows in sent for id_, said in _of_streams(rows)})
    return [change for change in _changed(*found) if not change["id"].endswith(" arrival") or _both_known(change)]


def _both_known(change: Change) -> bool:
    """How events came could be told in both runs; a short answer tells it in one and not in the next."""
    return not {change["before"], change["after"]} & set(_ARRIVAL_UNKNOWN)


def _undone(result: Result, sent: Set[str]) -> _Rows:
    """What was not done, but for cases that one of the runs ``sent``: those are named as not compared."""
    skipped = [one for one in result["skipped_cases"] if one["case"] not in sent]
    rows = {("skipped case", one["case"]): stable(one["reason"]) for one in skipped}
    return {**rows, **{("tool error", one["step"]): stable(one["message"]) for one in result["tool_errors"]}}


def _of_streams(sent: List[StreamRow]) -> Iterator[Tuple[str, str]]:
    """What the streams of one case say besides numbers; each thing once, however many streams say it."""
    yield "outcome", _each([row["outcome"] for row in sent])
    yield "http_status", _each([str(row["http_status"] or "") for row in sent])
    yield "terminal_event", _each([row["terminal_event"] or "" for row in sent])
    yield "arrival", _each([row["arrival"] for row in sent if row["arrival"] not in _ARRIVAL_UNKNOWN])
    yield "first_deviation", _each([stable(row["first_deviation"]) for row in sent])
    yield "codex", _each([stable(row["codex"]) for row in sent])


def _each(values: List[str]) -> str:
    return joined(", ", sorted({value or NOTHING for value in values})) or NOTHING


def _command_line(before: Result, after: Result) -> List[Change]:
    """What was added to the server's command line, and what was taken away."""
    old, new = (stable_arguments(result["target"]["argv"]) for result in (before, after))
    gone, came = ([w for w in old if w not in new], [w for w in new if w not in old])
    if not gone and not came:
        return []
    return [Change(part="target", id="argv", before=" ".join(gone) or NOTHING, after=" ".join(came) or NOTHING)]
