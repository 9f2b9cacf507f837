"""Which stream cases can still add knowledge, given how those before them ended. No judging.

A silent case costs an operator half a minute, so a case is sent when its answer would tell two explanations
apart: ``tools`` and ``reasoning`` once ``simple`` works, ``padded`` when ``codex`` alone fails, ``chat`` and
``nonstream`` when ``simple`` fails although the engine lives, ``public`` when the loopback stream works.
"""

from __future__ import annotations

from typing import Dict, List, TypedDict

from ..bundle import Stream
from ..responses import FAILED, is_streaming, progressed, terminal_name
from ..words import say
from .standstill import IN_QUEUE

#: The order in which cases are sent.
ORDER = ("simple", "tools", "reasoning", "codex", "padded", "chat", "nonstream", "tool_turn", "public")
#: Seconds of streams after which an operator at night wants the report rather than another case.
ENOUGH = 45.0


class Seen(TypedDict):
    """How a case that was sent ended. ``whole``: a whole answer came; ``settled``: why nothing can add to it, or "".

    ``stalled``: it fell silent for good, so that a closer look at the server is worth its time.
    """

    case: str
    whole: bool
    refused: bool
    settled: str
    stalled: bool
    seconds: float


def see(stream: Stream) -> Seen:
    """What the plan needs to know of a finished stream."""
    return Seen(
        case=stream["case"],
        whole=is_whole(stream),
        refused=400 <= (stream["http_status"] or 0) < 500,
        settled=settles(stream),
        stalled=stream["t_connect"] is not None and stream["end"]["how"] in ("stopped", "deadline"),
        seconds=stream["end"]["t"],
    )


def is_whole(stream: Stream) -> bool:
    """The answer came to the end that its protocol gives it, and not to one that reports an error."""
    if stream["http_status"] != 200:
        return False
    if is_streaming(stream):
        return terminal_name(stream) not in FAILED | {None}
    return stream["end"]["how"] == "closed" and bool(stream["body"])


def settles(stream: Stream) -> str:
    """Why no further case could add knowledge, or ``""``."""
    end, status, case = stream["end"], stream["http_status"], stream["case"]
    if status is None and end["how"] != "stopped":
        return say("no answer to the case {case}: {reason}", case=case, reason=end["reason"])
    if status in (401, 403, 404):
        return say(
            "the server rejects the case {case} with HTTP {status}, and so it would the others",
            case=case,
            status=status,
        )
    if is_whole(stream):
        return ""
    if end["how"] == "stopped" and (end["reason"].startswith(IN_QUEUE) or not _engine_answered_canary(stream)):
        return say("the case {case} stalled: {reason}", case=case, reason=end["reason"])
    if case == "chat" and end["how"] == "deadline" and not progressed(stream):
        return say("chat stalls like the stream before it: {reason}", reason=end["reason"])
    return ""


def _engine_answered_canary(stream: Stream) -> bool:
    """Tokens were made after the canary was sent: the engine lives, and something behind it holds the answers back."""
    sent_at = (stream["canary"] or {}).get("sent_at")
    counted = [(s["t"], s.get("generation_tokens")) for s in stream["samples"]["metrics"] if s["state"] == "ok"]
    values = [(t, tokens) for t, tokens in counted if tokens is not None]
    before = [tokens for t, tokens in values if sent_at is not None and t <= sent_at]
    return bool(before) and values[-1][1] > before[-1]


def needless(seen: List[Seen], public: bool) -> Dict[str, str]:
    """Case -> why it need not be sent, for the cases that were not. ``public``: whether a public URL was given."""
    by_case = {one["case"]: one for one in seen}
    settled = next((one["settled"] for one in seen if one["settled"]), "")
    spent = sum(one["seconds"] for one in seen)
    late = say("the streams before it took {seconds:.0f} s", seconds=spent) if spent > ENOUGH else ""
    found: Dict[str, str] = {}
    for case in ORDER:
        if case not in by_case:
            # A public URL was given to be tried: a slow server is no reason not to.
            reason = settled or (late if case != "public" else "") or _why_not(case, by_case, public)
            if reason:
                found[case] = reason
    return found


def _why_not(case: str, seen: Dict[str, Seen], public: bool) -> str:
    """Why ``case`` cannot add knowledge; ``""`` also while it is not known yet."""
    simple, tools, reasoning, codex = (seen.get(name) for name in ("simple", "tools", "reasoning", "codex"))
    if case == "public" and not public:
        return say("no public URL was given (vllm_public_url)")
    if simple is None or case == "simple":
        return ""
    if case in ("chat", "nonstream"):
        return say("simple came whole, so there are no layers to tell apart") if simple["whole"] else ""
    if not simple["whole"]:
        return say("simple fails without it, so it is not what breaks the stream")
    if case == "codex" and tools is not None and not tools["whole"]:
        return say("tools fails already, and codex has tools too")
    if case == "codex" and reasoning is not None and not reasoning["whole"]:
        return say("reasoning fails already, and codex reasons too")
    if case == "padded" and codex is not None and codex["whole"]:
        return say("codex came whole, so size breaks nothing")
    if case == "padded" and codex is None and _why_not("codex", seen, public):
        return say("codex is not sent, so there is nothing to compare it with")
    if case == "tool_turn" and tools is not None and tools["refused"]:
        return say("the server refuses tools")
    return ""
