"""The fault catalogue as data: what is done to a server, and what a diagnosis must say of it.

``catalogue.yml`` is read and checked here: a name that nothing knows (a fault, a row, a cause, a variable) is an error
that says where it stands, so that a misspelt expectation cannot pass by never being looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from simulator import faults as simulator_faults
from simulator import proxy
from simulator.settings import Settings
from streamdiag.controller.settings import NAMES
from streamdiag.judge.checks import REST, SYMPTOMS
from streamdiag.judge.checks.possible_causes import ROWS as POSSIBLE_CAUSES
from tests.hosts import faults as host_faults

CATALOGUE = Path(__file__).with_name("catalogue.yml")
SIMULATOR, VLLM = "simulator", "vllm"
#: Every cause that a result may name, in the words that other programs rely on (docs/result.md).
CAUSES = (
    *("service_down", "crash_loop", "endpoint_unreachable", "auth_rejected", "request_rejected", "api_server_stalled"),
    *("engine_stalled", "engine_dead", "engine_asleep", "gpu_fault", "out_of_memory", "queue_saturated"),
    *("kv_cache_exhausted", "runaway_reasoning", "slow_generation", "client_timeout", "output_limit"),
    *("tool_call_withheld", "awaiting_tool_output", "no_heartbeat", "server_buffering", "proxy_buffering"),
    *("proxy_interference", "reasoning_hidden", "compat_mode_filtering", "stream_truncated", "protocol_violation"),
    *("network_stall", "inconclusive"),
)
STATUSES = ("healthy", "degraded", "broken", "unreachable", "inconclusive")
CONFIDENCES = ("low", "medium", "high")
ROW_STATUSES = ("pass", "warn", "fail", "skip")
#: Every row of the checklist, in its order.
ROWS = (*(r.id for r in SYMPTOMS), *(id_ for id_, _title, _number in POSSIBLE_CAUSES), *(r.id for r in REST))
#: Variables of an operator that mean something without Ansible, and what the host wing calls them.
SIMULATOR_VARIABLES = {"vllm_base_url": "base_url", "vllm_model": "model", "vllm_api_key": "api_key"}
#: Ansible's own, for hosts.
ANSIBLE_VARIABLES = frozenset({"ansible_user", "ansible_become"})


class CatalogueError(ValueError):
    """The catalogue is not well formed; the message names the entry and what is wrong with it."""


@dataclass(frozen=True)
class Entry:
    """One fault, or one innocent, and the verdict it deserves.

    ``faults``: ``NAME`` or ``NAME=VALUE``, all in force together; ``when``: for which requests (a key of CONDITIONS).
    ``proxy``: what stands between the server and the public URL; empty when there is none.
    ``around``: settings of the real server that many entries share, so that it is restarted once for all of them.
    ``variables``: what the operator says; ``{address}`` stands for the host's address.
    ``rows``: status of a row -> the rows that must have it. ``not_blamed``: causes that must be neither confirmed nor
    likely: what it looks like and is not.
    """

    name: str
    where: str
    note: str
    status: str
    cause: str | None = None
    confidence: str = "high"
    faults: tuple[str, ...] = ()
    when: str = ""
    dialect: str = "upstream"
    arguments: tuple[str, ...] = ()
    proxy: str = ""
    around: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_blamed: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The cause, or the status where there is none to name."""
        return self.cause or self.status

    def command_line(self) -> list[str]:
        """The simulator's arguments."""
        words = [word for fault in self.faults for word in ("--fault", fault)]
        words += ["--fault-when", self.when] if self.when else []
        words += ["--dialect", self.dialect] if self.dialect != "upstream" else []
        return [*words, *self.arguments]

    def secrets(self) -> list[str]:
        """Keys that this entry uses, none of which may be stored."""
        words = list(self.arguments)
        keys = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--api-key"]
        return [*keys, *(v for name, v in self.variables.items() if name == "vllm_api_key")]


@dataclass(frozen=True)
class Catalogue:
    """``look_alikes``: a name -> the entries that look the same to a client, and must be told apart."""

    entries: tuple[Entry, ...]
    look_alikes: Mapping[str, tuple[str, ...]]

    def at(self, where: str) -> list[Entry]:
        """The entries of one place. Real ones that share settings of the server stand together."""
        return sorted((e for e in self.entries if e.where == where), key=lambda e: e.around)


def load(path: Path = CATALOGUE) -> Catalogue:
    """Read and check the catalogue. Raises CatalogueError, naming the entry and what is wrong."""
    return parse(yaml.safe_load(path.read_text(encoding="utf-8")))


def parse(data: Any) -> Catalogue:
    """The catalogue of already read YAML. Raises CatalogueError."""
    if not isinstance(data, dict) or set(data) != {"look_alikes", "entries"} or not isinstance(data["entries"], list):
        raise CatalogueError("the catalogue needs two keys: look_alikes, a mapping, and entries, a list")
    entries = tuple(_entry(row, number) for number, row in enumerate(data["entries"], start=1))
    names = [entry.name for entry in entries]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise CatalogueError(f"two entries are called {', '.join(sorted(twice))}")
    alike = {str(name): _words(f"look_alikes, {name}", members) for name, members in data["look_alikes"].items()}
    for name, members in alike.items():
        _known(f"look_alikes, {name}", "entry", members, names)
    return Catalogue(entries, alike)


def _entry(row: Any, number: int) -> Entry:
    name = str(row.get("name", "")) if isinstance(row, dict) else ""
    place = f"entry {name or number}"
    if not name:
        raise CatalogueError(f"{place} has no name")
    _known(place, "key", row, [known.name for known in fields(Entry)])
    missing = [key for key in ("where", "note", "status") if not row.get(key)]
    if missing:
        raise CatalogueError(f"{place} lacks {', '.join(missing)}")
    given: dict[str, Any] = {key: str(value) for key, value in row.items() if isinstance(value, (str, int, float))}
    for key in ("faults", "arguments", "around", "not_blamed"):
        given[key] = _words(f"{place}, {key}", row.get(key, []))
    variables = row.get("variables", {})
    if not isinstance(variables, dict):
        raise CatalogueError(f"{place}, variables: a mapping is needed")
    given["variables"] = {str(name): str(value) for name, value in variables.items()}
    given["rows"] = _rows(place, row.get("rows", {}))
    entry = Entry(**given)
    _check(place, entry)
    return entry


def _check(place: str, entry: Entry) -> None:
    """What can be known to be wrong before anything is run."""
    _known(place, "place", [entry.where], (SIMULATOR, VLLM))
    _known(place, "status", [entry.status], STATUSES)
    _known(place, "confidence", [entry.confidence], CONFIDENCES)
    _known(place, "cause", [*entry.not_blamed, *([entry.cause] if entry.cause else [])], CAUSES)
    # "degraded" may stand without a cause: nothing was streamed, and nothing is wrong with the server.
    if entry.status in ("healthy", "unreachable") if entry.cause else entry.status in ("broken", "inconclusive"):
        raise CatalogueError(f"{place}: status {entry.status} goes with {'no' if entry.cause else 'a'} cause")
    if entry.cause in entry.not_blamed:
        raise CatalogueError(f"{place}: {entry.cause} is its cause and not to be blamed")
    if entry.where == SIMULATOR:
        _check_simulator(place, entry)
    else:
        _check_vllm(place, entry)


def _check_simulator(place: str, entry: Entry) -> None:
    _known(place, "dialect", [entry.dialect], ("upstream", "fork"))
    _known(place, "condition", [entry.when] if entry.when else [], simulator_faults.CONDITIONS)
    try:
        for spec in entry.faults:
            simulator_faults.apply(spec, Settings(dialect=entry.dialect))
        if entry.proxy:
            proxy.REGISTRY.apply(entry.proxy, proxy.Settings())
    except ValueError as error:
        raise CatalogueError(f"{place}: {error}") from None
    _known(place, "variable of a simulator", entry.variables, SIMULATOR_VARIABLES)
    if entry.around:
        raise CatalogueError(f"{place}: 'around' is for the real server")


def _check_vllm(place: str, entry: Entry) -> None:
    held = [(spec, entry.when) for spec in entry.faults] + [(spec, "") for spec in (*entry.around, entry.proxy) if spec]
    for spec, when in held:
        try:
            # Makes the context manager and does not enter it, so no host is needed.
            host_faults.inject(None, spec, when or None)  # type: ignore[arg-type]
        except ValueError as error:
            raise CatalogueError(f"{place}: {error}") from None
    _known(place, "variable", entry.variables, NAMES | ANSIBLE_VARIABLES)
    if entry.dialect != "upstream" or entry.arguments:
        raise CatalogueError(f"{place}: dialect and arguments are the simulator's")


def _rows(place: str, rows: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(rows, dict):
        raise CatalogueError(f"{place}, rows: a mapping of status to rows is needed")
    _known(place, "status of a row", rows, ROW_STATUSES)
    found = {str(status): _words(f"{place}, rows, {status}", ids) for status, ids in rows.items()}
    named = [id_ for ids in found.values() for id_ in ids]
    _known(place, "row", named, ROWS)
    twice = {id_ for id_ in named if named.count(id_) > 1}
    if twice:
        raise CatalogueError(f"{place}: a row cannot have two statuses: {', '.join(sorted(twice))}")
    return found


def _words(place: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(word, (str, int, float)) for word in given):
        raise CatalogueError(f"{place}: a list of words is needed")
    return tuple(str(word) for word in given)


def _known(place: str, what: str, given: Sequence[str] | Mapping[str, Any], known: Any) -> None:
    for name in given:
        if name not in known:
            raise CatalogueError(f"{place}: no {what} is called {name!r}; there are: {', '.join(sorted(known))}")
