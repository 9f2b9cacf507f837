"""Checklist, cause 2: the server waits for tool outputs, the client never sees the call, or no heartbeat comes."""

from __future__ import annotations

from typing import List

from ...responses import acting_events, name_of
from ..facts import Facts, StreamFacts
from ..heartbeat import ping_flag, ping_interval
from ..silence import pings
from ..streams import has_delta, tokens_used
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, not_tested, ruled_out, shared_counters
from .witness import HELD_TOKENS, held

#: Cases whose request has tools.
WITH_TOOLS = ("tools", "codex", "tool_turn")
_END_OF_CALL = frozenset({"response.output_item.done", "response.function_call_arguments.done"})
#: Seconds by which a heartbeat may be late.
LATE = 1.0


def _with_tools(facts: Facts) -> List[StreamFacts]:
    return [facts.streams[name] for name in WITH_TOOLS if name in facts.streams]


def tool_call_withheld(facts: Facts) -> Claim:
    """The model makes tokens, tools were asked for, and neither a call nor a word reaches the client."""
    asked = [s for s in _with_tools(facts) if s.outcome in ("completed", "incomplete", "stalled")]
    if not asked:
        return not_tested("no stream with tools was answered")
    simple = facts.streams.get("simple")
    if simple is None or not simple.completed or not has_delta(simple.stream):
        return ruled_out("the stream without tools shows no answer either")
    for sent in asked:
        made = _kept(facts, sent)
        if not made:
            continue
        ending = "then it completed" if sent.completed else "and the stream stays silent"
        words = f"{sent.name}: {made:.0f} tokens, no call, no text, {ending}; simple came whole"
        parser = facts.logs.unit.get("tool_parser")
        if parser is not None:
            words += "; journal: " + " ".join(parser.lines[0]["text"].split())[:200]
        summary = f"The server on {facts.run['host']} does not pass tool calls on: {words}"
        return Claim(CONFIRMED, words, summary, "high", () if tokens_used(sent.stream) else shared_counters(facts))
    return ruled_out("what was made with tools was shown: " + ", ".join(s.name for s in asked))


def _kept(facts: Facts, sent: StreamFacts) -> float:
    """Tokens of a stream with tools of which the client saw nothing at all; 0 when it saw some, or none were made."""
    tally = sent.protocol.tally
    if tally.text or tally.reasoning or tally.arguments or sent.protocol.calls:
        return 0.0
    if sent.stalled:
        return 0.0 if facts.traffic and not facts.came_whole("simple") else held(sent)
    made = tokens_used(sent.stream) or (0 if facts.traffic else sent.unseen) or 0
    return float(made) if made >= HELD_TOKENS else 0.0


def awaiting_tool_output(facts: Facts) -> Claim:
    """A call was delivered whole, and then the server holds the stream open, as if it waited for the tool's output."""
    asked = [s for s in _with_tools(facts) if s.stream["http_status"] == 200]
    if not asked:
        return not_tested("no stream with tools was answered")
    open_ = [s for s in asked if s.stalled and _ends_with_call(s)]
    if not open_:
        return ruled_out("no stream stayed open after a finished call")
    sent = open_[0]
    standing = sent.standing
    lives = standing is not None and (standing.canary_progressed or bool(standing.tokens))
    seconds = sent.silence.seconds if sent.silence else 0.0
    words = f"{sent.name}: {seconds:.0f} s of silence after a whole call of {sent.protocol.calls[-1].name}"
    words += "; a canary beside it was answered" if lives else "; no canary was answered"
    summary = f"The server on {facts.run['host']} holds the stream open after a finished tool call: {words}"
    if not lives and not facts.came_whole("tool_turn"):
        return Claim(POSSIBLE, words, summary, "low")
    if facts.came_whole("tool_turn"):
        return Claim(CONFIRMED, words + "; the second turn, with the output, came whole", summary)
    return Claim(LIKELY, words, summary, "medium")


def _ends_with_call(sent: StreamFacts) -> bool:
    events = acting_events(sent.stream)
    whole = any(call.complete for call in sent.protocol.calls)
    return whole and bool(events) and name_of(events[-1]) in _END_OF_CALL


def no_heartbeat(facts: Facts) -> Claim:
    """A silence longer than the server's ping interval, and no ping in it. Upstream vLLM promises none."""
    accepted = [s for s in facts.sent if s.stream["http_status"] == 200 and s.name != "nonstream"]
    if not accepted:
        return not_tested("no stream was accepted")
    interval = ping_interval(facts)
    promised = facts.target.get("compat_mode") in ("on", "off") or ping_flag(facts) is not None
    if interval <= 0:
        return ruled_out("the server's heartbeat is switched off")
    quiet = [s for s in accepted if s.silence is not None and s.silence.seconds > interval + LATE]
    if not quiet:
        return not_tested(f"no silence was longer than {interval:.0f} s, so no ping was due")
    mute = [s for s in quiet if s.silence is not None and not pings(s.stream, s.silence.start, s.silence.end)]
    if not mute:
        return ruled_out("pings came in every long silence")
    sent = mute[0]
    seconds = sent.silence.seconds if sent.silence else 0.0
    words = f"{sent.name}: no ping in a silence of {seconds:.0f} s"
    if not promised:
        return Claim(POSSIBLE, words + "; upstream vLLM sends none on /v1/responses")
    words += f", due every {interval:.0f} s"
    return Claim(CONFIRMED, words, f"The heartbeat of the server on {facts.run['host']} does not come: {words}")


RULES = (
    Rule(
        "tool_call_withheld",
        2,
        tool_call_withheld,
        ("symptom-silence", "step-2", "step-3"),
        ("step-3",),
        "Check that --tool-call-parser is the one of this model; until then clients can do without tools.",
    ),
    Rule(
        "awaiting_tool_output",
        2,
        awaiting_tool_output,
        ("symptom-silence", "step-3", "step-5"),
        ("step-3",),
        "Clients wait for response.completed before they run a tool: the server must end the turn after the call. "
        "Look for --responses-tool-timeout and built-in tools on its command line.",
    ),
    Rule(
        "no_heartbeat",
        2,
        no_heartbeat,
        ("step-4", "symptom-silence"),
        ("step-4",),
        "Look at --responses-ping-interval-seconds; Codex ignores comments, so only a data event keeps it waiting.",
        contributing=True,
    ),
)
