"""The matrix of a session, and the real server that the entries share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests import hosts
from tests.accuracy import real, run
from tests.accuracy.ahead import begun
from tests.accuracy.catalogue import Entry, load
from tests.accuracy.matrix import FOLDER, Matrix, Outcome
from tests.borrow import borrow
from tests.play import ROOT

Ahead = dict[str, Future[Outcome]]
#: One of each release.
HOSTS = ("gpu43", "gpu44")
MATRIX = pytest.StashKey[Matrix]()


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest) -> Matrix:
    """One for the session; its totals are printed at the end. A part of the catalogue does not replace the whole."""
    names = [entry.name for entry in load().entries]
    params = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = {getattr(given.get("entry"), "name", "") for given in params}
    folder = FOLDER if chosen.issuperset(names) else FOLDER / "partial"
    return request.config.stash.setdefault(MATRIX, Matrix(names, folder))


def _selected(request: pytest.FixtureRequest, fixture: str) -> list[tuple[str, Entry]]:
    """Node id and entry of the module's tests that were selected and use ``fixture``."""
    here = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    chosen = [(item.nodeid, item.callspec.params["entry"]) for item in here if fixture in item.fixturenames]
    return [(name, entry) for name, entry in chosen if isinstance(entry, Entry)]


@pytest.fixture(scope="module")
def ahead(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ahead]:
    """Node id -> outcome to come, of the module's simulator entries that were selected. The first use begins them."""
    with begun(_selected(request, "ahead"), tmp_path_factory.mktemp("ahead")) as outcomes:
        yield outcomes


@pytest.fixture(scope="session")
def ready(request: pytest.FixtureRequest) -> Iterator[list[hosts.Host]]:
    """Real hosts with a real vLLM: one of each release, as long as there is work for more than one."""
    vllm = [item for item in request.session.items if item.get_closest_marker("vllm")]
    with contextlib.ExitStack() as stack:
        names = HOSTS[: len(vllm)]
        yield [stack.enter_context(contextlib.contextmanager(borrow)(name, vllm=True)) for name in names]


@pytest.fixture(scope="module")
def on_hosts(
    request: pytest.FixtureRequest, ready: list[hosts.Host], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[real.Outcomes]]]:
    """As ``ahead``, of the entries on real hosts; repeats are those of the catalogue only."""
    repeats = run.REPEATS if request.path.name == "test_entries.py" else 1
    entries = _selected(request, "on_hosts")
    with real.begun(entries, ready, tmp_path_factory.mktemp("on_hosts"), repeats) as outcomes:
        yield outcomes


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The totals, and where the whole matrix lies."""
    matrix = terminalreporter.config.stash.get(MATRIX, None)
    if matrix is None or not matrix.records:
        return
    terminalreporter.section("accuracy")
    for line in matrix.lines():
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"the matrix: {matrix.folder.relative_to(ROOT) / 'matrix.md'}")
