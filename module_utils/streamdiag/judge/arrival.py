"""How the deltas of a stream arrived: one by one, or held back by something between the engine and the client.

A probe that gets no CPU for a while finds everything at once in its socket, and that looks exactly like buffering. So
a pause counts only as far as the probe looked and found nothing (``not_before`` of a read), and deltas count as held
back only when they came faster than any engine makes them. What cannot be told is ``too_short``, never a fault.
"""

from __future__ import annotations

import math
from itertools import groupby
from statistics import median
from typing import Dict, List, NamedTuple, Optional

from ..bundle import Event, Read, Stream
from ..responses import PREAMBLE, acting_events, data_of, name_of, terminal_name
from ..words import Words, say
from .tokens import advanced

#: What a stream is called whose deltas reach the client as they are made, and what one whose deltas do not.
FLOWING = frozenset({"one_by_one", "by_count"})
HELD_BACK = frozenset({"at_end", "bursts", "fixed_size"})

#: Fewer deltas show no pattern. A short answer of 33 tokens has this many with ``--stream-interval 10``.
MIN_DELTAS = 5
#: Deltas in fewer reads than this may be one pause of the probe or of the machine, and what piled up meanwhile.
MIN_READS = 4
#: Tokens per second that no engine makes for one request. A 0.4 MB model on vLLM 0.32 made 600, and large ones make
#: fewer; what such an answer was held back for came at 2800 (``VLLM_DEBUG_LOG_API_SERVER_RESPONSE``) and more.
FASTEST = 1500.0
#: Seconds for which a whole answer must have been held back. Less is no harm, and an answer of 50 ms shows nothing.
MIN_HOLD = 0.1
#: The part of its time in which a stream that came at its end may come. 0.02 to 0.08 were measured.
AT_END_SHARE = 0.25
#: Seconds between two bursts. A real server on a machine with too few CPUs paused for up to 0.08 between two deltas
#: as seen by a probe that always got a CPU, and did so now and then, not before each burst.
MIN_PAUSE = 0.25
#: The part of the deltas that must have come in bursts; what a single stall of a network held back is less.
BURST_SHARE = 0.9
#: Seconds of silence that are taken as such where the evidence does not say when the probe looked and found nothing.
#: A probe without CPU, beside a healthy server, found 1.4 s of deltas at once.
UNPROVEN_PAUSE = 2.0
#: Seconds from the last look to a read from which on the probe is called blind; it looks every 0.01.
BLIND = 0.1
#: Bytes. Smaller pieces hold back a delta or two; vLLM's deltas have about 200.
MIN_PIECE = 1024
#: Where only one piece is full, its size must be one that programs choose for buffers: a power of two from here on.
MIN_SINGLE_PIECE = 4096
#: From so many tokens for one delta on, deltas come by count. Bytes of one character, parsers and speculative decoding
#: make 1 to 3 (1.1 to 1.2 was measured for plain text); ``--stream-interval 5`` makes 4.8.
BY_COUNT = 3.0


class Arrival(NamedTuple):
    """``pattern``: one_by_one | by_count | fixed_size | bursts | at_end | too_short | none. Times are in seconds.

    ``deltas_per_read``: the median. ``span``: from the first delta to the last. ``piece_size``: bytes, of fixed_size.
    ``longest_pause``, ``median_pause``: between reads that brought deltas, as the probe saw them. ``blind``: how long
    the probe had not looked, in all, before reads that it made late.
    """

    pattern: str
    words: str
    deltas: int
    reads: int
    deltas_per_read: float
    span: float
    tokens_per_delta: Optional[float]
    piece_size: Optional[int]
    longest_pause: float
    median_pause: float
    blind: float


class _Clump(NamedTuple):
    """Deltas that came together: after ``after``, and the first and last of them seen at ``first`` and ``last``."""

    after: float
    first: float
    last: float
    deltas: int

    def made_within(self, tokens: float) -> bool:
        """An engine may have made ``tokens`` in the time in which these deltas came."""
        return tokens < FASTEST * (self.last - self.after)


def read_arrival(stream: Stream) -> Arrival:
    """The arrival pattern of ``stream``. Never raises for what is missing in it."""
    events = acting_events(stream)
    deltas = [event for event in events if name_of(event).endswith((".delta", ".chunk"))]
    clumps = _by_read(stream, deltas)
    count = len(deltas) + (stream.get("dropped_events") or 0)  # what was dropped is the middle: deltas
    tokens = _tokens(stream, deltas)
    pauses = _pauses(stream, clumps)
    last = clumps[-1].last if clumps else 0.0
    seen = Arrival(
        pattern="none",
        words=say("no delta came"),
        deltas=count if deltas else 0,
        reads=len(clumps),
        deltas_per_read=float(median(clump.deltas for clump in clumps)) if clumps else 0.0,
        span=round(last - clumps[0].first, 6) if clumps else 0.0,
        tokens_per_delta=round(tokens / count, 2) if tokens and count else None,
        piece_size=None,
        longest_pause=round(max(pauses, default=0.0), 6),
        median_pause=round(median(pauses), 6) if pauses else 0.0,
        blind=_blind(stream, last),
    )
    if not deltas:
        return seen
    if count < MIN_DELTAS:
        words = say("{deltas}: too few to tell how they arrive", deltas=_deltas(count))
        return seen._replace(pattern="too_short", words=words)
    return (
        _at_end(seen, stream, events, clumps, tokens)
        or _fixed_size(seen, stream)
        or _bursts(seen, clumps)
        or _unclear(seen, clumps)
        or _by_count(seen, deltas, tokens)
        or _one_by_one(seen)
    )


def compare_arrival(loopback: Arrival, public: Arrival) -> Optional[str]:
    """In words how the public stream is held back where that on loopback is not; None when it is not."""
    if loopback.pattern not in FLOWING or public.pattern not in HELD_BACK:
        return None
    return say("{public}; on loopback {loopback}", public=public.words, loopback=loopback.words)


# The patterns, in the order in which they are looked for


def _at_end(
    seen: Arrival, stream: Stream, events: List[Event], clumps: List[_Clump], tokens: Optional[float]
) -> Optional[Arrival]:
    """Nothing, and then everything from the very first event on, faster than it can have been made."""
    whole = _Clump(_came_after(stream, events[0]), _t(events[0]), clumps[-1].last, seen.deltas)
    start = _start(stream)
    hold, took = whole.after - start, whole.last - whole.after
    # Behind response.created come all tokens, those that show in no delta too.
    made = max(seen.deltas, tokens or 0.0) if name_of(events[0]) in PREAMBLE else seen.deltas
    if hold < MIN_HOLD or took > AT_END_SHARE * (whole.last - start) or whole.made_within(made):
        return None
    words = say(
        "nothing came for {hold}, then {first} and all {deltas} deltas within {within}",
        hold=_time(hold),
        first=name_of(events[0]),
        deltas=seen.deltas,
        within=_time(whole.last - whole.first),
    )
    return seen._replace(pattern="at_end", words=words)


def _fixed_size(seen: Arrival, stream: Stream) -> Optional[Arrival]:
    """The sender's chunks have one size, whatever the events: the network can cut a chunk, and never joins two."""
    headers = stream.get("response_headers") or {}
    if "chunked" not in headers.get("transfer-encoding", "") or headers.get("content-encoding"):
        return None  # the pieces are then those of the network, or of the decompression
    sizes = [piece.get("size", 0) for piece in stream.get("pieces") or []]
    events = len(stream.get("events") or []) + (stream.get("dropped_events") or 0)
    if not sizes or 2 * len(sizes) > events:
        return None
    total, end, ends = sum(sizes), 0, set()
    for size in sizes:
        end += size
        ends.add(end)
    powers = [2**n for n in range(20, 1, -1) if 2**n >= MIN_SINGLE_PIECE]
    for size in [max(sizes), *powers]:
        full = (total - 1) // size if size >= MIN_PIECE else 0
        if not full or (full == 1 and size not in powers) or len(sizes) > 3 * (full + 1):
            continue
        if all(size * n in ends for n in range(1, full + 1)):
            words = say(
                "{bytes} of body came in pieces of {size} bytes ({full} full), whatever the events; "
                "{deltas} deltas in {reads}",
                bytes=say("{count} byte", count=total) if total == 1 else say("{count} bytes", count=total),
                size=size,
                full=full,
                deltas=seen.deltas,
                reads=_reads(seen),
            )
            return seen._replace(pattern="fixed_size", words=words, piece_size=size)
    return None


def _bursts(seen: Arrival, clumps: List[_Clump]) -> Optional[Arrival]:
    """Clumps of deltas, each faster than it can have been made, each after a pause in which nothing came."""
    bursts: List[_Clump] = []
    for clump in clumps:
        if bursts and clump.after - bursts[-1].last < MIN_PAUSE:
            joined = bursts.pop()
            bursts.append(joined._replace(last=clump.last, deltas=joined.deltas + clump.deltas))
        else:
            bursts.append(clump)
    held = [burst for burst in bursts if not burst.made_within(burst.deltas)]
    if len(held) < 2 or sum(burst.deltas for burst in held) < BURST_SHARE * sum(clump.deltas for clump in clumps):
        return None
    words = say(
        "{deltas} deltas came in {bursts} bursts of about {size:.0f}, each within {within}, about {pause} apart",
        deltas=seen.deltas,
        bursts=len(held),
        size=median(burst.deltas for burst in held),
        within=_time(max(burst.last - burst.first for burst in held)),
        pause=_time(median(after.first - before.last for before, after in zip(bursts, bursts[1:]))),
    )
    return seen._replace(pattern="bursts", words=words)


def _unclear(seen: Arrival, clumps: List[_Clump]) -> Optional[Arrival]:
    """Too few reads to see a flow; or most came faster than they can have been made, and what held them is not seen."""
    paces = [(after.first - before.first) / after.deltas for before, after in zip(clumps, clumps[1:])]
    if seen.reads >= MIN_READS and FASTEST * median(paces) > 1:
        return None
    words = say(
        "{deltas} deltas came in {reads} within {span}: too little to tell how they arrive",
        deltas=seen.deltas,
        reads=_reads(seen),
        span=_time(seen.span),
    )
    if seen.blind:
        words = say("{arrival} (the probe itself got no CPU for {blind})", arrival=words, blind=_time(seen.blind))
    return seen._replace(pattern="too_short", words=words)


def _by_count(seen: Arrival, deltas: List[Event], tokens: Optional[float]) -> Optional[Arrival]:
    """One delta for several tokens. Calls do not count: their names and brackets are tokens that no delta shows."""
    if tokens is None or seen.tokens_per_delta is None or seen.tokens_per_delta < BY_COUNT:
        return None
    if any("arguments" in name_of(event) or "tool_call" in name_of(event) for event in deltas):
        return None
    words = say(
        "{deltas} deltas for {tokens:.0f} tokens, about {each:.0f} each, came in {reads} over {span}, "
        "as with --stream-interval",
        deltas=seen.deltas,
        tokens=tokens,
        each=(tokens - 1) / (seen.deltas - 1),  # vLLM sends the first token alone
        reads=_reads(seen),
        span=_time(seen.span),
    )
    return seen._replace(pattern="by_count", words=words)


def _one_by_one(seen: Arrival) -> Arrival:
    words = say(
        "{deltas} deltas came in {reads} over {span}, the longest pause {pause}",
        deltas=seen.deltas,
        reads=_reads(seen),
        span=_time(seen.span),
        pause=_time(seen.longest_pause),
    )
    return seen._replace(pattern="one_by_one", words=words)


# What they are read from


def _t(event: Event) -> float:
    return event.get("t") or 0.0


def _start(stream: Stream) -> float:
    return stream.get("t_connect") or 0.0


def _came_after(stream: Stream, event: Event) -> float:
    """When at the earliest ``event`` can have come, by the read that brought it, in seconds."""
    reads, index = stream.get("reads") or [], event.get("read", -1)
    if not 0 <= index < len(reads):
        return _start(stream)
    before = (reads[index - 1].get("t") or 0.0) if index else 0.0
    t = reads[index].get("t") or 0.0
    known = _not_before(reads[index])
    if known is None:
        known = t if t - before >= UNPROVEN_PAUSE else before
    return max(_start(stream), min(known, _t(event)))


def _by_read(stream: Stream, deltas: List[Event]) -> List[_Clump]:
    """The deltas of each read as one clump."""
    found: List[_Clump] = []
    for _read, group in groupby(deltas, key=lambda event: event.get("read", -1)):
        together = list(group)
        found.append(_Clump(_came_after(stream, together[0]), _t(together[0]), _t(together[-1]), len(together)))
    return found


def _pauses(stream: Stream, clumps: List[_Clump]) -> List[float]:
    """Seconds between reads with deltas. Where events were dropped, between all reads: a gap would be our own."""
    if not stream.get("dropped_events"):
        times = [clump.first for clump in clumps]
    else:
        times = [read.get("t") or 0.0 for read in stream.get("reads") or []]
        times = [t for t in times if clumps and clumps[0].first <= t <= clumps[-1].first]
    return [max(0.0, after - before) for before, after in zip(times, times[1:])]


def _blind(stream: Stream, until: float) -> float:
    """Seconds before ``until`` for which the probe did not look, and then read; 0 where the evidence does not say."""
    late = 0.0
    for read in stream.get("reads") or []:
        t, known = read.get("t") or 0.0, _not_before(read)
        unseen = t - max(known, _start(stream)) if known is not None else 0.0
        if unseen >= BLIND and t <= until:
            late += unseen
    return round(late, 6)


def _not_before(read: Read) -> Optional[float]:
    """The time up to which the probe looked and found nothing; None where the evidence does not say."""
    known: object = read.get("not_before")
    return float(known) if isinstance(known, (int, float)) else None


def _tokens(stream: Stream, deltas: List[Event]) -> Optional[float]:
    """Tokens that were made for this stream: as its terminal event says, else by the server's counters.

    None when neither is known, or others were served at the same time, or the answer is not whole.
    """
    if terminal_name(stream) is None:
        return None
    usage = _usage(stream)
    used = _number(usage.get("output_tokens")) or _number(usage.get("completion_tokens"))
    if used:
        details = usage.get("output_tokens_details")
        hidden = _number(details.get("reasoning_tokens")) if isinstance(details, dict) else 0.0
        shown = any("reasoning" in name_of(event) for event in deltas)
        return used if shown or hidden >= used else used - hidden
    samples = stream.get("samples") or {}
    metrics = [sample for sample in samples.get("metrics") or [] if sample.get("state") == "ok"]
    ours = 2 if stream.get("canary") else 1
    if not metrics or any((sample.get("running") or 0) + (sample.get("waiting") or 0) > ours for sample in metrics):
        return None
    made = advanced(stream, "generation_tokens")
    return made or None


def _usage(stream: Stream) -> Dict[str, object]:
    """The usage that the end of the stream tells: of the response (Responses API), of the last chunks (chat)."""
    for event in reversed(acting_events(stream)[-3:]):
        data = data_of(event)
        response = data.get("response")
        usage = response.get("usage") if isinstance(response, dict) else data.get("usage")
        if isinstance(usage, dict):
            return usage
    return {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def _time(seconds: float) -> Words:
    if seconds >= 1:
        return say("{seconds:.1f} s", seconds=seconds)
    # At least 1 ms: clocks cannot tell less from the time that reading takes.
    return say("{milliseconds:.0f} ms", milliseconds=1 if seconds < 0.0015 else seconds * 1000)


def _deltas(count: int) -> Words:
    return say("{count} delta", count=count) if count == 1 else say("{count} deltas", count=count)


def _reads(seen: Arrival) -> Words:
    count = seen.reads
    return say("{count} read", count=count) if count == 1 else say("{count} reads", count=count)
