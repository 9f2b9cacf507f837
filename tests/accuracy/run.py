"""Run one entry of the catalogue: put its fault into force, diagnose, undo it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path

from tests import hosts
from tests.accuracy.catalogue import SIMULATOR_VARIABLES, Entry
from tests.accuracy.matrix import FAULTS, Matrix, Outcome, broke, record
from tests.diagnosis import diagnose, followed, proxy, simulator
from tests.hosts import faults
from tests.play import play

#: How often each entry of the catalogue is diagnosed.
REPEATS = int(os.environ.get("STREAMDIAG_REPEATS", "1"))


def prove(entry: Entry, matrix: Matrix, outcomes: Iterable[Outcome | Exception], suite: str = FAULTS) -> None:
    """Keep the record of every diagnosis, whatever happened, and fail when anything is wrong with one."""
    kept = [broke(entry, o, suite) if isinstance(o, Exception) else record(entry, o, suite) for o in outcomes]
    wrong = [words for found in map(matrix.keep, kept) for words in found.wrong]
    assert not wrong, "\n".join([entry.note, *wrong])


def on_simulator(entry: Entry, folder: Path) -> Outcome:
    """Host wing, bundle and judge in this process, against a simulator of its own."""
    wanted = {SIMULATOR_VARIABLES[name]: value for name, value in entry.variables.items()}
    with contextlib.ExitStack() as stack:
        base_url, log = wanted.pop("base_url", ""), None
        if not base_url:
            base_url = stack.enter_context(simulator(folder, *entry.command_line()))
            log = stack.enter_context(followed(folder / "simulator.log"))
        public_url = stack.enter_context(proxy(folder, base_url, entry.proxy)) if entry.proxy else ""
        started = time.monotonic()
        result = diagnose(
            base_url,
            folder / "gpu43",
            log=log,
            public_url=public_url,
            model=wanted.get("model", ""),
            api_key=wanted.get("api_key", ""),
        )
        seconds = time.monotonic() - started
    return Outcome(result, seconds, _leaked(entry.secrets(), folder / "gpu43"))


def on_vllm(entry: Entry, host: hosts.Host, reports: Path, repeats: int = 1) -> Generator[Outcome, None, None]:
    """The playbook as an operator runs it, over ssh, against the real server, so many times.

    A fault that lasts is in force for all of them, as on a host that is looked at again and again; one that a diagnosis
    uses up is brought about anew. The server must be healthy before.
    """
    once = any(spec.partition("=")[0] in faults.USED_UP for spec in entry.faults)
    for number in range(repeats if once else 1):
        if number:
            hosts.Server(host).wait_ready()
        with _in_force(entry, host) as variables:
            for _ in range(1 if once else repeats):
                run = play("diagnose.yml", "-i", str(host.inventory), "-l", host.name, *variables, reports=reports)
                yield Outcome(run.result(host.name), run.seconds, _leaked([*entry.secrets(), faults.API_KEY], reports))


@contextlib.contextmanager
def _in_force(entry: Entry, host: hosts.Host) -> Iterator[list[str]]:
    """The entry's faults; yields what the operator says on the command line."""
    variables = dict(entry.variables)
    with contextlib.ExitStack() as stack:
        if entry.proxy:
            variables["vllm_public_url"] = stack.enter_context(faults.inject(host, entry.proxy))
        for spec in entry.faults:
            stack.enter_context(faults.inject(host, spec, entry.when or None))
        words = [f"{name}={value.format(address=host.address)}" for name, value in variables.items()]
        yield [word for pair in words for word in ("-e", pair)]


class Settings:
    """Settings of the real server that a row of entries shares: made once, and taken back when another row begins."""

    def __init__(self, host: hosts.Host) -> None:
        self._host = host
        self._held: Sequence[str] = ()
        self._stack = contextlib.ExitStack()

    def hold(self, around: Sequence[str]) -> None:
        """Run the server with the faults ``around`` in force, and with no others."""
        if around == self._held:
            return
        self.release()
        for spec in around:
            self._stack.enter_context(faults.inject(self._host, spec))
        self._held = around

    def release(self) -> None:
        """The server as it was."""
        self._held = ()
        self._stack.close()


@contextlib.contextmanager
def settings(host: hosts.Host) -> Iterator[Settings]:
    """Settings that are taken back at the end of the block."""
    made = Settings(host)
    try:
        yield made
    finally:
        made.release()


def _leaked(secrets: Sequence[str], folder: Path) -> list[str]:
    stored = "\n".join(p.read_text(encoding="utf-8", errors="replace") for p in folder.rglob("*") if p.is_file())
    return [secret for secret in secrets if secret in stored]
