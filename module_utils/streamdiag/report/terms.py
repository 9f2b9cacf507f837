"""The ids of the contract that a reader sees (statuses, states, outcomes, words of a comparison), as words to be said.

Files and programs keep the id; English shows it as it is, and a catalogue of texts says it in another language.
"""

from __future__ import annotations

from ..judge.streams import OUTCOMES
from ..words import Words, say

_STATUS = (say("healthy"), say("degraded"), say("broken"), say("unreachable"), say("inconclusive"))
_CONFIDENCE = (say("high"), say("medium"), say("low"))
_CHECK = (say("pass"), say("warn"), say("fail"), say("skip"), say("error"))
_CAUSE = (say("confirmed"), say("likely"), say("possible"), say("ruled_out"), say("not_tested"))
_OUTCOME = (*OUTCOMES.values(), say("not sent"))
_ARRIVAL = (
    say("one_by_one"),
    say("by_count"),
    say("fixed_size"),
    say("bursts"),
    say("at_end"),
    say("too_short"),
    say("none"),
)
_COMPAT_MODE = (say("on"), say("off"), say("unsupported"), say("unknown"))
_COMPARISON = (
    say("fixed"),
    say("broken by the change"),
    say("flaky"),
    say("no difference shown"),
    say("fixed in part"),
    say("broken in part"),
    say("mixed"),
    say("slower"),
    say("faster"),
)
_ARM = (say("before"), say("after"))
#: ``part`` of a change in ``audit.json``.
_PART = (
    say("verdict"),
    say("localisation"),
    say("target"),
    say("cause"),
    say("check"),
    say("stream"),
    say("skipped case"),
    say("tool error"),
)

#: Of numbers in a report.
_UNIT = (say("s"), say("ms"))

#: id -> the same to be said in a language.
TERMS = {
    str(word): word
    for group in (
        *(_STATUS, _CONFIDENCE, _CHECK, _CAUSE, _OUTCOME, _ARRIVAL, _COMPAT_MODE),
        *(_COMPARISON, _ARM, _PART, _UNIT),
    )
    for word in group
}


def term(value: object) -> object:
    """``value`` as ``Words`` where it is an id that is known; anything else is data and passes as it is."""
    if isinstance(value, Words) or not isinstance(value, str):
        return value
    return TERMS.get(value, value)


def terms_within(text: str) -> str:
    """``text``, an id or several that were joined, with each of them as ``Words``."""
    if not isinstance(text, Words):
        return TERMS.get(text, text)
    return say(text.template, **{name: term(value) for name, value in text.values.items()})
