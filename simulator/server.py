"""The life of one simulated server: socket, engine process, HTTP server, shutdown."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from simulator import VERSION
from simulator.application import Simulator
from simulator.engine_client import EngineClient
from simulator.log import UVICORN_LOG_CONFIG, log
from simulator.metrics import Metrics, StatsLog
from simulator.options import Options

WATCHDOG = 5.0  # seconds between two looks at the engine, as in vLLM's watchdog_loop
GRACE = 0.2  # seconds that open streams get to end after SIGTERM


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers and its line about the socket, like vLLM's; tells when it listens."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield

    def _log_started_message(self, listeners: object) -> None:
        pass

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()


async def serve(options: Options) -> None:
    """Run until SIGTERM or the death of the engine."""
    settings = options.faulty
    sock = socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((options.host, options.port))
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(options.host, options.host)
    url = f"http://{host}:{sock.getsockname()[1]}"
    log_start(options)
    metrics = Metrics(settings)
    engine = EngineClient(settings, metrics)
    listener = asyncio.create_task(engine.listen())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    waiting = [asyncio.create_task(event.wait()) for event in (engine.ready, stop)]
    await asyncio.wait([*waiting, listener], return_when=asyncio.FIRST_COMPLETED)
    if settings.start_delay:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), settings.start_delay)
    log("INFO", "entry.py:140", f"Starting vLLM server on {url}")
    simulator = Simulator(options, engine)
    config = uvicorn.Config(
        simulator.app,
        http="httptools",
        log_config=UVICORN_LOG_CONFIG,
        timeout_graceful_shutdown=None if settings.lingers else GRACE,  # type: ignore[arg-type]
    )

    def ready() -> None:
        print(url, flush=True)
        if options.ready_file:
            Path(options.ready_file).write_text(url + "\n")
        if settings.block_server == "start":
            simulator.block()

    server = Server(config, ready)
    simulator.on_engine_death = lambda: setattr(server, "should_exit", True)
    chores = [
        asyncio.create_task(chore)
        for chore in (
            stop_when_asked(stop, engine, server),
            watch_engine(engine, server),
            log_stats(metrics),
            block_again(server, settings.block_again),
        )
    ]
    if not stop.is_set():
        await server.serve(sockets=[sock])
    for chore in chores:
        chore.cancel()
    if not engine.stopping and not engine.dead:
        await engine.shutdown()
    engine.process.wait()
    listener.cancel()


def log_start(options: Options) -> None:
    settings = options.faulty
    log("INFO", "api_utils.py:347", f"version {VERSION}")
    log("INFO", "api_utils.py:347", f"model   {settings.model}")
    # without the key, as vLLM since it learnt to leave it out
    shown = [word for word in options.argv if word not in settings.api_keys]
    log("INFO", "api_utils.py:286", f"non-default args: {shown}")
    log("INFO", "model.py:2152", f"Using max model len {settings.max_model_len}")
    if settings.tool_parser:
        log("INFO", "parser_manager.py:38", '"auto" tool choice has been enabled.')


async def stop_when_asked(stop: asyncio.Event, engine: EngineClient, server: Server) -> None:
    """vLLM's shutdown: first the engine, whose requests in flight end as completed, then the HTTP server."""
    await stop.wait()
    log("INFO", "launcher.py:254", "[shutdown] API server: shutdown triggered")
    log("INFO", "launcher.py:270", "[shutdown] API server: stopping engine client mode=abort timeout=0s")
    await engine.shutdown()
    log("INFO", "launcher.py:279", "[shutdown] API server: engine client stopped")
    log("INFO", "launcher.py:282", "[shutdown] API server: signalling HTTP server shutdown")
    server.should_exit = True
    log("INFO", "launcher.py:304", "[shutdown] API server: shutting down FastAPI HTTP server")


async def watch_engine(engine: EngineClient, server: Server) -> None:
    """A dead engine ends the server, at the latest after one period."""
    while True:
        await asyncio.sleep(WATCHDOG)
        if engine.dead and not engine.stopping:
            server.should_exit = True


async def block_again(server: Server, seconds: float) -> None:
    """An event loop that has a second for its clients between two blocks."""
    while seconds:
        await asyncio.sleep(1)
        if server.started:
            time.sleep(seconds)


async def log_stats(metrics: Metrics) -> None:
    stats = StatsLog(metrics)
    while metrics.on:
        await asyncio.sleep(float(os.environ.get("VLLM_LOG_STATS_INTERVAL", "10")))
        if line := stats.line():
            log("INFO", "loggers.py:335", line)
