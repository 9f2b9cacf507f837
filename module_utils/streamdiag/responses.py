"""The vocabulary of the streams that both wings speak: which event of which stream means what to a client.

Names are the Responses API's; those of the fork with a compatibility mode are marked. A stream of
``POST /v1/chat/completions`` has unnamed events: they are called by their ``object``, its end is ``[DONE]``.
"""

from __future__ import annotations

import json
from typing import Any, Dict, FrozenSet, List, Optional

from .bundle import Event, Stream

#: Sent by the API server before the engine gets the request (vLLM, entrypoints/openai/responses/serving.py).
PREAMBLE = frozenset({"response.queued", "response.created", "response.in_progress"})
#: After one of these nothing follows. ``response.error`` is the fork's, ``error`` the Responses API's.
TERMINAL = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.error", "error"}
)
FAILED = frozenset({"response.failed", "response.cancelled", "response.error", "error"})
HEARTBEATS = frozenset({"response.ping", "ping", "keepalive", "heartbeat"})
#: Data of the last event of a chat stream. A Responses stream may send it after its terminal event (the fork does).
DONE = "[DONE]"
#: vLLM sends an error of a chat stream as unnamed data with the key ``error``, and ``[DONE]`` after it.
_CHAT_TERMINAL = frozenset({DONE, "error"})


def is_chat(stream: Stream) -> bool:
    """Asked of ``/v1/chat/completions``, whatever was answered."""
    return stream.get("url", "").partition("?")[0].endswith("/chat/completions")


def is_streaming(stream: Stream) -> bool:
    """The request asked for a stream, whatever was answered."""
    body = stream.get("request_body")
    return isinstance(body, dict) and body.get("stream") is True


def terminals(stream: Stream) -> FrozenSet[str]:
    """The names of the events after which nothing follows that a client of this stream acts on."""
    return _CHAT_TERMINAL if is_chat(stream) else TERMINAL


def terminal_name(stream: Stream) -> Optional[str]:
    """The name of the event that ended this stream by its protocol; None when none came, or nothing was streamed."""
    names = terminals(stream)
    return next((name for name in map(name_of, stream.get("events", [])) if name in names), None)


def data_of(event: Event) -> Dict[str, Any]:
    """The JSON object of an event, ``{}`` when it is none or was cut."""
    try:
        data = json.loads(event["data"])
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def name_of(event: Event) -> str:
    """The event's type: its name, or what its data says where the server leaves the name out."""
    if event["name"] != "message":
        return event["name"]
    return event.get("type") or name_in(event["data"]) or "message"


def name_in(data: str) -> str:
    """What the data of an unnamed event calls itself: ``type``, ``error``, ``object`` or ``[DONE]``; else ``""``."""
    if data.strip() == DONE:
        return DONE
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    kind = value.get("type") or ("error" if value.get("error") else value.get("object"))
    return kind if isinstance(kind, str) else ""


def is_heartbeat(event: Event) -> bool:
    """A sign of life that no client acts on: a ping by name, or an event with no data."""
    return name_of(event) in HEARTBEATS or event["data"].strip() in ("", "{}")


def acting_events(stream: Stream) -> List[Event]:
    """The events that a client acts on, in order. ``[DONE]`` is one of a chat stream only."""
    events = [event for event in stream.get("events", []) if not is_heartbeat(event)]
    return events if is_chat(stream) else [event for event in events if name_of(event) != DONE]


def progressed(stream: Stream) -> bool:
    """True when something came that only a working engine can have caused: an event, or an answer that is no stream."""
    if any(name_of(event) not in PREAMBLE | {DONE} for event in acting_events(stream)):
        return True
    return not is_streaming(stream) and stream.get("http_status") == 200 and bool(stream.get("body"))


def cut_in_thought(stream: Stream) -> bool:
    """The request's own limit of tokens ended the answer while nothing but reasoning had come."""
    deltas = [name_of(event) for event in acting_events(stream) if name_of(event).endswith(".delta")]
    if not deltas or not all("reasoning" in name for name in deltas):
        return False
    last = next((e for e in reversed(stream["events"]) if name_of(e) == terminal_name(stream)), None)
    response = data_of(last).get("response") if last is not None else None
    details = response.get("incomplete_details") if isinstance(response, dict) else None
    return isinstance(details, dict) and details.get("reason") == "max_output_tokens"
