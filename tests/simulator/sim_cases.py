"""The requests that were sent to a real vLLM 0.32 and are sent to the simulator, by name.

`GROUPS` says with which extra server flags each group was recorded.
"""

from typing import Any

from sim_exchange import Request

SHELL = {
    "type": "function",
    "name": "shell",
    "description": "Run a command",
    "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]},
}
CHAT_SHELL = {"type": "function", "function": {k: v for k, v in SHELL.items() if k != "type"}}
# Random weights seldom close a string by themselves: an enum makes the call finite, as a real model would.
ENUM = {
    "type": "function",
    "name": "shell",
    "description": "Run a command",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"cmd": {"type": "string", "enum": ["ls"]}},
        "required": ["cmd"],
        "additionalProperties": False,
    },
}
CHAT_ENUM = {"type": "function", "function": {k: v for k, v in ENUM.items() if k != "type"}}
CODEX_TOOLS = [
    {**SHELL, "name": "exec_command", "strict": False},
    {
        "type": "namespace",
        "name": "mcp__files",
        "description": "Files",
        "tools": [{**SHELL, "name": "read", "strict": False}],
    },
    {"type": "web_search", "external_web_access": False},
]
CODEX = {
    "model": "tiny",
    "instructions": "You are a coding agent.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello"}]},
    ],
    "tools": CODEX_TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199-key",
    "client_metadata": {"x-codex-installation-id": "0199-id"},
}


def responses(path: str = "/v1/responses", headers: dict[str, str] | None = None, **body: Any) -> Request:
    base: dict[str, Any] = {"model": "tiny", "input": "Say hello", "max_output_tokens": 6, "seed": 1}
    return Request("POST", path, {k: v for k, v in {**base, **body}.items() if v is not ...}, headers or {})


def chat(**body: Any) -> Request:
    base: dict[str, Any] = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Say hello"}],
        "max_completion_tokens": 6,
        "seed": 1,
    }
    return Request("POST", "/v1/chat/completions", {k: v for k, v in {**base, **body}.items() if v is not ...})


def post(path: str, raw: bytes, content_type: str = "application/json") -> Request:
    return Request("POST", path, raw, {"content-type": content_type})


TOOL_TURN = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello"}]},
    {"type": "function_call", "name": "shell", "arguments": '{"cmd": "ls"}', "call_id": "call_1"},
    {"type": "function_call_output", "call_id": "call_1", "output": "a.txt"},
]

PLAIN: dict[str, Request] = {
    # operations
    "health": Request(path="/health"),
    "ping": Request(path="/ping"),
    "version": Request(path="/version"),
    "load": Request(path="/load"),
    "models": Request(path="/v1/models"),
    "models_one": Request(path="/v1/models/tiny"),
    "not_found": Request(path="/nosuch"),
    "method_not_allowed": Request(path="/v1/responses"),
    "health_post": Request("POST", "/health", b""),
    "options": Request(
        "OPTIONS", "/v1/responses", headers={"origin": "http://x", "access-control-request-method": "POST"}
    ),
    "health_origin": Request(path="/health", headers={"origin": "http://x"}),
    # Responses
    "text": responses(stream=True, max_output_tokens=200, stop=["e"], include_stop_str_in_output=True),
    "text_cut": responses(stream=True),
    "text_nonstream": responses(stream=False, max_output_tokens=200, stop=["e"], include_stop_str_in_output=True),
    "text_nonstream_cut": responses(),
    "text_empty": responses(stream=True, logit_bias={"2": 100}),
    "text_empty_nonstream": responses(logit_bias={"2": 100}),
    "text_full": responses(
        stream=True,
        instructions="Be brief.",
        metadata={"a": "b"},
        user="u",
        temperature=0.5,
        top_p=0.9,
        truncation="auto",
        text={"format": {"type": "text"}, "verbosity": "low"},
        reasoning={"effort": "low"},
        max_tool_calls=3,
        service_tier="default",
        presence_penalty=0.5,
        store=True,
        parallel_tool_calls=False,
    ),
    "unknown_field": responses(stream=True, no_such_field=1),
    "tools_auto": responses(stream=True, tools=[SHELL]),
    "tools_none": responses(stream=True, tools=[SHELL], tool_choice="none"),
    "tools_required": responses(stream=True, tools=[ENUM], tool_choice="required", max_output_tokens=200),
    "tools_required_nonstream": responses(tools=[ENUM], tool_choice="required", max_output_tokens=200),
    "tools_required_cut": responses(stream=True, tools=[SHELL], tool_choice="required", max_output_tokens=30),
    "tools_required_cut_early": responses(stream=True, tools=[SHELL], tool_choice="required"),
    "tools_required_cut_nonstream": responses(tools=[SHELL], tool_choice="required", max_output_tokens=30),
    "tools_named": responses(
        stream=True, tools=[ENUM], tool_choice={"type": "function", "name": "shell"}, max_output_tokens=200
    ),
    "tools_named_nonstream": responses(
        tools=[ENUM], tool_choice={"type": "function", "name": "shell"}, max_output_tokens=200
    ),
    "tool_turn": responses(stream=True, input=TOOL_TURN, tools=[SHELL]),
    "codex": Request("POST", "/v1/responses", {**CODEX, "max_output_tokens": 6}, {"accept": "text/event-stream"}),
    "codex_required": responses(
        **{**CODEX, "tools": [ENUM, *CODEX_TOOLS[1:]], "tool_choice": "required", "max_output_tokens": 300}
    ),
    "tool_namespace": responses(stream=True, tools=[CODEX_TOOLS[1]]),
    "tool_web_search": responses(stream=True, tools=[CODEX_TOOLS[2]]),
    "tool_custom": responses(stream=True, tools=[{"type": "custom", "name": "apply", "description": "d"}]),
    "custom_required_cut": responses(
        stream=True,
        tools=[{"type": "custom", "name": "apply", "description": "d"}],
        tool_choice="required",
        max_output_tokens=60,
    ),
    "namespace_required": responses(
        stream=True, tools=[{**CODEX_TOOLS[1], "tools": [ENUM]}], tool_choice="required", max_output_tokens=300
    ),
    "tool_local_shell": responses(stream=True, tools=[{"type": "local_shell"}]),
    "include_logprobs": responses(
        stream=True, include=["message.output_text.logprobs"], top_logprobs=1, max_output_tokens=2
    ),
    "background": responses(background=True),
    "background_stream": responses(background=True, stream=True),
    # Responses, refused
    "bad_model": responses(model="nosuch"),
    "bad_model_stream": responses(model="nosuch", stream=True),
    "no_model": responses(model=..., max_output_tokens=2),
    "bad_json": post("/v1/responses", b'{"model": "tiny", '),
    "bad_json_list": post("/v1/responses", b"[1]"),
    "empty_body": post("/v1/responses", b""),
    "content_type": post("/v1/responses", b'{"model": "tiny", "input": "x"}', "text/plain"),
    "no_input": responses(input=...),
    "bad_type": responses(max_output_tokens="many"),
    "bad_include": responses(include=["no.such"]),
    "bad_include_stream": responses(include=["no.such"], stream=True),
    "bad_tool_type": responses(tools=[{"type": "nosuch"}]),
    "bad_tool_choice": responses(tool_choice="sometimes", tools=[SHELL]),
    "required_without_tools": responses(tool_choice="required"),
    "named_unknown": responses(tools=[SHELL], tool_choice={"type": "function", "name": "nosuch"}),
    "max_output_zero": responses(max_output_tokens=0),
    "max_output_negative": responses(max_output_tokens=-1),
    "too_long": responses(input="word " * 40000),
    "max_output_huge": responses(max_output_tokens=100000, stop=["e"]),
    "temperature_bad": responses(temperature=-1),
    "previous_unknown": responses(previous_response_id="resp_nosuch"),
    "previous_unknown_bare": responses(previous_response_id="nosuch"),
    "prompt_template": responses(prompt={"id": "x"}),
    "custom_grammar": responses(
        tools=[{"type": "custom", "name": "a", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}]
    ),
    "retrieve": Request(path="/v1/responses/resp_nosuch"),
    "cancel": Request("POST", "/v1/responses/resp_nosuch/cancel"),
    "tool_outputs": Request("POST", "/v1/responses/resp_nosuch/tool_outputs", {"tool_outputs": []}),
    # chat
    "chat": chat(stream=True, max_completion_tokens=200, stop=["e"], include_stop_str_in_output=True),
    "chat_cut": chat(stream=True),
    "chat_usage": chat(stream=True, stream_options={"include_usage": True}),
    "chat_usage_continuous": chat(stream=True, stream_options={"include_usage": True, "continuous_usage_stats": True}),
    "chat_nonstream": chat(max_completion_tokens=200, stop=["e"], include_stop_str_in_output=True),
    "chat_nonstream_cut": chat(),
    "chat_tools_auto": chat(stream=True, tools=[CHAT_SHELL]),
    "chat_tools_required": chat(stream=True, tools=[CHAT_ENUM], tool_choice="required", max_completion_tokens=200),
    "chat_tools_required_nonstream": chat(tools=[CHAT_ENUM], tool_choice="required", max_completion_tokens=200),
    "chat_tools_named": chat(
        stream=True,
        tools=[CHAT_ENUM],
        tool_choice={"type": "function", "function": {"name": "shell"}},
        max_completion_tokens=200,
    ),
    "chat_bad_model": chat(model="nosuch"),
    "chat_bad_json": post("/v1/chat/completions", b"{"),
    "chat_no_messages": chat(messages=...),
    "chat_too_long": chat(messages=[{"role": "user", "content": "word " * 40000}]),
    "chat_max_zero": chat(max_completion_tokens=0),
}

REASONING: dict[str, Request] = {
    "reasoning": responses(stream=True),
    "reasoning_nonstream": responses(),
    "reasoning_hidden": responses(stream=True, include_reasoning=False),
    "reasoning_hidden_nonstream": responses(include_reasoning=False),
    # a little pressure towards </think> (id 1023) and a seed for which the random model thinks shortly, once
    "reasoning_then_text": responses(stream=True, max_output_tokens=10, seed=18, logit_bias={"1023": 3}),
    "reasoning_then_text_nonstream": responses(max_output_tokens=10, seed=18, logit_bias={"1023": 3}),
    "reasoning_then_text_hidden": responses(
        stream=True, max_output_tokens=10, seed=18, logit_bias={"1023": 3}, include_reasoning=False
    ),
    "reasoning_then_call": responses(
        stream=True, max_output_tokens=300, seed=3, logit_bias={"1023": 3}, tools=[ENUM], tool_choice="required"
    ),
    "reasoning_then_call_nonstream": responses(
        max_output_tokens=300, seed=3, logit_bias={"1023": 3}, tools=[ENUM], tool_choice="required"
    ),
    "reasoning_chat": chat(stream=True),
    "reasoning_chat_nonstream": chat(),
    "reasoning_chat_hidden": chat(stream=True, include_reasoning=False),
}

AUTH: dict[str, Request] = {
    "auth_missing": responses(),
    "auth_wrong": responses(headers={"authorization": "Bearer wrong"}),
    "auth_scheme": responses(headers={"authorization": "Basic secret"}),
    "auth_right": responses(headers={"authorization": "Bearer secret"}, max_output_tokens=2),
    "auth_models": Request(path="/v1/models"),
    "auth_health": Request(path="/health"),
    "auth_metrics_status": Request(path="/load"),
}

GROUPS: dict[str, tuple[dict[str, Request], list[str]]] = {
    "plain": (PLAIN, ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]),
    "reasoning": (
        REASONING,
        ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "deepseek_r1"],
    ),
    "auth": (AUTH, ["--api-key", "secret"]),
}
