"""Simulator entries, a few at a time: they mostly wait for silences; one after the other they take half an hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.accuracy.catalogue import Entry
from tests.accuracy.matrix import Outcome
from tests.accuracy.run import on_simulator

#: Few enough that an engine which burns CPU time leaves the others room on two cores.
AT_A_TIME = 3


@contextmanager
def begun(entries: Iterable[tuple[str, Entry]], folder: Path) -> Iterator[dict[str, Future[Outcome]]]:
    """Name of a run -> its outcome to come. Those that have not begun at the end of the block never do."""
    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        outcomes = {}
        for number, (name, entry) in enumerate(entries):
            place = folder / str(number)
            place.mkdir()
            outcomes[name] = pool.submit(on_simulator, entry, place)
        yield outcomes
    finally:
        pool.shutdown(cancel_futures=True)


def settled(outcome: Future[Outcome]) -> Outcome | Exception:
    """What came of a run, or why nothing did."""
    error = outcome.exception()
    return outcome.result() if error is None else error if isinstance(error, Exception) else RuntimeError(str(error))
