"""A real host for a test: one that somebody keeps up between runs stays up, another one is booted and shut down."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import hosts

#: Name and release. One name is the other's neighbour in inventories, so that a mix-up would show.
RELEASES = {"gpu43": "bookworm", "gpu44": "trixie", "gpu45": "bookworm"}


def borrow(name: str, vllm: bool) -> Iterator[hosts.Host]:
    """For a fixture: yields the host. Skips, with the reason, where this machine cannot boot one."""
    reason = hosts.cannot()
    if reason is not None:
        pytest.skip(reason)
    already = {host.name: host for host in hosts.running()}.get(name)
    if already is not None and already.vllm == vllm:
        yield already
        return
    if already is not None:
        hosts.shutdown(name)
    try:
        host = hosts.boot(name, RELEASES[name], vllm=vllm)
    except hosts.CannotBoot as error:
        pytest.skip(f"{name} does not boot here: {error}")
    try:
        yield host
    finally:
        if not os.environ.get("STREAMDIAG_KEEP_HOSTS"):
            hosts.shutdown(name)
