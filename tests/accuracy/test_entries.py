"""Every entry of the catalogue, diagnosed: on the simulator in this process, on the real vLLM as an operator does it.

``STREAMDIAG_REPEATS=5`` repeats each entry: verdicts must not flip.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests import hosts
from tests.accuracy.catalogue import SIMULATOR, VLLM, Entry, load
from tests.accuracy.matrix import Matrix, Outcome
from tests.accuracy.run import Settings, on_vllm, prove

pytestmark = pytest.mark.accuracy

REPEATS = int(os.environ.get("STREAMDIAG_REPEATS", "1"))


def _params(where: str) -> list[object]:
    """Repeats of an entry stand together, so that they share the settings of the server."""
    entries = [(entry, n) for entry in load().at(where) for n in range(1, REPEATS + 1)]
    return [pytest.param(entry, id=entry.name if REPEATS == 1 else f"{entry.name}-{n}") for entry, n in entries]


@pytest.mark.parametrize("entry", _params(SIMULATOR))
def test_simulator(
    entry: Entry, matrix: Matrix, ahead: dict[str, Future[Outcome]], request: pytest.FixtureRequest
) -> None:
    prove(entry, matrix, ahead[request.node.nodeid].result)


@pytest.mark.vllm
@pytest.mark.parametrize("entry", _params(VLLM))
def test_vllm(entry: Entry, tmp_path: Path, matrix: Matrix, vllm_host: hosts.Host, server_settings: Settings) -> None:
    def run() -> Outcome:
        server_settings.hold(entry.around)
        hosts.Server(vllm_host).wait_ready()  # what an earlier entry left behind is not this one's
        return on_vllm(entry, vllm_host, tmp_path)

    prove(entry, matrix, run)
