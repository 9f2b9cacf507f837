"""Real systemd hosts, one of each release; with the real vLLM on them for the tests marked ``vllm``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import hosts

#: Name and release. One name is the other's neighbour in inventories, so that a mix-up would show.
RELEASES = {"gpu43": "bookworm", "gpu44": "trixie"}


def _host(name: str, vllm: bool) -> Iterator[hosts.Host]:
    reason = hosts.cannot()
    if reason is not None:
        pytest.skip(reason)
    already = {host.name: host for host in hosts.running()}.get(name)
    if already is not None and already.vllm == vllm:
        yield already  # somebody keeps it up between runs: it stays up
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


@pytest.fixture(scope="module", params=sorted(RELEASES))
def vllm_host(request: pytest.FixtureRequest) -> Iterator[hosts.Host]:
    """A host with a healthy vLLM that listens on port 8000."""
    yield from _host(request.param, vllm=True)


@pytest.fixture(scope="module")
def bare_host() -> Iterator[hosts.Host]:
    """A host without any server, gone again after the module."""
    reason = hosts.cannot()
    if reason is not None:
        pytest.skip(reason)
    try:
        host = hosts.boot("gpu49", "trixie", vllm=False)
    except hosts.CannotBoot as error:
        pytest.skip(f"gpu49 does not boot here: {error}")
    try:
        yield host
    finally:
        hosts.shutdown(host.name)
