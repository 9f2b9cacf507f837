"""The engine or the API server hangs or dies. Each process gets a signal from outside.

Processes are found as descendants of the unit's main process, as this machine sees them; never by name alone.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from ..host import Host
from ..processes import Process, read
from ..server import Server
from .midstream import after_first_request
from .registry import fault, fault_once


@contextlib.contextmanager
def _stopped(process: Process) -> Iterator[str]:
    process.signal(signal.SIGSTOP)
    try:
        yield f"stopped {process.inner_pid} ({process.title.split()[0]})"
    finally:
        process.signal(signal.SIGCONT)


@fault
def engine_stopped(host: Host) -> Iterator[str]:
    """The engine core hangs before it gets a request: SIGSTOP."""
    with _stopped(Server(host).engine_core()) as what:
        yield what


@fault
def api_server_stopped(host: Host) -> Iterator[str]:
    """The API server's event loop is blocked: SIGSTOP to the unit's main process."""
    with _stopped(Server(host).main()) as what:
        yield what


@fault_once
def worker_stopped_midstream(host: Host) -> Iterator[str]:
    """The engine hangs in the middle of the first stream: its worker stops one second after the request came."""
    worker = Server(host).worker()
    with after_first_request(host, worker, lambda: None):
        yield f"waiting for a request to stop {worker.inner_pid} (VLLM::Worker)"


@fault_once
def engine_killed_midstream(host: Host) -> Iterator[str]:
    """The engine dies in the middle of the first stream: SIGKILL to its core one second after the request came."""
    server = Server(host)
    core, worker = server.engine_core(), server.worker()

    def kill() -> None:
        core.signal(signal.SIGKILL)
        worker.signal(signal.SIGCONT)  # it must be able to see that its parent is gone

    try:
        with after_first_request(host, worker, kill):
            yield f"waiting for a request to kill {core.inner_pid} (VLLM::EngineCore)"
    finally:
        if (now := read(core.pid)) is None or now.started != core.started or now.state == "Z":
            server.restart()
