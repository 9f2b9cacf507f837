"""Checklist, "Quick fixes": what the evidence recommends, and what it does not."""

from __future__ import annotations

from ...responses import name_of
from ..causes.rule import audit_command, restart_command
from ..facts import Facts
from ..localise import localise, works
from ..streams import cut_by_limit, cut_early, end_is_whole, tokens_asked
from ..tokens import tokens_used
from .row import Finding, Row, skip


def reasoning_off(facts: Facts) -> Finding:
    """Recommended only when it was shown that reasoning is what breaks: the 2x2 of tools and reasoning."""
    simple, tools, reasoning = (facts.streams.get(name) for name in ("simple", "tools", "reasoning"))
    for sent, what in ((simple, "a stream without reasoning"), (tools, "a stream with tools and no reasoning")):
        if sent is not None and not works(sent):
            quote = facts.quote_stream(sent.name, "{}; {}".format(sent.outcome, sent.stream["end"]["reason"]))
            return Finding("pass", f"{what} fails too", "switching reasoning off cannot help", [quote])
    if simple is None or reasoning is None:
        return skip("no pair of streams with and without reasoning was sent")
    quotes = [facts.quote_stream(s.name, f"{s.name}: {s.outcome}") for s in (simple, reasoning)]
    if not works(reasoning):
        payload = 'leave "reasoning" out of the request, or send "reasoning": {"effort": "none"}'
        return Finding("fail", localise(facts).words, f"recommended: {payload}", quotes)
    tally = reasoning.protocol.tally
    if tally.reasoning and not tally.text:
        observed = f"{tally.reasoning} reasoning deltas and no answer"
        return Finding("warn", observed, "worth a try: all that this request may have went into reasoning", quotes)
    return Finding("pass", "streams with and without reasoning work", "switching reasoning off is not needed", quotes)


def compat_mode_off(facts: Facts) -> Finding:
    """Needs a controlled restart, which a diagnosis never does."""
    tried = facts.experiment
    if tried is not None and tried["change"] == "compat_off":
        quote = [facts.quote("experiment.json", tried["summary"])]
        if tried["fixed"]:
            words = "recommended, it was tried: " + restart_command(facts, "off")
            return Finding("fail", tried["summary"], words, quote)
        if tried["conclusion"] == "no difference shown":
            return Finding("pass", tried["summary"], "it was tried, and shows no difference", quote)
        return Finding("warn", tried["summary"], "it was tried, and is not shown to help", quote)
    mode = facts.target.get("compat_mode", "unknown")
    if mode == "unsupported":
        return skip("this server has no compatibility mode to switch off")
    if mode == "off":
        return skip("compatibility mode is off already; with it: " + restart_command(facts, "on"))
    said = "this server's compatibility mode is on" if mode == "on" else "whether there is such a mode is not known"
    return skip(f"{said}; an audit shows its effect, and takes it back: {audit_command(facts, 'compat_off')}")


def debug_logging(facts: Facts) -> Finding:
    """A reversible change of the server's configuration, which a diagnosis never makes."""
    if "debug_buffering" in facts.logs.unit:
        seen = facts.logs.unit["debug_buffering"]
        quotes = [facts.quote("journal.json", line["text"]) for line in seen.lines[:2]]
        return Finding(
            "warn", seen.meaning.title, "response logging is on and holds every stream back until its end", quotes
        )
    return skip("not switched on by a diagnosis, which changes nothing")


def token_limits(facts: Facts) -> Finding:
    """``max_model_len``, what was asked for, and what cut the answers short."""
    if not facts.sent:
        return skip("no stream was sent")
    limit = facts.target.get("flags", {}).get("max-model-len") or "not on the command line"
    words, evidence, cut = (
        [f"--max-model-len: {limit}"],
        [facts.quote("target.json", f"max-model-len: {limit}")],
        [],
    )
    ended = [
        s for s in facts.sent if any(name_of(e).startswith("response.") for e in s.stream["events"]) and s.completed
    ]
    if not ended:
        return skip("no stream came to its end, so no limit can be seen")
    for sent in ended:
        asked, used = tokens_asked(sent.stream), tokens_used(sent.stream)
        reason = cut_by_limit(sent.stream)
        ending = (
            "cut by " + reason if reason else "not cut" if end_is_whole(sent.stream) else "its end is too long to tell"
        )
        words.append(f"{sent.name}: asked for {asked or 'no limit'}, got {'?' if used is None else used}, {ending}")
        evidence.append(facts.quote_stream(sent.name, words[-1]))
        if reason and (reason != "max_output_tokens" or asked is None or cut_early(sent.stream)):
            cut.append(sent.name)
    if cut:
        return Finding(
            "warn", "; ".join(words), "cut by something else than the probe's own limit: " + ", ".join(cut), evidence
        )
    return Finding("pass", "; ".join(words), "no limit but the probe's own cut an answer", evidence)


ROWS = (
    Row("fix-1", "Switch reasoning off", "not needed", reasoning_off),
    Row("fix-2", "Switch compatibility mode off", "not needed", compat_mode_off),
    Row("fix-3", "Debug logging of the SSE generator", "off", debug_logging),
    Row("fix-4", "Token limits", "answers end by themselves or by the limit that was asked for", token_limits),
)
