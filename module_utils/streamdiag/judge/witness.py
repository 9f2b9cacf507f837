"""What causes and rows ask of the same silence: did the server answer, did its processes run, were tokens made?"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, cast

from ..bundle import Stream
from ..clocks import BUSY_PERCENT, Clocks, Starved, read_clocks, starving
from ..responses import PREAMBLE, acting_events, name_of
from ..words import joined, say
from .facts import Facts, StreamFacts
from .silence import Silence, Standing
from .streams import tokens_asked
from .tokens import SHARED, advanced, counted, deltas, tokens_used
from .unshown import SOME

#: Tokens by which counts may differ: stop tokens, and a canary that ended in between.
SLACK = 4
#: Seconds in which gauges may still lag behind the last event.
LAG = 0.5
#: States of proc(5) in words.
_HALTED = {
    "T": say("is stopped by a signal (state T)"),
    "t": say("is stopped by a debugger (state t)"),
    "Z": say("has died (state Z)"),
    "X": say("has died (state X)"),
    "gone": say("is gone"),
}


class Gauges(NamedTuple):
    """The scheduler's gauges in one sample. ``waiting``: without the canary, as long as that may be one of them."""

    t: float
    waiting: float
    running: float


def stalled(facts: Facts) -> List[StreamFacts]:
    """The streams on loopback that fell silent for good."""
    return [s for s in facts.sent if s.stalled]


def health_silent(facts: Facts, sent: StreamFacts) -> bool:
    """``/health`` connected and was not answered, beside the silence or else around the stream."""
    beside = sent.standing.health if sent.standing else {}
    if beside:
        return set(beside) == {"no answer"}
    around = [endpoint for _file, endpoint in facts.endpoints("/health")]
    return bool(around) and all(endpoint["state"] != "ok" for endpoint in around)


def health_asked(facts: Facts, sent: StreamFacts) -> bool:
    return bool(sent.standing and sent.standing.health) or bool(facts.endpoints("/health"))


def slowest_health(sent: StreamFacts) -> float:
    """Seconds that ``/health`` took at most beside the stream; an answer that never came counts as long as waited."""
    return max((answer["seconds"] for answer in sent.stream["samples"]["health"]), default=0.0)


def clock_words(standing: Optional[Standing]) -> str:
    """The process clocks over the end of a silence, in words."""
    if starved(standing):
        return starving(starved(standing))
    return _said(standing.clocks if standing is not None else None)


def clock_words_throughout(sent: StreamFacts) -> str:
    """The process clocks over the whole of a stream, in words: its silences may be too short to tell."""
    return (
        clock_words(sent.standing)
        if starved(sent.standing)
        else _said(read_clocks(sent.stream["samples"]["processes"]))
    )


def _said(clocks: Optional[Clocks]) -> str:
    if clocks is None:
        return say("process clocks could not be read")
    if clocks.halted:
        return joined(
            ", ",
            [
                say("process {pid} ({role}) {stands}", pid=p["pid"], role=p["role"], stands=_HALTED[p["state"]])
                for p in clocks.halted
            ],
        )
    if clocks.wanted:
        return say(
            "the engine used {cpu:.2f} s of CPU time in {seconds:.0f} s, and waited {waited:.0f} s for more",
            cpu=clocks.cpu,
            seconds=clocks.seconds,
            waited=clocks.waited,
        )
    return say("the engine used {cpu:.2f} s of CPU time in {seconds:.0f} s", cpu=clocks.cpu, seconds=clocks.seconds)


def clocks_stand(standing: Optional[Standing]) -> bool:
    """The engine's processes cannot run, or did not."""
    clocks = standing.clocks if standing is not None else None
    return clocks is not None and (bool(clocks.halted) or clocks.idle)


def halted(standing: Optional[Standing]) -> bool:
    """A process of the server cannot execute anything."""
    return standing is not None and standing.clocks is not None and bool(standing.clocks.halted)


def starved(standing: Optional[Standing]) -> Sequence[Starved]:
    """The server's processes that got no CPU although they wanted it; none where one could not run anyway."""
    return standing.starved if standing is not None and not halted(standing) else ()


def cpu_limit(facts: Facts) -> str:
    """In words when systemd limits the CPU time of the unit, else ``""``."""
    quota = facts.unit.now("CPUQuotaPerSecUSec")
    if quota in ("", "infinity"):
        return ""
    return say("systemd gives the unit {quota} of CPU time per second at most (CPUQuota=)", quota=quota)


def gpu_busy(standing: Optional[Standing]) -> bool:
    """A GPU of the server worked to the end of a silence."""
    return standing is not None and standing.gpu is not None and standing.gpu >= BUSY_PERCENT


def engines(facts: Facts) -> int:
    """How many engine cores the server has: with data parallelism each request goes to one of several."""
    listed = facts.target.get("processes", {}).get("processes", [])
    return sum(1 for process in listed if process["role"] == "engine_core")


def gauges(sent: StreamFacts) -> List[Gauges]:
    """The scheduler's gauges in the longest silence; empty when they are not served."""
    if sent.silence is None:
        return []
    start, end = sent.silence.start + LAG, sent.silence.end
    inside = [m for m in sent.stream["samples"]["metrics"] if m["state"] == "ok" and start <= m["t"] <= end]
    return [
        Gauges(m["t"], max(0.0, (m.get("waiting") or 0.0) - _canary_waits(sent, m["t"])), m.get("running") or 0.0)
        for m in inside
        if m.get("waiting") is not None
    ]


def _canary_waits(sent: StreamFacts, t: float) -> int:
    """1 while the canary has been sent and has got nothing of the engine: it may be the one that waits."""
    canary = sent.stream["canary"]
    if canary is None or t < float(canary.get("sent_at") or 0.0):
        return 0
    answered = canary_answered(sent)
    return 0 if answered is not None and answered <= t else 1


def canary_answered(sent: StreamFacts) -> Optional[float]:
    """When the canary got its first event of the engine, on the clock of its stream; None when it got none."""
    canary = sent.stream["canary"]
    if canary is None:
        return None
    times = [event["t"] for event in acting_events(cast(Stream, canary)) if name_of(event) not in PREAMBLE]
    return float(canary.get("sent_at") or 0.0) + times[0] if times else None


def began(silence: Silence) -> bool:
    """The silence fell after something that only an engine can have caused, so the request waits for no turn."""
    return silence.after not in PREAMBLE | {"the headers", "connect"}


def held(sent: StreamFacts) -> float:
    """Tokens that the engine made for a silent stream and that never reached the client; 0 when there is no proof."""
    if sent.unseen is None or halted(sent.standing) or starved(sent.standing) or _stands_at_work(sent):
        return 0.0
    if any(sample.waiting for sample in gauges(sent)):
        return 0.0  # what waits in the queue has no tokens yet: they are others'
    asked = tokens_asked(sent.stream)
    if asked is not None and sent.unseen > asked + SLACK:
        return 0.0  # more than the request may have: others made them
    return sent.unseen if sent.unseen >= SOME else 0.0


def _stands_at_work(sent: StreamFacts) -> bool:
    """A request runs and no token is made: what is missing has not been made yet."""
    known = gauges(sent)
    return bool(known) and known[-1].running > 0 and sent.standing is not None and sent.standing.tokens == 0


def nobody_works_on(sent: StreamFacts) -> bool:
    """The engine answered the canary and then had no request left, while ``sent`` was open and silent."""
    standing, last = sent.standing, gauges(sent)[-4:]
    if standing is None or not standing.canary_progressed or standing.tokens:
        return False
    if halted(standing) or starved(standing):
        return False
    return len(last) == 4 and not any(sample.waiting or sample.running for sample in last)


def works_on(facts: Facts, sent: StreamFacts) -> bool:
    """The engine works on a silent stream to the very end: tokens rise, and they are not the canary's or others'."""
    standing, silence, answered = sent.standing, sent.silence, canary_answered(sent)
    if not sent.stalled or facts.traffic or standing is None or silence is None or not standing.tokens:
        return False
    canary = sent.stream["canary"] is not None
    return not canary or (answered is not None and answered < silence.end - standing.seconds)


def keeps_tokens(sent: StreamFacts) -> bool:
    """A whole answer has far more tokens than it showed, as far as deltas are tokens: it may hide a thought.

    Tokens that are parts of one character share a delta, so some are missing in many an honest answer.
    """
    used = tokens_used(sent.stream)
    if used is None or sent.protocol.tally.reasoning:
        return False
    return used - len(deltas(sent.stream)) >= max(SOME, SHARED * used)


def _served_since_the_canary(sent: StreamFacts) -> bool:
    """The engine made tokens after the canary was sent, whatever became of them, and has no request left."""
    last, canary = gauges(sent)[-1:], sent.stream["canary"]
    if canary is None or not last or last[0].waiting or last[0].running or halted(sent.standing):
        return False
    before = counted(sent.stream, 0.0, float(canary.get("sent_at") or 0.0))[-1:]
    return bool(before and advanced(sent.stream, "generation_tokens", before[0]["t"]))


def engine_lives(facts: Facts, sent: StreamFacts) -> str:
    """In words what shows that the engine steps although ``sent`` is silent, else ``""``."""
    standing = sent.standing
    if standing is not None:
        made, read, seconds = standing.tokens, standing.prompt_tokens, standing.seconds
        if made:
            return say(
                "the engine made {tokens:.0f} tokens in the last {seconds:.0f} s of the silence",
                tokens=made,
                seconds=seconds,
            )
        if read:
            return say(
                "the engine read {tokens:.0f} tokens in the last {seconds:.0f} s of the silence",
                tokens=read,
                seconds=seconds,
            )
        if standing.canary_progressed:
            return say("a canary beside the silent stream was answered")
    if held(sent):
        return say(
            "{tokens:.0f} tokens were made for {case} in its silence, so the engine did its work",
            tokens=held(sent),
            case=sent.name,
        )
    if _served_since_the_canary(sent):
        return say("tokens were made after the canary was sent, and no request is left: the engine did its work")
    later = facts.sent[facts.sent.index(sent) + 1 :] if sent in facts.sent else []
    whole = next((other.name for other in later if other.completed), "")
    return say("{case} came whole after it", case=whole) if whole else ""


def steps_again(facts: Facts, sent: StreamFacts) -> str:
    """In words what shows that the engine went on after ``sent`` had been given up, else ``""``."""
    last = [m.get("generation_tokens") for m in sent.stream["samples"]["metrics"] if m["state"] == "ok"][-1:]
    after = facts.machine.get("metrics", {}).get("generation_tokens")
    if last and last[0] is not None and after is not None and after > last[0] and not facts.vanished:
        return say(
            "{tokens:.0f} tokens were made after {case} had been given up, so it steps again",
            tokens=after - last[0],
            case=sent.name,
        )
    if facts.stall.canary_answered:
        return say("a canary was answered after {case} had been given up, so it steps again", case=sent.name)
    return ""


def paused(facts: Facts, sent: StreamFacts) -> str:
    """In words what shows that the engine of a silent stream only paused, else ``""``: nothing forbade it to run."""
    if not sent.stalled or halted(sent.standing) or health_silent(facts, sent) or engine_lives(facts, sent):
        return ""
    return steps_again(facts, sent)
