"""The API server's side of the engine: starts the process, feeds it, routes its outputs, notices its death."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from simulator.log import log
from simulator.metrics import Metrics
from simulator.script import Task, Token
from simulator.settings import Settings


class EngineDeadError(Exception):
    """Raised to every request once the engine process is gone."""

    def __init__(self) -> None:
        super().__init__("EngineCore encountered an issue. See stack trace (above) for the root cause.")


# Tracebacks name the class as vLLM's do: log classifiers look for it.
EngineDeadError.__module__ = "vllm.v1.engine.exceptions"


@dataclass
class Piece:
    """Some tokens of one request, one step's or a stream interval's; `finish` ends it."""

    tokens: list[Token]
    finish: str
    stop_reason: str | None
    produced: int
    cached_tokens: int


@dataclass
class EngineClient:
    """One engine process and the queues of the requests in it."""

    settings: Settings
    metrics: Metrics
    queues: dict[str, asyncio.Queue[dict[str, Any] | None]] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    dead: bool = False
    stopping: bool = False

    def __post_init__(self) -> None:
        ours, theirs = socket.socketpair()
        config = json.dumps(self.settings.engine_config())
        argv = [sys.executable, "-m", "simulator.engine", str(theirs.fileno()), config]
        root = str(Path(__file__).parent.parent)
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            argv,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            env={**os.environ, "PYTHONPATH": path},
        )
        theirs.close()
        self.sock = ours

    async def listen(self) -> None:
        """Read the engine's reports for as long as it lives."""
        reader, self.writer = await asyncio.open_connection(sock=self.sock)
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                self.receive(json.loads(line))
        self.dead = True
        if self.stopping:
            return  # streams of a stalled engine stay silent, as vLLM's do
        self.log_death()
        for queue in self.queues.values():
            queue.put_nowait(None)

    def receive(self, message: dict[str, Any]) -> None:
        self.metrics.state(message["stats"])
        if message["ready"]:
            self.ready.set()
            return
        self.metrics.record(message["outputs"])
        for out in message["outputs"]:
            if queue := self.queues.get(out["id"]):
                queue.put_nowait(out)

    def log_death(self) -> None:
        """Reap the process and write the lines vLLM writes when its engine core disappears."""
        self.process.wait()
        log("WARNING", "core_client.py:817", "[shutdown] MPClient: engine core exited unexpectedly; starting cleanup")
        self.log_cleanup("default")
        trace = (
            "AsyncLLM output_handler failed.\nTraceback (most recent call last):\n"
            '  File "vllm/v1/engine/async_llm.py", line 849, in output_handler\n'
            "    outputs = await engine_core.get_output_async()\n"
            "              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
            '  File "vllm/v1/engine/core_client.py", line 1235, in get_output_async\n'
            "    raise self._format_exception(outputs) from None\n"
            f"vllm.v1.engine.exceptions.EngineDeadError: {EngineDeadError()}"
        )
        log("ERROR", "async_llm.py:906", trace)

    def log_cleanup(self, timeout: str) -> None:
        log("INFO", "core_client.py:770", f"[shutdown] MPClient: start timeout={timeout}")
        log("INFO", "core_client.py:772", "[shutdown] MPClient: stopping engine manager")
        log("INFO", "core_client.py:774", "[shutdown] MPClient: engine manager stopped")
        log("INFO", "core_client.py:775", "[shutdown] MPClient: cleaning up background resources")
        log("INFO", "core_client.py:777", "[shutdown] MPClient: complete")

    def check(self) -> None:
        if self.dead:
            raise EngineDeadError

    async def generate(
        self, request_id: str, task: Task, prompt_tokens: int, prompt_key: str, manner: Settings
    ) -> AsyncIterator[Piece]:
        """Submit and yield pieces of `stream_interval` tokens (the first token always alone); abort when abandoned."""
        self.check()
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.queues[request_id] = queue
        message = {
            "op": "add",
            "id": request_id,
            "task": asdict(task),
            "prompt_tokens": prompt_tokens,
            "prompt_key": prompt_key,
            "manner": {
                "interval": 1 / manner.tokens_per_second,
                "prefill": manner.prefill_seconds,
                "busy": manner.busy,
                "stall": manner.stall,
                "stall_after": manner.stall_after,
                "die_after": manner.die_after,
            },
        }
        finished = False
        pending: list[Token] = []
        try:
            self.send(message)
            while not finished:
                out = await queue.get()
                if out is None:
                    raise EngineDeadError
                finished = bool(out["finish"])
                pending += [(channel, text) for channel, text in out["tokens"]]
                if finished or out["produced"] == 1 or len(pending) >= manner.stream_interval:
                    yield Piece(pending, out["finish"], out["stop_reason"], out["produced"], out["cached_tokens"])
                    pending = []
        finally:
            del self.queues[request_id]
            if not finished and not self.dead:
                self.send({"op": "abort", "id": request_id})

    def send(self, message: dict[str, Any]) -> None:
        self.writer.write(json.dumps(message).encode() + b"\n")

    async def shutdown(self, grace: float = 0.1) -> None:
        """End the process: SIGTERM, then SIGKILL, which also ends a stopped one. Its last report is still read."""
        self.stopping = True
        log("INFO", "utils.py:628", "[shutdown] Process manager: send sigterm to process EngineCore")
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + grace
        while self.process.poll() is None and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        if self.process.poll() is None:
            text = "[shutdown] Process manager: force killing remaining process EngineCore pid"
            log("WARNING", "utils.py:653", f"{text} {self.process.pid}")
            self.process.kill()
        self.process.wait()
        self.log_cleanup("0s")
