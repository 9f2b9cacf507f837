"""The service does not run, or not for this caller."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..host import Host
from ..server import Server
from .registry import fault, fault_once

API_KEY = "sekret-key-123456"


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


@fault_once
def cold(host: Host) -> Iterator[str]:
    """The server has just been started, and nobody has sent it a request yet."""
    server = Server(host)
    server.restart(wait=False)
    server.wait_ready(warm_up=False)
    yield "restarted, not warmed up"
