"""The stream cases: what each one sends, and what it is there to tell apart.

Small prompts, few tokens: each case is bounded by ``max_output_tokens``, so that a healthy server is
busy for seconds at most. Texts are fixed, so that a second run finds its prefix in the server's cache.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, List, NamedTuple

from .codex import codex_body, codex_headers

#: Enough to see a stream flow, few enough to end within seconds.
MAX_OUTPUT_TOKENS = 128
#: Where a model may reason first: enough for most to come to an answer.
MAX_REASONING_TOKENS = 512
#: What the case ``reasoning`` may have when that was used up in the middle of a thought. Long thinkers come to the end
#: of theirs about such a question within this; a model that does not hardly stops thinking at all.
THINKING_ROOM = 1536
PROMPT = "Count from one to thirty in words, separated by commas. Answer with the words only."
TOOL_PROMPT = "List all Python files in the current directory. Use the tool list_files."
REASONING_PROMPT = (
    "A train leaves at 9:40 and arrives at 11:05. How many minutes does it travel? Answer in one sentence."
)

CALL_ID = "call_00000001"

Body = Dict[str, Any]


class Case(NamedTuple):
    """``bodies``: tried in this order while the server refuses the form of the request (HTTP 400, 422, 501).

    ``room``: tokens to allow in a second request when the limit of the first one cut a thought; 0 for none.
    """

    name: str
    path: str
    headers: Dict[str, str]
    bodies: List[Body]
    room: int = 0


def user_message(text: str) -> Dict[str, Any]:
    """One item of ``input``, in the form that every version of the Responses API takes."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def _list_files() -> Dict[str, Any]:
    return {
        "type": "function",
        "name": "list_files",
        "description": "List the files of a directory.",
        "strict": True,  # vLLM holds arguments to their schema only then
        "parameters": {
            "type": "object",
            # An enum keeps the arguments short whatever the model is like.
            "properties": {"path": {"type": "string", "enum": ["."]}},
            "required": ["path"],
            "additionalProperties": False,
        },
    }


_HEADERS = {"accept": "text/event-stream", "content-type": "application/json"}


def _simple(model: str) -> Case:
    body = {
        "model": model,
        "input": [user_message(PROMPT)],
        "stream": True,
        "store": False,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
    }
    return Case("simple", "/v1/responses", dict(_HEADERS), [body])


def _tools(model: str) -> Case:
    body = {
        "model": model,
        "input": [user_message(TOOL_PROMPT)],
        "tools": [_list_files()],
        "tool_choice": "required",  # makes any model call, so that a missing call is the server's doing
        "parallel_tool_calls": False,
        "stream": True,
        "store": False,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
    }
    # vLLM's harmony models (gpt-oss) refuse everything but "auto".
    return Case("tools", "/v1/responses", dict(_HEADERS), [body, dict(body, tool_choice="auto")])


def _reasoning(model: str) -> Case:
    body = {
        "model": model,
        "input": [user_message(REASONING_PROMPT)],
        "reasoning": {"effort": "low", "summary": "auto"},
        "stream": True,
        "store": False,
        "max_output_tokens": MAX_REASONING_TOKENS,
    }
    bodies = [body, dict(body, reasoning={"effort": "low"})]
    return Case("reasoning", "/v1/responses", dict(_HEADERS), bodies, THINKING_ROOM)


def _codex(model: str) -> Case:
    body = codex_body(model)
    body["max_output_tokens"] = MAX_REASONING_TOKENS  # the one thing that the real client does not send
    return Case("codex", "/v1/responses", codex_headers(model), [body])


def _padded(model: str) -> Case:
    """As many bytes as the case ``codex`` without its tools, its reasoning and its kinds of items."""
    (codex,) = _codex(model).bodies
    (body,) = _simple(model).bodies
    room = _size(codex) - _size(body)
    padding = "".join(f"Sentence {number} of these notes is here for its length only. " for number in range(1, 1000))
    body["input"] = [user_message(padding[: room - 1] + " " + PROMPT)]
    return Case("padded", "/v1/responses", dict(_HEADERS), [body])


def _size(body: Body) -> int:
    """Bytes on the wire, as httpx writes JSON."""
    return len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8"))


def _chat(model: str) -> Case:
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "stream": True}
    # Every vLLM takes max_tokens; servers that follow OpenAI's newest models take the other name only.
    bodies = [dict(body, **{limit: MAX_OUTPUT_TOKENS}) for limit in ("max_tokens", "max_completion_tokens")]
    return Case("chat", "/v1/chat/completions", dict(_HEADERS), bodies)


def _nonstream(model: str) -> Case:
    (body,) = _simple(model).bodies
    headers = dict(_HEADERS, accept="application/json")
    return Case("nonstream", "/v1/responses", headers, [dict(body, stream=False)])


def _tool_turn(model: str) -> Case:
    """The second turn of a conversation with a tool: the call was made, here is its output."""
    call = {"type": "function_call", "call_id": CALL_ID, "name": "list_files", "arguments": '{"path": "."}'}
    output = {"type": "function_call_output", "call_id": CALL_ID, "output": "main.py\nsetup.py\ntests.py"}
    body = {
        "model": model,
        "input": [user_message(TOOL_PROMPT), call, output],
        "tools": [_list_files()],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "stream": True,
        "store": False,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
    }
    # As the Codex CLI sends both items; some servers cannot do without the ids.
    call, output = dict(call, id="fc_00000001", status="completed"), dict(output, id="fco_00000001")
    return Case(
        "tool_turn",
        "/v1/responses",
        dict(_HEADERS),
        [body, dict(body, input=[user_message(TOOL_PROMPT), call, output])],
    )


def public_case(model: str, gzip: bool) -> Case:
    """The case ``simple`` with the headers of the Codex CLI, which accepts no encoding. ``gzip``: one that does."""
    headers = codex_headers(model)
    if gzip:
        headers["accept-encoding"] = "gzip"
    return Case("public", "/v1/responses", headers, _simple(model).bodies)


def _public(model: str) -> Case:
    return public_case(model, gzip=False)


def _canary(model: str) -> Case:
    body = {
        "model": model,
        "input": [user_message("Hi")],
        "stream": True,
        "store": False,
        "max_output_tokens": 16,  # some versions refuse fewer
    }
    return Case("canary", "/v1/responses", dict(_HEADERS), [body])


CASES: Dict[str, Callable[[str], Case]] = {
    "simple": _simple,
    "tools": _tools,
    "reasoning": _reasoning,
    "codex": _codex,
    "padded": _padded,
    "chat": _chat,
    "nonstream": _nonstream,
    "tool_turn": _tool_turn,
    "public": _public,
    "canary": _canary,
}


def find_case(name: str, model: str, variant: str) -> Case:
    """The case ``name`` for ``model``; ``variant`` as of a Stream. Raises KeyError when there is no such case."""
    if name == "public":
        return public_case(model, gzip="gzip" in variant)
    return CASES[name](model)
