"""The results of many hosts -> what most of them share, which hosts differ, what the failing ones have in common.

Facts only: what hosts have in common need not be why they fail.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Sequence, TypedDict

from ..judge.result import Result
from .command_line import options

#: Facts beside the options of the command line, in the order in which they are told.
FACTS = ("vllm_version", "compat_mode", "model", "unit_state", "status", "primary_cause")
#: Of the verdict: every line of a summary says them, so they set no hosts apart by themselves.
_VERDICT = ("status", "primary_cause")
FAILING = ("broken", "degraded")
#: With more values than this among them, hosts have nothing in common.
_MOST_VALUES = 5

# Options that have another value on every host by their nature.
_OWN = re.compile(r"--?(?:[a-z0-9-]*-)?(?:port|rank|pid)\Z")
_PORT = re.compile(r"(?<=[A-Za-z0-9.\]]):\d{1,5}\b(?!:)")
#: Stands for what is a host's own.
LEFT_OUT = "…"


class Shared(TypedDict):
    """``fact``: one of ``FACTS``, or an option with its dashes. ``value``: "" of an option without one, None: not set.

    ``hosts``: how many have it, ``known``: of how many it is known at all.
    """

    fact: str
    value: Optional[str]
    hosts: int
    known: int


class Odd(Shared):
    """``value`` is that of ``host``; ``others`` is that of most hosts, ``hosts`` of ``known``."""

    host: str
    others: Optional[str]


class Part(TypedDict):
    value: Optional[str]
    hosts: List[str]


class Divided(TypedDict):
    """A fact for which no value has a majority. ``values``: the most frequent first."""

    fact: str
    known: int
    values: List[Part]


class InCommon(TypedDict):
    """What more than half of the failing hosts have and no healthy one has. A number and how many it is of, twice."""

    fact: str
    value: Optional[str]
    failing: int
    failing_known: int
    healthy: int
    healthy_known: int


class Fleet(TypedDict):
    shared: List[Shared]
    odd_ones_out: List[Odd]
    divided: List[Divided]
    failing_in_common: List[InCommon]


class Value(NamedTuple):
    """``key``: what is compared, without what is the host's own; ``shown``: as the host has it."""

    key: Optional[str]
    shown: Optional[str]


#: Place of a host among the results -> its value. A host of which it is not known is absent.
Column = Dict[int, Value]


def compare_hosts(results: Sequence[Result]) -> Fleet:
    """What the hosts of ``results`` share, and which of them differ; all empty for one host."""
    columns = _columns(results)
    fleet = Fleet(shared=[], odd_ones_out=[], divided=[], failing_in_common=_failing_in_common(results, columns))
    for fact, column in columns.items():
        most = _majority(fact, column)
        if most is None:
            fleet["divided"] += _divided(fact, column, results)
            continue
        if most["value"] is not None:
            fleet["shared"].append(most)
        fleet["odd_ones_out"] += _odd(column, most, results)
    fleet["odd_ones_out"] = _once(fleet["odd_ones_out"])
    return fleet


def _columns(results: Sequence[Result]) -> Dict[str, Column]:
    rows = [_facts(result) for result in results]
    columns: Dict[str, Column] = {}
    for fact in FACTS:
        columns[fact] = {at: Value(row[fact], row[fact]) for at, row in enumerate(rows) if row[fact]}
    lines = {at: options(result["target"]["argv"]) for at, result in enumerate(results) if result["target"]["argv"]}
    for option in dict.fromkeys(name for line in lines.values() for name in line):
        if not _OWN.match(option):
            columns[option] = _option_column({at: line.get(option) for at, line in lines.items()}, results)
    return columns


def _facts(result: Result) -> Dict[str, str]:
    """What is known; "" for what is not."""
    target, verdict = result["target"], result["verdict"]
    return {
        "vllm_version": target["vllm_version"],
        "compat_mode": target["compat_mode"] if target["compat_mode"] != "unknown" else "",
        "model": target["model"],
        "unit_state": target["unit_state"] if target["unit_state"] != "unknown" else "",
        "status": verdict["status"],
        "primary_cause": verdict["primary_cause"] or "",
    }


def _option_column(values: Dict[int, Optional[str]], results: Sequence[Result]) -> Column:
    """A value that two hosts share is no host's own, whatever their names are."""
    portless = {at: None if value is None else _PORT.sub(f":{LEFT_OUT}", value) for at, value in values.items()}
    counts = Counter(portless.values())
    return {
        at: Value(value if value is None or counts[value] > 1 else _without_own(value, results[at]), values[at])
        for at, value in portless.items()
    }


def _without_own(value: str, result: Result) -> str:
    """``value`` without the name of the host, long and short, and the process id of its server."""
    own = {result["host"], result["host"].partition(".")[0], str(result["target"]["main_pid"] or "")} - {""}
    words = "|".join(re.escape(word) for word in sorted(own, key=len, reverse=True))
    return re.sub(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])", LEFT_OUT, value, flags=re.IGNORECASE)


def _majority(fact: str, column: Column) -> Optional[Shared]:
    """What more than half of the hosts have, and at least two."""
    if len(column) < 2:
        return None
    value, hosts = Counter(one.key for one in column.values()).most_common(1)[0]
    return Shared(fact=fact, value=value, hosts=hosts, known=len(column)) if 2 * hosts > len(column) else None


def _odd(column: Column, most: Shared, results: Sequence[Result]) -> List[Odd]:
    return [
        Odd(
            fact=most["fact"],
            value=one.shown,
            hosts=most["hosts"],
            known=most["known"],
            host=results[at]["host"],
            others=most["value"],
        )
        for at, one in column.items()
        if one.key != most["value"]
    ]


def _once(found: List[Odd]) -> List[Odd]:
    """Without options that only say again which model it is."""
    models = {(odd["host"], odd["value"], odd["others"]) for odd in found if odd["fact"] == "model"}
    again = ("--model", "--served-model-name")
    return [
        odd for odd in found if odd["fact"] not in again or (odd["host"], odd["value"], odd["others"]) not in models
    ]


def _divided(fact: str, column: Column, results: Sequence[Result]) -> List[Divided]:
    """What differs on nearly every host says nothing, unless there are but two."""
    counts = Counter(one.key for one in column.values()).most_common()
    telling = len(column) == 2 or (2 * len(counts) <= len(column) and len(counts) <= _MOST_VALUES)
    if fact in _VERDICT or len(column) < 2 or not telling:
        return []
    values = [
        Part(value=key, hosts=[results[at]["host"] for at, one in column.items() if one.key == key])
        for key, _count in counts
    ]
    return [Divided(fact=fact, known=len(column), values=values)]


def _failing_in_common(results: Sequence[Result], columns: Dict[str, Column]) -> List[InCommon]:
    failing = {at for at, result in enumerate(results) if result["verdict"]["status"] in FAILING}
    healthy = {at for at, result in enumerate(results) if result["verdict"]["status"] == "healthy"}
    found = []
    for fact, column in columns.items():
        bad, good = (Counter(one.key for at, one in column.items() if at in hosts) for hosts in (failing, healthy))
        if fact in _VERDICT or not bad or not good:
            continue
        value, count = bad.most_common(1)[0]
        if count > 1 and 2 * count > sum(bad.values()) and not good[value]:
            found.append(
                InCommon(
                    fact=fact,
                    value=value,
                    failing=count,
                    failing_known=sum(bad.values()),
                    healthy=good[value],
                    healthy_known=sum(good.values()),
                )
            )
    return sorted(found, key=lambda one: -one["failing"])
