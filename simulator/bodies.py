"""Request bodies: read, check in vLLM's order, and put into one form for both APIs."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from simulator.errors import ApiError, invalid, literal, missing, not_an_object, rejected, summary, wrong_type
from simulator.script import Task, arguments
from simulator.settings import Settings

Json = dict[str, Any]

INCLUDE = [
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
]
# the types of openai's Tool union, in its order
TOOL_TYPES = [
    "function", "file_search", "computer", "computer_use_preview", "web_search", "web_search_2025_08_26", "mcp",
    "code_interpreter", "image_generation", "local_shell", "shell", "custom", "namespace", "tool_search",
    "web_search_preview", "web_search_preview_2025_03_11", "apply_patch",
]  # fmt: skip
SCALARS = {
    "max_output_tokens": "int", "max_completion_tokens": "int", "max_tokens": "int", "max_tool_calls": "int",
    "top_logprobs": "int", "seed": "int", "temperature": "float", "top_p": "float", "stream": "bool", "store": "bool",
    "background": "bool", "parallel_tool_calls": "bool", "include_reasoning": "bool", "model": "string",
    "instructions": "string", "user": "string",
}  # fmt: skip
# fields that upstream accepts beyond OpenAI's and the fork's compatibility mode refuses
VLLM_ONLY = {
    "bad_words", "chat_template_kwargs", "cache_salt", "enable_response_messages", "ignore_eos", "include_reasoning",
    "include_stop_str_in_output", "kv_transfer_params", "min_p", "mm_processor_kwargs", "previous_input_messages",
    "priority", "repetition_penalty", "request_id", "seed", "skip_special_tokens", "stop", "stop_token_ids",
    "structured_outputs", "top_k", "vllm_xargs",
}  # fmt: skip
TOOL_CHOICES = ["none", "auto", "required"]


@dataclass
class Call:
    """A tool the model may call; `name` is what the client sees, `namespace` its namespace tool if any."""

    name: str
    arguments: str
    namespace: str | None = None
    custom: bool = False

    def names(self) -> set[str]:
        """Its local name, and the flat one of a namespaced tool."""
        return {self.name, f"{self.namespace}__{self.name}"} if self.namespace else {self.name}


@dataclass
class Body:
    """One request of either API after all checks."""

    api: str  # responses or chat_completions
    data: Json
    stream: bool
    max_tokens: int
    prompt_tokens: int
    prompt_key: str
    task: Task
    calls: list[Call] = field(default_factory=list)


async def read_json(request: Request) -> Json:
    """The body as an object, or FastAPI's refusal."""
    raw = await request.body()
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        text = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
        raise ApiError(400, text, "Bad Request")
    if not raw:
        raise invalid([missing("body", None)])
    try:
        data = json.loads(raw)
    except json.JSONDecodeError as error:
        entry = {"type": "json_invalid", "loc": f"body.{error.pos}", "msg": "JSON decode error", "input": summary({})}
        raise invalid([{**entry, "ctx": {"error": error.msg}}]) from None
    if not isinstance(data, dict):
        raise invalid([not_an_object("body", data)])
    return data


def check_fields(data: Json, required: str, size: int) -> None:
    """What pydantic checks: the required field, scalars, literals, tools."""
    errors = [] if required in data else [missing(f"body.{required}", "")]
    for error in errors:
        error["input"] = f"<dict of {size} items>"
    types = {"int": int, "float": int | float, "bool": bool, "string": str}
    for name, kind in SCALARS.items():
        value = data.get(name)
        number_as_text = isinstance(value, str) and kind in ("int", "float") and value.lstrip("-").isdigit()
        if value is not None and not isinstance(value, types[kind]) and not number_as_text:
            errors.append(wrong_type(f"body.{name}", kind, value))
    for i, value in enumerate(data.get("include") or []):
        if value not in INCLUDE:
            errors.append(literal(f"body.include.{i}", INCLUDE, value))
    for i, tool in enumerate(data.get("tools") or []):
        if not isinstance(tool, dict):
            errors.append(not_an_object(f"body.tools.{i}.FunctionTool", tool))
        elif tool.get("type") not in TOOL_TYPES:
            where = f"body.tools.{i}.FunctionTool"
            errors += [] if "name" in tool else [missing(f"{where}.name", tool)]
            errors.append(literal(f"{where}.type", ["function"], tool.get("type")))
    choice = data.get("tool_choice")
    if isinstance(choice, str) and choice not in TOOL_CHOICES:
        errors.append(literal("body.tool_choice", TOOL_CHOICES, choice))
    if errors:
        raise invalid(errors)


def check_model(data: Json, settings: Settings) -> None:
    name = data.get("model")
    if name and name not in settings.served_names:
        aliases = ", ".join(settings.served_names)
        text = f"The model `{name}` does not exist. Valid aliases: {aliases}."
        raise ApiError(404, text, "NotFoundError", "model")


def responses_body(data: Json, settings: Settings) -> Body:
    """Check and normalise a body of POST /v1/responses; `tool_choice` is set as vLLM sets it."""
    tools = data.get("tools") or []
    choice = data.get("tool_choice", "auto")
    if data.get("background") and not data.get("store", True):
        raise rejected("background can only be used when `store` is true", "background")
    if data.get("prompt") is not None:
        raise rejected("prompt template is not supported", "prompt")
    for tool in tools:
        form = tool.get("format") if isinstance(tool, dict) else None
        if isinstance(form, dict) and tool.get("type") == "custom" and form.get("type") == "grammar":
            text = "Custom tools with a grammar format are not supported; only free-form text custom tools are"
            raise rejected(f"{text} accepted.", "tools")
    names = {name for call in callable_tools(tools) for name in call.names()}
    if isinstance(choice, dict) and choice.get("type") in ("function", "custom") and choice.get("name") not in names:
        raise rejected("Tool choice 'function' not found in 'tools' parameter.", "tool_choice")
    if not tools and choice == "required":
        raise rejected("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice")
    if not tools and choice in ("auto", "none"):
        data["tool_choice"] = choice = "none"
    check_fields(data, "input", len(data))
    if settings.compatibility and (extra := sorted(VLLM_ONLY & set(data))):
        raise rejected(f"Unsupported parameters in compatibility mode: {', '.join(extra)}", extra[0])
    check_model(data, settings)
    if data.get("background"):
        text = (
            "This vLLM engine does not support `store=True` and therefore does not support the background mode. To "
            "enable these features, set the environment variable `VLLM_ENABLE_RESPONSES_API_STORE=1` when launching "
            "the vLLM server."
        )
        raise ApiError(400, text, "invalid_request_error", "background")
    if previous := data.get("previous_response_id"):
        raise ApiError(404, f"Response with id '{previous}' not found.", "invalid_request_error", "response_id")
    text = text_of([data.get("instructions"), data["input"], [t for t in tools if t["type"] in CALLABLE]])
    max_tokens, prompt_tokens = limits(
        text, data.get("max_output_tokens"), data.get("temperature"), "max_output_tokens", settings
    )
    calls = choose(callable_tools(tools), choice, turn_is_tool_result(data["input"]), settings)
    return finish("responses", data, settings, text, prompt_tokens, max_tokens, calls)


def chat_body(data: Json, settings: Settings) -> Body:
    """Check and normalise a body of POST /v1/chat/completions."""
    check_fields(data, "messages", len(data))
    check_model(data, settings)
    tools = data.get("tools") or []
    choice = data.get("tool_choice", "auto" if tools else "none")
    if tools and choice == "auto" and not settings.tool_parser:
        text = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        raise ApiError(400, text, "BadRequestError")
    wanted = data.get("max_completion_tokens", data.get("max_tokens"))
    text = text_of([data["messages"], tools])
    max_tokens, prompt_tokens = limits(text, wanted, data.get("temperature"), "max_tokens", settings)
    flat = [{"type": "function", **tool["function"]} for tool in tools if "function" in tool]
    if isinstance(choice, dict):
        choice = {"type": "function", **choice.get("function", {})}
    last = data["messages"][-1] if data["messages"] else {}
    calls = choose(callable_tools(flat), choice, last.get("role") == "tool", settings)
    return finish("chat_completions", data, settings, text, prompt_tokens, max_tokens, calls)


def finish(
    api: str, data: Json, settings: Settings, text: str, prompt_tokens: int, max_tokens: int, calls: list[Call]
) -> Body:
    stop = data.get("stop") or []
    hidden = settings.hide_reasoning or data.get("include_reasoning") is False
    seed = data.get("seed")
    task = Task(
        seed=settings.seed if seed is None else int(seed),
        max_tokens=max_tokens,
        reply_tokens=settings.reply_tokens,
        reasoning_tokens=settings.reasoning_tokens if settings.reasoning_parser else 0,
        hidden_reasoning=hidden,
        withheld_tokens=settings.withheld_tokens if calls else 0,
        fail_after=settings.fail_after,
        calls=[(call.name, call.arguments) for call in calls],
        ignore_eos=bool(data.get("ignore_eos")),
        stop=[stop] if isinstance(stop, str) else stop,
        include_stop=bool(data.get("include_stop_str_in_output")),
    )
    if (data.get("logit_bias") or {}).get("2", 0) >= 100:  # the tiny model's end token forced, as one recording does
        task.reply_tokens = 0
    key = hashlib.sha256(text.encode()).hexdigest()
    return Body(api, data, bool(data.get("stream")), max_tokens, prompt_tokens, key, task, calls)


CALLABLE = ("function", "custom", "namespace")


def callable_tools(tools: list[Json]) -> list[Call]:
    """Every tool the model could call, those of namespaces included."""
    out = []
    for tool in tools:
        if not isinstance(tool, dict):
            continue
        if tool.get("type") == "function":
            out.append(Call(tool.get("name", ""), arguments(tool.get("parameters"))))
        elif tool.get("type") == "custom":
            out.append(Call(tool.get("name", ""), "ls", custom=True))
        elif tool.get("type") == "namespace":
            inner = callable_tools(tool.get("tools") or [])
            out += [Call(call.name, call.arguments, tool.get("name"), call.custom) for call in inner]
    return out


def choose(tools: list[Call], choice: Any, after_tool: bool, settings: Settings) -> list[Call]:
    """The calls the model makes: obeys required and named choices, and calls one tool per task when left free."""
    if not settings.tool_parser or not tools or choice == "none":
        return []
    if isinstance(choice, dict):
        return [tool for tool in tools if choice.get("name") in tool.names()][:1]
    if choice == "required":
        return tools[:1]
    return tools[:1] if settings.calls_tool and not after_tool else []


def turn_is_tool_result(items: Any) -> bool:
    last = items[-1] if isinstance(items, list) and items else {}
    return isinstance(last, dict) and str(last.get("type", "")).endswith("_output")


def text_of(value: Any) -> str:
    """All text of a request, which stands in for the rendered prompt."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return " ".join(text_of(item) for item in value.values())
    return " ".join(text_of(item) for item in value) if isinstance(value, list) else ""


def limits(text: str, wanted: Any, temperature: Any, param: str, settings: Settings) -> tuple[int, int]:
    """(new tokens allowed, prompt tokens); a token is about four characters."""
    longest = settings.max_model_len
    prompt = 9 + len(text) // 4
    if wanted is not None and int(wanted) > longest:
        what = f"{param}={wanted} cannot be greater than max_model_len={longest}. Please request fewer output tokens."
        raise rejected(what, param, wanted)
    if prompt >= longest:
        message = (
            f"This model's maximum context length is {longest} tokens. However, your prompt contains at least "
            f"{longest + 1} input tokens, which exceeds this limit even without any output tokens. Please reduce the "
            "length of the input prompt."
        )
        raise rejected(message, "input_tokens", longest + 1)
    if wanted is not None and int(wanted) < 1:
        raise rejected(f"max_tokens must be at least 1, got {wanted}.", "max_tokens", wanted)
    if temperature is not None and float(temperature) < 0:
        value = float(temperature)
        raise rejected(f"temperature must be non-negative, got {value}.", "temperature", value)
    allowed = min(longest - prompt, longest if wanted is None else int(wanted))
    return min(allowed, settings.token_cap or allowed), prompt
