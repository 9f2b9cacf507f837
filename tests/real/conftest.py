"""Real systemd hosts; with the real vLLM on them for the tests marked ``vllm``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import hosts
from tests.borrow import borrow
from tests.hosts import faults


@pytest.fixture(scope="module")
def vllm_host() -> Iterator[hosts.Host]:
    """A host with a healthy vLLM that listens on port 8000; of trixie: the proof of accuracy runs on bookworm."""
    yield from borrow("gpu44", vllm=True)


@pytest.fixture(scope="module")
def gpu43() -> Iterator[hosts.Host]:
    """The host that the documentation names."""
    yield from borrow("gpu43", vllm=True)


@pytest.fixture(scope="module")
def fork_host() -> Iterator[hosts.Host]:
    """A host of its own for restarts, whose vLLM knows the flags of the fork and filters nothing without them."""
    for host in borrow("gpu45", vllm=True):
        with faults.inject(host, "bendable"):
            yield host


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
