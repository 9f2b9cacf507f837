"""A stream of events before it becomes bytes."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass
class Event:
    """One server-sent event: `name` is its type ("" in chat streams), `data` its JSON object or literal text."""

    name: str
    data: dict[str, Any] | str

    def encode(self) -> bytes:
        text = self.data if isinstance(self.data, str) else dumps(self.data)
        head = f"event: {self.name}\n" if self.name else ""
        return f"{head}data: {text}\n\n".encode()


EventStream = AsyncIterator[Event]


def dumps(value: Any) -> str:
    """Compact JSON with raw non-ASCII characters, as pydantic and starlette write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
