"""The stream cases: what each one sends, and what it is there to tell apart.

Small prompts, few tokens: each case is bounded by ``max_output_tokens``, so that a healthy server is
busy for seconds at most. Texts are fixed, so that a second run finds its prefix in the server's cache.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple

from .codex import codex_body, codex_headers

#: Enough to see a stream flow, few enough to end within seconds.
MAX_OUTPUT_TOKENS = 128
PROMPT = "Count from one to thirty in words, separated by commas. Answer with the words only."
TOOL_PROMPT = "List all Python files in the current directory. Use the tool list_files."

Body = Dict[str, Any]


class Case(NamedTuple):
    """``bodies``: tried in this order while the server refuses the form of the request (HTTP 400, 422, 501)."""

    name: str
    path: str
    headers: Dict[str, str]
    bodies: List[Body]


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


def _codex(model: str) -> Case:
    body = codex_body(model)
    body["max_output_tokens"] = MAX_OUTPUT_TOKENS  # the one thing that the real client does not send
    return Case("codex", "/v1/responses", codex_headers(), [body])


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
    "codex": _codex,
    "canary": _canary,
}
