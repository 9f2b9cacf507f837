"""Checklist, cause 1: the model does not hang in generation, it thinks: without an end, or without showing it."""

from __future__ import annotations

from ...responses import data_of
from ...words import Words, as_words, joined, say
from ..facts import Facts, StreamFacts
from ..streams import cut_by_limit, flows, tokens_asked
from ..tokens import deltas, tokens_used
from ..unshown import unshown
from ..witness import keeps_tokens, works_on
from .remedy import check
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out

#: Tokens of reasoning, for a question that needs hardly any, that healthy models stay below; see host/cases.py.
LONG_THOUGHT = 1500
#: Tokens from which on it is worth a look whether a thought repeats itself.
SOME_THOUGHT = 256
#: Characters at the end of a thought that, when they come a third time, show that it goes round in circles.
LOOP = 80


def runaway_reasoning(facts: Facts) -> Claim:
    """Whole budgets are spent on reasoning, and no word of an answer follows: a thought without an end, or a long one.

    A small budget proves little: healthy reasoning models think 500 tokens and more about a question that needs none.
    What repeats itself does not stop, and neither does what has used up three times that.
    """
    asked = [s for s in facts.sent if s.completed or flows(s.stream)]
    if not asked:
        return not_tested(say("no stream got far enough to tell"))
    endless = [s for s in asked if _only_reasoning(s)]
    if not endless:
        return ruled_out(say("every answer went beyond its reasoning, or had none"))
    long = [s for s in endless if _thought(s) >= LONG_THOUGHT]
    looping = [s for s in endless if _thought(s) >= SOME_THOUGHT and _repeats_itself(s)]
    words = joined("; ", [_thought_words(s) for s in long or endless])
    ended = next((s.name for s in asked if _went_beyond(s)), "")
    if ended:
        reason = say("{seen}; but {case} came to the end of its reasoning", seen=words, case=ended)
        return Claim(POSSIBLE, reason, about=names(endless))
    if not looping and not long:
        return Claim(POSSIBLE, say("{seen}; that may just be a long thought", seen=words), about=names(endless))
    if looping:
        summary = say(
            "The model on {host} reasons without an end, it repeats itself: {seen}", host=facts.run["host"], seen=words
        )
        return Claim(LIKELY, say("{seen}; it repeats itself", seen=words), summary, "high", about=names(endless))
    summary = say(
        "The model on {host} spends whole budgets on reasoning and comes to no answer: {seen}",
        host=facts.run["host"],
        seen=words,
    )
    return Claim(LIKELY, words, summary, "medium", about=names(endless))


def _only_reasoning(sent: StreamFacts) -> bool:
    tally = sent.protocol.tally
    cut = cut_by_limit(sent.stream) == "max_output_tokens" or flows(sent.stream)
    return tally.reasoning > 0 and not tally.text and not tally.arguments and cut


def _went_beyond(sent: StreamFacts) -> bool:
    tally = sent.protocol.tally
    return tally.reasoning > 0 and bool(tally.text or tally.arguments or sent.protocol.calls)


def _thought(sent: StreamFacts) -> int:
    """Tokens of reasoning: by the server's own usage, else one for each delta."""
    return tokens_used(sent.stream) or sent.protocol.tally.reasoning + sent.stream["dropped_events"]


def _repeats_itself(sent: StreamFacts) -> bool:
    """The end of the thought has been there before, word for word, and more than once."""
    text = "".join(str(data_of(event).get("delta", "")) for event in deltas(sent.stream))
    return len(text) > 4 * LOOP and text.count(text[-LOOP:]) > 2


def _thought_words(sent: StreamFacts) -> Words:
    asked, seconds = tokens_asked(sent.stream), sent.stream["end"]["t"]
    if flows(sent.stream):
        end = say("still going when the probe ended it after {seconds:.0f} s", seconds=seconds)
    elif asked is None:
        end = say("cut by the limit of its context")
    else:
        end = say("cut by its own limit of {asked}", asked=asked)
    return say(
        "{case}: {tokens} tokens of reasoning and no word of an answer, {end}",
        case=sent.name,
        tokens=_thought(sent),
        end=end,
    )


def reasoning_hidden(facts: Facts) -> Claim:
    """Tokens are made and the client is shown none of them, yet the answer goes on or ends well: hidden reasoning.

    ``include_reasoning: false``, a parser that drops the thought, or a filter; without tools in the request.
    """
    plain = [s for s in facts.sent if s.name in ("simple", "reasoning", "padded")]
    whole = [s for s in plain if s.completed]
    found = [(s, unshown(facts, s)) for s in whole]
    hidden = [(s, words) for s, words in found if words]
    thinking = [s for s in facts.sent if works_on(facts, s) and (s in plain or any(map(keeps_tokens, whole)))]
    if hidden or thinking:
        words = as_words(hidden[0][1]) if hidden else _thinks(thinking[0])
        summary = say(
            "The model on {host} works and its client is not shown it: {seen}", host=facts.run["host"], seen=words
        )
        about = names([*(s for s, _words in hidden), *thinking])
        return Claim(CONFIRMED if hidden else LIKELY, words, summary, "high" if hidden else "medium", about=about)
    if not whole:
        return not_tested(say("no stream without tools came to its end"))
    return ruled_out(say("what was made was shown: {cases}", cases=", ".join(names(whole))))


def _thinks(sent: StreamFacts) -> Words:
    return say(
        "{case}: {tokens:.0f} tokens in {silence:.0f} s of silence, and more to the very end of it",
        case=sent.name,
        tokens=sent.unseen or 0,
        silence=sent.silence.seconds if sent.silence else 0.0,
    )


RULES = (
    Rule(
        "runaway_reasoning",
        1,
        runaway_reasoning,
        ("fix-1", "fix-4", "step-1", "step-3", "step-5"),
        ("fix-1",),
        (
            say(
                "Have clients ask for less reasoning (reasoning.effort), or allow it more tokens where it only thinks "
                "long; check that --reasoning-parser is the one of this model."
            ),
        ),
    ),
    Rule(
        "reasoning_hidden",
        1,
        reasoning_hidden,
        ("symptom-silence", "step-1", "step-3", "fix-1"),
        ("symptom-silence",),
        (
            say(
                "Show it (no include_reasoning: false; the --reasoning-parser of this model), or have clients wait "
                "longer."
            ),
            check,
        ),
    ),
)
