"""The events of a stream as the grammar looks at them: number, time, name, JSON, and whether all of it was kept."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, NamedTuple, Optional

from ...bundle import Event, Stream
from ...responses import DONE, HEARTBEATS, data_of, is_heartbeat, name_of

#: The first fields of a response object as vLLM writes them (pydantic keeps the order of ``ResponsesResponse``), so
#: that a response whose echo of instructions and tools was cut still says who it is and whether a limit cut it.
_HEAD = re.compile(
    r'\{"response":\{"id":"([^"\\]{1,200})","created_at":[0-9.]+,"incomplete_details":(null|\{"reason":"([a-z_]*)"\}),'
)
#: vLLM's ``random_uuid`` makes 16 hexadecimal digits; it made 32, as others do.
_RANDOM_ID = re.compile(r"resp_[0-9a-f]{16}$")


class Seen(NamedTuple):
    place: int  # index in stream["events"]
    t: float
    name: str
    raw: str
    data: Dict[str, Any]
    whole: bool  # False: the probe cut the data
    heartbeat: bool

    @property
    def is_done_mark(self) -> bool:
        return self.raw.strip() == DONE

    def text(self, key: str) -> Optional[str]:
        return text_in(self.data, key)

    def number(self, key: str) -> Optional[int]:
        return number_in(self.data, key)

    def object(self, key: str) -> Dict[str, Any]:
        value = self.data.get(key)
        return value if isinstance(value, dict) else {}


class Response(NamedTuple):
    """What a ``response`` object says. ``limit``: None when that was cut; ``output``: None when cut or absent."""

    id: str
    limit: Optional[bool]  # the token limit (or a filter) ended the answer
    output: Optional[List[Dict[str, Any]]]
    vllm: bool


def seen_events(stream: Stream) -> List[Seen]:
    return [_seen(index, event) for index, event in enumerate(stream.get("events", []))]


def _seen(index: int, event: Event) -> Seen:
    raw, data = event["data"], data_of(event)
    kept = len(raw.encode("utf-8", "replace"))
    # A cut inside a character is replaced by a longer one, so the sizes alone would miss it.
    whole = event["data_bytes"] <= kept and (bool(data) or not raw.endswith("\ufffd"))
    name = name_of(event)
    beat = is_heartbeat(event) and (whole or name in HEARTBEATS)  # no data is no heartbeat when it was cut off
    return Seen(index, event["t"], name, raw, data, whole, beat)


def text_in(data: Dict[str, Any], key: str) -> Optional[str]:
    value = data.get(key)
    return value if isinstance(value, str) else None


def number_in(data: Dict[str, Any], key: str) -> Optional[int]:
    value = data.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def response_of(seen: Seen) -> Optional[Response]:
    """The response object that an event carries, or its head where the rest was cut; None when there is none."""
    found = seen.data.get("response")
    if isinstance(found, dict):
        output = found.get("output")
        items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else None
        return Response(text_in(found, "id") or "", _limited(found), items, _by_vllm(found))
    head = _HEAD.match(seen.raw)
    return Response(head[1], head[2] != "null", None, True) if head else None


def _limited(response: Dict[str, Any]) -> bool:
    if response.get("incomplete_details") or response.get("status") == "incomplete":
        return True
    usage, most = response.get("usage"), number_in(response, "max_output_tokens")
    used = number_in(usage, "output_tokens") if isinstance(usage, dict) else None
    return used is not None and most is not None and used >= most


def _by_vllm(response: Dict[str, Any]) -> bool:
    """By its id, or by the fields of ``ResponsesResponse``: some are vLLM's own, ``error`` and ``store`` missing."""
    if "kv_transfer_params" in response or _RANDOM_ID.match(text_in(response, "id") or ""):
        return True
    return {"background", "max_tool_calls", "truncation"} <= set(response) and not {"error", "store"} & set(response)


def json_in(text: str) -> str:
    """What the arguments of a call are: ``object``, as they have to be, other ``json``, or ``broken``."""
    try:
        return "object" if isinstance(json.loads(text), dict) else "json"
    except (ValueError, RecursionError):
        return "broken"


def short(text: str, most: int = 60) -> str:
    """Text of the server, quoted and cut, for a sentence."""
    return json.dumps(text if len(text) <= most else text[: most - 1] + "…", ensure_ascii=False)
