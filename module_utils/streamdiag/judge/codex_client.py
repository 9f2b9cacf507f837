"""What the Codex CLI does with a stream.

Tried on the real CLI (0.163) with scripted streams, and read in its source (codex-rs: codex-api/src/sse/responses.rs,
codex-api/src/api_bridge.rs). It goes by ``type`` in the data alone, runs and shows only what ``output_item.done``
brings, ignores what it cannot parse, and leaves at ``response.completed``. Its idle clock starts again with every event
that has data, known to it or not, and never with a comment; it has no limit at all for the headers.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from ..bundle import Event, Stream
from ..responses import data_of, name_of
from ..words import say
from .protocol import Protocol

#: Codex's defaults: ``stream_max_retries`` and ``request_max_retries``.
STREAM_RETRIES = 5
REQUEST_RETRIES = 4
#: Codes of ``response.failed`` that Codex does not retry.
_FATAL_CODES = frozenset(
    {
        *("context_length_exceeded", "insufficient_quota", "usage_not_included", "invalid_prompt", "cyber_policy"),
        "server_is_overloaded",
    }
)
_FATAL_STATUS = frozenset({400, 429})
#: What Codex prints before the error of a stream that it gave up.
_DISCONNECTED = "stream disconnected before completion: "
#: Seconds of silence at the end up to which a stream that the probe cut was still flowing.
_FLOWING = 5.0
#: What an item of these types needs before Codex takes it: keys that are strings.
_CALLS = {
    "function_call": ("call_id", "name", "arguments"),
    "custom_tool_call": ("call_id", "name", "input"),
}


class Reaction(NamedTuple):
    """``outcome``: works | fails (no retry) | retries (and fails in the end) | empty_turn (exit 0, nothing done)."""

    outcome: str
    words: str


class _Error(NamedTuple):
    message: str  # in Codex's own words, or the server's
    fatal: bool


def codex_says(stream: Stream, protocol: Protocol, idle_timeout: float = 300.0) -> Reaction:
    """What the Codex CLI would make of ``stream``. ``idle_timeout``: its ``stream_idle_timeout_ms``, in seconds."""
    if stream["http_status"] != 200:
        return _without_a_stream(stream)
    items: List[Dict[str, Any]] = []
    error: Optional[_Error] = None
    mark = stream["t_headers"] or 0.0
    for event in stream["events"]:
        if not event["data"]:
            continue  # without a data field it is no event to Codex
        if event["t"] - mark >= idle_timeout and not stream["dropped_events"]:
            return _idle(mark, event["t"] - mark, idle_timeout)
        mark = event["t"]
        kind = _kind(event)
        if kind == "response.output_item.done":
            items += _item(event)
        elif kind == "response.failed":
            error = _failed(event) or error
        elif kind == "response.incomplete":
            error = _Error("Incomplete response returned, reason: " + _incomplete_reason(event), True)
        elif kind == "response.completed":
            problem = _completed_problem(event)
            if problem is None:
                return _turn(items, protocol)
            error = _Error(problem, False)
    return _unfinished(stream, error, mark, idle_timeout)


def _kind(event: Event) -> str:
    """What Codex takes the event for: the type in its data. Where the probe cut the data, its name has to do."""
    if _cut(event):
        return name_of(event)
    kind = data_of(event).get("type")
    return kind if isinstance(kind, str) else ""


def _cut(event: Event) -> bool:
    return event["data_bytes"] > len(event["data"].encode("utf-8", "replace"))


def _item(event: Event) -> List[Dict[str, Any]]:
    """The item, if Codex can parse it; calls and messages are what a turn is made of."""
    item = data_of(event).get("item")
    if not isinstance(item, dict):
        return []
    kind = str(item.get("type"))
    if kind == "message":
        return [item] if _said(item).strip() else []
    needed = _CALLS.get(kind)
    return [item] if needed and all(isinstance(item.get(key), str) for key in needed) else []


def _said(item: Dict[str, Any]) -> str:
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))


def _failed(event: Event) -> Optional[_Error]:
    response = data_of(event).get("response")
    if not isinstance(response, dict):
        return None
    error = response.get("error")
    if not isinstance(error, dict):
        return _Error("response.failed event received", False)
    code = error.get("code")
    return _Error(str(error.get("message") or "")[:200], isinstance(code, str) and code in _FATAL_CODES)


def _incomplete_reason(event: Event) -> str:
    response = data_of(event).get("response")
    details = response.get("incomplete_details") if isinstance(response, dict) else None
    reason = details.get("reason") if isinstance(details, dict) else None
    return reason[:60] if isinstance(reason, str) else "unknown"


def _completed_problem(event: Event) -> Optional[str]:
    """Why Codex cannot parse ``response.completed`` (its ``ResponseCompleted``), None when it can."""
    data = data_of(event)
    if not data:
        return None  # the probe cut it
    response = data.get("response")
    if not isinstance(response, dict):
        return "stream closed before response.completed"
    missing = [] if isinstance(response.get("id"), str) else ["id"]
    usage = response.get("usage")
    if isinstance(usage, dict):
        missing += [key for key in ("input_tokens", "output_tokens", "total_tokens") if not _count(usage.get(key))]
        for key, inner in (("input_tokens_details", "cached_tokens"), ("output_tokens_details", "reasoning_tokens")):
            details = usage.get(key)
            if isinstance(details, dict) and not _count(details.get(inner)):
                missing.append(inner)
    return f"failed to parse ResponseCompleted: missing field `{missing[0]}`" if missing else None


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _turn(items: List[Dict[str, Any]], protocol: Protocol) -> Reaction:
    """The stream ended as Codex wants it; the question is what it brought."""
    calls = [item for item in items if item["type"] in _CALLS]
    if calls:
        broken = [str(call["name"]) for call in calls if _unreadable(call, protocol)]
        if broken:
            words = say("Codex tells the model that it cannot read the arguments of {calls}", calls=_names(broken))
            return Reaction("works", words)
        return Reaction("works", say("Codex runs {calls}", calls=_names([str(call["name"]) for call in calls])))
    if items:
        return Reaction("works", say("Codex shows the answer"))
    if not protocol.comparable:
        words = say("Codex reads to the end; what it takes from it is not known: the probe kept a part only")
        return Reaction("works", words)
    lost = [call.name for call in protocol.calls]
    if lost:
        words = say("Codex ends the turn without running {calls}: no response.output_item.done", calls=_names(lost))
    elif protocol.tally.text:
        words = say("Codex ends the turn without an answer: its response.output_item.done is missing")
    else:
        words = say("Codex ends the turn with nothing: the stream brought no message and no call")
    return Reaction("empty_turn", words)


def _unreadable(call: Dict[str, Any], protocol: Protocol) -> bool:
    return any(known.call_id == call["call_id"] and not known.complete for known in protocol.calls)


def _names(names: List[str]) -> str:
    return ", ".join(sorted({name[:40] for name in names}))


def _unfinished(stream: Stream, error: Optional[_Error], mark: float, idle_timeout: float) -> Reaction:
    """No ``response.completed`` came: either the stream ended, or the probe did not wait as long as Codex does."""
    end = stream["end"]
    if end["how"] == "closed":
        return _gives_up(error or _Error("stream closed before response.completed", False))
    if end["how"] == "error":
        return _gives_up(_Error("Transport error: network error: error decoding response body", False))
    silent = max(0.0, end["t"] - mark)
    if silent >= idle_timeout:
        return _idle(mark, silent, idle_timeout)
    if end["deadline"] == "total" and silent < _FLOWING:
        words = say("no silence of {limit:g} s by the time the probe left; Codex would still read", limit=idle_timeout)
        return Reaction("works", words)
    return _times_out(say("{seconds:.1f} s of silence when the probe left", seconds=silent), idle_timeout)


def _idle(mark: float, silent: float, idle_timeout: float) -> Reaction:
    return _times_out(say("{seconds:.1f} s of silence after {mark:.1f} s", seconds=silent, mark=mark), idle_timeout)


def _times_out(silence: str, idle_timeout: float) -> Reaction:
    words = say(
        "{silence}; at {limit:g} s Codex retries {times} times, then fails: {error}",
        silence=silence,
        limit=idle_timeout,
        times=STREAM_RETRIES,
        error=_DISCONNECTED + "idle timeout waiting for SSE",
    )
    return Reaction("retries", words)


def _gives_up(error: _Error) -> Reaction:
    if error.fatal:
        return Reaction("fails", say("Codex stops: {error}", error=error.message))
    said = _DISCONNECTED + error.message
    return Reaction(
        "retries", say("Codex retries {times} times, then fails: {error}", times=STREAM_RETRIES, error=said)
    )


def _without_a_stream(stream: Stream) -> Reaction:
    status = stream["http_status"]
    if status is None:
        if stream["t_connect"] is not None and stream["end"]["how"] in ("deadline", "stopped"):
            return Reaction("retries", say("Codex waits for the headers without a limit of its own"))
        return Reaction("retries", say("Codex retries, then fails: it gets no connection"))
    if status in _FATAL_STATUS:
        return Reaction("fails", say("Codex stops at HTTP {status}", status=status))
    # At a server's error it retries the request within every retry of the stream.
    times = (STREAM_RETRIES + 1) * (REQUEST_RETRIES + 1) - 1 if status >= 500 else STREAM_RETRIES
    words = say("Codex retries {times} times at HTTP {status}, then fails", times=times, status=status)
    return Reaction("retries", words)
