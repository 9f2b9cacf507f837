"""Streams to read by their grammar: recorded from a real server, bent by the simulator's faults, or written here.

All of them pass through the parser that the probe uses, so what a test reads is what the probe would store.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from streamdiag.host.sse import SSEParser

DATA = Path(__file__).resolve().parents[2]
RECORDINGS = DATA / "simulator" / "recordings"
FOREIGN = DATA / "data" / "foreign"


def recorded(name):
    """The stream that a real vLLM 0.32 sent (tests/simulator/recordings), None when it answered something else."""
    rows = [json.loads(line) for line in (RECORDINGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    head, _, body = b"".join(row["data"].encode("latin-1") for row in rows[1:-1]).partition(b"\r\n\r\n")
    if b"text/event-stream" not in head:
        return None
    how = {"complete": "closed", "idle": "stopped"}.get(rows[-1]["end"], "error")
    return stream(_dechunked(body), rows[0]["request"]["path"], how=how)


def _dechunked(body):
    found = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        if not int(size, 16):
            break
        found, body = found + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return found


def stream(body, path="/v1/responses", how="closed", status=200, deadline="", silence=0.1):
    """A stored stream whose body is ``body``: an event every tenth of a second, ``silence`` seconds at the end."""
    events, _comments = SSEParser(data_limit=1 << 20).feed(body, 0.0)
    for number, event in enumerate(events):
        event["t"], event["read"] = round(0.2 + 0.1 * number, 3), number
    last = events[-1]["t"] if events else 0.1
    return {
        "case": "simple",
        "url": "http://127.0.0.1:8000" + path,
        "request_body": {"stream": True},
        "t_connect": 0.05,
        "t_headers": 0.1,
        "http_status": status,
        "response_headers": {"content-type": "text/event-stream; charset=utf-8"},
        "events": events,
        "comments": [],
        "body": "",
        "dropped_events": 0,
        "end": {"t": round(last + silence, 3), "how": how, "deadline": deadline, "reason": ""},
    }


def foreign(name):
    return stream((FOREIGN / f"{name}.sse").read_bytes())


def sse(name, data, named=True):
    """One event on the wire; ``data`` is an object or literal text."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    return (f"event: {name}\n" if named and name else "").encode() + f"data: {text}\n\n".encode()


def response(status="in_progress", output=(), limit=None, **more):
    """A response object with the fields, and in the order, of vLLM's."""
    details = {"reason": limit} if limit else None
    head = {"id": "resp_a07d973b1a668074", "created_at": 1795376213, "incomplete_details": details}
    usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14} if status != "in_progress" else None
    body = {"instructions": None, "model": "tiny", "object": "response", "output": list(output), "background": False}
    tail = {"max_output_tokens": 128, "max_tool_calls": None, "status": status, "truncation": "disabled"}
    return {**head, **body, **tail, "usage": usage, **more}


class Wire:
    """A Responses stream that is being written: events get their ``type`` and their ``sequence_number``."""

    def __init__(self, created=True):
        self.body, self.number = b"", 0
        if created:
            self.event("response.created", response=response())
            self.event("response.in_progress", response=response())

    def event(self, name, **data):
        self.body += sse(name, {**data, "sequence_number": self.number, "type": name})
        self.number += 1
        return self

    def item(self, verb, index, **item):
        return self.event(f"response.output_item.{verb}", output_index=index, item=item)

    def inside(self, name, item_id, index, **data):
        return self.event(name, item_id=item_id, output_index=index, **data)

    def completed(self, *output, limit=None, name="response.completed", **more):
        status = "incomplete" if limit else "completed"
        return self.event(name, response=response(status, output, limit, **more))

    def stream(self, **how):
        return stream(self.body, **how)


def call(arguments='{"path": "."}', **more):
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "list_files",
        "arguments": arguments,
        **more,
    }


def message(text="Hello there", item_id="msg_1", **more):
    content = [{"type": "output_text", "text": text, "annotations": []}] if text else []
    return {"type": "message", "id": item_id, "role": "assistant", "content": content, **more}


def with_call(wire, item, index=0, deltas=None, done=None):
    """The events of one function call. ``done``: the item of its end, when that is not ``item``."""
    wire.item("added", index, **{**item, "arguments": ""})
    for delta in [item["arguments"]] if deltas is None else deltas:
        wire.inside("response.function_call_arguments.delta", item["id"], index, delta=delta)
    wire.inside("response.function_call_arguments.done", item["id"], index, arguments=item["arguments"])
    return wire.item("done", index, **(done or item))


def with_message(wire, item, index=0, content_index=0):
    """The events of one message, in two deltas."""
    text = item["content"][0]["text"]
    part = {"item_id": item["id"], "index": index, "content_index": content_index}
    wire.item("added", index, **{**item, "content": []})
    wire.inside("response.content_part.added", **part, part={"type": "output_text", "text": ""})
    for delta in (text[:3], text[3:]):
        wire.inside("response.output_text.delta", **part, delta=delta)
    wire.inside("response.output_text.done", **part, text=text)
    wire.inside("response.content_part.done", **part, part=item["content"][0])
    return wire.item("done", index, **item)


def bent(name, fault, fork=False):
    """The recorded stream ``name`` as the simulator's fault ``fault`` would have sent it."""
    from simulator import bending, faults
    from simulator.events import Event as Sent
    from simulator.settings import Settings

    settings = Settings()
    faults.apply(fault, settings)

    async def events():
        for event in recorded(name)["events"]:
            yield Sent(event["name"], json.loads(event["data"]))

    async def sent():
        flow = bending.with_fork_extras(events()) if fork else events()
        for bend in settings.filters:
            flow = bend(flow)
        body = b""
        try:
            async for event in flow:
                body += event.encode()
        except RuntimeError:  # what the fault "truncated" ends its stream with
            return body, "error"
        return body, "closed"

    body, how = asyncio.run(sent())
    return stream(body, how=how)
