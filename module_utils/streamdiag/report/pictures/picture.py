"""A picture of a report: a file beside it, and the same as text in it."""

from __future__ import annotations

from typing import NamedTuple

#: The folder beside the report that pictures are written to.
PICTURES = "pictures"


class Picture(NamedTuple):
    """``svg``: the picture, readable on light and on dark; ``text``: what it shows, lines of at most 78 characters."""

    name: str  # of its file, without ".svg": that of the stream, as ``simple`` or ``public-gzip``
    alt: str  # what it shows in one sentence (Words)
    svg: str
    text: str

    @property
    def path(self) -> str:
        """Relative to the report."""
        return f"{PICTURES}/{self.name}.svg"
