"""Real faults for a host and its server. Each is in force inside its `with` block and undone after it, always.

    with faults.inject(host, "engine_stopped"): ...

Processes are found as descendants of the unit's main process, as this machine sees them; never by name alone.
A fault that broke the server restarts it afterwards and waits until it answers (40 to 60 s).
"""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from .host import Host
from .network import INSIDE, namespace
from .processes import Process, read
from .server import Server
from .wire import hurry

API_KEY = "sekret-key-123456"
Fault = Callable[[Host], AbstractContextManager[str]]
FAULTS: dict[str, Fault] = {}


def fault(run: Callable[[Host], Iterator[str]]) -> Fault:
    """Register a fault under its function's name. It yields a line on what it did."""
    FAULTS[run.__name__] = made = contextlib.contextmanager(run)
    return made


def inject(host: Host, name: str) -> AbstractContextManager[str]:
    """The fault of that name as a context manager."""
    return FAULTS[name](host)


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


@fault
def worker_stopped_midstream(host: Host) -> Iterator[str]:
    """The engine hangs in the middle of the first stream: its worker stops one second after the request came."""
    worker = Server(host).worker()
    with _after_first_request(host, worker, lambda: None):
        yield f"waiting for a request to stop {worker.inner_pid} (VLLM::Worker)"


@fault
def engine_killed_midstream(host: Host) -> Iterator[str]:
    """The engine dies in the middle of the first stream: SIGKILL to its core one second after the request came."""
    server = Server(host)
    core, worker = server.engine_core(), server.worker()

    def kill() -> None:
        core.signal(signal.SIGKILL)
        worker.signal(signal.SIGCONT)  # it must be able to see that its parent is gone

    try:
        with _after_first_request(host, worker, kill):
            yield f"waiting for a request to kill {core.inner_pid} (VLLM::EngineCore)"
    finally:
        if (now := read(core.pid)) is None or now.started != core.started or now.state == "Z":
            server.restart()


@contextlib.contextmanager
def _after_first_request(host: Host, worker: Process, then: Callable[[], None]) -> Iterator[None]:
    """Let the first stream begin, keep it slow for a second, leave its worker stopped, and then do `then`."""
    sensor = ["ip", "netns", "exec", namespace(host.name), sys.executable, str(Path(__file__).parent / "wire.py")]
    ended = threading.Event()
    with subprocess.Popen(sensor, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0) as listener:
        if not _heard(listener, patience=10):
            raise RuntimeError(f"{host.name}: cannot listen on its network")

        def act() -> None:
            hurry()
            if _heard(listener):
                _slow_down(worker, listener, ended)
                if not ended.is_set():
                    then()

        actor = threading.Thread(target=act, daemon=True)
        actor.start()
        try:
            yield
        finally:
            ended.set()
            listener.kill()
            actor.join()
            worker.signal(signal.SIGCONT)


def _heard(listener: subprocess.Popen[bytes], patience: float | None = None) -> bool:
    """Whether the listener has something to tell within `patience` seconds; all it has told is taken away."""
    assert listener.stdout is not None
    ready, _, _ = select.select([listener.stdout], [], [], patience)
    return bool(ready and listener.stdout.read(65536))


def _slow_down(worker: Process, listener: subprocess.Popen[bytes], ended: threading.Event, seconds: float = 1) -> None:
    """Let the worker run until the stream shows another token, a few times in `seconds`; then leave it stopped."""
    until = time.monotonic() + seconds
    worker.signal(signal.SIGSTOP)
    while time.monotonic() < until and not ended.wait(0.2):
        _heard(listener, patience=0)
        worker.signal(signal.SIGCONT)
        _heard(listener, patience=seconds)
        worker.signal(signal.SIGSTOP)


@fault
def unit_stopped(host: Host) -> Iterator[str]:
    """The service is not running: systemctl stop."""
    server = Server(host)
    server.stop()
    try:
        yield "the unit is stopped"
    finally:
        server.restart()


@fault
def crash_loop(host: Host, patience: float = 150) -> Iterator[str]:
    """The service fails at every start: a flag this build does not know. In force once it was restarted twice."""
    server = Server(host)
    settings = {"Restart": "always", "RestartSec": "1"}
    try:
        path = server.configure(["--no-such-flag"], service=settings)
        path.write_text("[Unit]\nStartLimitIntervalSec=0\n" + path.read_text())
        host.enter("systemctl", "daemon-reload")
        server.restart(wait=False)
        deadline = time.monotonic() + patience
        while (restarts := int(server.property("NRestarts"))) < 2:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{host.name}: only {restarts} restarts in {patience:g} s")
            time.sleep(1)
        yield f"restarted {restarts} times so far"
    finally:
        server.remove_configuration()
        server.restart()


@fault
def api_key(host: Host) -> Iterator[str]:
    """The server wants a key that the caller does not have."""
    server = Server(host, api_key=API_KEY)
    with server.configured("--api-key", API_KEY):
        yield f"the key is {API_KEY}"


@contextlib.contextmanager
def _dropped(host: Host, *match: str) -> Iterator[str]:
    rule = (*match, "-j", "DROP")
    host.in_network("iptables", "-w", "-I", "INPUT", *rule)
    try:
        yield f"dropping incoming packets: {' '.join(match)}"
    finally:
        host.in_network("iptables", "-w", "-D", "INPUT", *rule)


@fault
def ssh_down(host: Host) -> Iterator[str]:
    """The host takes no ssh: packets to its port 22 vanish, connections that are open too."""
    with _dropped(host, "-p", "tcp", "--dport", "22") as what:
        yield what


@fault
def network_cut(host: Host) -> Iterator[str]:
    """Nothing comes through the host's cable any more, though the link is up; loopback works."""
    with _dropped(host, "-i", INSIDE) as what:
        yield what


@fault
def link_down(host: Host) -> Iterator[str]:
    """The host's cable is pulled out."""
    host.in_network("ip", "link", "set", INSIDE, "down")
    try:
        yield f"{INSIDE} is down"
    finally:
        host.in_network("ip", "link", "set", INSIDE, "up")
