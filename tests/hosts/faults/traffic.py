"""Other clients of the server: threads on this machine that keep requests going."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ..host import Host
from ..server import Server
from ..server_files import MODEL
from .registry import fault

#: Longer than anybody waits, even at full speed, which is some 500 tokens a second.
LONG = {"max_tokens": 30000, "ignore_eos": True, "stream": True}
#: Not streamed: this machine has few cores, and what a stream costs would slow the others down.
SHORT = {"max_tokens": 100, "ignore_eos": True, "stream": False}
PAUSE = 0.3  # seconds between two requests of a client


class _Client(threading.Thread):
    """Sends one completion after the other until it is told to leave."""

    def __init__(self, host: Host, limits: Mapping[str, Any]) -> None:
        super().__init__(daemon=True)
        self.host, self.limits = host, limits
        self.leaving = threading.Event()
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not self.leaving.is_set():
            # The server may be gone, by this very fault or another one.
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
                self._exchange()
            self.leaving.wait(PAUSE)

    def _exchange(self) -> None:
        self.connection = http.client.HTTPConnection(self.host.address, 8000, timeout=600)
        body = {"model": MODEL, "prompt": "Once upon a time", **self.limits}
        with contextlib.closing(self.connection):
            self.connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            while not self.leaving.is_set() and answer.read1(65536):
                pass

    def leave(self) -> None:
        """Close the connection; the server then drops the request."""
        self.leaving.set()
        connection = self.connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def clients(host: Host, count: int, limits: Mapping[str, Any]) -> Iterator[None]:
    """Keep `count` completions going, until all are counted as gone again."""
    crowd = [_Client(host, limits) for _ in range(count)]
    for client in crowd:
        client.start()
    try:
        yield
    finally:
        for client in crowd:
            client.leave()
        for client in crowd:
            client.join(timeout=10)


@fault
def other_traffic(host: Host, value: float = 2) -> Iterator[str]:
    """Other clients' short requests, `value` at a time, raise the counters (no fault)."""
    with clients(host, int(value), SHORT):
        yield f"{value:g} clients with short requests"


@fault
def queue_saturated(host: Host) -> Iterator[str]:
    """Other clients hold the only slot: one runs, two wait. With `paced` each takes half an hour.

    At full speed their streams leave this machine's few cores no room for anything else.
    """
    with Server(host).configured("--max-num-seqs", "1"), clients(host, 3, LONG):
        time.sleep(1)  # until they stand in the queue
        yield "--max-num-seqs 1 and three long completions"
