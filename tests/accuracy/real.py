"""Entries on the real vLLM, on several hosts at once: each takes the next row of entries that share settings."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

from tests import hosts
from tests.accuracy.catalogue import Entry
from tests.accuracy.matrix import Outcome
from tests.accuracy.run import Settings, on_vllm, settings
from tests.hosts.faults.resources import forget_kernel_log

Outcomes = list[Outcome | Exception]
Named = tuple[str, Entry]
#: Faults that write to the kernel log, which all hosts share: nothing else may be diagnosed meanwhile.
ALONE = frozenset({"gpu_fault", "out_of_memory"})


def rows(entries: Iterable[Named]) -> list[list[Named]]:
    """Those that share settings of the server stand together, the longest row first; others by themselves."""
    made: dict[Sequence[str], list[Named]] = {}
    for name, entry in entries:
        made.setdefault(entry.around or (name,), []).append((name, entry))
    return sorted(made.values(), key=len, reverse=True)


class Proof:
    """Runs entries in threads, one per host. ``outcomes``: name of a run -> what came of its repeats."""

    def __init__(self, entries: Sequence[Named], ready: Sequence[hosts.Host], folder: Path, repeats: int) -> None:
        self.outcomes: dict[str, Future[Outcomes]] = {name: Future() for name, _entry in entries}
        self._hosts, self._folder, self._repeats = ready, folder, repeats
        self._alone = [named for named in entries if ALONE & set(named[1].faults)]
        self._rows: queue.SimpleQueue[list[Named]] = queue.SimpleQueue()
        for row in rows(named for named in entries if named not in self._alone):
            self._rows.put(row)
        self._ended = threading.Event()
        self._workers = [threading.Thread(target=self._work, args=(host,), daemon=True) for host in ready]
        self._last = threading.Thread(target=self._work_alone, daemon=True)

    def begin(self) -> None:
        for thread in [*self._workers, self._last]:
            thread.start()

    def end(self) -> None:
        """Entries that have not begun never do; what has begun is undone."""
        self._ended.set()
        self._last.join()

    def _work(self, host: hosts.Host) -> None:
        with settings(host) as held:
            while not self._ended.is_set():
                try:
                    row = self._rows.get_nowait()
                except queue.Empty:
                    return
                for named in row:
                    self._run(named, host, held)

    def _work_alone(self) -> None:
        for worker in self._workers:
            worker.join()
        for named in self._alone:
            with settings(self._hosts[0]) as held:
                self._run(named, self._hosts[0], held)
            for host in self._hosts:
                forget_kernel_log(host)

    def _run(self, named: Named, host: hosts.Host, held: Settings) -> None:
        name, entry = named
        if self._ended.is_set():
            self.outcomes[name].cancel()
            return
        found: Outcomes = []
        folder = self._folder / f"{entry.name}-{host.name}"
        try:
            held.hold(entry.around)
            hosts.Server(host).wait_ready()  # what an earlier entry left behind is not this one's
            with contextlib.closing(on_vllm(entry, host, folder, self._repeats)) as outcomes:
                for outcome in outcomes:
                    found.append(outcome)
                    if self._ended.is_set():
                        break  # closing it takes the fault back
        except Exception as error:
            found.append(error)
        self.outcomes[name].set_result(found)


@contextlib.contextmanager
def begun(
    entries: Sequence[Named], ready: Sequence[hosts.Host], folder: Path, repeats: int
) -> Iterator[dict[str, Future[Outcomes]]]:
    """Name of a run -> its outcomes to come, as long as the block lasts."""
    proof = Proof(entries, ready, folder, repeats)
    proof.begin()
    try:
        yield proof.outcomes
    finally:
        proof.end()
