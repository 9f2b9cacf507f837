"""What about a request makes its stream fail: tools, reasoning, its size, the API it goes to, or the way it comes back.

The original's 2x2 of tools and reasoning, and the cases that separate size from tools and the Responses API from the
engine. Pairs of streams are compared that differ in one thing only.
"""

from __future__ import annotations

from typing import NamedTuple

from ..responses import is_streaming
from ..words import Words, say
from .facts import Facts, StreamFacts
from .tokens import tokens_used
from .unshown import SOME


class Localisation(NamedTuple):
    """``trigger``: what the failing requests have and the working ones have not; ``words``: the pair that shows it."""

    trigger: str
    words: str


NOWHERE = Localisation(say("nothing"), say("no stream failed"))


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
        return NOWHERE if state else Localisation(say("unknown"), say("no stream was sent"))
    if state.get("simple") is False:
        return _base(state)
    if state.get("tools") is False or state.get("reasoning") is False:
        return _tools_or_reasoning(state)
    if state.get("codex") is False:
        return _codex(state)
    if state.get("tool_turn") is False:
        return Localisation(say("the second turn"), say("tools works, the turn with function_call_output fails"))
    if any(name.startswith("public") for name in bad):
        return Localisation(say("the way from the server to the client"), say("on loopback every stream works"))
    return Localisation(say("unknown"), say("failed: {cases}", cases=", ".join(bad)))


def _base(state: dict[str, bool]) -> Localisation:
    if state.get("chat") and state.get("nonstream"):
        return Localisation(
            say("streams of /v1/responses"), say("simple fails; chat works, and so does the same without a stream")
        )
    if state.get("chat"):
        return Localisation(say("/v1/responses"), say("simple fails, chat with the same prompt works"))
    if state.get("nonstream"):
        return Localisation(say("streaming"), say("simple fails, the same request without a stream works"))
    return Localisation(
        say("every request"), say("simple fails, so neither tools nor reasoning nor size is needed for it")
    )


def _tools_or_reasoning(state: dict[str, bool]) -> Localisation:
    tools, reasoning = state.get("tools"), state.get("reasoning")
    if tools is False and reasoning is False:
        return Localisation(
            say("tools, and reasoning"), say("simple works; tools fails, and reasoning fails without tools")
        )
    if tools is False:
        alone = say("simple works, tools fails")
        return Localisation(
            say("tools"), say("{pair}; reasoning without tools works", pair=alone) if reasoning else alone
        )
    alone = say("simple works, reasoning fails")
    return Localisation(say("reasoning"), say("{pair}; tools without reasoning works", pair=alone) if tools else alone)


def _codex(state: dict[str, bool]) -> Localisation:
    if state.get("padded") is False:
        return Localisation(
            say("the size of the request"), say("codex fails, and so does padded: as many bytes, without tools")
        )
    if state.get("padded"):
        pair = say("codex fails; padded works with as many bytes")
        return Localisation(say("tools and reasoning together"), _works_alone(state, pair))
    return Localisation(say("what codex sends"), _works_alone(state, say("simple works, codex fails")))


def _works_alone(state: dict[str, bool], pair: Words) -> Words:
    """``pair``, and what of the codex request works by itself."""
    alone = [name for name in ("tools", "reasoning") if state.get(name)]
    if len(alone) > 1:
        return say("{pair}; tools and reasoning work alone", pair=pair)
    return say("{pair}; {case} works alone", pair=pair, case=alone[0]) if alone else pair
