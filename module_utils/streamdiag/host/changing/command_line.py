"""A unit's command as it is written, and as a change makes it: nothing but the words that change is written anew.

Three forms are understood: the server itself (also behind ``env`` and its like), a shell with the server's command in
its script (``bash -c '…'``), and a script file that hands its own arguments on to the server (``"$@"``). Where
arguments come from a variable and one of them has to go, the variable is written out.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from .. import flags
from . import shell_words, unit_words
from .change import Change, spans
from .unit_words import Word

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_SHELL_SCRIPT = re.compile(r"-[a-z]*c\Z")
_PREFIXES = "@-:+!|"
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})\Z")
_ALL_ARGUMENTS = frozenset({"$@", "${@}", "$*"})


class CannotEdit(ValueError):
    """How to change this command cannot be known. The message says why, and two ways out."""


class Edited(NamedTuple):
    """``command``: the new value of ``ExecStart=``. ``expanded``: variables that had to be written out."""

    command: str
    expanded: List[str]


def edit(
    command: str, change: Change, variables: Mapping[str, str], read_file: Callable[[str], Optional[str]]
) -> Edited:
    """``command``, the value of ``ExecStart=`` as written, with ``change``. Raises CannotEdit.

    ``variables``: the unit's environment as far as it is known. ``read_file``: a file's text, None when there is none.
    """
    try:
        words = unit_words.split(command)
    except unit_words.NotReadable as error:
        raise CannotEdit(f"the command cannot be read: {error}; correct it in the unit file") from error
    if any(word.raw == ";" for word in words):
        raise CannotEdit(f"it starts several commands at once{_ways_out()}")
    values = [word.value for word in words]
    values[:1] = [value.lstrip(_PREFIXES) for value in values[:1]]
    script = _shell_script_at(values)
    start = flags.server_start(values)
    if script is not None:
        text, expanded = _edit_script(values[script], change, variables)
        words[script] = unit_words.write(text)
        return Edited(_joined(words), expanded)
    if start is None:
        start = _behind_script_file(values, change, read_file)
    kept, expanded = _edit_words(words[start:], change, variables)
    return Edited(_joined(words[:start] + kept), expanded)


def script_files(command: str) -> List[str]:
    """Paths in ``command`` that could be a script which starts the server."""
    try:
        values = [word.value for word in unit_words.split(command)]
    except unit_words.NotReadable:
        return []
    values[:1] = [value.lstrip(_PREFIXES) for value in values[:1]]
    return [value for value in values if value.startswith("/") and "=" not in value]


def _joined(words: Sequence[Word]) -> str:
    return " ".join(word.raw for word in words)


def _shell_script_at(values: Sequence[str]) -> Optional[int]:
    """The index of the script in ``bash -c SCRIPT``; None when the server is not started by such a script."""
    for at, value in enumerate(values[:-1]):
        if _SHELL_SCRIPT.match(value) and any(os.path.basename(word) in _SHELLS for word in values[:at]):
            return at + 1
    return None


def _edit_words(words: Sequence[Word], change: Change, variables: Mapping[str, str]) -> tuple[List[Word], List[str]]:
    """The server's arguments with ``change``; variables that hold one of the options to replace are written out."""
    open_words: List[Word] = []
    expanded: List[str] = []
    for word in words:
        name = _variable(word.value)
        inside = _split_value(variables[name]) if name in variables else []
        if name and spans(inside, change):
            expanded.append(name)
            open_words += [unit_words.write(unit_words.literal(one)) for one in inside]
        else:
            open_words.append(word)
    gone = {at for first, past in spans([word.value for word in open_words], change) for at in range(first, past)}
    kept = [word for at, word in enumerate(open_words) if at not in gone]
    added = [unit_words.write(unit_words.literal(one)) for option in change.options for one in option]
    return kept + added, expanded


def _edit_script(script: str, change: Change, variables: Mapping[str, str]) -> tuple[str, List[str]]:
    """A shell's script with ``change`` in the server's command; the rest of the script stays to the letter."""
    try:
        found = shell_words.tokens(script)
    except shell_words.NotReadable as error:
        raise CannotEdit(f"its shell script has {error}, which is not understood here{_ways_out()}") from error
    starts = [at for at in range(len(found)) if _starts_here(found, at)]
    if len(starts) != 1:
        count = "no vLLM server" if not starts else "more than one vLLM server"
        raise CannotEdit(f"its shell script starts {count} by name{_ways_out()}")
    first = starts[0]
    past = next((at for at in range(first, len(found)) if found[at].operator), len(found))
    words, expanded = found[first:past], []
    gone = [(words[a].start, words[b - 1].end, "") for a, b in spans([word.value for word in words], change)]
    for word in words:
        name = _variable(word.value)
        inside = _split_value(variables[name]) if name in variables else []
        cut = {at for a, b in spans(inside, change) for at in range(a, b)}
        if name and cut:
            expanded.append(name)
            rest = " ".join(shlex.quote(one) for at, one in enumerate(inside) if at not in cut)
            gone.append((word.start, word.end, unit_words.literal(rest)))
    end = words[-1].end if words else found[first - 1].end
    added = "".join(" " + unit_words.literal(shlex.quote(one)) for option in change.options for one in option)
    text = script[:end] + added + script[end:]
    for begin, finish, instead in sorted(gone, reverse=True):
        while not instead and begin > 0 and text[begin - 1] == " ":
            begin -= 1  # the blank before what is taken away goes, too
        text = text[:begin] + instead + text[finish:]
    return text, expanded


def _starts_here(found: Sequence[shell_words.Token], at: int) -> bool:
    """Whether the server's arguments begin at token ``at`` of a command."""
    begin = max((i + 1 for i in range(at) if found[i].operator), default=0)
    return at > begin and flags.server_start([token.value for token in found[begin:at]]) == at - begin


def _behind_script_file(values: Sequence[str], change: Change, read_file: Callable[[str], Optional[str]]) -> int:
    """The index of the first argument of a script file that hands its arguments on. Raises CannotEdit."""
    for at, value in enumerate(values):
        text = read_file(value) if value.startswith("/") and os.path.basename(value) not in _SHELLS else None
        if text is None or "\0" in text:
            continue
        inside = _server_words(text)
        if inside is None:
            continue
        if not inside or inside[-1] not in _ALL_ARGUMENTS:
            raise CannotEdit(
                f"it runs the script {value}, which does not end the server's command with its own arguments"
                + _ways_out(f'end the server\'s line in {value} with "$@"')
            )
        if set(_names_to_go(inside, change)):
            names = ", ".join(sorted(set(_names_to_go(inside, change))))
            raise CannotEdit(f"{names} stands in the script {value}, which is not edited here" + _ways_out(
                f"take {names} out of {value} and into ExecStart="))  # fmt: skip
        return at + 1
    raise CannotEdit(f"it starts no vLLM server by name, and no script that is known to{_ways_out()}")


def _names_to_go(inside: Sequence[str], change: Change) -> List[str]:
    """Options in a script that must go and that nothing added behind them overrides."""
    added = {flags.option_name(option[0]) for option in change.options}
    overridden = added | {"no-" + name for name in added} | {name[3:] for name in added if name.startswith("no-")}
    present = {flags.option_name(inside[a]): inside[a] for a, _b in spans(inside, change)}
    return [word for name, word in present.items() if name not in overridden]


def _server_words(script: str) -> Optional[List[str]]:
    """The server's arguments in a script's text; None when it starts no server, or not one that can be told."""
    try:
        found = shell_words.tokens(script)
    except shell_words.NotReadable:
        found = []
    starts = [at for at in range(1, len(found) + 1) if _starts_here(found, at)]
    if len(starts) != 1:
        return None if "vllm" not in script.lower() else []
    past = next((at for at in range(starts[0], len(found)) if found[at].operator), len(found))
    return [token.value for token in found[starts[0] : past]]


def _variable(value: str) -> str:
    match = _VARIABLE.match(value)
    return (match.group(1) or match.group(2)) if match is not None else ""


def _split_value(value: str) -> List[str]:
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def _ways_out(first: str = "write the server's own command into ExecStart= (vllm serve …)") -> str:
    return (
        f". Two ways out: {first}, and run this again; or change the arguments where they are kept, by hand, and "
        "restart the unit"
    )


def variables_of(lines: Sequence[str], files: Sequence[Mapping[str, str]]) -> Dict[str, str]:
    """The environment of a unit: ``Environment=`` values first, then files, which override them."""
    found: Dict[str, str] = {}
    for line in lines:
        try:
            words = unit_words.split(line)
        except unit_words.NotReadable:
            continue
        for word in words:
            name, equals, value = word.value.partition("=")
            if equals:
                found[name] = value.replace("%%", "%")
    for file in files:
        found.update(file)
    return found
