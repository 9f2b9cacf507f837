"""Checklist, cause 4: compatibility mode blocks events. A diagnosis suspects it, an audit proves it."""

from __future__ import annotations

from typing import List

from ...bundle import Experiment
from ...responses import acting_events, name_of
from ...words import Words, joined, say
from ..commands import audit_command, restart_command
from ..facts import Facts, StreamFacts
from ..witness import held
from .remedy import check
from .rule import CONFIRMED, LIKELY, POSSIBLE, Claim, Rule, names, not_tested, ruled_out, shared_counters


def compat_mode_filtering(facts: Facts) -> Claim:
    """The mode is on, the engine makes tokens, and the events of /v1/responses do not come."""
    tried = facts.experiment
    if tried is not None and tried["change"] == "compat_off" and (tried["fixed"] or tried["failing"]):
        return _tried(facts, tried)
    mode = facts.target.get("compat_mode", "unknown")
    if mode == "unsupported":
        return ruled_out(say("this server has no compatibility mode"))
    if mode == "off":
        return ruled_out(say("compatibility mode is off by the server's command line"))
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    silent = [s for s in facts.sent if s.stalled and s.name not in ("chat", "nonstream")]
    if not silent:
        return not_tested(
            say("compatibility mode is {mode}; only a controlled restart could show its effect", mode=mode)
        )
    beside = [name for name in ("chat", "nonstream") if facts.came_whole(name)]
    made = [s for s in silent if held(s)]
    if not made and not beside:
        return not_tested(say("the stream is silent, and nothing shows that its tokens were made"))
    sent = (made or silent)[0]
    words = _filtered(sent, beside)
    where = {"server": facts.server_name, "host": facts.run["host"]}
    about = names(made or silent)
    if mode == "on":
        summary = say(
            "Compatibility mode of {server} on {host} seems to filter events: it is on, and {seen}. "
            "An audit without it proves it",
            seen=words,
            **where,
        )
        doubts = () if beside else shared_counters(facts)
        return Claim(LIKELY, say("compatibility mode is on; {seen}", seen=words), summary, "medium", doubts, about)
    if _cut_short(sent) and beside:
        reason = say("whether there is such a mode is not known; {seen}", seen=words)
        summary = say(
            "Something in {server} on {host} filters the events of /v1/responses, as compatibility mode does where a "
            "build has it: {seen}",
            seen=words,
            **where,
        )
        return Claim(LIKELY, reason, summary, "low", about=about)
    return Claim(POSSIBLE, say("if this build has such a mode: {seen}", seen=words), about=about)


def _tried(facts: Facts, tried: Experiment) -> Claim:
    """The streams were sent again and again, with the mode and without it."""
    words = say("it was switched off, and the streams were sent again: {conclusion}", conclusion=tried["summary"])
    about = tuple(tried["fixed"])
    if tried["fixed"]:
        summary = say(
            "Compatibility mode of {server} on {host} filters events: without it the streams come whole: {conclusion}",
            server=facts.server_name,
            host=facts.run["host"],
            conclusion=tried["summary"],
        )
        return Claim(CONFIRMED, words, summary, about=about)
    if tried["conclusion"] == "no difference shown":
        return ruled_out(words)
    return Claim(POSSIBLE, words)


def _filtered(sent: StreamFacts, beside: List[str]) -> Words:
    """What a silent stream got, and what came meanwhile. ``beside``: the streams past the mode that came whole."""
    words = _shown(sent)
    if held(sent):
        words = say("{seen}, while {tokens:.0f} tokens were made", seen=words, tokens=held(sent))
    if beside:
        words = say("{seen}; {cases} came whole", seen=words, cases=joined(say(" and "), beside))
    return words


def _shown(sent: StreamFacts) -> Words:
    events = acting_events(sent.stream)
    if not events:
        return say("{case} got not one event", case=sent.name)
    last = name_of(events[-1])
    if len(events) == 1:
        return say("{case} got 1 event up to {last}", case=sent.name, last=last)
    return say("{case} got {count} events up to {last}", case=sent.name, count=len(events), last=last)


def _cut_short(sent: StreamFacts) -> bool:
    """``response.created`` came alone: the API server sends ``response.in_progress`` with it, before the engine."""
    return [name_of(event) for event in acting_events(sent.stream)] == ["response.created"]


def _prove(facts: Facts) -> List[Words]:
    """Once it was tried, it is proven or it is not."""
    if facts.experiment is not None and facts.experiment["change"] == "compat_off":
        return []
    command = audit_command(facts, "compat_off")
    return [
        say(
            "Prove it (restarts the server without the mode, and back). Go on only if that is fixed:\n$ {command}",
            command=command,
        )
    ]


def _switch_off(facts: Facts) -> List[Words]:
    return [say("Switch it off (restarts the server):\n$ {command}", command=restart_command(facts, "off"))]


def _take_back(facts: Facts) -> List[Words]:
    return [say("To take that back later:\n$ {command}", command=restart_command(facts, "default"))]


RULES = (
    Rule(
        "compat_mode_filtering",
        4,
        compat_mode_filtering,
        ("fix-2", "symptom-silence", "step-1", "step-3"),
        ("symptom-silence",),
        (_prove, _switch_off, check, _take_back),
    ),
)
