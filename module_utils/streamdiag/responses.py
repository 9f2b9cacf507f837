"""The vocabulary of a ``POST /v1/responses`` stream that both wings speak: which event means what to a client.

Names are the Responses API's; those of the fork with a compatibility mode are marked.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List

from .bundle import Event, Stream

#: Sent by the API server before the engine gets the request (vLLM, entrypoints/openai/responses/serving.py).
PREAMBLE = frozenset({"response.queued", "response.created", "response.in_progress"})
#: After one of these nothing follows. ``response.error`` is the fork's, ``error`` the Responses API's.
TERMINAL = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.error", "error"}
)
FAILED = frozenset({"response.failed", "response.cancelled", "response.error", "error"})
HEARTBEATS = frozenset({"response.ping", "ping", "keepalive", "heartbeat"})


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
    kind = event.get("type") or data_of(event).get("type")
    return kind if isinstance(kind, str) else "message"


def is_heartbeat(event: Event) -> bool:
    """A sign of life that no client acts on: a ping by name, or an event with no data."""
    return name_of(event) in HEARTBEATS or event["data"].strip() in ("", "{}")


def acting_events(stream: Stream) -> List[Event]:
    """The events that a client acts on, in order."""
    return [event for event in stream.get("events", []) if not is_heartbeat(event)]


def progressed(stream: Stream) -> bool:
    """True when an event came that only a working engine can have caused."""
    return any(name_of(event) not in PREAMBLE for event in acting_events(stream))
