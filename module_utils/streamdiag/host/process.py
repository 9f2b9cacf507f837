"""The processes of the unit, from /proc: who they are, what they do, how much CPU time they took.

They are found as descendants of the unit's main process and as members of its control group, never
by name: another server may run on the same host.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

from ..bundle import Process, Processes, Source
from ..words import say, template
from . import flags

NO_PROCESS = say("the unit has no running process")
_PROC = Path("/proc")
_ARGV_BYTES = 65536
_ENVIRON_BYTES = 1024 * 1024
#: Threads of one process whose waits are read. Each costs 10 microseconds, and vLLM has one to a few hundred.
_WAITS_READ = 512

# Titles that vLLM gives itself with setproctitle, by release: "VLLM::EngineCore" and
# "VLLM::EngineCore_DP0" now, "VLLM::EngineCore_0" and "VLLM::DPEngineCore_0" around 0.10; the prefix
# is VLLM_PROCESS_NAME_PREFIX. The kernel cuts comm at 15 characters, argv[0] holds it all.
_ENGINE_TITLE = re.compile(r"::(?:DP)?EngineCor")
_API_TITLE = re.compile(r"::APIServer")  # one of several: vllm serve --api-server-count
_WORKER_TITLE = re.compile(r"::Worker|^VllmWorker")
_ANY_TITLE = re.compile(r"^\S+::[A-Z]")


class _Stat(NamedTuple):
    """The fields of /proc/PID/stat that are used, see proc(5)."""

    comm: str
    state: str
    ppid: int
    ticks: int
    threads: int
    start_ticks: int
    rss_pages: int


def read_processes(main_pid: int, control_group: str, proc: Path = _PROC) -> Processes:
    """The unit's processes, the API server first.

    ``main_pid`` 0 and ``control_group`` "" are systemd's words for "none". Roles: ``main`` is the API
    server (the unit's main process, or the server that a shell there started), ``api_server`` (one of
    several below it), ``engine_core``, ``worker``, ``other``. Readable without root, unless /proc hides
    other users' processes.
    """
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdigit())
    except OSError as error:
        return Processes(state="absent", reason=f"{proc}: {error.strerror}", processes=[])
    if main_pid <= 0 and not control_group:
        return Processes(state="absent", reason=NO_PROCESS, processes=[])
    stats = {pid: stat for pid in pids for stat in [_stat(pid, proc)] if stat is not None}
    members = _members(stats, main_pid, control_group, proc)
    if members:
        return Processes(state="ok", reason="", processes=_describe(members, stats, main_pid, proc))
    if hides_others(proc):
        return Processes(state="denied", reason=_hidden_from(proc), processes=[])
    gone = say("the unit's main process {pid} is gone", pid=main_pid)
    return Processes(state="absent", reason=gone if main_pid > 0 else NO_PROCESS, processes=[])


def sample(pids: Iterable[int], proc: Path = _PROC) -> List[Process]:
    """Clocks and states of known processes, one small read each. A vanished one has state ``gone``.

    ``role`` and ``argv`` are left out: they do not change. A number that was given to a new process
    meanwhile shows by its ``started_at``. Processes that /proc hides from us are left out. ``waited`` and
    ``runnable`` are left out where the kernel does not count them, as in some containers.
    """
    taken = []
    for pid in pids:
        stat = _stat(pid, proc)
        if stat is not None:
            process = _clocks(pid, stat, proc)
            _add_waits(process, proc)
            taken.append(process)
        elif not hides_others(proc):
            taken.append(Process(pid=pid, state="gone"))
    return taken


def read_environ(pid: int, proc: Path = _PROC) -> Tuple[Source, Dict[str, str]]:
    """The environment a process was started with, not yet redacted. Only its owner and root may read it."""
    try:
        with open(str(proc / str(pid) / "environ"), "rb") as file:
            raw = file.read(_ENVIRON_BYTES)
    except PermissionError:
        refused = template("environment of process {pid} not readable as {user}: neither root nor its owner")
        reason = say(refused, pid=pid, user=user_name())
        return Source(state="denied", reason=reason), {}
    except (FileNotFoundError, ProcessLookupError):
        if hides_others(proc):
            return Source(state="denied", reason=_hidden_from(proc)), {}
        return Source(state="absent", reason=say("process {pid} is gone", pid=pid)), {}
    except OSError as error:
        reason = say("environment of process {pid}: {error}", pid=pid, error=error.strerror)
        return Source(state="failed", reason=reason), {}
    pairs = (item.decode("utf-8", "replace").partition("=") for item in raw.split(b"\0") if b"=" in item)
    return Source(state="ok", reason=""), {name: value for name, _, value in pairs}


def wait_channel(pid: int, proc: Path = _PROC) -> str:
    """The kernel function that the main thread sleeps in; ``""`` when it runs, or when only root may know."""
    name = _read(proc / str(pid) / "wchan").decode("ascii", "replace").strip()
    return "" if name == "0" else name


def system_call(pid: int, proc: Path = _PROC) -> str:
    """The number of the system call that the main thread is in, or ``running``; ``""`` when that may not be read.

    ``-1`` says that it is blocked outside of a system call, see proc(5).
    """
    return _read(proc / str(pid) / "syscall").decode("ascii", "replace").partition(" ")[0].strip()


class ThreadClock(NamedTuple):
    state: str
    cpu: float


def read_threads(pid: int, limit: int, proc: Path = _PROC) -> Dict[int, ThreadClock]:
    """The kernel's view of up to ``limit`` threads, by the number that each has in the namespace of its process."""
    folder = proc / str(pid) / "task"
    try:
        tids = sorted(int(name) for name in os.listdir(folder))[:limit]
    except OSError:
        return {}
    stats = {_inner_id(tid, folder): _stat(tid, folder) for tid in tids}
    tick = float(os.sysconf("SC_CLK_TCK"))
    return {tid: ThreadClock(stat.state, stat.ticks / tick) for tid, stat in stats.items() if stat is not None}


def _inner_id(tid: int, folder: Path) -> int:
    """A server in a container knows itself by other numbers: the last one of ``NSpid``."""
    for line in _read(folder / str(tid) / "status").splitlines():
        if line.startswith(b"NSpid:"):
            return int(line.split()[-1])
    return tid


def user_name() -> str:
    """Whose eyes these are, for reasons that an engineer reads: ``guest``, or ``uid 1001``."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"


def hides_others(proc: Path = _PROC) -> bool:
    """Whether /proc is mounted with ``hidepid``: process 1 is always there, and not ours unless we are root."""
    try:
        with open(str(proc / "1" / "stat"), "rb"):
            return False
    except OSError:
        return os.geteuid() != 0


def _hidden_from(proc: Path) -> str:
    user = user_name()
    return say("{proc} hides the processes of other users from {user} (hidepid)", proc=str(proc), user=user)


def _members(stats: Dict[int, _Stat], main_pid: int, control_group: str, proc: Path) -> List[int]:
    """Main process, its descendants, then the rest of the control group, each parent before its children."""
    children: Dict[int, List[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.ppid, []).append(pid)
    ordered: List[int] = []
    waiting = [main_pid] if main_pid in stats else []
    waiting += sorted(_cgroup_members(stats, control_group, proc))
    while waiting:
        pid = waiting.pop(0)
        if pid in ordered:
            continue
        ordered.append(pid)
        waiting = children.get(pid, []) + waiting
    return ordered


def _cgroup_members(pids: Iterable[int], control_group: str, proc: Path) -> List[int]:
    """Processes in the unit's group or below, in systemd's own hierarchy (v1 ``name=systemd``) or in v2's."""
    if not control_group.strip("/"):
        return []
    # Where the container has no cgroup namespace, paths start at the outer host's root.
    own = _cgroups(1, proc)
    prefixes = {path[: -len("/init.scope")] for path in own if path.endswith("/init.scope")} or {""}
    wanted = tuple(prefix + control_group.rstrip("/") for prefix in prefixes)
    below = tuple(path + "/" for path in wanted)
    return [pid for pid in pids if any(p in wanted or p.startswith(below) for p in _cgroups(pid, proc))]


def _cgroups(pid: int, proc: Path) -> List[str]:
    paths = []
    for line in _read(proc / str(pid) / "cgroup").decode("utf-8", "replace").splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3 and fields[1] in ("", "name=systemd"):
            paths.append(fields[2])
    return paths


def _describe(pids: List[int], stats: Dict[int, _Stat], main_pid: int, proc: Path) -> List[Process]:
    described: List[Process] = []
    for pid in pids:
        process = _clocks(pid, stats[pid], proc)
        process["argv"] = _argv(pid, proc)
        described.append(process)
    server = _server_pid(described, main_pid)
    _give_roles(described, server)
    return sorted(described, key=lambda one: one["role"] != "main")


def _server_pid(processes: List[Process], main_pid: int) -> int:
    """The API server: the main process, unless that is a shell and the server is the first below it."""
    main = next((one for one in processes if one["pid"] == main_pid), None)
    if main is None or flags.is_server(main["argv"]):
        return main_pid
    return next((one["pid"] for one in processes if flags.is_server(one["argv"])), main_pid)


def _give_roles(processes: List[Process], server_pid: int) -> None:
    """By title; where none has a title (vLLM before 0.10, or no setproctitle), by place in the tree.

    A worker that has not set its own title yet still has the one of the engine core it was forked from.
    """
    by_pid = {one["pid"]: one for one in processes}
    titled = any(_ANY_TITLE.match(_title(one)) for one in processes)
    for one in processes:  # parents come before their children
        parent = by_pid.get(one["ppid"])
        parent_role = "" if parent is None else parent.get("role", "")
        one["role"] = "other"
        if one["pid"] == server_pid:
            one["role"] = "main"
        elif titled:
            if _API_TITLE.search(_title(one)):
                one["role"] = "api_server"
            elif _WORKER_TITLE.search(_title(one)):
                one["role"] = "worker"
            elif _ENGINE_TITLE.search(_title(one)):
                one["role"] = "worker" if parent_role == "engine_core" else "engine_core"
        elif parent is not None and _is_multiprocessing_child(one, parent):
            one["role"] = {"main": "engine_core", "engine_core": "worker"}.get(parent_role, "other")


def _title(process: Process) -> str:
    return process["argv"][0] if process["argv"] else process["title"]


def _is_multiprocessing_child(process: Process, parent: Process) -> bool:
    """Spawned or forked by Python's multiprocessing; its resource tracker is no such child."""
    return bool(process["argv"]) and (
        "--multiprocessing-fork" in " ".join(process["argv"]) or process["argv"] == parent["argv"]
    )


def _clocks(pid: int, stat: _Stat, proc: Path) -> Process:
    tick = float(os.sysconf("SC_CLK_TCK"))
    return Process(
        pid=pid,
        ppid=stat.ppid,
        title=stat.comm,
        state=stat.state,
        cpu=stat.ticks / tick,
        rss_bytes=stat.rss_pages * os.sysconf("SC_PAGE_SIZE"),
        started_at=round(_boot_time(str(proc)) + stat.start_ticks / tick, 2),
        threads=stat.threads,
    )


def _add_waits(process: Process, proc: Path) -> None:
    """Of all its threads: which one has work to do, and so has to wait, changes from moment to moment.

    A limit of its control group (CPUQuota=) makes it wait in the same way as other processes do.
    """
    folder = proc / str(process["pid"]) / "task"
    try:
        tids = sorted(int(name) for name in os.listdir(folder))[:_WAITS_READ]
    except OSError:
        return
    # "nanoseconds on a CPU, nanoseconds on a run queue, turns", see sched-stats in the kernel's documentation
    clocks = [line for line in (_read(folder / str(tid) / "schedstat").split() for tid in tids) if len(line) == 3]
    if not any(int(turns) for _ran, _waited, turns in clocks):
        return  # a kernel that does not count says 0 of everything, and no process comes to be without a turn
    stats = [_stat(tid, folder) for tid in tids]
    process["waited"] = round(sum(int(waited) for _ran, waited, _turns in clocks) / 1e9, 3)
    process["runnable"] = sum(1 for stat in stats if stat is not None and stat.state == "R")


def _stat(pid: int, proc: Path) -> Optional[_Stat]:
    """``None`` when the process is gone or may not be seen."""
    head, _, tail = _read(proc / str(pid) / "stat").decode("utf-8", "replace").rpartition(")")
    fields = tail.split()
    if len(fields) < 22:
        return None
    return _Stat(
        comm=head.partition("(")[2],
        state=fields[0],
        ppid=int(fields[1]),
        ticks=int(fields[11]) + int(fields[12]),
        threads=int(fields[17]),
        start_ticks=int(fields[19]),
        rss_pages=int(fields[21]),
    )


def _argv(pid: int, proc: Path) -> List[str]:
    """The command line; setproctitle writes a title over it and fills up with zeros or blanks."""
    raw = _read(proc / str(pid) / "cmdline", _ARGV_BYTES).rstrip(b"\0 ")
    return [word.decode("utf-8", "replace") for word in raw.split(b"\0")] if raw else []


@functools.lru_cache(maxsize=4)
def _boot_time(proc: str) -> float:
    """Seconds since the epoch; read once, so that a clock being set does not move every start time."""
    for line in _read(Path(proc) / "stat", 1024 * 1024).splitlines():
        if line.startswith(b"btime "):
            return float(line.split()[1])
    return 0.0


def _read(path: Path, limit: int = 65536) -> bytes:
    """The file's bytes, ``b""`` when it is gone or not ours; a process may vanish between two reads."""
    try:
        with open(str(path), "rb") as file:
            return file.read(limit)
    except OSError:
        return b""
