"""What the simulated model says: a deterministic list of tokens, each on a channel.

Channels: `reasoning`, `content`, `call` (arguments of the current call), `open` (a call begins, the text is its name),
`markup` (a token the parsers swallow, so that the counters rise and no event is sent).
"""

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any

Token = tuple[str, str]

WORDS = [
    "the", "server", "answers", "one", "token", "at", "a", "time", "and", "every", "token", "is", "an", "event", "of",
    "its", "own", "so", "a", "client", "sees", "text", "grow", "while", "the", "engine", "works", "in", "order",
]  # fmt: skip
THOUGHTS = ["the", "user", "wants", "a", "short", "answer", "so", "say", "it", "plainly"]
PIECES = re.compile(r"[A-Za-z0-9_]+|\s+|[^\sA-Za-z0-9_]")


@dataclass
class Task:
    """What a request asks of the model. `calls` holds (name, arguments as JSON text)."""

    seed: int
    max_tokens: int
    reply_tokens: int = 0
    reasoning_tokens: int = 0
    hidden_reasoning: bool = False
    withheld_tokens: int = 0
    fail_after: int = -1
    calls: list[tuple[str, str]] = field(default_factory=list)
    ignore_eos: bool = False
    stop: list[str] = field(default_factory=list)
    include_stop: bool = False


@dataclass
class Script:
    """All tokens of a request; `finish` is stop, length or error, `stop_reason` the stop string that ended it."""

    tokens: list[Token]
    finish: str = "stop"
    stop_reason: str | None = None


def script(task: Task) -> Script:
    """Write the whole script at once; the engine's clock decides when each token appears."""
    rng = random.Random(task.seed)
    tokens: list[Token] = []
    if task.reasoning_tokens:
        channel = "markup" if task.hidden_reasoning else "reasoning"
        tokens += [(channel, word) for word in sentence(rng, THOUGHTS, task.reasoning_tokens)]
        tokens.append(("markup", "</think>"))
    tokens += [("markup", " ")] * task.withheld_tokens
    for name, arguments in task.calls:
        tokens += call(name, arguments)
    if not task.calls:
        count = task.max_tokens if task.ignore_eos else task.reply_tokens
        tokens += [("content", word) for word in sentence(rng, WORDS, count)]
    tokens.append(("markup", "<|im_end|>"))
    for stop in task.stop:
        for i, (channel, text) in enumerate(tokens):
            if channel == "content" and stop in text:
                kept = text[: text.index(stop) + (len(stop) if task.include_stop else 0)]
                return Script([*tokens[:i], (channel, kept)][: task.max_tokens], "stop", stop)
    if 0 < task.fail_after < min(len(tokens), task.max_tokens):
        return Script(tokens[: task.fail_after], "error")
    if len(tokens) > task.max_tokens:
        return Script(tokens[: task.max_tokens], "length")
    return Script(tokens)


def sentence(rng: random.Random, words: list[str], count: int) -> list[str]:
    """`count` words, each but the first with its leading blank."""
    start = rng.randrange(len(words))
    return ["Okay," if i == 0 else " " + words[(start + i) % len(words)] for i in range(count)]


def call(name: str, arguments: str) -> list[Token]:
    """Hermes markup around the call: a dozen tokens before the name is known, a few after the arguments."""
    before = ["<", "tool", "_", "call", ">", "{", '"', "name", '"', ":", " ", '"']
    between = ['",', ' "', "arguments", '":', " "]
    tokens: list[Token] = [("markup", text) for text in before]
    tokens.append(("open", name))
    tokens += [("markup", text) for text in between]
    tokens += [("call", piece) for piece in PIECES.findall(arguments)]
    return [*tokens, ("markup", "}"), ("markup", "</tool_call>")]


def example(schema: Any) -> Any:
    """A value that a JSON schema accepts, for the plain schemas that tools have."""
    if not isinstance(schema, dict):
        return "ls"
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return example(schema[key][0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        wanted = schema.get("required", list(schema.get("properties", {})))
        return {name: example(schema.get("properties", {}).get(name)) for name in wanted}
    values: dict[str, Any] = {"array": [], "integer": 1, "number": 1.0, "boolean": True, "null": None}
    if kind == "array" and "items" in schema:
        return [example(schema["items"])]
    return values.get(kind, "ls")


def arguments(schema: Any) -> str:
    """The arguments of a call as JSON text, spaced as vLLM's hermes parser writes them."""
    value = example(schema)
    return json.dumps(value if isinstance(value, dict) else {}, ensure_ascii=False)
