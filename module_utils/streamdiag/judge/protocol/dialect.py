"""Whose stream is this? What is a fault in one server's stream is another one's habit."""

from __future__ import annotations

from typing import List

from ...bundle import Stream
from ...responses import is_chat
from .seen import Seen, response_of

#: Events and marks that only the fork with a compatibility mode adds to what vLLM sends.
FORK_EVENTS = frozenset({"response.ping", "response.tool_call.delta", "response.error"})


def dialect_of(stream: Stream, events: List[Seen]) -> str:
    """upstream (vLLM) | fork | chat (/v1/chat/completions) | foreign (another implementation) | none (no event came).

    vLLM is known by its response object, the fork by that and by what it adds: with its compatibility mode on and no
    heartbeat needed it reads as upstream.
    """
    acting = [event for event in events if not event.heartbeat]
    names = {event.name for event in events}
    if not acting and not names & FORK_EVENTS:
        return "none"
    if is_chat(stream):
        return "chat"
    if names & FORK_EVENTS:
        return "fork"
    responses = [response for response in map(response_of, acting) if response is not None]
    if not any(response.vllm for response in responses):
        return "foreign"
    return "fork" if "response.queued" in names or any(event.is_done_mark for event in acting) else "upstream"
