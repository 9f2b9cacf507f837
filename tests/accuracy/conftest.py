"""The matrix of a session, and the real server that the entries share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests import hosts
from tests.accuracy import run
from tests.accuracy.ahead import begun
from tests.accuracy.catalogue import Entry, load
from tests.accuracy.matrix import FOLDER, Matrix, Outcome
from tests.borrow import borrow
from tests.play import ROOT

Ahead = dict[str, Future[Outcome]]
MATRIX = pytest.StashKey[Matrix]()


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest) -> Matrix:
    """One for the session; its totals are printed at the end. A part of the catalogue does not replace the whole."""
    names = [entry.name for entry in load().entries]
    params = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = {getattr(given.get("entry"), "name", "") for given in params}
    folder = FOLDER if chosen.issuperset(names) else FOLDER / "partial"
    return request.config.stash.setdefault(MATRIX, Matrix(names, folder))


@pytest.fixture(scope="module")
def ahead(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ahead]:
    """Node id -> outcome to come, of the module's simulator entries that were selected. The first use begins them."""
    here = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    chosen = [(item.nodeid, item.callspec.params["entry"]) for item in here if "ahead" in item.fixturenames]
    entries = [(name, entry) for name, entry in chosen if isinstance(entry, Entry)]
    with begun(entries, tmp_path_factory.mktemp("ahead")) as outcomes:
        yield outcomes


@pytest.fixture(scope="session")
def vllm_host() -> Iterator[hosts.Host]:
    """One real host with a real vLLM: the proof is about the judge, so one release is enough."""
    yield from borrow(os.environ.get("STREAMDIAG_ACCURACY_HOST", "gpu43"), vllm=True)


@pytest.fixture(scope="session")
def server_settings(vllm_host: hosts.Host) -> Iterator[run.Settings]:
    """The settings of the real server, as it was afterwards."""
    with run.settings(vllm_host) as settings:
        yield settings


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
