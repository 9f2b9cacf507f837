"""What faults do to a stream: over its events, or around the application over its bytes."""

import asyncio
from collections.abc import AsyncIterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulator.events import Event, EventStream

FOR_EVER = 86400.0  # seconds; longer than any client waits


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
        if event.name != "response.completed" and event.data != "[DONE]":
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


def burst(app: ASGIApp) -> ASGIApp:
    """Hold back every message until the response is complete, as vLLM's log_response middleware does."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
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
