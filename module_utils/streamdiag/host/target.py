"""What is being diagnosed: the unit, its running processes, where they answer, with which model and version.

What runs counts, not what is configured: flags come from the running process where there is one.
"""

from __future__ import annotations

import grp
import json
import os
import platform
import time
from typing import Any, Dict, List, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

from ..bundle import BUNDLE_VERSION, Endpoint, Intent, Observer, Process, Processes, Source, Target, Unit
from ..words import say
from .changing.intent import read_intent
from .compatibility import ask_compat_mode
from .endpoints import get_all, metrics_after
from .flags import compat_mode, host_and_port, model_name, parse_flags
from .process import read_environ, read_processes, user_name
from .redact import Redactor
from .sockets import listener, listening_ports, read_sockets
from .unit import read_unit

DEFAULT_UNIT = "vllm"
DEFAULT_BASE_URL = "http://127.0.0.1:8000"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: Names of environment variables that change how vLLM streams, logs or finds its GPUs.
TELLING = ("VLLM_", "CUDA_", "NCCL_", "HF_HUB_", "PYTHONUNBUFFERED", "UVICORN_")


class Wanted(NamedTuple):
    """What the operator said. Empty: find out."""

    unit: str
    base_url: str = ""
    public_url: str = ""
    model: str = ""
    api_key: str = ""
    compat_flag_on: str = "--responses-compatibility-mode"
    compat_flag_off: str = "--no-responses-compatibility-mode"


def observer(become: bool) -> Observer:
    """Whose eyes see the host: what a check may have to be skipped for."""
    groups = []
    for gid in sorted({os.getegid(), *os.getgroups()}):
        try:
            groups.append(grp.getgrgid(gid).gr_name)
        except KeyError:
            groups.append(str(gid))
    return Observer(
        user=user_name(),
        uid=os.geteuid(),
        groups=groups,
        become=become,
        python=platform.python_version(),
        hostname=platform.node(),
    )


def read_target(wanted: Wanted, become: bool) -> Target:
    """Look at unit, processes, sockets and the server's own answers, and redact all of it."""
    redactor = Redactor()
    redactor.learn(wanted.api_key)
    unit = read_unit(wanted.unit)
    processes = server_processes(unit, wanted.base_url or DEFAULT_BASE_URL)
    server = server_process(processes)
    argv = server["argv"] if server else unit.get("exec_start", [])
    environment_state = Source(state="absent", reason=say("no running process"))
    environment: Dict[str, str] = {}
    if server:
        environment_state, environment = read_environ(server["pid"])
    redactor.argv(argv)  # both learn what they remove, so that a log line is cleared of it too
    redactor.environment(environment)
    flags = parse_flags(argv)
    pids = [process["pid"] for process in processes.get("processes", [])]
    base_url, source = find_base_url(wanted.base_url, flags, pids, server is not None)
    sockets = read_sockets(port_of(base_url) if source != "given" else None, pids)
    endpoints = get_all(base_url, wanted.api_key)
    served = served_models(endpoints["/v1/models"])
    model, model_source = _model(wanted, served, flags)
    mode = compat_mode(flags, wanted.compat_flag_on, wanted.compat_flag_off)
    if mode == "unknown" and endpoints["/health"]["http_status"] == 200:
        mode = ask_compat_mode(base_url, model, wanted.api_key)
    target = Target(
        bundle_version=BUNDLE_VERSION,
        at=time.time(),
        observer=observer(become),
        unit=unit,
        processes=processes,
        sockets=sockets,
        endpoints=endpoints,
        base_url=base_url,
        base_url_source=source,
        public_url=wanted.public_url,
        model=model,
        model_source=model_source,
        api_key_given=bool(wanted.api_key),
        served_models=served,
        vllm_version=_version(endpoints["/version"]),
        flags=flags,
        argv=argv,
        environment={name: value for name, value in environment.items() if name.startswith(TELLING)},
        environment_state=environment_state,
        compat_mode=mode,
        metrics=metrics_after(endpoints, base_url, wanted.api_key),
        intent=seen_intent(unit["name"]),
    )
    clean: Target = redactor.tree(target)
    return clean


def seen_intent(unit: str) -> Intent:
    """What this tool is about to do to the unit, or has done, without what only rolling back needs."""
    intent = read_intent(unit)
    if intent["state"] == "ok":
        intent.pop("change", None)
        intent.pop("before", None)
        drop_in = intent.get("drop_in", "")
        intent["in_force"] = bool(drop_in) and os.path.exists(drop_in)
    return intent


def problem(wanted: Wanted, target: Target) -> str:
    """Why there is nothing to diagnose, with what to do; ``""`` when there is a unit, or an address that counts."""
    unit = target["unit"]
    if unit["state"] != "absent" or wanted.base_url:
        return ""
    if wanted.unit == DEFAULT_UNIT and target["endpoints"]["/health"]["state"] == "ok":
        return ""  # no unit, but a server where one is expected
    others = unit.get("alternatives", [])
    found = f"; units here that look like vLLM: {', '.join(others)}" if others else ""
    return f"{unit['reason']}{found}; name the unit with -e vllm_unit=NAME, or the address with -e vllm_base_url=URL"


def server_processes(unit: Unit, base_url: str) -> Processes:
    """The unit's processes; without a unit, those of whoever listens at ``base_url``."""
    if unit["state"] != "ok":
        port = port_of(base_url)  # None for what is no URL, too
        pid = listener(port) if port and urlsplit(base_url).hostname in _LOOPBACK else None
        if pid is None:
            return Processes(state=unit["state"], reason=unit["reason"], processes=[])
        return read_processes(pid, "")
    properties = unit["properties"]
    main_pid = properties.get("MainPID", "0")
    return read_processes(int(main_pid) if main_pid.isdigit() else 0, properties.get("ControlGroup", ""))


def server_process(processes: Processes) -> Optional[Process]:
    """The API server among the unit's processes."""
    return next((p for p in processes.get("processes", []) if p["role"] == "main"), None)


def port_of(base_url: str) -> Optional[int]:
    """The port of a URL, with its scheme's default; None when the URL has no usable one."""
    try:
        parts = urlsplit(base_url)
        return parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None


def find_base_url(given: str, flags: Dict[str, Optional[str]], pids: List[int], running: bool) -> Tuple[str, str]:
    """Where to ask, and how that is known: given | argv | socket | default."""
    if given:
        return given.rstrip("/"), "given"
    listen = host_and_port(flags)
    ports = listening_ports(pids)
    scheme = "https" if flags.get("ssl-certfile") else "http"
    host = _reachable(listen.host)
    if listen.port in ports or (not ports and running and listen.port is not None):
        return f"{scheme}://{host}:{listen.port}", "argv"
    if ports:
        return f"{scheme}://{host}:{ports[0]}", "socket"
    if listen.port is not None and flags:
        return f"{scheme}://{host}:{listen.port}", "argv"
    return DEFAULT_BASE_URL, "default"


def _reachable(host: Optional[str]) -> str:
    """The address by which a listener on ``host`` is reached from its own host."""
    if host in (None, "", "0.0.0.0", "*"):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if host and ":" in host else str(host)


def _json(endpoint: Endpoint) -> Any:
    try:
        return json.loads(endpoint["body"]) if endpoint["http_status"] == 200 else None
    except (ValueError, RecursionError):
        return None


def served_models(endpoint: Endpoint) -> List[str]:
    answer = _json(endpoint)
    data = answer.get("data") if isinstance(answer, dict) else None
    return [str(m["id"]) for m in data if isinstance(m, dict) and "id" in m] if isinstance(data, list) else []


def _model(wanted: Wanted, served: List[str], flags: Dict[str, Optional[str]]) -> Tuple[str, str]:
    """The model to ask, and how it is known: given | served | argv | none."""
    if wanted.model:
        return wanted.model, "given"
    if served:
        return served[0], "served"
    named = model_name(flags)
    return (named, "argv") if named else ("", "none")


def _version(endpoint: Endpoint) -> str:
    answer = _json(endpoint)
    return str(answer.get("version", "")) if isinstance(answer, dict) else ""


def describe_target(target: Target) -> str:
    """One line for the operator: ``vllm.service active (running), pid 4242 + 2, http://127.0.0.1:8000, model tiny``."""
    unit = target["unit"]
    if unit["state"] == "ok":
        properties = unit["properties"]
        words = ["{} {} ({})".format(unit["name"], properties.get("ActiveState"), properties.get("SubState"))]
    else:
        words = [unit["reason"]]
    processes = target["processes"].get("processes", [])
    if processes:
        words.append("pid {}".format(processes[0]["pid"]) + (f" + {len(processes) - 1}"))
    words.append(target["base_url"])
    words.append("model {}".format(target["model"] or "unknown"))
    if target["vllm_version"]:
        words.append("vLLM {}".format(target["vllm_version"]))
    if target["observer"]["uid"] != 0:
        words.append("read as {}, without root".format(target["observer"]["user"]))
    return ", ".join(words)
