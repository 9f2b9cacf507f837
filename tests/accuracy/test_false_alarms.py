"""Healthy servers, diagnosed again and again: not one false alarm.

An alarm is any verdict but ``healthy``, any row that fails, and any cause that is confirmed or likely.
"""

from __future__ import annotations

import itertools
from concurrent.futures import Future

import pytest

from tests.accuracy.ahead import settled
from tests.accuracy.catalogue import SIMULATOR, VLLM, Entry
from tests.accuracy.matrix import HEALTHY, Matrix, Outcome
from tests.accuracy.real import Outcomes
from tests.accuracy.run import prove

pytestmark = pytest.mark.accuracy

SIMULATED, REAL = 100, 20
DIALECTS = (("upstream",), ("fork",), ("fork", "--no-responses-compatibility-mode"))
#: Faults that are none, and arguments of the simulator.
INNOCENTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("none",), ()),
    (("answers_without_tool",), ()),
    (("long_answer=120",), ()),
    (("other_traffic=2",), ()),
    (("metrics_off",), ()),
    (("stream_interval=5",), ()),
    (("queued_first",), ()),
    ((), ("--reasoning-parser", "qwen3")),
    ((), ("--no-tool-parser",)),
    ((), ("--enable-log-requests", "--enable-server-load-tracking")),
)
#: Tokens per second: most runs at a speed that keeps the proof short, every tenth at one of a loaded server.
FAST, LOADED = "300", "30"
#: What the operator says, and what else goes on at the real server.
AROUND_REAL: tuple[tuple[tuple[str, ...], str, dict[str, str]], ...] = (
    ((), "", {}),
    ((), "", {"ansible_user": "guest"}),
    ((), "", {"ansible_user": "reader"}),
    (("other_traffic",), "", {}),
    ((), "proxy_plain", {}),
)


def simulated() -> list[Entry]:
    """Every innocent in every dialect, with seeds and speeds that differ."""
    endless = itertools.cycle(itertools.product(DIALECTS, INNOCENTS))
    made = []
    for seed, ((dialect, *flags), (faults, arguments)) in zip(range(SIMULATED), endless, strict=False):
        speed = LOADED if seed % 10 == 0 else FAST
        words = (*flags, *arguments, "--seed", str(seed), "--tokens-per-second", speed)
        name = f"healthy-{seed}-{dialect}-{faults[0] if faults else arguments[0].strip('-')}"
        made.append(Entry(name, SIMULATOR, "nothing is wrong", "healthy", None, "high", faults, "", dialect, words))
    return made


def real() -> list[Entry]:
    """The real server, untouched, seen by each kind of operator and beside what is no fault."""
    made = []
    for n, (faults, proxy, variables) in zip(range(REAL), itertools.cycle(AROUND_REAL), strict=False):
        note, name = "nothing is wrong", f"healthy-{n}-{(*faults, proxy, *variables.values(), 'untouched')[0]}"
        made.append(Entry(name, VLLM, note, "healthy", faults=faults, proxy=proxy, variables=variables))
    return made


@pytest.mark.parametrize("entry", simulated(), ids=lambda entry: entry.name)
def test_simulator(
    entry: Entry, matrix: Matrix, ahead: dict[str, Future[Outcome]], request: pytest.FixtureRequest
) -> None:
    prove(entry, matrix, [settled(ahead[request.node.nodeid])], HEALTHY)


@pytest.mark.vllm
@pytest.mark.parametrize("entry", real(), ids=lambda entry: entry.name)
def test_vllm(
    entry: Entry, matrix: Matrix, on_hosts: dict[str, Future[Outcomes]], request: pytest.FixtureRequest
) -> None:
    prove(entry, matrix, on_hosts[request.node.nodeid].result(), HEALTHY)
