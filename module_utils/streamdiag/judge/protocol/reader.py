"""Reads the stream of ``POST /v1/responses`` event by event.

Sources of the rules: the Responses API's reference and openai-python's types of its events; what vLLM really sends
(entrypoints/openai/responses: serving.py, streaming_events.py), which is not always that.
"""

from __future__ import annotations

from typing import Optional

from ...bundle import Stream
from ...responses import FAILED, PREAMBLE, TERMINAL
from ...words import Words, say
from .final import compare_output
from .item import CALLS, CHANNELS, PARTS, Item
from .items import ItemsReader
from .notes import Notes, note_arguments
from .numbering import Numbering
from .seen import Response, Seen, json_in, response_of, short, text_in
from .shapes import Call, OpenItem, Protocol

_OUTSET = frozenset({"response.queued", "response.created"})
_ITEMS = frozenset({"response.output_item.added", "response.output_item.done"})


class ResponsesReader:
    """Feed it every event in order, then ask for the protocol."""

    def __init__(self, dialect: str, comparable: bool) -> None:
        self._dialect = dialect
        self._comparable = comparable
        self._notes = Notes(lenient=dialect == "foreign")
        self._numbering = Numbering(self._notes, gaps=comparable)
        self._items = ItemsReader(self._notes, comparable)
        self._created: Optional[Response] = None
        self._begun = False
        self._terminal: Optional[Seen] = None

    # The whole stream

    def feed(self, event: Seen) -> None:
        self._numbering.feed(event)
        if event.heartbeat or event.is_done_mark:
            return
        if self._terminal is not None:
            self._after_the_end(event)
            return
        self._type(event)
        self._beginning(event)
        if event.name in TERMINAL:
            self._end(event)
        elif event.data and event.whole:
            self._items.feed(event)

    def protocol(self, stream: Stream) -> Protocol:
        if self._terminal is None and stream["end"]["how"] in ("closed", "error"):
            self._notes.lost(
                "terminal", _place_after(stream), say("a terminal event (response.completed)"), _end_of(stream)
            )
        return Protocol(
            dialect=self._dialect,
            deviations=self._notes.in_order(),
            tally=self._items.tally(),
            calls=[_call(item) for item in self._items.items if item.type in CALLS],
            comparable=self._comparable,
            open_items=[OpenItem(item.type, item.id, item.added.place, item.added.t) for item in self._items.open],
            terminal=self._terminal.name if self._terminal else "",
        )

    # Order

    def _type(self, event: Seen) -> None:
        """Clients go by ``type`` in the data (openai-python and Codex do), not by the event field."""
        kind = event.text("type")
        if not event.whole or kind == event.name or not self._notes.first("type", "" if kind is None else "other"):
            return
        if kind is not None:
            expected = say("type {name} in the data, as the event is called", name=short(event.name))
            self._notes.fail("type", event, expected, short(kind))
        else:
            self._notes.fail("type", event, say("a JSON object that names its type"), short(event.raw))

    def _beginning(self, event: Seen) -> None:
        if event.name == "response.created":
            if self._created is not None:
                self._notes.warn("order", event, say("response.created once"), say("it again"))
            self._created = self._created or response_of(event) or Response("", None, None, False)
        elif event.name == "response.in_progress":
            self._same_response(event)
        if not self._begun and event.name not in _OUTSET and (_of_an_answer(event) or event.name in PREAMBLE):
            self._begun = True
            if self._created is None and event.name not in FAILED:
                self._notes.warn("order", event, say("response.created first"), event.name)

    def _after_the_end(self, event: Seen) -> None:
        """A client leaves at the terminal event, so what follows is lost on it."""
        assert self._terminal is not None
        if self._notes.first("order", "after the end"):
            lost = _of_an_answer(event) and event.name not in TERMINAL
            note = self._notes.fail if lost else self._notes.warn
            note("order", event, say("nothing after {event}", event=self._terminal.name), event.name[:60])

    def _same_response(self, event: Seen) -> None:
        found, first = response_of(event), self._created
        if found and first and found.id and first.id and found.id != first.id and self._notes.first("ids", "response"):
            self._notes.fail("ids", event, say("the response's id {id}", id=short(first.id)), short(found.id))

    # The end

    def _end(self, event: Seen) -> None:
        self._terminal = event
        self._same_response(event)
        response = response_of(event)
        if event.name in FAILED:
            return
        limited = event.name == "response.incomplete" or (response.limit if response else None)
        if self._comparable:
            for item in self._items.open:
                self._never_closed(event, item, limited)
        if event.name == "response.completed" and limited is False:
            for item in self._items.items:
                if item.type == "function_call" and item.done is not None:
                    note_arguments(self._notes, item.done, item.name, item.arguments)
        if self._comparable and response is not None and response.output is not None:
            compare_output(self._notes, event, self._items.items, response.output)

    def _never_closed(self, event: Seen, item: Item, limited: Optional[bool]) -> None:
        expected = say("response.output_item.done of {item} before the end", item=item.label)
        # vLLM's harmony streams leave the item open that a limit cut: it is the last one.
        cut = limited is not False and item is self._items.items[-1]
        note = self._notes.warn if cut else self._notes.lost
        note("pairing", event, expected, say("{event} without it", event=event.name))


def _call(item: Item) -> Call:
    whole = item.closed and (item.type == "custom_tool_call" or json_in(item.arguments) != "broken")
    call_id = text_in(item.final, "call_id") or item.call_id
    return Call(call_id, text_in(item.final, "name") or item.name, item.arguments, whole)


def _of_an_answer(event: Seen) -> bool:
    """An event that this grammar knows, and that carries or ends an answer; unknown ones break no rule."""
    stem = event.name.rpartition(".")[0]
    return event.name in TERMINAL or event.name in _ITEMS or stem in CHANNELS or stem in PARTS


def _place_after(stream: Stream) -> Seen:
    """A place after the last event, for what did not come."""
    return Seen(len(stream["events"]), stream["end"]["t"], "", "", {}, True, False)


def _end_of(stream: Stream) -> Words:
    """The end of a stream without a terminal event, as a sentence says it."""
    if not stream["events"]:
        return say("the end of the stream without any event")
    return say("the end of the stream after {event}", event=stream["events"][-1]["name"][:60])
