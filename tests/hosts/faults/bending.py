"""Streams that are bent inside the real server, by a middleware that looks up what to do at every request.

The same names as in the simulator are the same faults. One restart makes the server ready for any number of them:

    with bendable(host):
        with inject(host, "burst"): ...
        with inject(host, "silent_after=4", when="tools"), inject(host, "paced"): ...
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..files.stream_bend.stream_bend import CONDITIONS
from ..host import Host
from ..server import Server
from .registry import fault, register

SOURCE = Path(__file__).parent.parent / "files" / "stream_bend"
PLACE = "usr/local/lib/stream_bend"  # on the host
BENDABLE = (
    *("--middleware", "stream_bend.Middleware"),
    *("--worker-cls", "paced_worker.PacedWorker"),
    *("--logits-processors", "compact_calls:CompactCalls"),
)
#: With it the model, whose weights are random, never closes its thought.
REASONING = ("--reasoning-parser", "qwen3")
#: With it, instead of the compact calls, a model never ends its turn by itself; random weights do so now and then.
ENDLESS = ("--logits-processors", "endless:Endless")


@contextlib.contextmanager
def bendable(host: Host, *arguments: str) -> Iterator[None]:
    """The server with what bends and paces it, and with more `arguments`; nothing is bent yet.

    Two restarts, or none inside another one with the same arguments.
    """
    place = host.root / PLACE
    ours = not place.exists()
    if ours:
        shutil.copytree(SOURCE, place, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        server = Server(host)
        if server.runs_with(BENDABLE):
            with server.configured(*arguments):
                yield
        else:
            with server.configured(*BENDABLE, *arguments, environment={"PYTHONPATH": f"/{PLACE}"}):
                yield
    finally:
        if ours:
            shutil.rmtree(place)


@contextlib.contextmanager
def _bent(host: Host, name: str, value: float, when: str) -> Iterator[None]:
    """Tell the middleware; takes effect at the next request."""
    if when not in CONDITIONS:
        raise ValueError(f"condition {when!r}: known are {', '.join(CONDITIONS)}")
    entry = {"name": name, "value": value, "when": when}
    control = host.root / PLACE / "bends.json"

    def entries() -> list[object]:
        return list(json.loads(control.read_text())) if control.exists() else []

    _write(control, [*entries(), entry])
    try:
        yield
    finally:
        _write(control, [other for other in entries() if other != entry])


def _write(control: Path, content: object) -> None:
    """Whole or not at all: the server may be reading."""
    unfinished = control.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content))
    unfinished.rename(control)


def _register(name: str, value: float, what: str, *arguments: str) -> None:
    """Register a bend as a fault. In `what` and `arguments`, `{value}` stands for its number."""
    default = value

    def run(host: Host, value: float = default, when: str = "always") -> Iterator[str]:
        words = [word.format(value=f"{value:g}") for word in arguments]
        with bendable(host, *words), _bent(host, name, value, when):
            yield what.format(value=f"{value:g}") + ("" if when == "always" else f", for requests with {when}")

    run.__doc__ = what
    register(name, run)


_register("compat_filter", 1, "only response.created passes, then silence, while the engine works on")
_register("silent_after", 4, "after {value} events nothing more is sent, while the engine works on to the end")
_register("fixed_chunks", 16384, "the body leaves in pieces of {value} bytes, whatever the events")
_register("burst", 0, "headers and all events at the end")
_register("missing_done", 0, "the done events of items are missing")
_register("missing_terminal", 0, "the terminal event is missing, the stream ends cleanly")
_register("wrong_ids", 0, "output_item.done carries another id than output_item.added")
_register("lost_deltas", 3, "every {value}. delta is lost")
_register("truncated", 8, "an exception after {value} events")
_register("awaiting_tool_output", 0, "after a finished function call the stream is held open, silent")
_register("tool_call_lost", 0, "function calls are swallowed, the rest passes")
_register("reasoning_lost", 0, "the reasoning is swallowed, the rest passes", *REASONING)
_register("pings", 15, "a response.ping after every {value} s without an event (no fault)")
_register(
    "ping_lost",
    15,
    "the flag asks for pings every {value} s, none is sent",
    "--responses-ping-interval-seconds",
    "{value}",
)


@fault
def paced(host: Host, value: float = 20) -> Iterator[str]:
    """`value` tokens a second for each stream, whatever is sent of them, as a slow device makes them; 20 is no fault.

    At full speed the tiny model makes 500 a second: a stream is over before its arrival can be told.
    """
    with bendable(host):
        control = host.root / PLACE / "pace.json"
        _write(control, {"seconds_per_step": 1 / value})
        try:
            yield f"{value:g} tokens a second"
        finally:
            control.unlink()


@fault
def compat_mode_on(host: Host) -> Iterator[str]:
    """The original incident: only response.created passes, because a flag of the command line says so."""
    with bendable(host, "--responses-compatibility-mode"):
        yield "runs with --responses-compatibility-mode"


@fault
def compat_mode_off(host: Host) -> Iterator[str]:
    """The same server with the mode switched off (no fault)."""
    with bendable(host, "--no-responses-compatibility-mode"):
        yield "runs with --no-responses-compatibility-mode"


def _bendable_alone(host: Host) -> Iterator[str]:
    """Ready to be bent, and nothing is (no fault): others that are held beside it need no restart."""
    with bendable(host):
        yield f"runs with {' '.join(BENDABLE)}"


register("bendable", _bendable_alone)
