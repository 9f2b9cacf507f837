"""The host after the last stream: the same sources as before, and those that are slow or long (GPUs, logs)."""

from __future__ import annotations

import calendar
import time
from typing import NamedTuple

from ..bundle import BUNDLE_VERSION, Journal, Log, Machine, Unit
from ..words import say
from .endpoints import get_all, metrics_after
from .gpu import read_gpus
from .journal import read_kernel_log, read_unit_log
from .process import read_environ
from .redact import Redactor
from .sockets import read_sockets
from .target import observer, port_of, server_process, server_processes
from .unit import read_unit

LOG_LINES = 2000
LOG_BYTES = 512 * 1024


#: Seconds of log before the moment a unit went down, and the longest way back to it.
BEFORE_THE_END = 120.0
LONGEST_WAY_BACK = 24 * 3600.0


class Gathered(NamedTuple):
    machine: Machine
    journal: Journal


def read_machine(unit_name: str, base_url: str, api_key: str, since: float, become: bool) -> Gathered:
    """``since``: seconds since the epoch, where the logs begin."""
    redactor = Redactor()
    redactor.learn(api_key)
    unit = read_unit(unit_name)
    processes = server_processes(unit, base_url)
    server = server_process(processes)
    if server:
        redactor.environment(read_environ(server["pid"])[1])  # learns what a log line may repeat
    pids = [process["pid"] for process in processes.get("processes", [])]
    endpoints = get_all(base_url, api_key)
    machine = Machine(
        bundle_version=BUNDLE_VERSION,
        at=time.time(),
        observer=observer(become),
        unit=unit,
        processes=processes,
        sockets=read_sockets(port_of(base_url), pids),
        gpus=read_gpus(timeout=5.0),
        endpoints=endpoints,
        metrics=metrics_after(endpoints, base_url, api_key),
    )
    since = log_start(unit, since)
    journal = Journal(
        unit=read_unit_log(unit["name"], since, LOG_LINES, LOG_BYTES)
        if unit["state"] == "ok"
        else Log(state="absent", reason=say("{why}: the server's log is elsewhere", why=unit["reason"]), lines=[]),
        kernel=read_kernel_log(since, LOG_LINES, LOG_BYTES),
    )
    clean = redactor.tree({"machine": machine, "journal": journal})
    return Gathered(clean["machine"], clean["journal"])


def log_start(unit: Unit, since: float) -> float:
    """``since``, or earlier when the unit is down already: its last words are worth more than a quiet two minutes.

    vLLM 0.32 exits with status 0 when its engine was killed, so that the unit looks as if somebody had stopped it.
    """
    properties = unit.get("properties", {})
    if properties.get("ActiveState", "active") == "active":
        return since
    try:
        ended = calendar.timegm(time.strptime(properties.get("StateChangeTimestamp", ""), "%a %Y-%m-%d %H:%M:%S UTC"))
    except ValueError:
        return since
    return max(min(since, ended - BEFORE_THE_END), since - LONGEST_WAY_BACK)


def describe_machine(gathered: Gathered) -> str:
    """One line for the operator: what was read, and what was not."""
    parts = {
        "unit": gathered.machine["unit"],
        "processes": gathered.machine["processes"],
        "sockets": gathered.machine["sockets"],
        "gpu": gathered.machine["gpus"],
        "journal": gathered.journal["unit"],
        "kernel log": gathered.journal["kernel"],
    }
    read = [name for name, part in parts.items() if part["state"] == "ok"]
    missing = [name for name, part in parts.items() if part["state"] != "ok"]
    return "read {}".format(", ".join(read) or "nothing") + ("; not {}".format(", ".join(missing)) if missing else "")
