"""Every entry of the catalogue, diagnosed: on the simulator in this process, on the real vLLM as an operator does it.

``STREAMDIAG_REPEATS=5`` repeats each entry: verdicts must not flip.
"""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.accuracy.ahead import settled
from tests.accuracy.catalogue import SIMULATOR, VLLM, Entry, load
from tests.accuracy.matrix import Matrix, Outcome
from tests.accuracy.real import Outcomes
from tests.accuracy.run import REPEATS, prove

pytestmark = pytest.mark.accuracy


def _repeated() -> list[object]:
    entries = [(entry, n) for entry in load().at(SIMULATOR) for n in range(1, REPEATS + 1)]
    return [pytest.param(entry, id=entry.name if REPEATS == 1 else f"{entry.name}-{n}") for entry, n in entries]


@pytest.mark.parametrize("entry", _repeated())
def test_simulator(
    entry: Entry, matrix: Matrix, ahead: dict[str, Future[Outcome]], request: pytest.FixtureRequest
) -> None:
    prove(entry, matrix, [settled(ahead[request.node.nodeid])])


@pytest.mark.vllm
@pytest.mark.parametrize("entry", load().at(VLLM), ids=lambda entry: entry.name)
def test_vllm(
    entry: Entry, matrix: Matrix, on_hosts: dict[str, Future[Outcomes]], request: pytest.FixtureRequest
) -> None:
    prove(entry, matrix, on_hosts[request.node.nodeid].result())
