"""Do something to the server while it streams: what goes over the host's network is listened to."""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

from .. import wire
from ..host import Host
from ..network import namespace
from ..processes import Process
from ..wire import hurry


class Listener:
    """What `wire.py` tells, line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def heard(self, patience: float | None = None) -> list[bytes]:
        """All that was told, after waiting for it (at most `patience` seconds); empty when there was nothing."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], patience)
        return self.process.stdout.read(65536).splitlines() if ready else []


@contextlib.contextmanager
def listening(host: Host, act: Callable[[Listener, threading.Event], None]) -> Iterator[None]:
    """Run `act` in a thread with a listener on the host's network, and an event that is set when it is to end."""
    sensor = ["ip", "netns", "exec", namespace(host.name), sys.executable, str(wire.__file__)]
    ended = threading.Event()
    with subprocess.Popen(sensor, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0) as process:
        listener = Listener(process)
        if not listener.heard(patience=10):
            raise RuntimeError(f"{host.name}: cannot listen on its network")

        def run() -> None:
            hurry()
            act(listener, ended)

        actor = threading.Thread(target=run, daemon=True)
        actor.start()
        try:
            yield
        finally:
            ended.set()
            process.kill()
            actor.join()


@contextlib.contextmanager
def after_first_request(host: Host, worker: Process, then: Callable[[], None]) -> Iterator[None]:
    """Let the first stream begin, keep it slow for a second, leave its worker stopped, and then do `then`."""

    def act(listener: Listener, ended: threading.Event) -> None:
        if listener.heard():
            _slow_down(worker, listener, ended)
            if not ended.is_set():
                then()

    try:
        with listening(host, act):
            yield
    finally:
        worker.signal(signal.SIGCONT)


def _slow_down(worker: Process, listener: Listener, ended: threading.Event, seconds: float = 1) -> None:
    """Let the worker run until the stream shows another token, a few times in `seconds`; then leave it stopped."""
    until = time.monotonic() + seconds
    worker.signal(signal.SIGSTOP)
    while time.monotonic() < until and not ended.wait(0.2):
        listener.heard(patience=0)
        worker.signal(signal.SIGCONT)
        listener.heard(patience=seconds)
        worker.signal(signal.SIGSTOP)
