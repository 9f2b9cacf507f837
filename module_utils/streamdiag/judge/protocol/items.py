"""The output items of a Responses stream: opened, filled with parts and deltas, closed, each agreeing with itself.

A server is allowed its own numbering of parts (vLLM's harmony streams count ``content_index`` through all items).
"""

from __future__ import annotations

from typing import Dict, List, Optional

from ...words import Words, say
from .item import CHANNELS, PARTS, Channel, Item, final_texts, index_of, text_of_part
from .notes import Notes
from .seen import Seen, short, text_in
from .shapes import Tally


class ItemsReader:
    """Feed it the whole events between ``response.created`` and the terminal one."""

    def __init__(self, notes: Notes, comparable: bool) -> None:
        self._notes = notes
        self._comparable = comparable
        self._counts = {"text": 0, "reasoning": 0, "arguments": 0}
        self.items: List[Item] = []

    def feed(self, event: Seen) -> None:
        if event.name == "response.output_item.added":
            self._item_added(event)
        elif event.name == "response.output_item.done":
            self._item_done(event)
        else:
            self._inside_an_item(event)

    @property
    def open(self) -> List[Item]:
        return [item for item in self.items if not item.closed]

    def tally(self) -> Tally:
        opened: Dict[str, int] = {}
        closed: Dict[str, int] = {}
        for item in self.items:
            opened[item.type] = opened.get(item.type, 0) + 1
            if item.closed:
                closed[item.type] = closed.get(item.type, 0) + 1
        return Tally(opened=opened, closed=closed, **self._counts)

    # Opened and closed

    def _item_added(self, event: Seen) -> None:
        item = Item(event)
        twin = next((other for other in self.items if item.id and other.id == item.id), None)
        if twin is not None:
            seen = say("{id} again", id=short(item.id))
            self._notes.fail("ids", event, say("an id of its own for every item"), seen)
        before = [other.output_index for other in self.items if other.output_index is not None]
        if item.output_index is not None and before and item.output_index <= max(before):
            expected = say("an output_index above {index}", index=max(before))
            self._notes.warn("output_index", event, expected, str(item.output_index))
        self.items.append(item)

    def _item_done(self, event: Seen) -> None:
        final = event.object("item")
        item = self._item_for_done(event, final)
        if item is None:
            expected = say("response.output_item.added of {item} before its end", item=_label(final))
            self._unpaired(event, expected, say("its end only"))
            item = Item(event)
            item.readable = False  # nothing of it was streamed: that is said already
            self.items.append(item)
        elif item.closed:
            self._unpaired(event, say("one end of {item}", item=item.label), say("another one"))
            return
        item.done = event
        for key in ("id", "call_id", "name", "type"):
            self._agree(event, key, getattr(item, key), text_in(final, key) or "")
        if self._comparable:
            self._parts_closed(event, item)
            for group, text in final_texts(final).items():
                self._joined(event, item, group, item.streamed(group), text)

    def _item_for_done(self, event: Seen, final: Dict[str, object]) -> Optional[Item]:
        """By its id, else the open one at its index, else the only open one of its type: ids may be what is wrong."""
        item = self._find(text_in(final, "id")) or self._find(text_in(final, "call_id"))
        if item is not None:
            return item
        index = event.number("output_index")
        there = [other for other in self.open if index is not None and other.output_index == index]
        alike = [other for other in self.open if other.type == final.get("type")]
        if there:
            return there[-1]
        return alike[0] if len(alike) == 1 else None

    def _find(self, name: Optional[str]) -> Optional[Item]:
        """The item called ``name``, the open and the later one first. llama.cpp calls items by their call_id."""
        named = [item for item in self.items if name and name in (item.id, item.call_id)]
        still_open = [item for item in named if not item.closed]
        found = still_open or named
        return found[-1] if found else None

    def _agree(self, event: Seen, key: str, first: str, then: str) -> None:
        if first and then and first != then:
            rule = "ids" if key in ("id", "call_id") else "pairing"
            expected = say("{key} {value} as in response.output_item.added", key=key, value=short(first))
            self._notes.fail(rule, event, expected, short(then))

    def _unpaired(self, event: Seen, expected: str, seen: str) -> None:
        if self._comparable and self._notes.first("pairing", expected):
            self._notes.fail("pairing", event, expected, seen)

    # Inside an item

    def _inside_an_item(self, event: Seen) -> None:
        stem, _dot, verb = event.name.rpartition(".")
        channel = CHANNELS.get(stem)
        if channel is not None and verb in ("delta", "done"):
            item = self._item_of(event)
            if verb == "delta" and channel.tally:
                self._counts[channel.tally] += 1
            if item is not None:
                (self._delta if verb == "delta" else self._text_done)(event, item, channel)
        elif stem in PARTS and verb in ("added", "done"):
            item = self._item_of(event)
            if item is not None:
                self._part(event, item, verb)

    def _item_of(self, event: Seen) -> Optional[Item]:
        """The open item that the event belongs to; whatever is wrong with that is noted."""
        name, index = event.text("item_id"), event.number("output_index")
        item = self._find(name)
        if item is None:
            there = [other for other in self.open if index is None or other.output_index == index]
            item = there[-1] if there else None
            if item is None:
                whose = short(name) if name else say("its item")
                expected = say("response.output_item.added of {item} first", item=whose)
                self._unpaired(event, expected, say("{event} without it", event=event.name))
                return None
            if name and item.id and self._notes.first("ids", item.id):
                self._notes.fail("ids", event, say("item_id {id} of the open item", id=short(item.id)), short(name))
        elif item.closed:
            self._unpaired(event, say("nothing of {item} after its end", item=item.label), event.name)
            return None
        if index is not None and item.output_index not in (None, index) and self._notes.first("output_index", item.id):
            expected = say("output_index {index} of its item", index=item.output_index)
            self._notes.warn("output_index", event, expected, str(index))
        return item

    def _delta(self, event: Seen, item: Item, channel: Channel) -> None:
        text = event.text("delta")
        if text is None:
            item.readable = False
            return
        part = item.part(channel.group, index_of(event, channel.by))
        if channel.by and not (part.opened and not part.part_done):
            self._nesting(event, item, say("the part of a delta open"), say("{event} outside of it", event=event.name))
        part.deltas.append(text)

    def _text_done(self, event: Seen, item: Item, channel: Channel) -> None:
        part = item.part(channel.group, index_of(event, channel.by))
        part.text_done = True
        text = event.text(channel.done)
        if text is not None and self._comparable:
            self._joined(event, item, channel.group, part.text, text)

    def _part(self, event: Seen, item: Item, verb: str) -> None:
        group, field = PARTS[event.name.rpartition(".")[0]]
        part = item.part(group, index_of(event, field))
        if verb == "added":
            if part.opened:
                self._nesting(event, item, say("a part opened once"), say("{event} again", event=event.name))
            part.opened = True
            return
        if not part.opened or part.part_done:
            self._nesting(event, item, say("the end of an open part"), event.name)
        part.part_done = True
        text = text_of_part(event.object("part"))
        if text is not None and self._comparable:
            self._joined(event, item, group, part.text, text)

    def _parts_closed(self, event: Seen, item: Item) -> None:
        """Every part that streamed was ended before its item was."""
        texts = any(part.deltas and not part.text_done for part in item.parts.values())
        parts = any(part.opened and not part.part_done for part in item.parts.values())
        if not (texts or parts):
            return
        if texts and parts:
            expected = say("its part's and its text's done event before response.output_item.done")
        elif texts:
            expected = say("its text's done event before response.output_item.done")
        else:
            expected = say("its part's done event before response.output_item.done")
        self._nesting(event, item, expected, say("the item's end only"))

    def _nesting(self, event: Seen, item: Item, expected: Words, seen: str) -> None:
        if self._comparable and self._notes.first("nesting", f"{item.added.place} {expected}"):
            self._notes.warn("nesting", event, say("{expected} ({item})", expected=expected, item=item.label), seen)

    def _joined(self, event: Seen, item: Item, group: str, deltas: str, text: str) -> None:
        """The deltas of a part or an item, joined, are the text that its end repeats."""
        if deltas == text or not item.readable or not self._notes.first("joined_text", f"{item.added.place} {group}"):
            return
        if group == "input" and deltas.endswith(text):
            return  # vLLM sends a custom tool's input again in full when its parser changed its mind
        expected = say("the {count} characters of the joined deltas ({item})", count=len(deltas), item=item.label)
        seen = say("{count} characters, parting at character {at}", count=len(text), at=_parting(deltas, text))
        # Others may send an item in one piece, without deltas: nothing is lost then.
        note = self._notes.lost if item.has_deltas(group) else self._notes.fail
        note("joined_text", event, expected, seen)


def _label(final: Dict[str, object]) -> str:
    return f"{str(final.get('type', 'item'))[:40]} {str(final.get('id', '?'))[:60]}"


def _parting(deltas: str, text: str) -> int:
    """The character at which two texts part, counted from one."""
    return 1 + next((i for i, (a, b) in enumerate(zip(deltas, text)) if a != b), min(len(deltas), len(text)))
