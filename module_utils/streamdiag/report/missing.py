"""Which evidence a run lacks, and how the next one gets it: what an ``inconclusive`` verdict is answered with."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Tuple, cast

from ..judge.commands import diagnose_command
from ..judge.facts import Facts
from ..store import Bundle
from ..words import joined, say

#: (part of the bundle, key of a source in it) -> its name. A source has a ``state`` and a ``reason``.
_NAMES: Dict[Tuple[str, str], str] = {
    ("target", "unit"): say("the systemd unit"),
    ("target", "processes"): say("the processes"),
    ("target", "sockets"): say("the sockets"),
    ("target", "metrics"): say("/metrics"),
    ("journal", "unit"): say("the journal"),
    ("journal", "kernel"): say("the kernel log"),
    ("machine", "gpus"): say("the GPUs"),
    ("stall", "py_spy"): say("the stacks"),
}


class Missing(NamedTuple):
    """``what`` is missing and why, ``how`` to get it, both in words; ``command`` to paste, or ""."""

    what: str
    how: str
    command: str = ""


def missing_evidence(bundle: Bundle, facts: Facts) -> List[Missing]:
    """In the order of what is easiest to get; empty when every source was read and every case sent."""
    again = diagnose_command(facts)
    denied, unread = _unread(bundle)
    found: List[Missing] = []
    if denied:
        found.append(Missing(_listed(denied), say("run it again with sudo (-K asks for the password):"), f"{again} -K"))
    found += [Missing(_listed([one]), _by_hand(one[0])) for one in unread]
    bad = next(iter(facts.failing), None)
    if bad is not None and all(sample.get("generation_tokens") is None for sample in bad.stream["samples"]["metrics"]):
        what = say("the counters beside the stream {case}", case=bad.name)
        found.append(Missing(what, say("let /metrics answer at the address of the server itself, and run it again")))
    skipped = sorted(facts.run.get("skipped_cases", {}))
    if skipped and not facts.failing:
        what = say("streams that were not sent: {cases}", cases=", ".join(skipped))
        found.append(Missing(what, say("run it again:"), again))
    if not facts.public and not facts.target.get("public_url"):
        what = say("a stream through the public URL, as clients see it")
        found.append(Missing(what, say("name it:"), f"{again} -e vllm_public_url=https://HOST"))
    return found


def _unread(bundle: Bundle) -> Tuple[List[Tuple[str, str]], List[Tuple[str, str]]]:
    """The sources that may not be read, and those that cannot be, as (name, reason)."""
    denied: List[Tuple[str, str]] = []
    unread: List[Tuple[str, str]] = []
    for (part, key), name in _NAMES.items():
        whole = cast(Dict[str, Any], getattr(bundle, part) or {})
        source = whole.get(key)
        if isinstance(source, dict) and source.get("state", "ok") != "ok":
            (denied if source["state"] == "denied" else unread).append((name, str(source.get("reason", ""))))
    return denied, unread


def _listed(sources: List[Tuple[str, str]]) -> str:
    return joined("; ", [say("{source} ({reason})", source=name, reason=reason) for name, reason in sources])


def _by_hand(name: str) -> str:
    if name == _NAMES["journal", "unit"]:
        return say("read the log where the server was started to write it")
    if name == _NAMES["machine", "gpus"]:
        return say("look at the GPUs with the tool of their vendor")
    return say("run it again; if it stays so, look at it on the host")
