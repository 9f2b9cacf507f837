"""A closer look at a server that stalls, while a request is in flight: bounded, and nothing is sent to its processes.

Two looks at each process, a few seconds apart: one shows where it stands, two show whether it moves.
"""

from __future__ import annotations

import functools
import threading
import time
from typing import Callable, Dict, Generic, List, NamedTuple, Sequence, TypeVar

from ..bundle import (
    BUNDLE_VERSION,
    End,
    Gpus,
    Look,
    Process,
    Sockets,
    Stacks,
    Stall,
    StalledProcess,
    Stream,
)
from ..clocks import serving
from ..words import say
from .cases import CASES
from .gpu import read_gpus
from .probe import Server, _exchange, _new_stream
from .process import read_environ, read_threads, sample, system_call, wait_channel
from .redact import Redactor
from .sockets import read_sockets
from .stacks import PySpy, add_clocks, cut, moved_threads, same_main_thread
from .target import observer, port_of
from .watch import Deadlines, Watch

#: Seconds between the beginnings of the two looks.
BETWEEN_LOOKS = 3.0
#: Seconds that the server gets to answer the canary with headers before the first look, and to pass it to the engine.
HEAD_START = 1.0
SETTLE = 0.2
#: Seconds for each part. Together with the above all of it stays under 12.
DUMP_SECONDS = 2.5
GPU_SECONDS = 4.0
FILE_SECONDS = 1.0
CLOSE_SECONDS = 1.5
#: Processes that are looked at, and those of one role whose stacks are read (workers are alike).
PROCESS_LIMIT = 64
DUMPED_PER_ROLE = 4
_THREADS_READ = 2048
_CLOSED = say("the closer look was over")
#: A start time can move by that much when the clock is set, in seconds.
_SAME_START = 2.0

T = TypeVar("T")


class _Known(NamedTuple):
    """A process of the server; ``dumped``: its stacks are read, too."""

    process: Process
    dumped: bool


def take_stall(server: Server, py_spy: PySpy, become: bool, between: float = BETWEEN_LOOKS) -> Stall:
    """Look closer at ``server.processes``; every part has its limit, and one that could not be read says why."""
    started = time.monotonic()
    at = time.time()
    known = choose(server.processes)
    pids = [one.process["pid"] for one in known]
    environment = _Task(lambda: _environment(pids[:1]), lambda _reason: {})
    gpus = _Task(lambda: read_gpus(GPU_SECONDS), lambda reason: Gpus(state="failed", reason=reason, gpus=[]))
    with _Canary(server) as canary:
        canary.wait_until_sent()
        first_at = time.monotonic()
        first = _look(known, canary, py_spy)
        time.sleep(max(0.0, first_at + between - time.monotonic()))
        second = _look(known, canary, py_spy)
        sockets = _Task(
            lambda: read_sockets(port_of(server.base_url), pids),
            lambda reason: Sockets(state="failed", reason=reason, listening=[], connections=[]),
        ).result(FILE_SECONDS)
    stall = Stall(
        bundle_version=BUNDLE_VERSION,
        at=at,
        seconds=0.0,
        observer=observer(become),
        py_spy=py_spy.source,
        py_spy_version=py_spy.version,
        processes=[_compare(one.process, a, b) for one, a, b in zip(known, first, second)],
        sockets=sockets,
        gpus=gpus.result(FILE_SECONDS),
        canary=dict(canary.stream),
    )
    redactor = Redactor()
    redactor.learn(server.api_key)
    redactor.environment(environment.result(0.0))  # learns what a stack or an answer may repeat
    clean: Stall = redactor.tree(stall)
    clean["seconds"] = round(time.monotonic() - started, 2)
    return clean


def choose(processes: Sequence[Process]) -> List[_Known]:
    """The processes to look at: those that serve; of many of one role only the first ones are dumped."""
    dumped: Dict[str, int] = {}
    chosen = []
    for process in serving(list(processes))[:PROCESS_LIMIT]:
        dumped[process["role"]] = dumped.get(process["role"], 0) + 1
        chosen.append(_Known(process, dumped[process["role"]] <= DUMPED_PER_ROLE))
    return chosen


def describe_look(stall: Stall) -> str:
    """One line for the operator: which processes stood still and which moved, or why no stack could be read."""
    seen = {True: "stands", False: "moves", None: "unread"}
    words = ["{} {} {}".format(one["role"], one["pid"], seen[one["same_stack"]]) for one in stall["processes"]]
    if any(one["same_stack"] is not None for one in stall["processes"]):
        return "stacks: " + ", ".join(words)
    reasons = [look["stacks"]["reason"] for one in stall["processes"] for look in one["looks"]]
    return "no stacks: " + (next((reason for reason in reasons if reason), "") or "no process is known")


class _Task(Generic[T]):
    """A function in a thread of its own, so that what hangs in the kernel or breaks takes nothing else with it."""

    def __init__(self, function: Callable[[], T], otherwise: Callable[[str], T]) -> None:
        """``otherwise``: makes the result out of the reason why there is none."""
        self._function = function
        self._otherwise = otherwise
        self._results: List[T] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._function())
        except Exception as error:  # partial evidence, whatever happens
            self._results.append(self._otherwise(f"{type(error).__name__}: {error}"))

    def result(self, seconds: float) -> T:
        self._thread.join(timeout=max(0.0, seconds))
        return self._results[0] if self._results else self._otherwise(say("not read in time"))


class _Canary:
    """A tiny stream that is held open; ``stream`` is whole after the end of the ``with``."""

    def __init__(self, server: Server) -> None:
        case = CASES["canary"](server.model)
        self.watch = Watch(Deadlines())
        self.stream: Stream = _new_stream(case, case.bodies[0], server, self.watch.deadlines)
        self._thread = threading.Thread(
            target=_exchange, args=(case, case.bodies[0], server, self.watch, self.stream), daemon=True
        )

    def __enter__(self) -> _Canary:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.watch.stop(_CLOSED)
        self._thread.join(timeout=CLOSE_SECONDS)
        self.stream = Stream(**self.stream)
        if "end" not in self.stream:  # stuck where no clock is looked at: in a name lookup, or while connecting
            self.stream["end"] = End(t=round(self.watch.now(), 4), how="stopped", deadline="", reason=_CLOSED)

    def wait_until_sent(self) -> None:
        """Until the server has answered with headers, or for HEAD_START: by then a server that reads has it."""
        deadline = time.monotonic() + HEAD_START
        while self.watch.t_headers is None and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(SETTLE)


def _environment(pids: List[int]) -> Dict[str, str]:
    return {name: value for pid in pids for name, value in read_environ(pid)[1].items()}


def _look(known: List[_Known], canary: _Canary, py_spy: PySpy) -> List[Look]:
    """Look at all of them at once: one that cannot be read costs its own limit and no more."""
    tasks = [
        _Task(
            functools.partial(_look_at, one, canary.watch.now(), py_spy),
            lambda reason: Look(t=round(canary.watch.now(), 3), state="", stacks=_no_stacks("failed", reason)),
        )
        for one in known
    ]
    deadline = time.monotonic() + DUMP_SECONDS + FILE_SECONDS
    return [task.result(deadline - time.monotonic()) for task in tasks]


def _look_at(one: _Known, t: float, py_spy: PySpy) -> Look:
    pid = one.process["pid"]
    now = next(iter(sample([pid])), None)
    if now is None:
        return Look(t=round(t, 3), state="", stacks=_no_stacks("denied", say("/proc hides this process")))
    started, known_start = now.get("started_at"), one.process.get("started_at")
    if started is None or (known_start is not None and abs(started - known_start) > _SAME_START):
        return Look(t=round(t, 3), state="gone", stacks=_no_stacks("absent", say("process {pid} is gone", pid=pid)))
    look = Look(
        t=round(t, 3),
        state=now["state"],
        cpu=now["cpu"],
        threads=now["threads"],
        wait_channel=wait_channel(pid),
        syscall=system_call(pid),
        stacks=_no_stacks(
            "absent", say("only the first {count} processes of a role are dumped", count=DUMPED_PER_ROLE)
        ),
    )
    if one.dumped:
        look["stacks"] = py_spy.dump(pid, DUMP_SECONDS)
        add_clocks(look["stacks"], read_threads(pid, _THREADS_READ))
    return look


def _no_stacks(state: str, reason: str) -> Stacks:
    return Stacks(state=state, reason=reason, threads=[], dropped_threads=0)


def _compare(process: Process, first: Look, second: Look) -> StalledProcess:
    both = "cpu" in first and "cpu" in second
    compared = StalledProcess(
        pid=process["pid"],
        role=process["role"],
        title=process["title"],
        looks=[first, second],
        seconds=round(second["t"] - first["t"], 3) if both else None,
        cpu_used=round(second["cpu"] - first["cpu"], 3) if both else None,
        same_stack=same_main_thread(first["stacks"], second["stacks"]),
        moved_threads=moved_threads(first["stacks"], second["stacks"]),
    )
    for look in compared["looks"]:
        look["stacks"] = cut(look["stacks"])
    return compared
