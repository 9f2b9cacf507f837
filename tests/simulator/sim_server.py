"""Start the simulator as a process of its own, as the demo does."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sim_exchange import Exchange, Request, exchange

ROOT = Path(__file__).parents[2]


@dataclass
class Server:
    """A running simulator; `engine` is the process id of its engine."""

    process: subprocess.Popen[str]
    port: int
    log_path: Path
    argv: tuple[str, ...]
    start_seconds: float

    def send(self, request: Request, idle: float = 5.0, total: float = 20.0, first: float = 5.0) -> Exchange:
        return exchange("127.0.0.1", self.port, request, idle, total, first)

    def get(self, path: str, first: float = 5.0) -> Exchange:
        return self.send(Request(path=path), first=first)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of `name` that carry these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = [line for line in self.get("/metrics").body.decode().splitlines() if line.split("{")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(part in line for part in wanted))

    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def engine(self) -> int:
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def wait_for(self, condition: "object", seconds: float = 5.0) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():  # type: ignore[operator]
                return True
            time.sleep(0.05)
        return False


@contextlib.contextmanager
def running(tmp_path: Path, *argv: str, **environment: str) -> Iterator[Server]:
    """A simulator with these arguments, ended by SIGTERM (SIGKILL after 2 s)."""
    start = time.monotonic()
    log_path = tmp_path / f"simulator-{time.monotonic_ns()}.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--port", "0", *argv],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment},
        )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    try:
        assert url.startswith("http://127.0.0.1:"), log_path.read_text()
        yield Server(process, int(url.rsplit(":", 1)[1]), log_path, argv, time.monotonic() - start)
    finally:
        process.terminate()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def with_server(*commands: tuple[str, ...] | str) -> pytest.MarkDecorator:
    """One server for the test: its words; or, given tuples, one run of the test per tuple of words."""
    runs = [words for words in commands if isinstance(words, tuple)] or [tuple(map(str, commands))]
    return pytest.mark.parametrize("server", runs, ids=[" ".join(words[-2:]) for words in runs], indirect=True)
