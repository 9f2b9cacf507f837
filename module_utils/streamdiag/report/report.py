"""``result.json`` -> ``report.md``: a first screen to act on, then the checklist row by row in the original's order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ..bundle import stream_file
from ..judge.causes import bearing
from ..judge.facts import Facts, gather
from ..judge.result import Cause, Check, Quote, Result
from ..store import EVIDENCE, Bundle
from ..words import say
from .expected import beside, deviates, telling
from .language import ENGLISH, Language
from .markdown import LIMITS, Limits, render
from .missing import missing_evidence
from .next_step import steps
from .pictures.picture import Picture

#: Bytes of a report: more is cut in the places where reports are pasted.
SIZE = 60 * 1000
#: From wide to narrow: the first with which a report fits is taken, so a short text stays whole beside a long one.
LADDER = (
    LIMITS,
    Limits(text=600, block=800, line=200, items=20),
    Limits(text=300, block=400, line=160, items=12),
    Limits(text=160, block=240, line=120, items=8),
    Limits(text=80, block=120, line=80, items=5),
    Limits(text=60, block=100, line=80, items=4),
    Limits(text=40, block=80, line=60, items=3),
    Limits(text=20, block=40, line=40, items=2),
)
#: Sections of the checklist by the prefix of their rows' ids.
SECTIONS = (
    ("symptom-", say("Symptoms")),
    ("cause-", say("Possible causes")),
    ("step-", say("Steps")),
    ("fix-", say("Quick fixes")),
    ("check-", say("Checks")),
)
#: Statuses of rows that are open in a report.
OPEN = ("fail", "warn", "error")
#: The original's 2x2 of tools and reasoning.
TWO_BY_TWO = ("simple", "reasoning", "tools", "codex")
#: Lines of the telling stream beside the good run, and of any other.
MOST_LINES = 24
MOST_OTHER = 12
_STREAM = re.compile(re.escape(f"{EVIDENCE}/{stream_file('|')}").replace(r"\|", "(.+)"))


class Source(NamedTuple):
    """What rows quote of one file."""

    path: str
    sha256: str
    excerpt: str
    short: bool  # fits into the line of its path


def render_report(
    bundle: Bundle,
    result: Result,
    template: Path,
    language: Language = ENGLISH,
    pictures: Sequence[Picture] = (),
) -> str:
    """The report of one host, whose evidence is ``bundle``, in at most ``SIZE`` bytes.

    ``template``: ``roles/report/templates/report.md.j2``. ``pictures``: of the streams, by their names.
    """
    facts = gather(bundle)
    text = ""
    for limits in LADDER:
        context = _context(bundle, facts, result, pictures, language, limits)
        text = render(template, context, language, limits, whole="result.json")
        if len(text.encode()) <= SIZE:
            break
    return text


def _context(
    bundle: Bundle, facts: Facts, result: Result, pictures: Sequence[Picture], language: Language, limits: Limits
) -> Dict[str, Any]:
    cause = next((one for one in result["causes"] if one["id"] == result["verdict"]["primary_cause"]), None)
    rows = {check["id"]: check for check in result["checks"]}
    inconclusive = result["verdict"]["status"] == "inconclusive"
    outcomes = {stream["case"]: stream["outcome"] for stream in result["streams"]}
    return {
        "result": result,
        "limits": limits,
        "cause": cause,
        "steps": steps(language.said(result["verdict"]["next_step"])),
        "rows_for": [rows[id_] for id_ in cause["evidence_for"]] if cause else [],
        "rows_against": [rows[id_] for id_ in cause["evidence_against"]] if cause else [],
        "unknown": _unknown(result, cause),
        "missing": missing_evidence(bundle, facts) if inconclusive else [],
        "sections": [
            {"title": title, "checks": [check for check in result["checks"] if check["id"].startswith(prefix)]}
            for prefix, title in SECTIONS
        ],
        "open": OPEN,
        "sources": {id_: _sources(check["evidence"]) for id_, check in rows.items()},
        "two_by_two": {case: outcomes.get(case, "not sent") for case in TWO_BY_TWO},
        "besides": _besides(facts, _named(cause, rows), pictures, limits),
        "pictures": {picture.name: picture for picture in pictures},
    }


def _named(cause: Optional[Cause], rows: Dict[str, Check]) -> List[str]:
    """The streams whose files the rows for ``cause`` quote."""
    quotes = [quote for id_ in (cause["evidence_for"] if cause else []) for quote in rows[id_]["evidence"]]
    found = [_STREAM.fullmatch(quote["path"]) for quote in quotes]
    return [match[1] for match in found if match]


def _unknown(result: Result, cause: Optional[Cause]) -> List[Check]:
    """Rows that were skipped and would have borne on the verdict; all but the fixes where no cause is known."""
    skipped = [check for check in result["checks"] if check["status"] == "skip"]
    if cause is not None:
        return [check for check in skipped if check["id"] in bearing(cause["id"])]
    if result["verdict"]["status"] != "inconclusive":
        return []
    return [check for check in skipped if not check["id"].startswith(("fix-", "cause-"))]


def _sources(quotes: Sequence[Quote]) -> List[Source]:
    """The quotes by file, in the order of their first mention; what is said twice stands once."""
    excerpts: Dict[str, List[str]] = {}
    digests = {quote["path"]: quote["sha256"] for quote in quotes}
    for quote in quotes:
        known = excerpts.setdefault(quote["path"], [])
        if quote["excerpt"] not in known:
            known.append(quote["excerpt"])
    found = []
    for path, texts in excerpts.items():
        text = "\n".join(texts)
        found.append(Source(path, digests[path], text, "\n" not in text and len(text) <= LIMITS.line))
    return found


def _besides(facts: Facts, named: List[str], pictures: Sequence[Picture], limits: Limits) -> List[Dict[str, Any]]:
    """The telling stream beside the good run, then the others that deviate or have a picture."""
    told = telling(facts, named)
    if told is None:
        return []
    shown = {picture.name for picture in pictures}
    others = [one for one in facts.everything_sent if one is not told and (deviates(one) or one.name in shown)]
    found = [beside(told, min(MOST_LINES, limits.items + 6))]
    found += [beside(one, min(MOST_OTHER, limits.items + 3)) for one in others]
    paths = [f"{EVIDENCE}/{stream_file(one.name)}" for one in found]
    return [{**one._asdict(), "path": path, "sha256": facts.digests.get(path, "")} for one, path in zip(found, paths)]
