"""The server answers, and takes its time."""

from __future__ import annotations

from collections.abc import Iterator

from ..host import Host
from ..server import Server
from .midstream import paced
from .registry import fault


@fault
def slow(host: Host, value: float = 2) -> Iterator[str]:
    """`value` tokens a second for each stream; with 6 it is no fault."""
    with paced(host, Server(host).worker(), value):
        yield f"{value:g} tokens a second"


@fault
def cold(host: Host) -> Iterator[str]:
    """The server has just been started, and nobody has sent it a request yet."""
    server = Server(host)
    server.restart(wait=False)
    server.wait_ready(warm_up=False)
    yield "restarted, not warmed up"
