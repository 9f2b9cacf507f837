"""What faults do to a stream: over its events, or around the application over its bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulator.events import Event, EventStream
from simulator.log import log

FOR_EVER = 86400.0  # seconds; longer than any client waits
TERMINAL = ("response.completed", "response.incomplete")


async def fail_after(events: EventStream, count: int) -> EventStream:
    async for event in _first(events, count):
        yield event
    raise RuntimeError("cannot convert event to JSON")


async def keep_silent_after(events: EventStream, count: int) -> EventStream:
    """Swallow the rest, then hold the connection open."""
    seen = 0
    async for event in events:
        seen += 1
        if seen <= count:
            yield event
    await asyncio.sleep(FOR_EVER)


async def wait_after_call(events: EventStream) -> EventStream:
    async for event in events:
        yield event
        item = event.data.get("item", {}) if isinstance(event.data, dict) else {}
        if event.name == "response.output_item.done" and item["type"] == "function_call":
            break
    else:
        return
    async for _ in events:  # the engine is not to blame: let it finish
        pass
    await asyncio.sleep(FOR_EVER)


async def without_some_deltas(events: EventStream, every: int) -> EventStream:
    deltas = 0
    async for event in events:
        deltas += event.name.endswith(".delta")
        if not (event.name.endswith(".delta") and deltas % every == 0):
            yield event


async def without_done(events: EventStream) -> EventStream:
    async for event in events:
        if not event.name.endswith(".done"):
            yield event


async def without_terminal(events: EventStream) -> EventStream:
    async for event in events:
        if event.name not in TERMINAL and event.data != "[DONE]":
            yield event


async def with_wrong_ids(events: EventStream) -> EventStream:
    async for event in events:
        if event.name == "response.output_item.done" and isinstance(event.data, dict):
            item = event.data["item"]
            yield Event(event.name, {**event.data, "item": {**item, "id": item["id"][::-1]}})
        else:
            yield event


async def with_queued(events: EventStream) -> EventStream:
    """The fork's first event, a copy of response.created with its own type and status; later numbers move up by one."""
    shift = 0
    async for event in events:
        if isinstance(event.data, dict) and event.name:
            data = event.data
            if event.name == "response.created":
                queued = {**data["response"], "status": "queued"}
                yield Event("response.queued", {**data, "response": queued, "type": "response.queued"})
                shift = 1
            event = Event(event.name, {**data, "sequence_number": data["sequence_number"] + shift})
        yield event


async def with_pings(events: EventStream, interval: float) -> EventStream:
    """The fork's heartbeat: a response.ping after each `interval` seconds without an event."""
    pending = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait([pending], timeout=interval)
            if not done:
                yield Event("response.ping", {"type": "response.ping"})
                continue
            event = pending.result()
            if event is None:
                return
            yield event
            pending = asyncio.ensure_future(anext(events, None))
    finally:
        pending.cancel()


async def without_items(events: EventStream, kind: str, still_at_end: bool = False) -> EventStream:
    """Nothing about the items of one type passes; `still_at_end`: but for the output of the terminal event."""
    ids: set[str] = set()
    async for event in events:
        data = event.data if isinstance(event.data, dict) else {}
        item = data.get("item") or {}
        if item.get("type") == kind:
            ids.add(item["id"])
        elif data.get("item_id") in ids:
            pass
        elif not still_at_end and (data.get("response") or {}).get("output"):
            kept = [item for item in data["response"]["output"] if item["type"] != kind]
            yield Event(event.name, {**data, "response": {**data["response"], "output": kept}})
        else:
            yield event


async def silent_at_calls(events: EventStream) -> EventStream:
    """From a function call on nothing passes, not even the end."""
    async for event in events:
        item = event.data.get("item", {}) if isinstance(event.data, dict) else {}
        if item.get("type") == "function_call":
            break
        yield event
    else:
        return
    async for _ in events:
        pass
    await asyncio.sleep(FOR_EVER)


async def with_late_end(events: EventStream, seconds: float) -> EventStream:
    """All events at once when the model is done, and the terminal one `seconds` later."""
    held: list[Event] = []
    async for event in events:
        held.append(event)
        if event.name in TERMINAL or event.data == "[DONE]":
            break
    for event in held[:-1]:
        yield event
    await asyncio.sleep(seconds)
    for event in held[-1:]:
        yield event
    async for event in events:
        yield event


async def with_duplicates(events: EventStream, every: int) -> EventStream:
    seen = 0
    async for event in events:
        yield event
        seen += 1
        if seen % every == 0:
            yield event


async def error_after(events: EventStream, count: int, name: str, error: dict[str, Any]) -> EventStream:
    """The stream ends, cleanly, with an event that says what went wrong."""
    number = 0
    async for event in _first(events, count):
        number += 1
        yield event
        if event.name in TERMINAL:
            return
    yield Event(name, {**error, "sequence_number": number, "type": name})


async def with_fork_extras(events: EventStream) -> EventStream:
    """The fork without compatibility mode: response.tool_call.delta beside the arguments, `[DONE]` at the end."""
    async for event in events:
        yield event
        if event.name == "response.function_call_arguments.delta" and isinstance(event.data, dict):
            name = "response.tool_call.delta"
            yield Event(name, {**event.data, "type": name})
    yield Event("", "[DONE]")


async def _first(events: EventStream, count: int) -> AsyncIterator[Event]:
    seen = 0
    async for event in events:
        if seen == count:
            return
        seen += 1
        yield event


def hold_to_end(app: ASGIApp) -> ASGIApp:
    """Hold back every message, headers included, until the answer is complete."""
    return _collected(app, lambda held: None)


def log_responses(app: ASGIApp) -> ASGIApp:
    """vLLM's log_response middleware: it logs the answer and therefore waits for its end."""

    def show(held: list[Message]) -> None:
        body = [message["body"] for message in held if message.get("body")]
        kind = dict(held[0]["headers"]).get(b"content-type", b"")
        if not body:
            shown = "<empty>"
        elif kind.startswith(b"text/event-stream"):
            shown = f"streaming_started: chunks={len(body)}"
        else:
            shown = body[0].decode()
        log("INFO", "log_response.py:134", f"response_body={{{shown}}}")

    return _collected(app, show)


def _collected(app: ASGIApp, when_complete: Callable[[list[Message]], None]) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                when_complete(held)
                for kept in held:
                    await send(kept)

        await app(scope, receive, hold if scope["type"] == "http" else send)

    return wrapped


class FixedChunks:
    """Cut and join the body into pieces of one size; the last one is what is left."""

    def __init__(self, app: ASGIApp, size: int) -> None:
        self.app, self.size = app, size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rest = b""

        async def rechunk(message: Message) -> None:
            nonlocal rest
            if message["type"] != "http.response.body":
                await send(message)
                return
            rest += message.get("body", b"")
            more = message.get("more_body", False)
            while len(rest) >= self.size:
                part, rest = rest[: self.size], rest[self.size :]
                await send({"type": "http.response.body", "body": part, "more_body": True})
            if not more:
                await send({"type": "http.response.body", "body": rest, "more_body": False})

        await self.app(scope, receive, rechunk if scope["type"] == "http" else send)
