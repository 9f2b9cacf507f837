"""Reduce an exchange to what must not drift: everything but ids, times, token counts and the model's own words."""

import json
import re
from typing import Any

from sim_exchange import Exchange

ID = re.compile(r"^(resp_|msg_|rs_|fc_|ctc_|chatcmpl-tool-|chatcmpl-|modelperm-)[0-9a-f]{16}$")
SPOKEN = {
    "delta", "text", "arguments", "content", "reasoning", "input", "stop_reason", "system_fingerprint", "root", "token",
}  # fmt: skip
COUNTED = re.compile(r"_tokens$|^created|^cached|^sequence_number$")
UNEQUAL = {"logprob", "bytes"}
LIMITS = {"max_output_tokens", "max_completion_tokens"}


def mask(value: Any, key: str = "") -> Any:
    """Objects become lists of pairs, so that the order of keys counts too."""
    if key in UNEQUAL:
        return type(value).__name__
    if isinstance(value, dict):
        return [(name, mask(item, name)) for name, item in value.items()]
    if isinstance(value, list):
        return [mask(item) for item in value]
    if isinstance(value, str) and (match := ID.match(value)):
        return match[1]
    if isinstance(value, str) and key in SPOKEN:
        return "words"
    if isinstance(value, int) and COUNTED.search(key) and key not in LIMITS:
        return "number"
    return value


def squeeze(items: list[Any]) -> list[Any]:
    """Runs of equal neighbours become one: how many deltas there are is the model's affair."""
    return [item for i, item in enumerate(items) if not i or item != items[i - 1]]


def headers(result: Exchange) -> list[tuple[str, str]]:
    """Names in order, values but for the date and the length."""
    return [(k, "…" if k in ("date", "content-length") else v) for k, v in result.headers]


def body(result: Exchange) -> Any:
    """Events of a stream squeezed, or the JSON, or the text."""
    if ("content-type", "text/event-stream; charset=utf-8") in result.headers:
        return squeeze([(name, mask(data)) for name, data in result.events()])
    try:
        return mask(json.loads(result.body))
    except ValueError:
        return result.body.decode()
