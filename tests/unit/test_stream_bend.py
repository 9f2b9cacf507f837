"""The middleware that bends streams inside the real server, tried on a small ASGI application."""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

from tests.hosts.faults import FAULTS, inject
from tests.hosts.files.stream_bend import stream_bend

CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "shell", "arguments": "{}"}
STREAM: List[Dict[str, Any]] = [
    {"type": "response.created", "response": {"id": "r", "output": []}},
    {"type": "response.in_progress", "response": {"id": "r", "output": []}},
    {"type": "response.output_item.added", "item": {"type": "reasoning", "id": "rs_1"}},
    {"type": "response.reasoning_text.delta", "item_id": "rs_1", "delta": "hm"},
    {"type": "response.output_item.done", "item": {"type": "reasoning", "id": "rs_1"}},
    {"type": "response.output_item.added", "item": CALL},
    {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": "{"},
    {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": "}"},
    {"type": "response.function_call_arguments.done", "item_id": "fc_1", "arguments": "{}"},
    {"type": "response.output_item.done", "item": CALL},
    {"type": "response.completed", "response": {"id": "r", "output": [{"type": "reasoning", "id": "rs_1"}, CALL]}},
]
NAMES = [event["type"] for event in STREAM]


class Client:
    """Sends one request through the middleware and keeps what comes; leaves when nothing comes for a moment."""

    def __init__(self, chosen: List[Dict[str, Any]], control: Path, gap: float = 0.0) -> None:
        control.write_text(json.dumps(chosen))
        self.gap = gap
        self.pieces: List[bytes] = []
        self.order: List[str] = []
        self.ended = False

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        self.body = json.loads((await receive())["body"])
        kind = b"text/event-stream" if self.body.get("stream") else b"application/json"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        for event in STREAM:
            await asyncio.sleep(self.gap)
            raw = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
            self.order.append("made")
            await send({"type": "http.response.body", "body": raw, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, message: Any) -> None:
        self.order.append(message["type"])
        self.pieces.append(message.get("body", b""))
        self.ended = message["type"] == "http.response.body" and not message["more_body"]

    def run(self, **body: Any) -> Client:
        text = json.dumps({"stream": True, **body}).encode()
        halves = [text[:10], text[10:]]

        async def receive() -> Any:
            if halves:
                return {"type": "http.request", "body": halves.pop(0), "more_body": bool(halves)}
            await asyncio.sleep(0.3)
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "POST", "path": "/v1/responses"}
        asyncio.run(stream_bend.Middleware(self.application)(scope, receive, self._send))
        return self

    @property
    def events(self) -> List[Dict[str, Any]]:
        blocks = b"".join(self.pieces).decode().split("\n\n")
        return [json.loads(block.split("data: ", 1)[1]) for block in blocks if block]

    @property
    def names(self) -> List[str]:
        return [event["type"] for event in self.events]


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stream_bend, "CONTROL", tmp_path / "bends.json")
    return tmp_path / "bends.json"


def bend(name: str, value: float = 0, when: str = "always") -> List[Dict[str, Any]]:
    return [{"name": name, "value": value, "when": when}]


def without(*suffixes: str) -> List[str]:
    return [name for name in NAMES if not name.endswith(suffixes)]


@pytest.mark.parametrize(
    ("name", "value", "names", "ended"),
    [
        ("none", 0, NAMES, True),
        ("compat_filter", 1, NAMES[:1], False),
        ("silent_after", 4, NAMES[:4], False),
        ("awaiting_tool_output", 0, NAMES[:-1], False),
        ("missing_done", 0, without(".done"), True),
        ("missing_terminal", 0, NAMES[:-1], True),
        ("lost_deltas", 3, [*NAMES[:7], *NAMES[8:]], True),
        ("tool_call_lost", 0, [*NAMES[:5], NAMES[-1]], True),
        ("reasoning_lost", 0, [*NAMES[:2], *NAMES[5:]], True),
        ("wrong_ids", 0, NAMES, True),
        ("burst", 0, NAMES, True),
        ("fixed_chunks", 100, NAMES, True),
    ],
)
def test_bends(control: Path, name: str, value: float, names: List[str], ended: bool) -> None:
    client = Client([] if name == "none" else bend(name, value), control).run()
    assert client.names == names
    assert client.ended == ended


def test_items_are_lost_in_the_terminal_event_too(control: Path) -> None:
    last = Client(bend("tool_call_lost"), control).run().events[-1]
    assert [item["type"] for item in last["response"]["output"]] == ["reasoning"]


def test_wrong_ids_are_in_the_done_events_only(control: Path) -> None:
    events = Client(bend("wrong_ids"), control).run().events
    assert [event["item"]["id"] for event in events if "item" in event] == ["rs_1", "1_sr", "fc_1", "1_cf"]


def test_truncated_raises(control: Path) -> None:
    client = Client(bend("truncated", 3), control)
    with pytest.raises(RuntimeError, match="cannot convert event 3"):
        client.run()
    assert client.names == NAMES[:3]


def test_events_pass_one_by_one(control: Path) -> None:
    assert Client([], control).run().order[:5] == ["http.response.start"] + ["made", "http.response.body"] * 2
    assert Client(bend("lost_deltas", 99), control).run().order[1:5] == ["made", "http.response.body"] * 2


def test_burst_holds_the_headers_too(control: Path) -> None:
    order = Client(bend("burst"), control).run().order
    assert order[: len(STREAM) + 1] == ["made"] * len(STREAM) + ["http.response.start"]


def test_fixed_chunks_have_one_size(control: Path) -> None:
    sizes = [len(piece) for piece in Client(bend("fixed_chunks", 100), control).run().pieces if piece]
    assert set(sizes[:-1]) == {100}
    assert 0 < sizes[-1] <= 100


def test_pings_fill_silence_and_go_on_in_a_held_stream(control: Path) -> None:
    chosen = bend("pings", 0.05) + bend("silent_after", 2)
    client = Client(chosen, control).run()
    assert client.names[:3] == [*NAMES[:2], "response.ping"]
    assert client.names.count("response.ping") >= 2
    assert "response.ping" not in Client(bend("pings", 5), control).run().names
    assert "response.ping" not in Client(chosen + bend("ping_lost"), control).run().names


@pytest.mark.parametrize(
    ("when", "body", "bent"),
    [
        ("tools", {"tools": [{}]}, True),
        ("tools", {"tools": []}, False),
        ("reasoning", {"reasoning": {"effort": "low"}}, True),
        ("tools_and_reasoning", {"tools": [{}]}, False),
        ("tools_and_reasoning", {"tools": [{}], "reasoning": {"effort": "low"}}, True),
        ("large", {"input": "x" * 20000}, True),
        ("large", {"input": "x"}, False),
        ("always", {"stream": False}, False),
    ],
)
def test_conditions(control: Path, when: str, body: Dict[str, Any], bent: bool) -> None:
    client = Client(bend("missing_terminal", when=when), control).run(**body)
    assert client.body == {"stream": True, **body}  # the application gets the request as it was
    assert ("response.completed" not in client.names) == bent


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], NAMES),
        (["--responses-compatibility-mode"], NAMES[:1]),
        (["--responses-compatibility-mode", "--no-responses-compatibility-mode"], NAMES),
    ],
)
def test_compatibility_flag(control: Path, monkeypatch: pytest.MonkeyPatch, words: List[str], names: List[str]) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", *words])
    assert Client([], control).run().names == names


@pytest.mark.parametrize("words", [[stream_bend.PING_FLAG, "0.05"], [f"{stream_bend.PING_FLAG}=0.05"]])
def test_ping_flag(control: Path, monkeypatch: pytest.MonkeyPatch, words: List[str]) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", *words])
    assert "response.ping" in Client([], control, gap=0.1).run().names


def test_fork_flags_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["prog", "--port", "1", "--responses-compatibility-mode", "--responses-tool-timeout", "300", "--model", "m"]
    monkeypatch.setattr(sys, "argv", words)
    runpy.run_path(str(Path(stream_bend.__file__).with_name("sitecustomize.py")))
    assert sys.argv == ["prog", "--port", "1", "--model", "m"]


def test_every_bend_is_a_fault() -> None:
    assert stream_bend.BENDS.keys() <= FAULTS.keys()


@pytest.mark.parametrize("spec", ["nosuch", "burst_", "engine_stopped=3"])
def test_unknown_faults_are_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="fault"):
        inject(None, spec)  # type: ignore[arg-type]
