"""One network namespace and one cable per host: reachable from this machine, and from nowhere else."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from .shell import sh, try_sh

# The block set aside for benchmarks (RFC 2544): no real network is likely to use it.
BLOCK = ipaddress.IPv4Network("198.18.77.0/24")
SUBNETS = tuple(BLOCK.subnets(new_prefix=30))
INSIDE = "host0"  # the cable's end in the host


def namespace(name: str) -> str:
    """The name of the host's network namespace."""
    return f"streamdiag-{name}"


def namespace_path(name: str) -> Path:
    """Where `ip netns` keeps it."""
    return Path("/run/netns") / namespace(name)


def outside_link(slot: int | str) -> str:
    """The cable's end on this machine (15 characters at most); for "" what all of them begin with."""
    return f"sdhost{slot}"


def addresses(slot: int) -> tuple[str, str]:
    """This machine's and the host's address on the cable of `slot`."""
    here, there = SUBNETS[slot].hosts()
    return str(here), str(there)


def connect(name: str, slot: int) -> None:
    """Make the namespace and the cable, with an address at both ends and no route to anywhere else."""
    space, link = namespace(name), outside_link(slot)
    here, there = addresses(slot)
    # What is sent to a host that is gone must not leave this machine by its default route.
    try_sh(["ip", "route", "add", "unreachable", str(BLOCK)])
    sh("ip", "netns", "add", space)
    sh("ip", "link", "add", link, "type", "veth", "peer", "name", INSIDE, "netns", space)
    sh("ip", "address", "add", f"{here}/30", "dev", link)
    sh("ip", "link", "set", link, "up")
    sh("ip", "-n", space, "address", "add", f"{there}/30", "dev", INSIDE)
    sh("ip", "-n", space, "link", "set", INSIDE, "up")
    sh("ip", "-n", space, "link", "set", "lo", "up")


def disconnect(name: str, slot: int | None) -> None:
    """Remove the namespace and the cable; fine when they are gone."""
    if slot is not None:
        try_sh(["ip", "link", "delete", outside_link(slot)])
    if namespace_path(name).exists():
        # The cable goes with the namespace once nothing is in it.
        sh("ip", "netns", "delete", namespace(name))


def forget_block() -> None:
    """Remove the route that guards the block, when the last host is gone."""
    if not any(link.name.startswith(outside_link("")) for link in Path("/sys/class/net").iterdir()):
        try_sh(["ip", "route", "delete", "unreachable", str(BLOCK)])
