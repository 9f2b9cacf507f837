"""The network between a host and its callers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..host import Host
from ..network import INSIDE
from .registry import fault

PUBLIC_PORTS = "8000,8080"  # of vLLM and of the proxy in front of it


@contextlib.contextmanager
def dropped(host: Host, *match: str, chain: str = "INPUT") -> Iterator[str]:
    """Drop the packets of `chain` that match."""
    rule = (*match, "-j", "DROP")
    host.in_network("iptables", "-w", "-I", chain, *rule)
    try:
        yield f"dropping packets of {chain}: {' '.join(match)}"
    finally:
        host.in_network("iptables", "-w", "-D", chain, *rule)


@fault
def ssh_down(host: Host) -> Iterator[str]:
    """The host takes no ssh: packets to its port 22 vanish, connections that are open too."""
    with dropped(host, "-p", "tcp", "--dport", "22") as what:
        yield what


@fault
def network_cut(host: Host) -> Iterator[str]:
    """Nothing comes through the host's cable any more, though the link is up; loopback works."""
    with dropped(host, "-i", INSIDE) as what:
        yield what


@fault
def link_down(host: Host) -> Iterator[str]:
    """The host's cable is pulled out."""
    host.in_network("ip", "link", "set", INSIDE, "down")
    try:
        yield f"{INSIDE} is down"
    finally:
        host.in_network("ip", "link", "set", INSIDE, "up")


@fault
def network_stall(host: Host, value: float = 4000) -> Iterator[str]:
    """Streams stall on their way: of each connection's answer only the first bytes (`value`) leave the host."""
    counter = ("-m", "connbytes", "--connbytes-mode", "bytes", "--connbytes-dir", "reply")
    match = ("-o", INSIDE, "-p", "tcp", "-m", "multiport", "--source-ports", PUBLIC_PORTS)
    with dropped(host, *match, *counter, "--connbytes", f"{value:.0f}:", chain="OUTPUT") as what:
        yield what
