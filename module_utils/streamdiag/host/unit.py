"""The systemd unit of the server: its state and the command line it is configured with."""

from __future__ import annotations

import json
import re
from typing import Dict, List

from ..bundle import Unit
from ..words import say
from . import command

#: systemd 245 to 257; a release that does not know one leaves it out.
PROPERTIES = (
    "Id",
    "Description",
    "LoadState",
    "LoadError",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "Type",
    "MainPID",
    "NRestarts",
    "ExecMainStartTimestamp",
    "ExecMainExitTimestamp",
    "ExecMainCode",
    "ExecMainStatus",
    "ActiveEnterTimestamp",
    "StateChangeTimestamp",
    "InvocationID",
    "ControlGroup",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
    "ExecStart",
    "Environment",
    "EnvironmentFiles",
    "WorkingDirectory",
    "User",
    "Group",
    "Restart",
    "RestartUSec",
    "TimeoutStopUSec",
    "StartLimitBurst",
    "StartLimitIntervalUSec",
    "MemoryCurrent",
    "MemoryMax",
    "CPUQuotaPerSecUSec",
    "TasksCurrent",
    "StatusText",
)

_TIMEOUT = 10.0
_ALTERNATIVES = 10

# What systemctl accepts as a unit name; '*', '?' and '[' would be a pattern that matches others.
_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+\Z")
_PROPERTY = re.compile(r"([A-Z][A-Za-z0-9]*)=(.*)\Z", re.DOTALL)
_SHELL = re.compile(r"(\S*\b(?:ba|da|z|k)?sh) (-[a-z]*c) (.*)\Z", re.DOTALL)
_ARGV = re.compile(r"argv\[\]=(.*?) ; (?:ignore_errors|flags)=", re.DOTALL)


def is_unit_name(name: str) -> bool:
    """Whether ``name`` names one unit, with or without ``.service``; neither a pattern nor a path."""
    return bool(_NAME.match(name))


def full_name(name: str) -> str:
    """``"vllm"`` -> ``"vllm.service"``; a name that has a unit suffix stays as it is."""
    suffixes = (".service", ".scope", ".socket", ".target", ".slice", ".timer")
    return name if name.endswith(suffixes) else name + ".service"


def no_name(name: str) -> str:
    """Why nothing is asked of systemd about ``name``, in words."""
    return say("{name!r} is not a unit name", name=name)


def read_unit(name: str) -> Unit:
    """The unit's properties and its configured command line, not yet redacted.

    Times are in UTC, as systemctl prints them (``Sun 2026-11-22 19:17:03 UTC``). ``absent``: no
    systemd, or no such unit (``alternatives`` then holds this host's units that look like vLLM).
    """
    if not is_unit_name(name):
        return Unit(state="absent", reason=no_name(name), name=name, alternatives=_alternatives())
    result = command.run(
        ["systemctl", "show", "--no-pager", "--property=" + ",".join(PROPERTIES), "--", full_name(name)], _TIMEOUT
    )
    unit = _unreadable(result)
    unit["name"] = full_name(name)
    if unit["state"] == "failed" and "neither a valid" in unit["reason"]:  # a template without its instance
        unit["state"] = "absent"
        unit["reason"] = say("{unit} is a template; name one of its instances", unit=full_name(name))
    if unit["state"] == "ok":
        unit["properties"] = parse_properties(result.stdout)
        unit["name"] = unit["properties"].get("Id") or full_name(name)
        if unit["properties"].get("LoadState") == "not-found":
            unit["state"] = "absent"
            unit["reason"] = say("there is no unit {unit} on this host", unit=unit["name"])
        else:
            unit["exec_start"] = _exact_argv(unit["name"]) or parse_exec_start(unit["properties"].get("ExecStart", ""))
    if unit["state"] == "absent" and not result.missing:
        unit["alternatives"] = _alternatives()
    return unit


def parse_properties(text: str) -> Dict[str, str]:
    """The output of ``systemctl show``. A property printed twice (``ExecStart`` of a oneshot) is joined by newlines."""
    properties: Dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        match = _PROPERTY.match(line)
        if match is not None and match.group(1) in PROPERTIES:
            last, value = match.group(1), match.group(2)
            properties[last] = properties[last] + "\n" + value if last in properties else value
        elif last:
            properties[last] += "\n" + line  # a value with a newline in it
    return properties


def parse_exec_start(value: str) -> List[str]:
    """``{ path=/bin/sh ; argv[]=/bin/sh -c x ; ignore_errors=no ; … }`` -> its words.

    systemd joins the words with spaces and quotes nothing (``strv_join`` in systemctl-show.c), so
    a word with a space in it comes back as several, save a shell's script: good for flags, not for
    running it again.
    """
    match = _ARGV.search(value)
    if match is None:
        return []
    shell = _SHELL.match(match.group(1))
    return list(shell.groups()) if shell is not None else match.group(1).split()


def _unreadable(result: command.Result) -> Unit:
    """The state of a ``systemctl`` call: ``ok``, or why not."""
    words = result.words()
    if result.missing:
        return Unit(state="absent", reason=say("no systemctl on this host: not a systemd host"))
    if "not been booted with systemd" in words:
        return Unit(state="absent", reason=say("this host was not booted with systemd"))
    if result.timed_out:
        return Unit(state="failed", reason=say("systemctl did not answer within {seconds:.0f} s", seconds=_TIMEOUT))
    if result.rc != 0:
        denied = "denied" in words.lower() or "not permitted" in words.lower()
        return Unit(
            state="denied" if denied else "failed", reason=say("systemctl: {words}", words=words or command.SILENT)
        )
    return Unit(state="ok", reason="")


def _exact_argv(name: str) -> List[str]:
    """The words of ``ExecStart`` as D-Bus has them, spaces and all; ``[]`` when the bus cannot be asked."""
    result = command.run(
        [
            "busctl",
            "--system",
            "--json=short",
            "get-property",
            "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1/unit/" + _bus_escape(name),
            "org.freedesktop.systemd1.Service",
            "ExecStart",
        ],
        _TIMEOUT,
    )
    if result.rc != 0:
        return []
    try:
        commands = json.loads(result.stdout)["data"]
        return [str(word) for word in commands[0][1]]  # type a(sasbttttuii): path, words, …
    except (ValueError, KeyError, IndexError, TypeError):
        return []


def _bus_escape(name: str) -> str:
    """A unit name as a D-Bus path element: all but letters and (not leading) digits in hex (sd_bus_path_encode)."""
    return "".join(
        char if re.match(r"[A-Za-z]" if at == 0 else r"[A-Za-z0-9]", char) else f"_{ord(char):02x}"
        for at, char in enumerate(name)
    )


def _alternatives() -> List[str]:
    """Service units of this host with vLLM in their name or in their command line."""
    found: List[str] = []
    loaded = command.run(["systemctl", "show", "--no-pager", "--property=Id,ExecStart", "--", "*.service"], _TIMEOUT)
    for block in loaded.stdout.split("\n\n"):
        properties = parse_properties(block)
        if "vllm" in block.lower() and "Id" in properties:
            found.append(properties["Id"])
    files = command.run(
        ["systemctl", "list-unit-files", "--no-pager", "--no-legend", "--full", "--type=service", "--", "*vllm*"],
        _TIMEOUT,
    )
    found.extend(line.split()[0] for line in files.stdout.splitlines() if line.split())
    return sorted(set(found), key=lambda unit: ("vllm" not in unit.lower(), unit))[:_ALTERNATIVES]
