"""ASGI middleware for vLLM's `--middleware` that bends the streams of `POST /v1/responses`.

What to do is read at every request: from `bends.json` beside this file, a list of objects with `name` (a key of
BENDS), `value` (its number) and `when` (a key of CONDITIONS), and from the flags of a fork that `sitecustomize`
has hidden from vLLM. Standard library only; runs on the server's Python.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Json = dict[str, Any]

CONTROL = Path(__file__).with_name("bends.json")
PING_FLAG = "--responses-ping-interval-seconds"
COMPATIBILITY_FLAG = "--responses-compatibility-mode"
NO_COMPATIBILITY_FLAG = "--no-responses-compatibility-mode"

#: Which requests a bend is for.
CONDITIONS: dict[str, Callable[[Json], bool]] = {
    "always": lambda body: True,
    "tools": lambda body: bool(body.get("tools")),
    "no_tools": lambda body: not body.get("tools"),
    "reasoning": lambda body: bool(body.get("reasoning")),
    "tools_and_reasoning": lambda body: bool(body.get("tools") and body.get("reasoning")),
    "large": lambda body: len(str(body)) > 16384,
    "second_turn": lambda body: "function_call_output" in str(body.get("input", "")),
    "half": lambda body: random.random() < 0.5,  # at random
}


class Event:
    """One server-sent event: `name`, `data`, and `raw`, its bytes with the blank line."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        fields = dict(line.split(": ", 1) for line in raw.decode().splitlines() if ": " in line)
        self.name = fields.get("event", "")
        data = fields.get("data", "")
        self.data: Json = json.loads(data) if data.startswith("{") else {}

    @classmethod
    def of(cls, name: str, data: Json) -> Event:
        """An event with other data."""
        return cls(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    @property
    def item_type(self) -> str:
        """The type of the output item that the event carries, "" when it carries none."""
        item = self.data.get("item")
        return str(item.get("type", "")) if isinstance(item, dict) else ""


class Bend:
    """Something done to the events of one stream, one after the other."""

    def __init__(self, value: float) -> None:
        self.value = int(value)
        self.seen = 0
        self.holds = False  # the end of the stream is held back: it stays open, silent

    def __call__(self, event: Event) -> list[Event]:
        """The events that are sent instead of `event`."""
        raise NotImplementedError


class SilentAfter(Bend):
    """Swallow all but the first events, while the engine works on, and never end."""

    def __call__(self, event: Event) -> list[Event]:
        self.seen += 1
        self.holds = self.seen > self.value
        return [] if self.holds else [event]


class AwaitingToolOutput(Bend):
    """After a finished function call nothing more comes, and the stream stays open."""

    def __call__(self, event: Event) -> list[Event]:
        if self.holds:
            return []
        self.holds = event.name == "response.output_item.done" and event.item_type == "function_call"
        return [event]


class Truncated(Bend):
    """An exception in the middle of the stream."""

    def __call__(self, event: Event) -> list[Event]:
        if self.seen == self.value:
            raise RuntimeError(f"cannot convert event {self.seen} to JSON")
        self.seen += 1
        return [event]


class LostDeltas(Bend):
    """Every n-th delta is lost."""

    def __call__(self, event: Event) -> list[Event]:
        self.seen += event.name.endswith(".delta")
        return [] if event.name.endswith(".delta") and self.seen % self.value == 0 else [event]


class MissingDone(Bend):
    """The done events of items and of their parts are missing."""

    def __call__(self, event: Event) -> list[Event]:
        return [] if event.name.endswith(".done") else [event]


class MissingTerminal(Bend):
    """The terminal event is missing; the stream ends cleanly."""

    def __call__(self, event: Event) -> list[Event]:
        return [] if event.name in ("response.completed", "response.incomplete") else [event]


class WrongIds(Bend):
    """output_item.done carries another id than output_item.added."""

    def __call__(self, event: Event) -> list[Event]:
        if event.name != "response.output_item.done":
            return [event]
        item = {**event.data["item"], "id": str(event.data["item"]["id"])[::-1]}
        return [Event.of(event.name, {**event.data, "item": item})]


class Lost(Bend):
    """All events of the items of one type are lost, and the items in the terminal event too; the rest passes."""

    item_type = ""

    def __init__(self, value: float) -> None:
        super().__init__(value)
        self.ids: set[str] = set()

    def __call__(self, event: Event) -> list[Event]:
        if event.item_type == self.item_type:
            self.ids.add(str(event.data["item"].get("id")))
            return []
        if str(event.data.get("item_id")) in self.ids:
            return []
        response = event.data.get("response")
        if isinstance(response, dict) and response.get("output"):
            kept = [item for item in response["output"] if item.get("type") != self.item_type]
            return [Event.of(event.name, {**event.data, "response": {**response, "output": kept}})]
        return [event]


class ToolCallLost(Lost):
    """The client never sees the function call."""

    item_type = "function_call"


class ReasoningLost(Lost):
    """The client never sees the reasoning."""

    item_type = "reasoning"


#: Bends of events. The others, `fixed_chunks`, `burst`, `pings` and `ping_lost`, are about bytes and time.
BENDS: dict[str, type[Bend]] = {
    "silent_after": SilentAfter,
    "compat_filter": SilentAfter,
    "awaiting_tool_output": AwaitingToolOutput,
    "truncated": Truncated,
    "lost_deltas": LostDeltas,
    "missing_done": MissingDone,
    "missing_terminal": MissingTerminal,
    "wrong_ids": WrongIds,
    "tool_call_lost": ToolCallLost,
    "reasoning_lost": ReasoningLost,
}


def wanted(body: Json) -> dict[str, float]:
    """What is to be done to the answer to `body`: name -> value."""
    chosen: dict[str, float] = {}
    flags = [word for word in sys.orig_argv if word in (COMPATIBILITY_FLAG, NO_COMPATIBILITY_FLAG)]
    if (interval := _value_of(PING_FLAG, sys.orig_argv)) is not None:
        chosen["pings"] = float(interval)
    if flags and flags[-1] == COMPATIBILITY_FLAG:
        chosen["compat_filter"], chosen["ping_lost"] = 1, 0
    entries = json.loads(CONTROL.read_text()) if CONTROL.exists() else []
    return chosen | {entry["name"]: entry["value"] for entry in entries if CONDITIONS[entry["when"]](body)}


def _value_of(flag: str, words: list[str]) -> str | None:
    """The value of `--flag VALUE` or `--flag=VALUE`, the last one as argparse has it; None when it is not given."""
    found = None
    for word, following in zip(words, [*words[1:], ""]):
        name, _, value = word.partition("=")
        if name == flag:
            found = value or following
    return found


class BentStream:
    """The way of one answer to the client, as the `send` of an ASGI application."""

    def __init__(self, send: Send, chosen: dict[str, float]) -> None:
        self.to_client = send
        self.bends = [BENDS[name](value) for name, value in chosen.items() if name in BENDS]
        self.piece_bytes = int(chosen.get("fixed_chunks", 0))
        self.at_the_end = "burst" in chosen
        self.ping_seconds = 0.0 if "ping_lost" in chosen else chosen.get("pings", 0.0)
        self.is_stream = False
        self.head: Message = {}
        self.rest = b""  # of an event that has not arrived whole yet
        self.ready = b""  # bent, not sent yet
        self.last_sent = 0.0
        self.pinger: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """The body stays without an end."""
        return any(bend.holds for bend in self.bends)

    async def send(self, message: Message) -> None:
        """Take one message of the application."""
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            self.is_stream = headers.get(b"content-type", b"").startswith(b"text/event-stream")
            self.head = message
            if not (self.is_stream and self.at_the_end):
                await self._begin()
        elif not self.is_stream:
            await self.to_client(message)
        else:
            await self._body(message.get("body", b""), message.get("more_body", False))

    def close(self) -> None:
        """The answer is over, or its client has gone."""
        if self.pinger is not None:
            self.pinger.cancel()

    async def _begin(self) -> None:
        await self.to_client(self.head)
        self.last_sent = time.monotonic()
        if self.is_stream and self.ping_seconds > 0:
            self.pinger = asyncio.create_task(self._ping())

    async def _body(self, body: bytes, more: bool) -> None:
        self.rest += body
        *whole, self.rest = self.rest.split(b"\n\n")
        for raw in whole:
            for event in self._bent([Event(raw + b"\n\n")]):
                self.ready += event.raw
                if not (self.piece_bytes or self.at_the_end):
                    await self._flush()
        while self.piece_bytes and len(self.ready) >= self.piece_bytes:
            await self._flush(self.piece_bytes)
        if more or self.held:
            return
        if self.at_the_end:
            await self._begin()
        if self.ready:
            await self._flush()
        self.close()
        await self.to_client({"type": "http.response.body", "body": b"", "more_body": False})

    def _bent(self, events: list[Event]) -> list[Event]:
        for bend in self.bends:
            events = [after for before in events for after in bend(before)]
        return events

    async def _flush(self, size: int | None = None) -> None:
        size = len(self.ready) if size is None else size
        piece, self.ready = self.ready[:size], self.ready[size:]
        self.last_sent = time.monotonic()
        await self.to_client({"type": "http.response.body", "body": piece, "more_body": True})

    async def _ping(self) -> None:
        """A response.ping after every so many seconds in which nothing was sent, as the fork does."""
        ping = Event.of("response.ping", {"type": "response.ping"}).raw
        while True:
            await asyncio.sleep(max(0.0, self.last_sent + self.ping_seconds - time.monotonic()))
            if time.monotonic() - self.last_sent >= self.ping_seconds:
                self.last_sent = time.monotonic()
                await self.to_client({"type": "http.response.body", "body": ping, "more_body": True})


class Middleware:
    """Give this to `--middleware` as stream_bend.Middleware."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", "/v1/responses"):
            await self.app(scope, receive, send)
            return
        text = await _whole_body(receive)
        stream = BentStream(send, _chosen(text))
        try:
            await self.app(scope, _replaying(text, receive), stream.send)
            while stream.held and (await receive())["type"] != "http.disconnect":
                pass
        finally:
            stream.close()


def _chosen(text: bytes) -> dict[str, float]:
    try:
        body = json.loads(text)
    except ValueError:  # vLLM will say what is wrong with it
        return {}
    return wanted(body) if isinstance(body, dict) and body.get("stream") else {}


async def _whole_body(receive: Receive) -> bytes:
    text, more = b"", True
    while more:
        message = await receive()
        text += message.get("body", b"")
        more = message.get("more_body", False)
    return text


def _replaying(text: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read already, and then whatever comes."""
    first = True

    async def replay() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": text, "more_body": False}
        return await receive()

    return replay
