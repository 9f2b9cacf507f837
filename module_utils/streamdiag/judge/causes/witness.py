"""What several causes ask of the same silence: did the server answer, did its processes run, were tokens made?"""

from __future__ import annotations

from typing import List, Optional

from ..facts import Facts, StreamFacts
from ..silence import Standing
from ..streams import tokens_asked

#: Tokens that were made and not shown, from which on something keeps an answer. A call's own markup has about a dozen.
HELD_TOKENS = 16
#: Tokens by which counts may differ: stop tokens, and a canary that ended in between.
SLACK = 4
#: A canary asks for this many tokens; they are counted with those of the stream it was sent beside.
CANARY_TOKENS = 16
#: States of proc(5) in words.
_HALTED = {
    "T": "is stopped by a signal (state T)",
    "t": "is stopped by a debugger (state t)",
    "Z": "has died (state Z)",
    "X": "has died (state X)",
    "gone": "is gone",
}


def stalled(facts: Facts) -> List[StreamFacts]:
    """The streams on loopback that fell silent for good."""
    return [s for s in facts.sent if s.stalled]


def health_silent(facts: Facts, sent: StreamFacts) -> bool:
    """``/health`` connected and was not answered, beside the stream or else around it."""
    beside = sent.standing.health if sent.standing else {}
    if beside:
        return set(beside) == {"no answer"}
    around = [endpoint for _file, endpoint in facts.endpoints("/health")]
    return bool(around) and all(endpoint["state"] != "ok" for endpoint in around)


def health_asked(facts: Facts, sent: StreamFacts) -> bool:
    return bool(sent.standing and sent.standing.health) or bool(facts.endpoints("/health"))


def clock_words(standing: Optional[Standing]) -> str:
    """The process clocks over the end of a silence, in words."""
    if standing is None or standing.clocks is None:
        return "process clocks were not readable"
    if standing.clocks.halted:
        return ", ".join(
            "process {} ({}) {}".format(p["pid"], p["role"], _HALTED[p["state"]]) for p in standing.clocks.halted
        )
    return f"{standing.clocks.cpu:.2f} s of CPU time in {standing.clocks.seconds:.0f} s"


def clocks_stand(standing: Optional[Standing]) -> bool:
    """The engine's processes cannot run, or did not."""
    clocks = standing.clocks if standing is not None else None
    return clocks is not None and (bool(clocks.halted) or clocks.idle)


def halted(standing: Optional[Standing]) -> bool:
    """A process of the server cannot execute anything."""
    return standing is not None and standing.clocks is not None and bool(standing.clocks.halted)


def held(sent: StreamFacts) -> float:
    """Tokens that the engine made for a silent stream and that never reached the client; 0 when there is no proof."""
    if sent.unseen is None or any(waiting for waiting, _running in waiting_in_silence(sent)):
        return 0.0  # what waits in the queue has no tokens yet: they are others'
    tokens = sent.unseen - (CANARY_TOKENS if sent.stream["canary"] is not None else 0)
    asked = tokens_asked(sent.stream)
    if asked is not None and tokens > asked + SLACK:
        return 0.0  # more than the request may have: others made them
    return tokens if tokens >= HELD_TOKENS else 0.0


def nobody_works_on(sent: StreamFacts) -> bool:
    """The engine answered the canary and then had no request left, while ``sent`` was open and silent."""
    standing, queue = sent.standing, waiting_in_silence(sent)[-4:]
    if standing is None or not standing.canary_progressed or standing.tokens or halted(standing):
        return False
    return len(queue) == 4 and not any(waiting or running for waiting, running in queue)


def waiting_in_silence(sent: StreamFacts) -> List[tuple[float, float]]:
    """(waiting, running) of each sample of the scheduler's gauges in the longest silence."""
    if sent.silence is None:
        return []
    inside = [
        m
        for m in sent.stream["samples"]["metrics"]
        if m["state"] == "ok" and sent.silence.start + 0.5 <= m["t"] <= sent.silence.end
    ]
    return [(m.get("waiting") or 0.0, m.get("running") or 0.0) for m in inside if m.get("waiting") is not None]
