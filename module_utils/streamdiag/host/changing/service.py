"""The service as it is and as it should be: unit files, our drop-in, the intent, the running process."""

from __future__ import annotations

import hashlib
import os
import pwd
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from ...bundle import Intent, Process, Unit
from .. import flags
from ..process import read_environ
from ..target import find_base_url, server_process, server_processes
from ..unit import read_unit
from . import command_line
from .change import Change, describe, differences
from .drop_in import MARK, NAME, DropIn, build
from .environment_file import parse_environment_file
from .help_text import Program, without_arguments
from .intent import is_half_way, read_intent
from .our_files import Places, foreign, read_ours, wanted_files
from .unit_file import UnitText, in_force

_READ_LIMIT = 1024 * 1024
_PROC = Path("/proc")


class Service(NamedTuple):
    """``files``: of the unit, without ours, in systemd's order. ``environ``: of the running server, None: unknown."""

    unit: Unit
    files: List[UnitText]
    ours: Dict[str, str]
    intent: Intent
    processes: List[Process]
    server: Optional[Process]
    environ: Optional[Dict[str, str]]

    @property
    def name(self) -> str:
        return self.unit["name"]

    @property
    def argv(self) -> List[str]:
        return self.server["argv"] if self.server is not None else []

    @property
    def mark(self) -> str:
        """With which text of our drop-in the running server was started; ``""``: with none."""
        return (self.environ or {}).get(MARK, "")

    @property
    def argv_digest(self) -> str:
        """Tells whether two servers run with the same arguments; the arguments themselves may hold secrets."""
        return hashlib.sha256("\0".join(self.argv).encode("utf-8", "replace")).hexdigest()[:16] if self.argv else ""

    def property(self, name: str) -> str:
        return self.unit.get("properties", {}).get(name, "")

    def base_url(self, given: str) -> str:
        """Where the server answers, or will. Its engine's own sockets are open earlier than its port."""
        pids = [self.server["pid"]] if self.server is not None else []
        return find_base_url(given, flags.parse_flags(self.argv), pids, self.server is not None)[0]


class Plan(NamedTuple):
    """``refused``: why the change cannot be made, with ways out; else empty.

    ``restart``: whether the running server has to be restarted; ``files``: Path -> text of all that should be there of
    ours; ``write``: whether that differs from what is there; ``ask``: options that the program has to be asked about.
    """

    refused: str
    made: Optional[DropIn]
    files: Dict[str, str]
    write: bool
    restart: bool
    ask: List[str]


def read_service(unit_name: str) -> Service:
    """Look at the unit; nothing is asked over HTTP. ``unit.state`` says whether there is one."""
    unit = read_unit(unit_name)
    if unit["state"] != "ok":
        return Service(unit, [], {}, Intent(state="absent", reason=""), [], None, None)
    properties = unit["properties"]
    ours = read_ours(unit["name"])
    paths = [properties.get("FragmentPath", ""), *properties.get("DropInPaths", "").split()]
    files = [UnitText(path, read_text(path) or "") for path in paths if path and path not in ours]
    processes = server_processes(unit, "").get("processes", [])
    server = server_process({"processes": processes})
    environ: Optional[Dict[str, str]] = None
    if server is not None:
        state, found = read_environ(server["pid"])
        environ = found if state["state"] == "ok" else None
    return Service(unit, files, ours, read_intent(unit["name"]), processes, server, environ)


def plan(service: Service, change: Optional[Change], persist: bool) -> Plan:
    """What is to be done for ``change``; None: for nothing of ours to be in force."""
    refused = _refusal(service)
    if refused:
        return Plan(refused, None, {}, False, False, [])
    if change is None:
        left = bool(service.ours or service.mark) or _stopped_half_way(service)
        return Plan("", None, {}, bool(service.ours), left, [])
    now = differences(change, service.argv, service.environ) if service.server is not None else ["no server runs"]
    if not now and not service.ours and not service.mark:
        return Plan("", None, {}, False, False, [])  # by its own configuration it is as wanted
    try:
        folder = Places().folder(service.name, persist)
        made = build(service.files, change, str(folder), _environment_files(service), read_text)
    except command_line.CannotEdit as error:
        return Plan(f"the command of {service.name} cannot be changed: {error}", None, {}, False, False, [])
    files = wanted_files(folder, made)
    restart = bool(now) or service.mark != made.mark
    seen = flags.parse_flags(service.argv)
    ask = [option[0] for option in change.options if flags.option_name(option[0]) not in seen]
    return Plan("", made, files, files != service.ours, restart, ask if restart else [])


def installed_program(service: Service) -> Optional[Program]:
    """The program to ask for its options: the one that runs, else what the unit starts; None: not to be told."""
    if service.server is not None and service.environ is not None:
        argv = without_arguments(service.argv)
        if argv:
            return _running_program(service.server["pid"], argv, service.environ)
    argv = without_arguments(flags.unwrapped(service.unit.get("exec_start", [])))
    if not argv or any("$" in word for word in argv):
        return None
    lines = [one.value for one in in_force(service.files).environment]
    environment = command_line.variables_of(lines, list(_environment_files(service).values()))
    environment.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    user, cwd = service.property("User"), service.property("WorkingDirectory").lstrip("!-")
    uid = _uid(user)
    if user and uid is None:
        return None  # DynamicUser= of a unit that does not run
    return Program(argv, environment, cwd if os.path.isdir(cwd) else "/", uid, None)


def read_text(path: str) -> Optional[str]:
    """A text file of the host, None when there is none or it is no text."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(_READ_LIMIT) if os.path.isfile(path) else None
    except (OSError, UnicodeDecodeError):
        return None


def _refusal(service: Service) -> str:
    """Why nothing can be done to this unit at all."""
    unit = service.unit
    if unit["state"] != "ok":
        others = unit.get("alternatives", [])
        found = f"; units here that look like vLLM: {', '.join(others)}" if others else ""
        return f"{unit['reason']}{found}; name the unit with -e vllm_unit=NAME"
    if service.property("LoadState") != "loaded":
        return "{} is {}: {}; correct the unit first".format(
            service.name, service.property("LoadState"), service.property("LoadError") or "systemd does not say why"
        )
    if service.property("FragmentPath").startswith("/run/systemd/transient/"):
        return (
            f"{service.name} is transient (systemd-run) and vanishes when it is stopped. Two ways out: give it a unit "
            "file, or start it again by hand with other arguments"
        )
    if os.geteuid() != 0:
        return f"changing and restarting {service.name} needs root"
    others = foreign(service.ours)
    if others:
        return f"{others[0]} is not ours: the name {NAME} is taken by somebody else's file; give that another name"
    return ""


def _stopped_half_way(service: Service) -> bool:
    """A change that stopped half-way, and the server with it."""
    intent = service.intent
    begun = is_half_way(intent) and intent.get("phase") != "prepared"
    return begun and service.property("ActiveState") in ("failed", "inactive", "activating")


def _environment_files(service: Service) -> Dict[str, Dict[str, str]]:
    """What the unit's ``EnvironmentFile=`` hold, by path, without ours; systemd has expanded the specifiers."""
    found = {}
    for row in service.property("EnvironmentFiles").splitlines():
        path = row.rpartition(" (ignore_errors=")[0]
        text = read_text(path) if path and path not in service.ours else None
        if text is not None:
            found[path] = parse_environment_file(text)
    return found


def _running_program(pid: int, argv: List[str], environ: Dict[str, str]) -> Program:
    try:
        status = os.stat(str(_PROC / str(pid)))
        cwd = os.readlink(str(_PROC / str(pid) / "cwd"))
        return Program(argv, environ, cwd, status.st_uid, status.st_gid)
    except OSError:
        return Program(argv, environ, "/", None, None)


def _uid(user: str) -> Optional[int]:
    try:
        return int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid if user else None
    except KeyError:
        return None


def before_change(service: Service) -> Dict[str, Any]:
    """What rolling back needs: our files as they are, how the server runs, the intent that was there."""
    kept = service.intent if service.intent["state"] == "ok" else None
    return {
        "files": service.ours,
        "mark": service.mark,
        "argv_digest": service.argv_digest,
        "active_state": service.property("ActiveState"),
        "intent": {k: v for k, v in kept.items() if k not in ("state", "reason", "before")} if kept else None,
    }


def describe_plan(service: Service, change: Optional[Change], made: Plan) -> str:
    """One line for the operator."""
    if made.refused:
        return made.refused
    what = describe(change) if change is not None else "default (nothing of ours in force)"
    if not made.write and not made.restart:
        return f"{service.name}: {what}: already so, nothing to do"
    doing = " and ".join(
        word
        for word, needed in (
            ("write " + ", ".join(made.files) if made.files else "remove " + ", ".join(service.ours), made.write),
            ("restart", made.restart),
        )
        if needed
    )
    opened = f"; written out: {', '.join(made.made.expanded)}" if made.made and made.made.expanded else ""
    return f"{service.name}: {what}: {doing}{opened}"
