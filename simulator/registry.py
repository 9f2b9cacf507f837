"""A registry of faults: named changes to some settings, chosen on a command line as `NAME` or `NAME=VALUE`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")  # what the faults change
Value = float | str
Change = Callable[[T, Any], None]


@dataclass(frozen=True)
class Fault(Generic[T]):
    """`value` is the default of `NAME=VALUE`, None where the fault takes none; `imitates` is the reality behind it."""

    name: str
    summary: str
    imitates: str
    value: Value | None
    change: Change[T]


class Registry(Generic[T]):
    """All faults of one program, in the order of their definition."""

    def __init__(self) -> None:
        self.faults: dict[str, Fault[T]] = {}

    def fault(self, summary: str, imitates: str, value: Value | None = None) -> Callable[[Change[T]], Change[T]]:
        """Register the decorated function under its own name."""

        def register(change: Change[T]) -> Change[T]:
            name = change.__name__
            self.faults[name] = Fault(name, summary, imitates, value, change)
            return change

        return register

    def apply(self, spec: str, settings: T) -> None:
        """Apply `NAME` or `NAME=VALUE`; ValueError says what is wrong with it."""
        name, _, text = spec.partition("=")
        if name not in self.faults:
            raise ValueError(f"unknown fault {name!r}; --list-faults shows all")
        known = self.faults[name]
        if text and known.value is None:
            raise ValueError(f"fault {name!r} takes no value")
        value = known.value if known.value is not None else 0.0
        if text:
            value = text if isinstance(value, str) else float(text)
        known.change(settings, value)

    def describe(self) -> str:
        """What `--list-faults` prints."""
        lines = []
        for known in self.faults.values():
            value = "" if known.value is None else f"={known.value}"
            lines.append(f"{known.name + value:32} {known.summary}\n{'':32} imitates: {known.imitates}")
        return "\n".join(lines)
