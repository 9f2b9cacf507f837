"""Checklist, cause 2: the server waits for tool outputs, the client never sees the call, or no heartbeat comes."""

from __future__ import annotations

from typing import List

from ...responses import acting_events, data_of, is_chat, is_streaming, name_of
from ...words import Words, joined, say
from ..facts import Facts, StreamFacts
from ..heartbeat import ping_flag, ping_interval
from ..protocol.item import CALLS
from ..silence import pings
from ..streams import cut_by_limit, has_delta, tokens_asked
from ..tokens import tokens_used
from ..unshown import SOME
from ..witness import held, keeps_tokens, works_on
from .remedy import check_loaded, restart_edited, where_written
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out, shared_counters

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
        return not_tested(say("no stream with tools was answered"))
    simple = facts.streams.get("simple")
    if simple is None or not simple.completed or not has_delta(simple.stream):
        return ruled_out(say("the stream without tools shows no answer either"))
    found = [s for s in asked if _kept(facts, s)]
    if not found:
        return ruled_out(say("what was made with tools was shown: {cases}", cases=", ".join(names(asked))))
    sent = found[0]
    words = _kept_words(facts, sent)
    summary = say("The server on {host} does not pass tool calls on: {seen}", host=facts.run["host"], seen=words)
    if sent.completed:
        doubts = shared_counters(facts) if tokens_used(sent.stream) is None else ()
        return Claim(CONFIRMED, words, summary, "high", doubts + _may_be_thought(facts, sent), names(found))
    return _open(facts, found, words, summary)


def _kept_words(facts: Facts, sent: StreamFacts) -> Words:
    words = say(
        "{case}: {tokens:.0f} tokens, no call, no text, {end}; simple came whole",
        case=sent.name,
        tokens=_kept(facts, sent),
        end=say("then it completed") if sent.completed else say("and the stream stays silent"),
    )
    parser = facts.logs.unit.get("tool_parser")
    if parser is None:
        return words
    return joined("; ", [words, say("journal: {line}", line=" ".join(parser.lines[0]["text"].split())[:200])])


def _open(facts: Facts, found: List[StreamFacts], words: Words, summary: Words) -> Claim:
    """What a parser keeps comes to its end all the same; a stream that stays open has other explanations, too."""
    sent, about = found[0], names(found)
    if facts.target.get("compat_mode") == "on":
        reason = say("{seen}; compatibility mode is on, and may be what keeps it", seen=words)
        return Claim(POSSIBLE, reason, about=about)
    if facts.traffic and tokens_asked(sent.stream) is None:
        reason = say("{seen}; but {traffic}, so they may be others' tokens", seen=words, traffic=facts.traffic)
        return Claim(POSSIBLE, reason, about=about)
    if any(keeps_tokens(other) for other in facts.sent if other.completed) and works_on(facts, sent):
        return Claim(POSSIBLE, say("{seen}; they may be a thought that is not shown", seen=words), about=about)
    return Claim(LIKELY, words, summary, "medium", shared_counters(facts), about)


def _may_be_thought(facts: Facts, sent: StreamFacts) -> tuple[Words, ...]:
    """The doubt of a call that may never have been made, because a thought that is not shown used the budget up."""
    hides = any(keeps_tokens(facts.streams[name]) for name in ("simple", "reasoning") if facts.came_whole(name))
    if not hides or cut_by_limit(sent.stream) != "max_output_tokens":
        return ()
    return (say("answers without tools show fewer deltas than tokens, so these may be a thought that is not shown"),)


def _kept(facts: Facts, sent: StreamFacts) -> float:
    """Tokens of a stream with tools of which the client saw nothing at all; 0 when it saw some, or none were made."""
    tally = sent.protocol.tally
    if tally.text or tally.reasoning or tally.arguments or sent.protocol.calls:
        return 0.0
    if sent.stalled:
        return held(sent)
    if sent.protocol.first_fail is not None:
        return 0.0  # what is missing is in the final response: it broke the protocol, and was not kept back
    made = tokens_used(sent.stream) or (0 if facts.traffic else sent.unseen) or 0
    return float(made) if made >= SOME else 0.0


def awaiting_tool_output(facts: Facts) -> Claim:
    """A call was delivered whole, and then the server holds the stream open, as if it waited for the tool's output."""
    asked = [s for s in _with_tools(facts) if s.stream["http_status"] == 200]
    if not asked:
        return not_tested(say("no stream with tools was answered"))
    open_ = [s for s in asked if s.stalled and _ends_with_call(s)]
    if not open_:
        return ruled_out(say("no stream stayed open after a finished call"))
    sent, about = open_[0], names(open_)
    standing = sent.standing
    lives = standing is not None and (standing.canary_progressed or bool(standing.tokens))
    silence = say(
        "{case}: {silence:.0f} s of silence after a whole call of {tool}",
        case=sent.name,
        silence=sent.silence.seconds if sent.silence else 0.0,
        tool=sent.protocol.calls[-1].name,
    )
    canary = say("a canary beside it was answered") if lives else say("no canary was answered")
    words = joined("; ", [silence, canary])
    summary = say(
        "The server on {host} holds the stream open after a finished tool call: {seen}",
        host=facts.run["host"],
        seen=words,
    )
    if works_on(facts, sent):
        reason = say("{seen}; but {tokens:.0f} tokens were made after the call", seen=words, tokens=sent.unseen or 0)
        return Claim(POSSIBLE, reason, about=about)
    if facts.came_whole("tool_turn"):
        reason = say("{seen}; the second turn, with the output, came whole", seen=words)
        return Claim(CONFIRMED, reason, summary, about=about)
    if not lives:
        return Claim(POSSIBLE, words, summary, "low", about=about)
    return Claim(LIKELY, words, summary, "medium", about=about)


def _ends_with_call(sent: StreamFacts) -> bool:
    events = acting_events(sent.stream)
    whole = any(call.complete for call in sent.protocol.calls)
    if not whole or not events or name_of(events[-1]) not in _END_OF_CALL:
        return False
    item = data_of(events[-1]).get("item")
    return not isinstance(item, dict) or item.get("type") in CALLS


def no_heartbeat(facts: Facts) -> Claim:
    """A silence longer than the server's ping interval, and no ping in it. Upstream vLLM promises none."""
    accepted = [s for s in facts.sent if s.stream["http_status"] == 200 and _may_ping(s)]
    if not accepted:
        return not_tested(say("no stream was accepted"))
    interval = ping_interval(facts)
    promised = facts.target.get("compat_mode") in ("on", "off") or ping_flag(facts) is not None
    if interval <= 0:
        return ruled_out(say("the server's heartbeat is switched off"))
    quiet = [s for s in accepted if s.silence is not None and s.silence.seconds > interval + LATE]
    if not quiet:
        return not_tested(say("no silence was longer than {interval:.0f} s, so no ping was due", interval=interval))
    mute = [s for s in quiet if s.silence is not None and not pings(s.stream, s.silence.start, s.silence.end)]
    if not mute:
        return ruled_out(say("pings came in every long silence"))
    sent = mute[0]
    seconds = sent.silence.seconds if sent.silence else 0.0
    if not promised:
        reason = say(
            "{case}: no ping in a silence of {silence:.0f} s; upstream vLLM sends none on /v1/responses",
            case=sent.name,
            silence=seconds,
        )
        return Claim(POSSIBLE, reason)
    words = say(
        "{case}: no ping in a silence of {silence:.0f} s, due every {interval:.0f} s",
        case=sent.name,
        silence=seconds,
        interval=interval,
    )
    summary = say("The heartbeat of the server on {host} does not come: {seen}", host=facts.run["host"], seen=words)
    return Claim(CONFIRMED, words, summary, about=names(mute))


def _may_ping(sent: StreamFacts) -> bool:
    """The heartbeat is one of /v1/responses, in streams."""
    return is_streaming(sent.stream) and not is_chat(sent.stream)


def see_parser(facts: Facts) -> List[Words]:
    """The parser turns what the model writes into a call, and each model writes calls in its own way."""
    advice = say(
        "See that --tool-call-parser ({parser}) is the one of the model {model}; clients that send no tools are served "
        "meanwhile.",
        parser=facts.target.get("flags", {}).get("tool-call-parser") or say("none"),
        model=" ".join(facts.target.get("model", "").split()),
    )
    return list(where_written(advice)(facts))


RULES = (
    Rule(
        "tool_call_withheld",
        2,
        tool_call_withheld,
        ("symptom-silence", "step-2", "step-3"),
        ("step-3",),
        (
            see_parser,
            restart_edited,
            check_loaded,
        ),
    ),
    Rule(
        "awaiting_tool_output",
        2,
        awaiting_tool_output,
        ("symptom-silence", "step-3", "step-5"),
        ("step-3",),
        (
            where_written(
                say(
                    "Clients wait for response.completed before they run a tool: the server must end the turn after "
                    "the call. Look for --responses-tool-timeout and built-in tools on its command line."
                )
            ),
            restart_edited,
            check_loaded,
        ),
    ),
    Rule(
        "no_heartbeat",
        2,
        no_heartbeat,
        ("step-4", "symptom-silence"),
        ("step-4",),
        (
            say(
                "Look at --responses-ping-interval-seconds; Codex ignores comments, so only a data event keeps it "
                "waiting."
            ),
        ),
        contributing=True,
    ),
)
