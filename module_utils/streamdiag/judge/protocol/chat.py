"""Reads the stream of ``POST /v1/chat/completions``: chunks without a name, ``[DONE]`` at the end."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ...bundle import Stream
from ...responses import DONE
from ...words import say
from .notes import Notes, note_arguments
from .seen import Seen, json_in, number_in, short, text_in
from .shapes import Call, Protocol, Tally


class _ToolCall:
    def __init__(self, at: Seen) -> None:
        self.at = at
        self.id = self.name = ""
        self.arguments: List[str] = []


class ChatReader:
    """Feed it every event in order, then ask for the protocol."""

    def __init__(self, dialect: str, comparable: bool) -> None:
        self._dialect = dialect
        self._comparable = comparable
        self._notes = Notes(lenient=False)
        self._id = ""
        self._finished: Dict[int, str] = {}  # choice -> finish_reason
        self._open: Dict[int, Seen] = {}  # choice -> its first chunk
        self._calls: Dict[Tuple[int, int], _ToolCall] = {}
        self._counts = {"text": 0, "reasoning": 0, "arguments": 0}
        self._done: Optional[Seen] = None
        self._error: Optional[Seen] = None

    def feed(self, event: Seen) -> None:
        if event.heartbeat:
            return
        if self._done is not None:
            if self._notes.first("order", "after the end"):
                self._notes.fail("order", event, say("nothing after {event}", event=DONE), short(event.raw))
        elif event.is_done_mark:
            self._done = event
            self._end(event)
        elif "error" in event.data and not event.data.get("choices"):
            self._error = event
        else:
            self._chunk(event)

    def _chunk(self, event: Seen) -> None:
        name = event.text("id")
        if name and self._id and name != self._id and self._notes.first("ids", "chunk"):
            self._notes.fail("ids", event, say("the id {id} of the first chunk", id=short(self._id)), short(name))
        self._id = self._id or name or ""
        choices = event.data.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict):
                self._choice(event, choice)

    def _choice(self, event: Seen, choice: Dict[str, Any]) -> None:
        number = number_in(choice, "index") or 0
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        self._open.setdefault(number, event)
        said = bool(delta.get("content") or delta.get("tool_calls"))
        if number in self._finished and said and self._notes.first("order", f"choice {number}"):
            self._notes.fail("order", event, say("nothing of a choice after its finish_reason"), say("another delta"))
        self._counts["text"] += bool(delta.get("content"))
        self._counts["reasoning"] += bool(delta.get("reasoning") or delta.get("reasoning_content"))
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            if isinstance(call, dict):
                self._call(event, number, call)
        reason = text_in(choice, "finish_reason")
        if reason:
            self._finished.setdefault(number, reason)

    def _call(self, event: Seen, choice: int, delta: Dict[str, Any]) -> None:
        call = self._calls.setdefault((choice, number_in(delta, "index") or 0), _ToolCall(event))
        function = delta.get("function")
        function = function if isinstance(function, dict) else {}
        call.at = event
        call.id = call.id or text_in(delta, "id") or ""
        call.name = call.name or text_in(function, "name") or ""
        arguments = text_in(function, "arguments")
        if arguments:
            self._counts["arguments"] += 1
            call.arguments.append(arguments)

    def _end(self, event: Seen) -> None:
        if self._error is not None or not self._comparable:
            return
        for number in self._open:
            if number not in self._finished:
                expected = say("a finish_reason of choice {choice} before", choice=number)
                self._notes.lost("finish_reason", event, expected, DONE)
        for (choice, _number), call in self._calls.items():
            if self._finished.get(choice) in ("stop", "tool_calls"):  # nothing cut it
                note_arguments(self._notes, call.at, call.name, "".join(call.arguments))

    def protocol(self, stream: Stream) -> Protocol:
        if self._done is None and self._error is None and stream["end"]["how"] in ("closed", "error"):
            place = Seen(len(stream["events"]), stream["end"]["t"], "", "", {}, True, False)
            self._notes.lost("terminal", place, f"data: {DONE}", say("the end of the stream"))
        calls = []
        for (choice, _number), call in self._calls.items():
            arguments = "".join(call.arguments)
            calls.append(
                Call(call.id, call.name, arguments, choice in self._finished and json_in(arguments) != "broken")
            )
        return Protocol(
            dialect=self._dialect,
            deviations=self._notes.in_order(),
            tally=Tally(opened={}, closed={}, **self._counts),
            calls=calls,
            comparable=self._comparable,
            open_items=[],
            terminal=DONE if self._done is not None else "",
        )
