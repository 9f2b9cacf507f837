"""A change of a server's command line and environment, and what it does to a list of words."""

from __future__ import annotations

import re
import shlex
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .. import flags

_NAME = re.compile(r"--?[A-Za-z0-9][A-Za-z0-9_.+-]*\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class BadChange(ValueError):
    """A change that cannot be meant; the message says what is wrong and what to write instead."""


class Change(NamedTuple):
    """``options``: options with their values, each replacing what the command line says of it: ``(("--port", "80"),)``.

    ``without``: options to take away, by name. ``switches``: names of options that take no value, where a value could
    be taken for theirs. ``environment``: variables to set; ``unset``: variables to take away. ``what``: for people.
    """

    what: str
    options: Tuple[Tuple[str, ...], ...] = ()
    without: Tuple[str, ...] = ()
    switches: FrozenSet[str] = frozenset()
    environment: Tuple[Tuple[str, str], ...] = ()
    unset: Tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.options or self.without or self.environment or self.unset)

    @property
    def touches_command(self) -> bool:
        return bool(self.options or self.without)

    @property
    def replaced(self) -> FrozenSet[str]:
        """The names of all options that no longer count as they stand, those of opposite switches included."""
        names = {flags.option_name(name) for name in self.without}
        for option in self.options:
            name = flags.option_name(option[0])
            names |= {name, opposite(name)}
        return frozenset(names)


def opposite(name: str) -> str:
    """``enforce-eager`` <-> ``no-enforce-eager``: what argparse's BooleanOptionalAction pairs."""
    return name[len("no-") :] if name.startswith("no-") else "no-" + name


def compat_change(mode: str, flag_on: str, flag_off: str) -> Change:
    """``mode``: on | off. A flag may carry a value (``--compat=false``); an empty one means that no flag is needed."""
    wanted, other = (flag_on, flag_off) if mode == "on" else (flag_off, flag_on)
    for flag in (wanted, other):
        if flag and not _NAME.match(flag.partition("=")[0]):
            raise BadChange(
                f"{flag!r} is not an option; write it as on the command line, such as --compat or --compat=false"
            )
    if not wanted and not other:
        raise BadChange("both flags are empty: name at least one with -e vllm_compat_flag_on=--FLAG")
    if wanted == other:
        raise BadChange(f"vllm_compat_flag_on and vllm_compat_flag_off are the same: {wanted}")
    both = [flag for flag in (wanted, other) if flag]
    return Change(
        what=f"compat_{mode}",
        options=((wanted,),) if wanted else (),
        without=(other,) if other else (),
        switches=frozenset(flags.option_name(flag) for flag in both if "=" not in flag),
    )


def read_change(given: Mapping[str, Any]) -> Change:
    """A change as Ansible hands it over. Raises BadChange.

    ``given``: ``what``, ``set`` (options with values, one string each: ``"--max-num-seqs 4"``, or lists of words),
    ``remove`` (names of options), ``environment`` (name to value), ``unset`` (names), ``switches`` (names).
    """
    known = {"what", "set", "remove", "environment", "unset", "switches"}
    if set(given) - known:
        raise BadChange("unknown in a change: {}; known are {}".format(
            ", ".join(sorted(set(given) - known)), ", ".join(sorted(known))))  # fmt: skip
    options = tuple(_option(item) for item in given.get("set") or [])
    without = tuple(_name(str(item)) for item in given.get("remove") or [])
    environment = {str(name): str(value) for name, value in (given.get("environment") or {}).items()}
    unset = tuple(str(name) for name in given.get("unset") or [])
    for name in [*environment, *unset]:
        if not _VARIABLE.match(name):
            raise BadChange(f"{name!r} is not the name of an environment variable")
    if any("\n" in value or "\0" in value for value in environment.values()):
        raise BadChange("the value of an environment variable must be one line")
    switches = frozenset(flags.option_name(str(name)) for name in given.get("switches") or [])
    return Change(str(given.get("what") or "args"), options, without, switches, tuple(environment.items()), unset)


def _option(item: Any) -> Tuple[str, ...]:
    try:
        words = [str(word) for word in item] if isinstance(item, (list, tuple)) else shlex.split(str(item))
    except ValueError as error:
        raise BadChange(f"{item!r} cannot be split into words: {error}") from error
    if not words or not _NAME.match(words[0].partition("=")[0]):
        raise BadChange(f"{item!r} is not an option; write it as on the command line, such as --max-num-seqs=4")
    if any("\n" in word or "\0" in word for word in words):
        raise BadChange(f"{item!r}: an argument must be one line")
    return tuple(words)


def _name(item: str) -> str:
    if not _NAME.match(item.partition("=")[0]):
        raise BadChange(f"{item!r} is not an option; name it as on the command line, such as --enforce-eager")
    return item


def spans(words: Sequence[str], change: Change) -> List[Tuple[int, int]]:
    """Where a server's arguments say something of the options that ``change`` replaces: (first, past last)."""
    found: List[Tuple[int, int]] = []
    at = 0
    while at < len(words):
        past = at + 1
        word = words[at]
        if word.startswith("-") and len(word) > 1 and flags.option_name(word) in change.replaced:
            name, earlier = flags.option_name(word), None
            while "=" not in word and past < len(words) and _belongs(words[past], name, earlier, change):
                earlier = words[past]
                past += 1
            found.append((at, past))
        at = past
    return found


def _belongs(word: str, name: str, earlier: Optional[str], change: Change) -> bool:
    if word.startswith("-") and not flags.is_number(word):
        return False
    if name in change.switches or opposite(name) in change.switches:
        return earlier is None and word.lower() in ("true", "false")
    return flags.takes(name, earlier, word)


def differences(change: Change, argv: Sequence[str], environ: Optional[Mapping[str, str]]) -> List[str]:
    """What of ``change`` a running process does not show, in words; empty when all of it is in force.

    ``argv``: of the process itself; ``environ``: its environment, None when it may not be read.
    """
    seen = flags.parse_flags(argv)
    missing = []
    for option in change.options:
        name, value = flags.option_name(option[0]), flags.option_value(option)
        if name not in seen:
            missing.append("{} is not among its arguments".format(" ".join(option)))
        elif value is not None and seen[name] != value:
            missing.append(f"{option[0].partition('=')[0]} is {seen[name]!r}, not {value!r}")
        elif list(seen).index(name) < list(seen).index(opposite(name) if opposite(name) in seen else name):
            missing.append(f"--{opposite(name)} comes after {option[0]}")
    set_names = {flags.option_name(option[0]) for option in change.options}
    for word in change.without:
        name = flags.option_name(word)
        overridden = name in set_names or opposite(name) in set_names
        if name in seen and not overridden:
            missing.append(f"{word} is still among its arguments")
    if environ is not None:
        missing += [f"{name} is not {value!r}" for name, value in change.environment if environ.get(name) != value]
        missing += [f"{name} is still set" for name in change.unset if name in environ]
    return missing


def describe(change: Change) -> str:
    """One line for people: ``compat_off: --no-x for --x``."""
    words = [" ".join(option) for option in change.options]
    words += [f"without {word}" for word in change.without]
    words += [f"{name}=…" for name, _value in change.environment] + [f"without {name}" for name in change.unset]
    return f"{change.what} ({', '.join(words)})"


def to_json(change: Change) -> Dict[str, Any]:
    """What ``read_change`` reads; for an intent file."""
    return {
        "what": change.what,
        "set": [list(option) for option in change.options],
        "remove": list(change.without),
        "environment": dict(change.environment),
        "unset": list(change.unset),
        "switches": sorted(change.switches),
    }
