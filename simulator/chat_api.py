"""POST /v1/chat/completions: the chunks of a stream and the object of a non-streaming answer."""

import time
import traceback
from collections.abc import AsyncIterator
from typing import Any

from simulator.bodies import Body, Json
from simulator.engine_client import EngineClient, EngineDeadError, Piece
from simulator.errors import ApiError, GenerationError
from simulator.events import Event, EventStream
from simulator.log import log
from simulator.responses_api import new_id
from simulator.settings import Settings
from simulator.tool_parser import failing_at_calls

FINGERPRINT = "vllm-0.32.0-6311412c"


class Completion:
    """One chat completion: its id, its usage, and how a piece becomes deltas."""

    def __init__(self, body: Body, settings: Settings, engine: EngineClient) -> None:
        self.body, self.settings, self.engine = body, settings, engine
        self.id = new_id("chatcmpl-")
        self.created = int(time.time())
        self.calls: list[Json] = []
        options = body.data.get("stream_options") or {}
        self.usage_at_end = bool(options.get("include_usage"))
        self.usage_always = self.usage_at_end and bool(options.get("continuous_usage_stats"))

    async def pieces(self) -> AsyncIterator[Piece]:
        body = self.body
        made = self.engine.generate(self.id, body.task, body.prompt_tokens, body.prompt_key, self.settings)
        async for piece in failing_at_calls(made, body.stream) if self.settings.tool_parser_fails else made:
            if piece.finish == "error":
                log("ERROR", "serving.py:203", f"Request {self.id} failed with an internal error during generation")
                raise GenerationError
            yield piece

    def usage(self, produced: int, details: bool) -> Json:
        prompt = self.body.prompt_tokens
        out: Json = {"prompt_tokens": prompt, "total_tokens": prompt + produced, "completion_tokens": produced}
        return {**out, "completion_tokens_details": None} if details else out

    def chunk(self, choices: list[Json], produced: int, extra: Json) -> Event:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created,
                "model": self.body.data.get("model") or self.settings.served_names[0], "choices": choices}  # fmt: skip
        usage = {"usage": self.usage(produced, details=True)} if self.usage_always and choices else {}
        return Event("", {**head, **usage, **extra})

    def deltas(self, piece: Piece) -> list[Json]:
        """The `delta` objects of a piece: neighbouring tokens on one channel share one."""
        out: list[Json] = []
        last = ""
        for channel, text in piece.tokens:
            if channel == "markup":
                continue
            if channel == "open":
                call_id = new_id("chatcmpl-tool-")
                self.calls.append({"id": call_id, "type": "function", "function": {"name": text, "arguments": ""}})
                index = len(self.calls) - 1
                call = {"id": call_id, "type": "function", "index": index, "function": {"name": text}}
                out.append({"content": None, "tool_calls": [call]})
            elif channel == "call":
                self.calls[-1]["function"]["arguments"] += text
                if last == "call":
                    out[-1]["tool_calls"][0]["function"]["arguments"] += text
                else:
                    call = {"index": len(self.calls) - 1, "function": {"arguments": text}}
                    out.append({"content": None, "tool_calls": [call]})
            elif last == channel:
                out[-1][channel] += text
            else:
                out.append({channel: text})
            last = channel
        return out

    def finish_reason(self, piece: Piece) -> str:
        named = isinstance(self.body.data.get("tool_choice"), dict)
        return "tool_calls" if piece.finish == "stop" and self.calls and not named else piece.finish


async def stream(body: Body, settings: Settings, engine: EngineClient) -> EventStream:
    """What goes wrong becomes a chunk, unlike in POST /v1/responses (vLLM, chat_completion/serving.py)."""
    try:
        async for event in chunks(body, settings, engine):
            yield event
    except GenerationError as error:
        yield Event("", {"error": error.body()})
    except EngineDeadError as error:
        log("ERROR", "serving.py:929", "Error in chat completion stream generator.\n" + traceback.format_exc().rstrip())
        yield Event("", {"error": ApiError(500, str(error), "InternalServerError").body()})
    yield Event("", "[DONE]")


async def chunks(body: Body, settings: Settings, engine: EngineClient) -> EventStream:
    """The first chunk (the role) is sent with the engine's first token, not before."""
    chat = Completion(body, settings, engine)
    fingerprint = {"system_fingerprint": FINGERPRINT}
    produced, first = 0, True
    async for piece in chat.pieces():
        if first:
            role = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
            yield chat.chunk([role], 0, {"prompt_token_ids": None, "prompt_text": None})
            first = False
        produced = piece.produced
        deltas = chat.deltas(piece)
        engine.metrics.parsed(body.api, streaming=True, tool_call=bool(chat.calls) and bool(deltas))
        if piece.finish and not deltas:
            deltas = [{}]
        for i, delta in enumerate(deltas):
            choice: dict[str, Any] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
            ends = bool(piece.finish) and i == len(deltas) - 1
            if ends:
                choice.update(finish_reason=chat.finish_reason(piece), stop_reason=piece.stop_reason)
            choice["token_ids"] = None
            yield chat.chunk([choice], produced, fingerprint if ends and not chat.usage_at_end else {})
    if chat.usage_at_end:
        yield chat.chunk([], produced, {"usage": chat.usage(produced, details=False), **fingerprint})


async def whole(body: Body, settings: Settings, engine: EngineClient) -> Json:
    """The answer of a request without `stream`."""
    chat = Completion(body, settings, engine)
    text: dict[str, str | None] = {"content": None, "reasoning": None}
    last: Piece | None = None
    raw = ""
    async for piece in chat.pieces():
        raw += "".join(said for _, said in piece.tokens)
        for delta in chat.deltas(piece):
            for name, said in text.items():
                if delta.get(name):
                    text[name] = (said or "") + delta[name]
        last = piece
    assert last is not None
    engine.metrics.parsed(body.api, streaming=False, tool_call=bool(chat.calls))
    required = body.data.get("tool_choice") == "required"
    content = "" if chat.calls and required else text["content"]
    if settings.tool_parser_fails and body.calls:
        content = raw  # no call for the parser
    message: Json = {"role": "assistant", "content": content, "refusal": None, "annotations": None, "audio": None,
                     "function_call": None}  # fmt: skip
    if chat.calls:
        message["tool_calls"] = chat.calls
    message["reasoning"] = text["reasoning"]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": chat.finish_reason(last),
              "stop_reason": last.stop_reason, "token_ids": None, "routed_experts": None}  # fmt: skip
    prompt, produced = body.prompt_tokens, last.produced
    details = {"reasoning_tokens": 0} if settings.reasoning_parser else None
    usage = {"prompt_tokens": prompt, "total_tokens": prompt + produced, "completion_tokens": produced,
             "prompt_tokens_details": None, "completion_tokens_details": details}  # fmt: skip
    return {
        "id": chat.id,
        "object": "chat.completion",
        "created": chat.created,
        "model": body.data.get("model") or settings.served_names[0],
        "choices": [choice],
        "service_tier": None,
        "system_fingerprint": FINGERPRINT,
        "usage": usage,
        "prompt_logprobs": None,
        "prompt_token_ids": None,
        "prompt_text": None,
        "kv_transfer_params": None,
        "ec_transfer_params": None,
        "metrics": None,
    }
