"""One output item while it streams: its parts, the deltas of each, and the text that its end repeats."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .seen import Seen, number_in, text_in

CALLS = frozenset({"function_call", "custom_tool_call"})


class Channel(NamedTuple):
    """Where the deltas of one event type go. ``by``: the field that tells parts of an item apart, "" without any."""

    group: str  # content | summary | arguments | input | code: the field of the finished item
    by: str
    done: str  # the field of the ``.done`` event that repeats the text
    tally: str  # text | reasoning | arguments | ""


#: By the event's name without ``.delta`` or ``.done`` (openai-python, types/responses).
CHANNELS = {
    "response.output_text": Channel("content", "content_index", "text", "text"),
    "response.refusal": Channel("content", "content_index", "refusal", "text"),
    "response.reasoning_text": Channel("content", "content_index", "text", "reasoning"),
    "response.reasoning_summary_text": Channel("summary", "summary_index", "text", "reasoning"),
    "response.function_call_arguments": Channel("arguments", "", "arguments", "arguments"),
    "response.custom_tool_call_input": Channel("input", "", "input", "arguments"),
    "response.mcp_call_arguments": Channel("arguments", "", "arguments", "arguments"),
    "response.code_interpreter_call_code": Channel("code", "", "code", ""),
}
#: Events that open and close a part, by their name without ``.added`` or ``.done``. ``reasoning_part`` is vLLM's own,
#: in its harmony streams until it took ``content_part``.
PARTS = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}


class Part:
    """One content part, summary part, or the arguments of a call."""

    def __init__(self) -> None:
        self.opened = False  # by an event of its own; arguments have none
        self.text_done = False
        self.part_done = False
        self.deltas: List[str] = []

    @property
    def text(self) -> str:
        return "".join(self.deltas)


class Item:
    """An output item from ``output_item.added`` on."""

    def __init__(self, added: Seen) -> None:
        data = added.object("item")
        self.added = added
        self.type = text_in(data, "type") or "item"
        self.id = text_in(data, "id") or ""
        self.call_id = text_in(data, "call_id") or ""
        self.name = text_in(data, "name") or ""
        self.output_index = added.number("output_index")
        self.parts: Dict[Tuple[str, int], Part] = {}
        self.done: Optional[Seen] = None  # output_item.done
        self.readable = True  # False: a delta was no text, so nothing can be joined

    @property
    def closed(self) -> bool:
        return self.done is not None

    @property
    def final(self) -> Dict[str, Any]:
        """The finished item, ``{}`` while it is open."""
        return self.done.object("item") if self.done is not None else {}

    @property
    def label(self) -> str:
        """``function_call fc_1 (list_files)``, for a sentence."""
        name = f" ({self.name[:40]})" if self.name else ""
        return f"{self.type[:40]} {(self.id or self.call_id or '?')[:60]}{name}"

    def part(self, group: str, index: Optional[int]) -> Part:
        return self.parts.setdefault((group, index or 0), Part())

    def streamed(self, group: str) -> str:
        """The joined deltas of all parts of ``group``, in the order of their index."""
        return "".join(
            part.text for key, part in sorted(self.parts.items(), key=lambda pair: pair[0]) if key[0] == group
        )

    def has_deltas(self, group: str) -> bool:
        return any(part.deltas for key, part in self.parts.items() if key[0] == group)

    @property
    def arguments(self) -> str:
        """Of a call: what its end says, else what streamed so far."""
        group = "input" if self.type == "custom_tool_call" else "arguments"
        final = text_in(self.final, group)
        return self.streamed(group) if final is None else final


def text_of_part(part: Dict[str, Any]) -> Optional[str]:
    """The text of a content or summary part, None when it is of a kind without text."""
    text = text_in(part, "text")
    return text if text is not None else text_in(part, "refusal")


def final_texts(item: Dict[str, Any]) -> Dict[str, str]:
    """The texts of a finished item by group; a field that is absent or null says nothing and is left out."""
    found: Dict[str, str] = {}
    for group in ("content", "summary"):
        parts = item.get(group)
        if isinstance(parts, list):
            texts = [text_of_part(part) for part in parts if isinstance(part, dict)]
            found[group] = "".join(text for text in texts if text is not None)
    for group in ("arguments", "input", "code"):
        text = text_in(item, group)
        if text is not None:
            found[group] = text
    return found


def index_of(seen: Seen, field: str) -> Optional[int]:
    return number_in(seen.data, field) if field else 0
