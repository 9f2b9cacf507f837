"""Checklist, cause 4: compatibility mode blocks events. A diagnosis suspects it, an audit proves it."""

from __future__ import annotations

from ...bundle import Experiment
from ...responses import acting_events, name_of
from ..facts import Facts, StreamFacts
from ..witness import held
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out, shared_counters


def compat_mode_filtering(facts: Facts) -> Claim:
    """The mode is on, the engine makes tokens, and the events of /v1/responses do not come."""
    tried = facts.experiment
    if tried is not None and tried["change"] == "compat_off" and (tried["fixed"] or tried["failing"]):
        return _tried(facts, tried)
    mode = facts.target.get("compat_mode", "unknown")
    if mode == "unsupported":
        return ruled_out("this server has no compatibility mode")
    if mode == "off":
        return ruled_out("compatibility mode is off by the server's command line")
    if not facts.sent:
        return not_tested("no stream was sent")
    silent = [s for s in facts.sent if s.stalled and s.name not in ("chat", "nonstream")]
    if not silent:
        return not_tested(f"compatibility mode is {mode}; only a controlled restart could show its effect")
    beside = [name for name in ("chat", "nonstream") if facts.came_whole(name)]
    made = [s for s in silent if held(s)]
    if not made and not beside:
        return not_tested("the stream is silent, and nothing shows that its tokens were made")
    sent = (made or silent)[0]
    words = _shown(sent)
    if held(sent):
        words += f", while {held(sent):.0f} tokens were made"
    if beside:
        words += "; {} came whole".format(" and ".join(beside))
    about = names(made or silent)
    if mode == "on":
        summary = (
            f"Compatibility mode of {facts.server_name} on {facts.run['host']} seems to filter events: it is on, and "
            f"{words}. An audit without it proves it"
        )
        doubts = () if beside else shared_counters(facts)
        return Claim(LIKELY, f"compatibility mode is on; {words}", summary, "medium", doubts, about)
    if _cut_short(sent) and beside:
        summary = (
            f"Something in {facts.server_name} on {facts.run['host']} filters the events of /v1/responses, as "
            f"compatibility mode does where a build has it: {words}"
        )
        return Claim(LIKELY, f"whether there is such a mode is not known; {words}", summary, "low", about=about)
    return Claim(POSSIBLE, f"if this build has such a mode: {words}", about=about)


def _tried(facts: Facts, tried: Experiment) -> Claim:
    """The streams were sent again and again, with the mode and without it."""
    words = f"it was switched off, and the streams were sent again: {tried['summary']}"
    about = tuple(tried["fixed"])
    if tried["fixed"]:
        summary = (
            f"Compatibility mode of {facts.server_name} on {facts.run['host']} filters events: without it the streams "
            f"come whole: {tried['summary']}"
        )
        return Claim(CONFIRMED, words, summary, about=about)
    if tried["conclusion"] == "no difference shown":
        return ruled_out(words)
    return Claim(POSSIBLE, words)


def _shown(sent: StreamFacts) -> str:
    events = acting_events(sent.stream)
    if not events:
        return f"{sent.name} got not one event"
    count = "1 event" if len(events) == 1 else f"{len(events)} events"
    return f"{sent.name} got {count} up to {name_of(events[-1])}"


def _cut_short(sent: StreamFacts) -> bool:
    """``response.created`` came alone: the API server sends ``response.in_progress`` with it, before the engine."""
    return [name_of(event) for event in acting_events(sent.stream)] == ["response.created"]


RULES = (
    Rule(
        "compat_mode_filtering",
        4,
        compat_mode_filtering,
        ("symptom-silence", "step-1", "step-3", "fix-2"),
        ("symptom-silence",),
        "{compat_proof}Switch it off, as the operator's checklist says:\n{compat_off}\nand back:\n{compat_default}",
    ),
)
