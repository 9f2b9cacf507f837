"""``summary.json`` -> ``summary.md``: every host on a line, worst first, then the odd ones out.

Lists are cut to what people read; ``summary.json`` has them whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence
from urllib.parse import quote

from ..words import say
from .fleet import FACTS, Odd
from .language import ENGLISH, Language
from .markdown import Safe, code, escape, render, shorten
from .summary import Summary

#: Hosts named together, facts of one host, groups of hosts that differ in the same way.
HOSTS, ROWS, GROUPS = 12, 8, 20
VALUE_LIMIT = 80
#: Facts whose values are ids of the contract, which every language has a word for.
_IDS = ("status", "compat_mode")


def render_summary(summary: Summary, template: Path, language: Language = ENGLISH) -> str:
    """``template``: ``roles/report/templates/summary.md.j2``."""
    fleet = summary["fleet"]
    links = {line["host"]: _link(line["host"], line["report"]) for line in reversed(summary["hosts"])}
    groups = _groups(fleet["odd_ones_out"])
    context = {
        "summary": summary,
        "link": _link,
        "shared": [_row(one) for one in fleet["shared"] if one["fact"] in FACTS[:-1]],
        "groups": [_group(hosts, odd, links) for hosts, odd in groups[:GROUPS]],
        "more_hosts": sum(len(hosts) for hosts, _odd in groups[GROUPS:]),
        "divided": [_divided(one, links) for one in fleet["divided"][:ROWS]],
        "more_divided": max(0, len(fleet["divided"]) - ROWS),
        "failing": [_row(one) for one in fleet["failing_in_common"][:ROWS]],
        "more_failing": max(0, len(fleet["failing_in_common"]) - ROWS),
    }
    return render(template, context, language)


def _link(text: str, path: str) -> Safe:
    """``./`` before it: a colon in the name of a folder makes no scheme of it."""
    return Safe(f"[{escape(text)}](./{quote(path)})")


def _row(one: Any) -> Dict[str, Any]:
    """A fact with its numbers; ``others`` is what stands for the majority's value."""
    shown = dict(one, value=_short(one["value"]))
    if "others" in one:
        shown["others"] = _value(one["fact"], one["others"])
    return shown


def _short(value: Optional[str]) -> Optional[str]:
    return None if value is None else shorten(value, VALUE_LIMIT)


def _value(fact: str, value: Optional[str]) -> str:
    """The value alone, as a template shows it; an id is left to be said in the report's language."""
    if value is None:
        return say("not set")
    if value == "" and fact not in FACTS:
        return say("set")
    return value if fact in _IDS else code(shorten(value, VALUE_LIMIT))


def _groups(found: List[Odd]) -> List[tuple[List[str], List[Odd]]]:
    """Hosts that differ in the same way, together; who differs in most comes first."""
    by_host: Dict[str, List[Odd]] = {}
    for odd in found:
        by_host.setdefault(odd["host"], []).append(odd)
    groups: Dict[Any, tuple[List[str], List[Odd]]] = {}
    for host, odds in by_host.items():
        same = tuple((odd["fact"], odd["value"]) for odd in odds)
        groups.setdefault(same, ([], odds))[0].append(host)
    return sorted(groups.values(), key=lambda group: -len(group[1]))


def _group(hosts: List[str], odd: List[Odd], links: Dict[str, Safe]) -> Dict[str, Any]:
    return {
        "names": _names(hosts, links),
        "facts": [_row(one) for one in odd[:ROWS]],
        "more_facts": max(0, len(odd) - ROWS),
    }


def _names(hosts: Sequence[str], links: Dict[str, Safe]) -> Dict[str, Any]:
    """``text``: the first of ``hosts``, each linked to its report; ``more``: how many are not named."""
    return {"text": Safe(", ".join(links[host] for host in hosts[:HOSTS])), "more": max(0, len(hosts) - HOSTS)}


def _divided(one: Any, links: Dict[str, Safe]) -> Dict[str, Any]:
    parts = [{"value": _short(part["value"]), "names": _names(part["hosts"], links)} for part in one["values"]]
    return {"fact": one["fact"], "parts": parts}
