"""The `server` fixture: a simulator for a test, started in the background while the tests before it wait.

A test names its command line with `@with_server("--fault", "slow")` (sim_server.py); `env:NAME=VALUE` sets a variable.
Tests with the same command line share one server.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # whatever the import mode: the helpers lie beside the tests

from sim_server import Server, running  # noqa: E402

AHEAD = 3  # servers started before their test comes
Words = tuple[str, ...]


class Pool:
    """Starts servers in the order of the tests and stops them after their last one, both in threads."""

    def __init__(self, plan: list[Words], path: Path) -> None:
        self.path = path
        self.left = Counter(plan)
        self.queue = list(dict.fromkeys(plan))
        self.threads = ThreadPoolExecutor(AHEAD)
        self.started: dict[Words, Future[tuple[Server, ExitStack]]] = {}

    def start(self, words: Words) -> tuple[Server, ExitStack]:
        stack = ExitStack()
        argv = [word for word in words if not word.startswith("env:")]
        env = dict(word[4:].split("=", 1) for word in words if word.startswith("env:"))
        return stack.enter_context(running(self.path, *argv, **env)), stack

    def take(self, words: Words) -> Server:
        here = self.queue.index(words)
        for coming in self.queue[here : here + AHEAD]:
            if coming not in self.started:
                self.started[coming] = self.threads.submit(self.start, coming)
        return self.started[words].result()[0]

    def give_back(self, words: Words) -> None:
        self.left[words] -= 1
        if not self.left[words]:
            self.threads.submit(self.started[words].result()[1].close)

    def close(self) -> None:
        for words, future in self.started.items():
            if self.left[words]:
                future.result()[1].close()
        self.threads.shutdown()


@pytest.fixture(scope="session")
def pool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    items = [item for item in request.session.items if item.path.is_relative_to(HERE)]
    params = [item.callspec.params for item in items if isinstance(item, pytest.Function) and hasattr(item, "callspec")]
    made = Pool([each["server"] for each in params if "server" in each], tmp_path_factory.mktemp("simulators"))
    yield made
    made.close()


@pytest.fixture
def server(request: pytest.FixtureRequest, pool: Pool) -> Iterator[Server]:
    yield pool.take(request.param)
    pool.give_back(request.param)
