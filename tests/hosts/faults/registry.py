"""The registry of faults: each is a context manager found by its name."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from ..host import Host

Fault = Callable[..., AbstractContextManager[str]]
FAULTS: dict[str, Fault] = {}
#: Those that one diagnosis uses up: the next one would meet another server, or a log in which it is old.
USED_UP: set[str] = set()


def register(name: str, run: Callable[..., Iterator[str]]) -> Fault:
    """Register a generator function of a host, and perhaps of `value` and `when`, as the fault `name`."""
    FAULTS[name] = made = contextlib.contextmanager(run)
    return made


def fault(run: Callable[..., Iterator[str]]) -> Fault:
    """Register a fault under its function's name. It yields a line on what it did."""
    return register(run.__name__, run)


def fault_once(run: Callable[..., Iterator[str]]) -> Fault:
    """As `fault`, for one that has to be brought about anew for each diagnosis."""
    USED_UP.add(run.__name__)
    return fault(run)


def inject(host: Host, spec: str, when: str | None = None) -> AbstractContextManager[str]:
    """The fault `NAME` or `NAME=VALUE` as a context manager; `when` says which requests it is for.

    ValueError for a fault that does not exist or takes no value or no condition.
    """
    name, _, value = spec.partition("=")
    if name not in FAULTS:
        raise ValueError(f"unknown fault {name!r}; known are {', '.join(sorted(FAULTS))}")
    options: dict[str, Any] = {}
    if value:
        options["value"] = float(value)
    if when:
        options["when"] = when
    refused = options.keys() - inspect.signature(FAULTS[name]).parameters.keys()
    if refused:
        raise ValueError(f"fault {name!r} takes no {' and no '.join(sorted(refused))}")
    return FAULTS[name](host, **options)
