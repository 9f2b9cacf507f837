"""The checklist's good run beside what one stream really brought, event by event.

Nothing is judged here: where a stream deviates is what its protocol, its silences, its arrival and its outcome say
already. Names and data of events are the server's, so they stand in fields of their own; the rest is said in words.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from ..bundle import Event, Stream
from ..judge.arrival import HELD_BACK
from ..judge.facts import SLOW, Facts, StreamFacts
from ..judge.protocol.item import CALLS, CHANNELS
from ..judge.protocol.seen import json_in, text_in
from ..judge.silence import Silence, silences
from ..responses import FAILED, TERMINAL, data_of, is_chat, is_heartbeat, is_streaming, name_of
from ..words import joined, say

#: Characters of what deltas or arguments said.
PREVIEW = 48
#: Deltas of a run whose text is read for the preview.
_READ = 12
_EVENT_STREAM = "HTTP 200 text/event-stream"


class Line(NamedTuple):
    """``expected``: what a good run sends here, "" for what it may send besides. ``seen``: name of what came, or "".

    ``times`` events in a run from ``first`` to ``last`` (seconds since the start, None for what did not come).
    ``detail``: in words. ``quote``: data of the server. ``deviation``: in words, "" where there is none.
    """

    expected: str
    seen: str = ""
    times: int = 1
    first: Optional[float] = None
    last: Optional[float] = None
    detail: str = ""
    quote: str = ""
    deviation: str = ""


class Beside(NamedTuple):
    """One stream beside the good run. ``first``: the place in ``lines`` of the first deviation, None without one."""

    name: str
    lines: List[Line]
    first: Optional[int]


class _Step(NamedTuple):
    """A step of the good run; ``names`` of its events, ``item`` types that an item event must carry ("" for any)."""

    words: str
    names: Tuple[str, ...]
    item: Tuple[str, ...] = ()


class _Run(NamedTuple):
    """Events of one kind in a row, from index ``start`` on."""

    start: int
    events: List[Event]


_BEGINNING = (
    _Step("response.created", ("response.created",)),
    _Step("response.in_progress", ("response.in_progress",)),
)
_REASONING = _Step(
    "response.reasoning_text.delta …",
    tuple(f"{name}.delta" for name, channel in CHANNELS.items() if channel.tally == "reasoning"),
)
_TEXT = _Step(
    "response.output_text.delta …",
    tuple(f"{name}.delta" for name, channel in CHANNELS.items() if channel.tally == "text"),
)
_CALL = (
    _Step("response.output_item.added (function_call)", ("response.output_item.added",), tuple(CALLS)),
    _Step(
        "response.function_call_arguments.delta …",
        tuple(f"{name}.delta" for name, channel in CHANNELS.items() if channel.tally == "arguments"),
    ),
    _Step("response.output_item.done (function_call)", ("response.output_item.done",), tuple(CALLS)),
)
#: Whatever ends a stream stands beside the good end.
_END = _Step("response.completed", tuple(sorted(TERMINAL)))
_CHAT = (_Step("chat.completion.chunk …", ("chat.completion.chunk",)), _Step("[DONE]", ("[DONE]",)))


def telling(facts: Facts, named: Iterable[str] = ()) -> Optional[StreamFacts]:
    """The stream that shows most: one that fails, else one that deviates, else ``codex`` or ``tools``.

    ``named``: streams that the verdict's evidence names; they go before others of the same kind.
    """
    sent, first = facts.everything_sent, set(named)
    bad = {one.name for one in facts.failing}
    wrong = {one.name for one in sent if deviates(one)}
    usual = [facts.streams[name] for name in ("codex", "tools", "simple") if name in facts.streams]
    for names in (bad & first, bad, wrong & first, wrong):
        for one in sent:
            if one.name in names:
                return one
    return next(iter(usual or sent), None)


def deviates(sent: StreamFacts) -> bool:
    """Something about this stream is not as in a good run."""
    return bool(
        _head_deviation(sent) or sent.protocol.deviations or _silence(sent) or sent.arrival.pattern in HELD_BACK
    )


def beside(sent: StreamFacts, most: int) -> Beside:
    """``sent`` beside the good run in about ``most`` lines; what is left out is counted in one of them."""
    stream = sent.stream
    lines = [_head(sent)]
    if is_streaming(stream) and stream["http_status"] == 200:
        lines += _events(sent)
    else:
        lines += _ending(sent)
    lines = _elided(lines, most)
    return Beside(sent.name, lines, next((place for place, line in enumerate(lines) if line.deviation), None))


def _steps(stream: Stream) -> List[_Step]:
    if is_chat(stream):
        return list(_CHAT)
    body = stream.get("request_body")
    asked: Dict[str, Any] = body if isinstance(body, dict) else {}
    reasoning = asked.get("reasoning")
    thinks = isinstance(reasoning, dict) and reasoning.get("effort") != "none"
    names = {name_of(event) for event in stream["events"]}
    called = any(_item_type(event) in CALLS for event in stream["events"])
    # A model that is free to call may answer in words; what came tells which of the two runs this is.
    must = bool(asked.get("tools")) and (asked.get("tool_choice") == "required" or not _has(names, _TEXT))
    answers = not called and not must
    return [*_BEGINNING, *([_REASONING] if thinks else []), *([_TEXT] if answers else _CALL), _END]


def _has(names: Iterable[str], step: _Step) -> bool:
    return bool(set(names) & set(step.names))


def _item_type(event: Event) -> str:
    if not name_of(event).startswith("response.output_item."):
        return ""
    item = data_of(event).get("item")
    return (text_in(item, "type") or "") if isinstance(item, dict) else ""


# The lines


def _head(sent: StreamFacts) -> Line:
    """The line of the answer's status and headers."""
    stream, status = sent.stream, sent.stream["http_status"]
    expected = _EVENT_STREAM if is_streaming(stream) else "HTTP 200 application/json"
    if status is None:
        return Line(expected, detail=say("did not come"), deviation=_head_deviation(sent))
    kind = stream["response_headers"].get("content-type", "").partition(";")[0]
    seen = f"HTTP {status} {kind}".strip()
    quote = stream["body"][:400] if status != 200 or is_streaming(stream) else ""
    return Line(expected, seen, 1, stream["t_headers"], stream["t_headers"], "", quote, _head_deviation(sent))


def _head_deviation(sent: StreamFacts) -> str:
    stream, status = sent.stream, sent.stream["http_status"]
    if sent.outcome == "unreachable":
        return say("no connection: {reason}", reason=stream["end"]["reason"])
    if status is None:
        return say(
            "no headers in {seconds:.1f} s: {reason}", seconds=stream["end"]["t"], reason=stream["end"]["reason"]
        )
    if status != 200:
        return say("HTTP {status} instead of a stream", status=status)
    return ""


def _events(sent: StreamFacts) -> List[Line]:
    """The events in runs, each at its step of the good run; steps that did not come stand where they were due."""
    steps, met, lines = _steps(sent.stream), 0, []
    came = [False] * len(steps)
    marks, silence = _marks(sent), _silence(sent)
    for run in _runs(sent):
        if silence is not None and run.events[0]["t"] >= silence.end > silence.start:
            lines.append(_silent(sent, silence))
            silence = None
        place = _place(steps, run.events[0], met)
        if place is not None and place > met:
            lines += _missing(steps, came, place)
            met = place
        if place is not None:
            came[place] = True
        lines.append(_line(run, steps[place].words if place is not None else "", marks))
    if silence is not None:
        lines.append(_silent(sent, silence))
    lines = _joined(lines, _missing(steps, came, len(steps)))
    return lines + _ending(sent, marks.get(len(sent.stream["events"]), ""))


def _joined(lines: List[Line], missing: List[Line]) -> List[Line]:
    """``missing`` behind ``lines``; a silence at the end stands beside the first of what it came instead of."""
    if missing and lines and lines[-1].deviation and not lines[-1].seen:
        return [*lines[:-1], lines[-1]._replace(expected=missing[0].expected), *missing[1:]]
    return lines + missing


def _place(steps: List[_Step], event: Event, met: int) -> Optional[int]:
    """The step that ``event`` belongs to: the next of its kind, or one that came before and comes again."""
    places: List[int] = [*range(met, len(steps)), *range(met - 1, -1, -1)]
    for place in places:
        step = steps[place]
        if name_of(event) in step.names and (not step.item or _item_type(event) in step.item):
            return place
    return None


def _missing(steps: List[_Step], came: List[bool], until: int) -> List[Line]:
    """Lines of the steps before ``until`` that did not come; each is said once."""
    found = [place for place in range(until) if not came[place]]
    for place in found:
        came[place] = True
    return [Line(steps[place].words, detail=say("did not come")) for place in found]


def _runs(sent: StreamFacts) -> List[_Run]:
    """Events of one name in a row; a run is broken where something deviates and where the silence lies."""
    marks, silence = _marks(sent), _silence(sent)
    found: List[_Run] = []
    for index, event in enumerate(sent.stream["events"]):
        last = found[-1].events[-1] if found else None
        paused = silence is not None and last is not None and last["t"] <= silence.start < silence.end <= event["t"]
        same = last is not None and _kind(last) == _kind(event)
        if same and not paused and index not in marks:
            found[-1].events.append(event)
        else:
            found.append(_Run(index, [event]))
    return found


def _kind(event: Event) -> Tuple[str, str]:
    name = name_of(event)
    # Items are told apart by what they carry, so each of them is a line; heartbeats go by any name.
    return (
        ("heartbeat", "")
        if is_heartbeat(event)
        else (name, event["data"] if name.endswith((".added", ".done")) else "")
    )


def _marks(sent: StreamFacts) -> Dict[int, str]:
    """Index of an event -> in words what deviates there; the number of events for what did not come."""
    found: Dict[int, List[str]] = {}
    for deviation in (sent.protocol.first, sent.protocol.first_fail):
        if deviation is not None:
            words = say("expected {expected}, saw {seen}", expected=deviation.expected, seen=deviation.seen)
            if words not in found.setdefault(deviation.index, []):
                found[deviation.index].append(words)
    if sent.arrival.pattern in HELD_BACK:
        deltas = (n for n, event in enumerate(sent.stream["events"]) if _is_delta(event))
        found.setdefault(next(deltas, 0), []).append(sent.arrival.words)
    failed = next((n for n, event in enumerate(sent.stream["events"]) if name_of(event) in FAILED), None)
    if failed is not None:
        found.setdefault(failed, []).append(say("the server says that it failed"))
    return {index: joined("; ", words) for index, words in found.items()}


def _is_delta(event: Event) -> bool:
    return name_of(event).endswith(".delta") or name_of(event) == "chat.completion.chunk"


def _line(run: _Run, expected: str, marks: Dict[int, str]) -> Line:
    first, last = run.events[0], run.events[-1]
    detail = say("heartbeat") if is_heartbeat(first) else _item(first)
    quote = _preview(run.events) if _is_delta(first) else _arguments(first)
    return Line(
        expected, name_of(first), len(run.events), first["t"], last["t"], detail, quote, marks.get(run.start, "")
    )


def _item(event: Event) -> str:
    """What an item event carries: of a call its name and its id, and whether its arguments are whole."""
    kind, item = _item_type(event), data_of(event).get("item", {})
    if not kind:
        return ""
    if kind not in CALLS:
        return kind
    call = say("{type} {name}, call id {id}", type=kind, name=text_in(item, "name"), id=text_in(item, "call_id"))
    if not name_of(event).endswith(".done") or kind != "function_call":
        return call
    if json_in(text_in(item, "arguments") or "") == "broken":
        return say("{call}, arguments that are no JSON", call=call)
    return say("{call}, arguments that are whole JSON", call=call)


def _arguments(event: Event) -> str:
    if _item_type(event) in CALLS and name_of(event).endswith(".done"):
        item = data_of(event)["item"]
        return _cut(text_in(item, "arguments") or text_in(item, "input") or "")
    if name_of(event) in ("error", "response.error", "response.failed"):
        return _cut(event["data"], 200)
    return ""


def _preview(events: List[Event]) -> str:
    """What the first deltas of a run say."""
    return _cut("".join(map(_delta, events[:_READ])), longer=len(events) > _READ)


def _delta(event: Event) -> str:
    data = data_of(event)
    choices = data.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        data = choices[0]
    delta = data.get("delta")
    if isinstance(delta, dict):
        delta = delta.get("content")
    return delta if isinstance(delta, str) else ""


def _cut(text: str, most: int = PREVIEW, longer: bool = False) -> str:
    """The beginning of ``text``; an ellipsis says that there is more."""
    return text[:most] + "…" if len(text) > most or (longer and text) else text


# Silence and the end


def _silence(sent: StreamFacts) -> Optional[Silence]:
    """The silence that a reader has to see: that in which the stream ended, or the longest when it is a long one."""
    if sent.stream["t_headers"] is None or not is_streaming(sent.stream) or sent.stream["http_status"] != 200:
        return None
    if sent.stalled:
        return silences(sent.stream)[-1]
    return sent.silence if sent.silence is not None and sent.silence.seconds > SLOW else None


def _silent(sent: StreamFacts, silence: Silence) -> Line:
    words = say("silence for {seconds:.1f} s", seconds=silence.seconds)
    if silence.end >= sent.stream["end"]["t"]:
        words = say("{silence}, then {end}", silence=words, end=_end_words(sent))
        return Line("", first=silence.start, last=silence.end, quote=sent.stream["end"]["reason"], deviation=words)
    return Line("", first=silence.start, last=silence.end, deviation=words)


def _ending(sent: StreamFacts, deviation: str = "") -> List[Line]:
    """How it ended, where no event of the protocol ended it; a stall has said so with its silence."""
    stream, end = sent.stream, sent.stream["end"]
    if sent.protocol.terminal and not deviation:
        return []
    if sent.stalled or stream["http_status"] is None or (not is_streaming(stream) and end["how"] == "closed"):
        return []
    if stream["http_status"] != 200 and not deviation:
        return []
    return [Line("", first=end["t"], last=end["t"], detail=_end_words(sent), quote=end["reason"], deviation=deviation)]


def _end_words(sent: StreamFacts) -> str:
    how = sent.stream["end"]["how"]
    if how in ("deadline", "stopped"):
        return say("ended by the probe")
    return say("the server ended the answer") if how == "closed" else say("the connection broke")


def _elided(lines: List[Line], most: int) -> List[Line]:
    """``lines``, but of many only the first, the last, and those that deviate with the line before them."""
    if len(lines) <= most:
        return lines
    half = most // 2
    first = next((place for place, line in enumerate(lines) if line.deviation), 0)
    keep = {*range(half), *range(len(lines) - half, len(lines)), first - 1, first} - {-1}
    found: List[Line] = []
    gap = 0
    for place, line in enumerate(lines):
        if place not in keep:
            gap += line.times if line.seen else 0
            continue
        if gap:
            found.append(Line("", detail=say("more events, not shown: {count}", count=gap)))
            gap = 0
        found.append(line)
    return found
