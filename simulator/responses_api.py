"""POST /v1/responses: the events of a stream and the object of a non-streaming answer, keys in vLLM's order."""

import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from simulator.bodies import Body, Call, Json
from simulator.engine_client import EngineClient, Piece
from simulator.errors import GenerationError, ValidationError
from simulator.events import Event, EventStream
from simulator.log import log
from simulator.settings import Settings
from simulator.tool_parser import failing_at_calls

COMMON = ["allowed_callers", "async", "defer_loading", "description"]
# per tool type the keys in the order of the SDK's models, null when absent; other keys follow
TOOL_FIELDS: dict[str, list[str]] = {
    "function": ["name", "parameters", "strict", "type", *COMMON, "output_schema"],
    "custom": ["name", "type", *COMMON, "format"],
    "web_search": ["type", "external_web_access", "filters", "search_context_size", "user_location"],
    "namespace": ["description", "name", "tools", "type"],
}
INNER_FUNCTION = ["name", "type", *COMMON, "output_schema", "parameters", "strict"]


def new_id(prefix: str) -> str:
    """vLLM's random_uuid: the second half of a UUID, 16 hex digits."""
    return prefix + uuid.uuid4().hex[16:]


def shown(value: Json, order: list[str]) -> Json:
    """The object as pydantic dumps it: its model's keys, then those it does not know."""
    known = {key: value.get(key) for key in order}
    return {**known, **{key: item for key, item in value.items() if key not in known}}


def shown_tool(tool: Json) -> Json:
    """A tool as the response object echoes it."""
    order = TOOL_FIELDS.get(tool["type"])
    if order is None:
        return tool
    out = shown(tool, order)
    if tool["type"] == "namespace":
        out["tools"] = [shown(inner, INNER_FUNCTION) for inner in tool.get("tools", [])]
    return out


class Answer:
    """One response object and the items it grows; turns pieces of the engine into events."""

    def __init__(self, body: Body, settings: Settings) -> None:
        self.body, self.settings = body, settings
        self.id = body.data.get("request_id") or new_id("resp_")
        self.created = int(time.time())
        self.output: list[Json] = []
        self.sequence = 0
        self.kind = ""  # of the open item
        self.item_id = self.call_id = self.text = ""
        self.call: Call | None = None
        self.calls_made = 0
        self.raw = ""  # all that was said after the thought, markup included
        self.wants_logprobs = "message.output_text.logprobs" in (body.data.get("include") or [])
        self.logprobs: list[Json] = []  # of the open message

    def object(self, status: str, piece: Piece | None = None) -> Json:
        """The `response` object; `usage` once a piece is given."""
        data = self.body.data
        reasoning = data.get("reasoning")
        keys = ["context", "effort", "generate_summary", "mode", "summary"]
        choice = data.get("tool_choice", "auto")
        details = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": self.id,
            "created_at": self.created,
            "incomplete_details": details,
            "instructions": data.get("instructions"),
            "metadata": data.get("metadata"),
            "model": data.get("model") or self.settings.served_names[0],
            "object": "response",
            "output": self.output,
            "parallel_tool_calls": data.get("parallel_tool_calls", True),
            "temperature": float(data.get("temperature", 1.0)),
            "tool_choice": shown(choice, ["name", "type"]) if isinstance(choice, dict) else choice,
            "tools": [shown_tool(tool) for tool in data.get("tools") or []],
            "top_p": float(data.get("top_p", 1.0)),
            "background": data.get("background", False),
            "max_output_tokens": self.body.max_tokens,
            "max_tool_calls": data.get("max_tool_calls"),
            "previous_response_id": data.get("previous_response_id"),
            "prompt": None,
            "reasoning": None if reasoning is None else shown(reasoning, keys),
            "service_tier": data.get("service_tier", "auto"),
            "status": status,
            "text": shown(data["text"], ["format", "verbosity"]) if data.get("text") else None,
            "top_logprobs": data.get("top_logprobs", 0) if self.wants_logprobs else None,
            "truncation": data.get("truncation", "disabled"),
            "usage": None if piece is None else self.usage(piece),
            "user": data.get("user"),
            "presence_penalty": float(data.get("presence_penalty", 0.0)),
            "frequency_penalty": float(data.get("frequency_penalty", 0.0)),
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "input_messages": None,
            "output_messages": None,
        }

    def usage(self, piece: Piece) -> Json:
        prompt = self.body.prompt_tokens
        return {
            "input_tokens": prompt,
            "input_tokens_details": {
                "cached_tokens": piece.cached_tokens,
                "cache_write_tokens": prompt // 128 * 128 - piece.cached_tokens,
                "input_tokens_per_turn": [],
                "cached_tokens_per_turn": [],
            },
            "output_tokens": piece.produced,
            "output_tokens_details": {
                "reasoning_tokens": 0,  # also 0 in vLLM for models that think without an opening mark
                "tool_output_tokens": 0,
                "output_tokens_per_turn": [],
                "tool_output_tokens_per_turn": [],
            },
            "total_tokens": prompt + piece.produced,
        }

    def event(self, name: str, before: Json, after: Json | None = None) -> Event:
        """vLLM's dump puts sequence_number and type after the fields it knows, here `before`."""
        data = {**before, "sequence_number": self.sequence, "type": name, **(after or {})}
        self.sequence += 1
        return Event(name, data)

    def place(self, **more: Any) -> Json:
        """The position of the open item, keys sorted as the SDK's models have them."""
        at = {"item_id": self.item_id, "output_index": len(self.output), **more}
        if self.kind in ("content", "reasoning"):
            at["content_index"] = 0
        return dict(sorted(at.items()))

    def part(self, done: bool) -> Json:
        text = self.text if done else ""
        if self.kind == "reasoning":
            return {"text": text, "type": "reasoning_text"}
        logprobs = (self.logprobs or None) if done else []
        return {"annotations": [], "text": text, "type": "output_text", "logprobs": logprobs}

    def item(self, done: bool) -> Json:
        """The open item at its start or at its end."""
        status = "completed" if done else "in_progress"
        if self.kind == "content":
            content = [self.part(True)] if done and self.text else []
            return {"id": self.item_id, "content": content, "role": "assistant", "status": status, "type": "message",
                    "phase": None}  # fmt: skip
        if self.kind == "reasoning":
            thought = [self.part(True)] if done else None
            return {"id": self.item_id, "summary": [], "type": "reasoning", "content": thought,
                    "encrypted_content": None, "status": status}  # fmt: skip
        assert self.call is not None
        if self.call.custom:
            return {"call_id": self.call_id, "input": self.text, "name": self.call.name, "type": "custom_tool_call",
                    "id": self.item_id, "async": None, "caller": None, "namespace": None}  # fmt: skip
        return {"arguments": self.text, "call_id": self.call_id, "name": self.call.name, "type": "function_call",
                "id": self.item_id, "async": None, "caller": None, "namespace": self.call.namespace,
                "status": status}  # fmt: skip

    def open(self, kind: str) -> list[Event]:
        self.kind, self.text, self.logprobs = kind, "", []
        if kind == "call":
            self.call = self.body.calls[self.calls_made]
            self.calls_made += 1
            self.item_id = new_id("ctc_" if self.call.custom else "fc_")
            self.call_id = new_id("chatcmpl-tool-")
        else:
            self.item_id = new_id("msg_" if kind == "content" else "rs_")
        index = len(self.output)
        added = self.event("response.output_item.added", {"item": self.item(False), "output_index": index})
        if kind == "call":
            return [added]
        return [added, self.event(self.part_event("added"), self.place(part=self.part(False)))]

    def part_event(self, what: str) -> str:
        parts = self.kind == "reasoning" and self.settings.reasoning_parts
        return f"response.{'reasoning' if parts else 'content'}_part.{what}"

    def delta(self, text: str) -> Event:
        self.text += text
        if self.kind == "content":
            return self.event("response.output_text.delta", self.place(delta=text, logprobs=self.logprob(text)))
        if self.kind == "reasoning":
            return self.event("response.reasoning_text.delta", self.place(delta=text))
        custom = self.call is not None and self.call.custom
        name = "response.custom_tool_call_input.delta" if custom else "response.function_call_arguments.delta"
        return self.event(name, self.place(delta=text))

    def logprob(self, text: str) -> list[Json]:
        """One invented entry per delta, if asked for; the finished part repeats it with its bytes."""
        if not self.wants_logprobs:
            return []
        entry = {"token": text, "logprob": -0.25}
        whole = {"token": text, "bytes": list(text.encode()), "logprob": -0.25}
        top = bool(self.body.data.get("top_logprobs"))
        self.logprobs.append({**whole, "top_logprobs": [whole] if top else []})
        return [{**entry, "top_logprobs": [entry] if top else []}]

    def close(self) -> list[Event]:
        """End the open item: its done events, and the item joins the output."""
        if not self.kind:
            return []
        part = self.part(True)
        item = self.item(True)
        if self.kind == "call" and self.call is not None:
            if self.call.custom:
                events = [self.event("response.custom_tool_call_input.done", self.place(input=self.text))]
            else:
                place = dict(sorted(self.place(arguments=self.text).items()))
                name = "response.function_call_arguments.done"
                events = [self.event(name, place, {"name": self.call.name})]
        else:
            first = (
                self.event("response.output_text.done", self.place(logprobs=[]), None)
                if self.kind == "content"
                else self.event("response.reasoning_text.done", self.place())
            )
            # `text` stands between sequence_number and type
            assert isinstance(first.data, dict)
            kind = first.data.pop("type")
            first.data.update(text=self.text, type=kind)
            events = [first, self.event(self.part_event("done"), self.place(part=part))]
        done = self.event("response.output_item.done", {"item": item, "output_index": len(self.output)})
        self.output.append(item)
        self.kind = ""
        return [*events, done]

    def accept(self, piece: Piece) -> list[Event]:
        """The events of some tokens: neighbours on one channel share a delta."""
        events: list[Event] = []
        runs: list[tuple[str, str]] = []
        for channel, text in piece.tokens:
            self.raw += "" if channel == "reasoning" or text == "</think>" else text
            if runs and runs[-1][0] == channel and channel != "open":
                runs[-1] = (channel, runs[-1][1] + text)
            else:
                runs.append((channel, text))
        for channel, text in runs:
            if channel == "markup":
                continue
            if channel == "open":
                events += [*self.close(), *self.open("call")]
                continue
            if channel != self.kind:
                events += [*self.close(), *self.open(channel)]
            events.append(self.delta(text))
        return events


def status_of(piece: Piece) -> str:
    """An aborted request too ends as completed: vLLM knows only the token limit as incomplete."""
    return "incomplete" if piece.finish == "length" else "completed"


async def stream(body: Body, settings: Settings, engine: EngineClient) -> EventStream:
    """created and in_progress come before the engine sees the request."""
    answer = Answer(body, settings)
    first = answer.object("in_progress")
    yield answer.event("response.created", {"response": first})
    yield answer.event("response.in_progress", {"response": first})
    last: Piece | None = None
    async for piece in pieces(answer, engine, streaming=True):
        if piece.finish == "error":
            raise ValidationError from generation_error(answer)
        events = answer.accept(piece)
        engine.metrics.parsed(body.api, streaming=True, tool_call=answer.kind == "call" and bool(events))
        for event in events:
            yield event
        last = piece
    for event in answer.close():
        yield event
    assert last is not None
    status = status_of(last)
    name = f"response.{status}" if settings.incomplete_event else "response.completed"
    yield answer.event(name, {"response": answer.object(status, last)})


async def whole(body: Body, settings: Settings, engine: EngineClient) -> Json:
    """The answer of a request without `stream`."""
    answer = Answer(body, settings)
    last: Piece | None = None
    async for piece in pieces(answer, engine, streaming=False):
        if piece.finish == "error":
            raise generation_error(answer)
        answer.accept(piece)
        last = piece
    assert last is not None
    cut = last.finish == "length" and (answer.kind == "call" or body.task.withheld_tokens > 0)
    if cut or (settings.tool_parser_fails and body.calls):
        # what is no call for the parser is text, markup included
        answer.kind, answer.text, answer.item_id = "content", answer.raw, new_id("msg_")
    answer.close()
    for item in answer.output:
        if item["type"] == "reasoning":
            item["status"] = None
    engine.metrics.parsed(body.api, streaming=False, tool_call=answer.calls_made > 0)
    return answer.object(status_of(last), last)


def generation_error(answer: Answer) -> GenerationError:
    log("ERROR", "serving.py:203", f"Request {answer.id} failed with an internal error during generation")
    return GenerationError()


async def pieces(answer: Answer, engine: EngineClient, streaming: bool) -> AsyncIterator[Piece]:
    body = answer.body
    made = engine.generate(f"{answer.id}_0", body.task, body.prompt_tokens, body.prompt_key, answer.settings)
    async for piece in failing_at_calls(made, streaming) if answer.settings.tool_parser_fails else made:
        yield piece
