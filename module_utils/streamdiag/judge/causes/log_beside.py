"""What the unit's log says at the time of a stream."""

from __future__ import annotations

from typing import List

from ..facts import Facts, StreamFacts

#: Seconds around a stream in which a line of the log may be about it.
AROUND = 2.0


def log_beside(facts: Facts, sent: StreamFacts) -> List[str]:
    """The lines of the unit's log at the time of a stream, in order."""
    start, end = sent.stream["at"] - AROUND, sent.stream["at"] + sent.stream["end"]["t"] + AROUND
    return [line["text"].strip() for line in facts.logs.unit_lines if start <= line["at"] <= end]


def stopped_in_order(facts: Facts, sent: StreamFacts) -> str:
    """systemd's line that it was stopping the unit while ``sent`` was open, ``""`` when it was not."""
    return next((text for text in log_beside(facts, sent) if text.startswith("Stopping ")), "")
