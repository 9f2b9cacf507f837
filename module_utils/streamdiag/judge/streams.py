"""One stored stream -> what happened to it, in the words and numbers of ``result.json``."""

from __future__ import annotations

from statistics import median
from typing import Optional

from ..bundle import Stream
from ..responses import FAILED, acting_events, is_chat, is_streaming, name_of, terminal_name
from ..words import say
from .arrival import read_arrival
from .codex_client import codex_says
from .protocol import read_protocol
from .result import StreamRow
from .silence import longest_silence, max_byte_gap, pings, silences
from .tokens import advanced, final_response, tokens_used

#: Outcomes, as ids that can be said in another language.
OUTCOMES = {
    str(word): word
    for word in (
        say("completed"),
        say("incomplete"),
        say("stalled"),
        say("truncated"),
        say("failed"),
        say("rejected"),
        say("unreachable"),
    )
}
#: Outcomes, as a sentence about a stream says them.
ENDED = {
    "completed": say("completed"),
    "incomplete": say("did not come to its end"),
    "stalled": say("fell silent"),
    "truncated": say("was cut"),
    "failed": say("failed"),
    "rejected": say("was refused"),
    "unreachable": say("got no connection"),
}
#: Seconds of silence up to which a stream that the probe's own limit cut was flowing: not silent, only not finished.
FLOWING = 5.0
#: The part of the tokens that were asked for up to which an answer was clearly cut by something else.
CLEARLY_LESS = 0.9


def outcome(stream: Stream) -> str:
    """completed | incomplete | stalled | truncated | failed | rejected | unreachable, see docs/result.md."""
    how, status = stream["end"]["how"], stream["http_status"]
    if status is None:
        if how in ("refused", "broken") or stream["end"]["deadline"] == "connect" or stream["t_connect"] is None:
            return "unreachable"
        if how == "error":
            return "failed"
        return "stalled"  # connected, and no headers came
    if 400 <= status < 500:
        return "rejected"
    if status != 200 or is_streaming(stream) != is_event_stream(stream):
        return "failed"
    terminal = terminal_name(stream)
    if terminal in FAILED:
        return "failed"
    if terminal == "response.incomplete":
        return "incomplete"
    if terminal is not None or (how == "closed" and not is_streaming(stream) and stream["body"]):
        return "completed"
    if how in ("deadline", "stopped"):
        return "incomplete" if flows(stream) else "stalled"
    return "truncated"


def is_event_stream(stream: Stream) -> bool:
    """What came is server-sent events by its content type; a page of a proxy is not."""
    return stream["response_headers"].get("content-type", "").lower().startswith("text/event-stream")


def is_responses_stream(stream: Stream) -> bool:
    """A stream of ``POST /v1/responses`` that was accepted."""
    return is_event_stream(stream) and stream["http_status"] == 200 and not is_chat(stream)


def flows(stream: Stream) -> bool:
    """Events were still coming, each as late as those before it, when the probe's own limit cut the stream."""
    gaps = [silence.seconds for silence in silences(stream)[-10:]]
    usual = 2 * median(gaps[:-1]) if len(gaps) > 2 else 0.0
    return stream["end"]["deadline"] == "total" and bool(gaps) and gaps[-1] < max(FLOWING, usual)


def cut_by_limit(stream: Stream) -> str:
    """``incomplete_details.reason`` of the final response (``max_output_tokens``, …), or ``""``."""
    details = final_response(stream).get("incomplete_details")
    return str(details.get("reason", "")) if isinstance(details, dict) else ""


def tokens_asked(stream: Stream) -> Optional[int]:
    """``max_output_tokens`` of the request, None when it had none."""
    body = stream["request_body"]
    asked = body.get("max_output_tokens") if isinstance(body, dict) else None
    return asked if isinstance(asked, int) else None


def how_it_ended(stream: Stream) -> str:
    """Why it ended, in words: what the server said where it refused or failed, else what the probe saw."""
    body, status = " ".join(stream["body"].split())[:200], stream["http_status"]
    if status is not None and status != 200:
        return say("HTTP {status}: {body}", status=status, body=body) if body else say("HTTP {status}", status=status)
    if body and is_streaming(stream):
        return say("HTTP {status}: {body}", status=status, body=body)
    return stream["end"]["reason"]


def cut_early(stream: Stream) -> bool:
    """A token limit lower than the one of the request cut the answer.

    By a clear margin: how a server counts stop tokens and the markup of a call differs by a few.
    """
    used, asked = tokens_used(stream), tokens_asked(stream)
    limit = cut_by_limit(stream) == "max_output_tokens"
    return limit and used is not None and asked is not None and used < CLEARLY_LESS * asked


def end_is_whole(stream: Stream) -> bool:
    """False when the probe cut the data of the terminal event, so that what it says of a limit is not known."""
    ends = [event for event in stream["events"] if name_of(event) == terminal_name(stream)]
    return bool(ends) and ends[-1]["data_bytes"] <= len(ends[-1]["data"].encode("utf-8", "replace"))


def has_delta(stream: Stream) -> bool:
    """At least one piece of an answer came before its end."""
    return any(name_of(event).endswith(".delta") for event in stream["events"])


def row(stream: Stream) -> StreamRow:
    """The stream's row in ``result.json``."""
    events = acting_events(stream)
    longest = longest_silence(stream) if stream["t_headers"] is not None else None
    protocol = read_protocol(stream)
    return StreamRow(
        case=stream["case"],
        variant=stream.get("variant", ""),
        outcome=outcome(stream),
        http_status=stream["http_status"],
        events=len(events) + stream["dropped_events"],
        bytes=stream["bytes"],
        reads=len(stream["reads"]),
        t_headers=_ms(stream["t_headers"]),
        t_first_event=_ms(events[0]["t"]) if events else None,
        t_last_event=_ms(events[-1]["t"]) if events else None,
        duration=round(stream["end"]["t"], 3),
        max_event_gap=_ms(longest.seconds) if longest else None,
        max_byte_gap=max_byte_gap(stream),
        pings=pings(stream),
        terminal_event=terminal_name(stream),
        tokens_advanced=advanced(stream, "generation_tokens"),
        stop_reason=cut_by_limit(stream) or stream["end"]["reason"],
        arrival=read_arrival(stream).pattern,
        first_deviation=protocol.first.words if protocol.first is not None else "",
        codex=codex_says(stream, protocol).words if is_responses_stream(stream) else "",
    )


def _ms(t: Optional[float]) -> Optional[float]:
    return None if t is None else round(t, 3)
