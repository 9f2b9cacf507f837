"""What about a request makes its stream fail: tools, reasoning, its size, the API it goes to, or the way it comes back.

The original's 2x2 of tools and reasoning, and the cases that separate size from tools and the Responses API from the
engine. Pairs of streams are compared that differ in one thing only.
"""

from __future__ import annotations

from typing import NamedTuple

from ..responses import is_streaming
from .facts import Facts, StreamFacts
from .tokens import tokens_used
from .unshown import SOME


class Localisation(NamedTuple):
    """``trigger``: what the failing requests have and the working ones have not; ``words``: the pair that shows it."""

    trigger: str
    words: str


NOWHERE = Localisation("nothing", "no stream failed")


def works(sent: StreamFacts) -> bool:
    """It came whole, by the protocol, with at least something in it."""
    tally = sent.protocol.tally
    spoke = bool(tally.text or tally.reasoning or tally.arguments or sent.protocol.calls)
    made = tokens_used(sent.stream)
    silent = not spoke and is_streaming(sent.stream) and (made is None or made >= SOME)
    return sent.completed and sent.protocol.first_fail is None and not silent


def localise(facts: Facts) -> Localisation:
    """The one thing that separates the streams that fail from those that work, as far as this run can tell."""
    state = {sent.name: works(sent) for sent in facts.everything_sent}
    bad = [name for name, good in state.items() if not good]
    if not bad:
        return NOWHERE if state else Localisation("unknown", "no stream was sent")
    if state.get("simple") is False:
        return _base(state)
    if state.get("tools") is False and state.get("reasoning") is False:
        return Localisation("tools, and reasoning", "simple works; tools fails, and reasoning fails without tools")
    if state.get("tools") is False:
        beside = "; reasoning without tools works" if state.get("reasoning") else ""
        return Localisation("tools", f"simple works, tools fails{beside}")
    if state.get("reasoning") is False:
        beside = "; tools without reasoning works" if state.get("tools") else ""
        return Localisation("reasoning", f"simple works, reasoning fails{beside}")
    if state.get("codex") is False:
        return _codex(state)
    if state.get("tool_turn") is False:
        return Localisation("the second turn", "tools works, the turn with function_call_output fails")
    if any(name.startswith("public") for name in bad):
        return Localisation("the way from the server to the client", "on loopback every stream works")
    return Localisation("unknown", "failed: " + ", ".join(bad))


def _base(state: dict[str, bool]) -> Localisation:
    if state.get("chat") and state.get("nonstream"):
        return Localisation(
            "streams of /v1/responses", "simple fails; chat works, and so does the same without a stream"
        )
    if state.get("chat"):
        return Localisation("/v1/responses", "simple fails, chat with the same prompt works")
    if state.get("nonstream"):
        return Localisation("streaming", "simple fails, the same request without a stream works")
    return Localisation("every request", "simple fails, so neither tools nor reasoning nor size is needed for it")


def _codex(state: dict[str, bool]) -> Localisation:
    alone = [name for name in ("tools", "reasoning") if state.get(name)]
    words = "; " + " and ".join(alone) + (" work alone" if len(alone) > 1 else " works alone") if alone else ""
    if state.get("padded") is False:
        return Localisation("the size of the request", "codex fails, and so does padded: as many bytes, without tools")
    if state.get("padded"):
        return Localisation("tools and reasoning together", f"codex fails; padded works with as many bytes{words}")
    return Localisation("what codex sends", f"simple works, codex fails{words}")
