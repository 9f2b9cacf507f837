"""Checklist, "Quick fixes": what the evidence recommends, and what it does not."""

from __future__ import annotations

from ...responses import name_of
from ...words import Words, joined, say
from ..commands import audit_command, restart_command
from ..facts import Facts, StreamFacts
from ..localise import localise, works
from ..streams import cut_by_limit, cut_early, end_is_whole, tokens_asked
from ..tokens import tokens_used
from .row import Finding, Row, skip


def reasoning_off(facts: Facts) -> Finding:
    """Recommended only when it was shown that reasoning is what breaks: the 2x2 of tools and reasoning."""
    simple, tools, reasoning = (facts.streams.get(name) for name in ("simple", "tools", "reasoning"))
    for sent, failing in (
        (simple, say("a stream without reasoning fails too")),
        (tools, say("a stream with tools and no reasoning fails too")),
    ):
        if sent is not None and not works(sent):
            quote = facts.quote_stream(sent.name, "{}; {}".format(sent.outcome, sent.stream["end"]["reason"]))
            return Finding("pass", failing, say("switching reasoning off cannot help"), [quote])
    if simple is None or reasoning is None:
        return skip(say("no pair of streams with and without reasoning was sent"))
    quotes = [facts.quote_stream(s.name, f"{s.name}: {s.outcome}") for s in (simple, reasoning)]
    if not works(reasoning):
        reason = say(
            'recommended: leave "reasoning" out of the request, or send {payload}',
            payload='"reasoning": {"effort": "none"}',
        )
        return Finding("fail", localise(facts).words, reason, quotes)
    tally = reasoning.protocol.tally
    if tally.reasoning and not tally.text:
        observed = say("{deltas} reasoning deltas and no answer", deltas=tally.reasoning)
        reason = say("worth a try: all that this request may have went into reasoning")
        return Finding("warn", observed, reason, quotes)
    observed = say("streams with and without reasoning work")
    return Finding("pass", observed, say("switching reasoning off is not needed"), quotes)


def compat_mode_off(facts: Facts) -> Finding:
    """Needs a controlled restart, which a diagnosis never does."""
    tried = facts.experiment
    if tried is not None and tried["change"] == "compat_off":
        quote = [facts.quote("experiment.json", tried["summary"])]
        if tried["fixed"]:
            reason = say("recommended, it was tried: {command}", command=restart_command(facts, "off"))
            return Finding("fail", tried["summary"], reason, quote)
        if tried["conclusion"] == "no difference shown":
            return Finding("pass", tried["summary"], say("it was tried, and shows no difference"), quote)
        return Finding("warn", tried["summary"], say("it was tried, and is not shown to help"), quote)
    mode = facts.target.get("compat_mode", "unknown")
    if mode == "unsupported":
        return skip(say("this server has no compatibility mode to switch off"))
    if mode == "off":
        on = restart_command(facts, "on")
        return skip(say("compatibility mode is off already; with it: {command}", command=on))
    known = say("whether there is such a mode is not known")
    if mode == "on":
        known = say("this server's compatibility mode is on")
    audit = audit_command(facts, "compat_off")
    return skip(say("{known}; an audit shows its effect, and takes it back: {command}", known=known, command=audit))


def debug_logging(facts: Facts) -> Finding:
    """A reversible change of the server's configuration, which a diagnosis never makes."""
    if "debug_buffering" in facts.logs.unit:
        seen = facts.logs.unit["debug_buffering"]
        quotes = [facts.quote("journal.json", line["text"]) for line in seen.lines[:2]]
        reason = say("response logging is on and holds every stream back until its end")
        return Finding("warn", seen.meaning.title, reason, quotes)
    return skip(say("not switched on by a diagnosis, which changes nothing"))


def token_limits(facts: Facts) -> Finding:
    """``max_model_len``, what was asked for, and what cut the answers short."""
    if not facts.sent:
        return skip(say("no stream was sent"))
    ended = [
        s for s in facts.sent if any(name_of(e).startswith("response.") for e in s.stream["events"]) and s.completed
    ]
    if not ended:
        return skip(say("no stream came to its end, so no limit can be seen"))
    limit = facts.target.get("flags", {}).get("max-model-len") or say("not on the command line")
    words, cut = [say("--max-model-len: {limit}", limit=limit)], []
    evidence = [facts.quote("target.json", f"max-model-len: {limit}")]
    for sent in ended:
        words.append(_tokens(sent))
        evidence.append(facts.quote_stream(sent.name, words[-1]))
        reason = cut_by_limit(sent.stream)
        if reason and (reason != "max_output_tokens" or tokens_asked(sent.stream) is None or cut_early(sent.stream)):
            cut.append(sent.name)
    observed = joined("; ", words)
    if cut:
        reason = say("cut by something else than the probe's own limit: {cases}", cases=", ".join(cut))
        return Finding("warn", observed, reason, evidence)
    return Finding("pass", observed, say("no limit but the probe's own cut an answer"), evidence)


def _tokens(sent: StreamFacts) -> Words:
    """How many tokens a stream that completed was allowed and had, and what cut it."""
    asked, used, reason = tokens_asked(sent.stream), tokens_used(sent.stream), cut_by_limit(sent.stream)
    if reason:
        ending = say("cut by {reason}", reason=reason)
    elif end_is_whole(sent.stream):
        ending = say("not cut")
    else:
        ending = say("its end is too long to tell")
    return say(
        "{case}: asked for {asked}, got {used}, {ending}",
        case=sent.name,
        asked=asked or say("no limit"),
        used="?" if used is None else used,
        ending=ending,
    )


ROWS = (
    Row("fix-1", say("Switch reasoning off"), say("not needed"), reasoning_off),
    Row("fix-2", say("Switch compatibility mode off"), say("not needed"), compat_mode_off),
    Row("fix-3", say("Debug logging of the SSE generator"), say("off"), debug_logging),
    Row(
        "fix-4", say("Token limits"), say("answers end by themselves or by the limit that was asked for"), token_limits
    ),
)
