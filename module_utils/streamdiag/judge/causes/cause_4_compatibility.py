"""Checklist, cause 4: compatibility mode blocks events. A diagnosis suspects it, a restart proves it."""

from __future__ import annotations

from ..facts import Facts
from ..streams import has_delta
from .rule import LIKELY, POSSIBLE, Claim, Rule, not_tested, ruled_out
from .witness import held


def compat_mode_filtering(facts: Facts) -> Claim:
    """The mode is on, the engine makes tokens, and the events of /v1/responses do not come."""
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
    sent = silent[0]
    beside = [name for name in ("chat", "nonstream") if facts.came_whole(name)]
    if not held(sent) and not beside:
        return not_tested("the stream is silent, and nothing shows that its tokens were made")
    shown = "nothing of it" if not has_delta(sent.stream) else "not all of it"
    words = f"{sent.name}: compatibility mode is {mode}; {held(sent):.0f} tokens were made, {shown} was sent"
    if beside:
        words += "; {} came whole".format(" and ".join(beside))
    if mode != "on":
        return Claim(POSSIBLE, words)
    summary = (
        f"Compatibility mode of {facts.server_name} on {facts.run['host']} seems to filter events: {words}. "
        "A restart without it proves it"
    )
    return Claim(LIKELY, words, summary, "medium")


RULES = (
    Rule(
        "compat_mode_filtering",
        4,
        compat_mode_filtering,
        ("symptom-silence", "step-1", "step-3", "fix-2"),
        ("symptom-silence",),
        "Try a server without it, as the operator's checklist says: --no-responses-compatibility-mode. {restart}",
    ),
)
