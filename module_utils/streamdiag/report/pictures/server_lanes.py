"""What the server did in the same seconds: the lanes of counters, process clocks, the canary and ``/health``."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, cast

from ...bundle import Event, Stream
from ...clocks import API_SERVERS, HALTED_STATES
from ...responses import DONE, PREAMBLE, is_heartbeat, name_of
from ...words import joined, say
from .chart import ANSWER, EVENT, NO_ANSWER, Lane, Level, Span, Tick
from .values import number, records, samples, text

#: States of proc(5) that are shown: those in which nothing runs, and the sleep that no signal ends.
SHOWN_STATES = HALTED_STATES | {"D"}
_API = "api"


def tokens(stream: Stream) -> Optional[Lane]:
    """The counter of generation tokens as steps, and the samples that were not answered. None without a sample."""
    found = samples(stream, "metrics")
    known = [(one["t"], number(one.get("generation_tokens"))) for one in found if one.get("state") == "ok"]
    values = [(float(t), value) for t, value in known if value is not None]
    missing = [Tick(float(one["t"]), NO_ANSWER) for one in found if one.get("state") == "failed"]
    if not values:
        if not found:
            return None
        reason = text(found[-1].get("reason") or "")
        words = say("no data: {reason}", reason=reason) if reason else say("no data: the server does not count them")
        return Lane(say("tokens"), words, missing)
    lowest, highest = min(v for _t, v in values), max(v for _t, v in values)
    scale = (highest - lowest) or 1.0
    ends = [t for t, _v in values[1:]] + [_end(stream)]
    levels = [Level(t, max(t, end), (v - lowest) / scale) for (t, v), end in zip(values, ends)]
    return Lane(say("tokens"), _token_words([v for _t, v in values], len(missing)), missing, levels, line=True)


def _token_words(values: List[float], missing: int) -> str:
    if len(values) < 2:
        words = say("read once only")
    elif any(after < before for before, after in zip(values, values[1:])):
        words = say("the counter began anew")
    else:
        words = say("+{made:.0f} in the whole server", made=values[-1] - values[0])
    return joined("; ", [words, say("not answered: {count}", count=missing)]) if missing else words


class _Look(NamedTuple):
    """The processes of one role in one sample."""

    t: float
    cpu: float
    state: str  # the worst of them; "" when all of them can run


def clocks(stream: Stream) -> List[Lane]:
    """CPU seconds per second of the engine core, the workers and the API server, each with its states."""
    titles = (("engine_core", say("CPU engine")), ("worker", say("CPU worker")), (_API, say("CPU API")))
    lanes = [(title, _looks(stream, role)) for role, title in titles]
    return [lane for title, looks in lanes for lane in [_clock_lane(title, looks, _end(stream))] if lane is not None]


def _looks(stream: Stream, role: str) -> List[_Look]:
    found = []
    for sample in samples(stream, "processes"):
        here = [one for one in records(sample, "processes") if _role(one) == role and _known(one)]
        if here:
            states = sorted({str(one.get("state")) for one in here} & SHOWN_STATES)
            cpu = sum(float(one["cpu"]) for one in here)
            found.append(_Look(float(sample["t"]), cpu, states[0] if states else ""))
    return found


def _role(process: Dict[str, Any]) -> str:
    role = str(process.get("role"))
    return _API if role in API_SERVERS else role


def _known(process: Dict[str, Any]) -> bool:
    return number(process.get("cpu")) is not None


def _clock_lane(title: str, looks: List[_Look], end: float) -> Optional[Lane]:
    pairs = [(a, b) for a, b in zip(looks, looks[1:]) if b.t > a.t]
    spans = _states(looks, end)
    if not pairs and not spans:
        return None
    shares = [max(0.0, (b.cpu - a.cpu) / (b.t - a.t)) for a, b in pairs]
    scale = max([1.0, *shares])
    levels = [Level(a.t, b.t, share / scale) for (a, b), share in zip(pairs, shares)]
    parts = [say("{state} from {t:.1f} s", state=span.words, t=span.start) for span in spans[:1]]
    if shares:
        parts.append(say("max {percent:.0f} % CPU", percent=100 * max(shares)))
    return Lane(title, joined("; ", parts), (), levels, spans)


def _states(looks: List[_Look], end: float) -> List[Span]:
    """One span per state that lasted, from the sample that saw it first to the first one that did not."""
    spans: List[Span] = []
    for number_, look in enumerate(looks):
        until = looks[number_ + 1].t if number_ + 1 < len(looks) else max(end, look.t)
        if not look.state:
            continue
        if spans and spans[-1].letter == look.state[0] and spans[-1].end == look.t:
            spans[-1] = spans[-1]._replace(end=until)
        else:
            words = say("gone") if look.state == "gone" else say("state {letter}", letter=look.state)
            spans.append(Span(look.t, until, look.state[0], words))
    return spans


def canary(stream: Stream) -> Optional[Lane]:
    """The tiny request beside a silence: from its start to its end, its events, and whether an engine answered."""
    sent = stream.get("canary")
    if not isinstance(sent, dict):
        return None
    start = number(sent.get("sent_at")) or 0.0
    end = sent.get("end")
    lasted = max(0.0, number(end.get("t")) or 0.0) if isinstance(end, dict) else 0.0
    times = [(start + float(event["t"]), name_of(event) in PREAMBLE) for event in _events(sent)]
    answered = next((t for t, early in times if not early), None)
    ticks = [Tick(t, EVENT, 0.6) for t, early in times if early]
    ticks.append(Tick(start + lasted, NO_ANSWER) if answered is None else Tick(answered, ANSWER))
    status = sent.get("http_status")
    if answered is not None:
        words = say("sent at {at:.1f} s; answered after {wait:.2f} s", at=start, wait=answered - start)
    elif status not in (None, 200):
        words = say("sent at {at:.1f} s; HTTP {status}", at=start, status=text(status))
    else:
        words = say("sent at {at:.1f} s; no answer in {wait:.1f} s", at=start, wait=lasted)
    return Lane(say("canary"), words, ticks, spans=[Span(start, start + lasted, "-", "")])


def _events(sent: Dict[str, Any]) -> List[Event]:
    """The events of a canary that are whole and of which a client knows; what closes a chat stream says nothing."""
    whole = [one for one in records(sent, "events") if number(one.get("t")) is not None]
    texts = [(one, (one.get("name"), one.get("data"), one.get("type", ""))) for one in whole]
    named = [cast(Event, one) for one, known in texts if all(isinstance(text_, str) for text_ in known)]
    return [event for event in named if not is_heartbeat(event) and name_of(event) != DONE]


def health(stream: Stream) -> Optional[Lane]:
    """The answers of ``/health`` beside a silence. None when it was not asked."""
    ticks: List[Tick] = []
    tally: Counter[str] = Counter()
    for one in samples(stream, "health"):
        ok, status = one.get("state") == "ok", one.get("http_status")
        ticks.append(Tick(float(one["t"]), ANSWER if ok and status == 200 else NO_ANSWER))
        tally[text(status) if ok else ""] += 1
    if not ticks:
        return None
    parts = [
        say("HTTP {status}: {count}", status=status, count=count) if status else say("no answer: {count}", count=count)
        for status, count in _most(tally)
    ]
    return Lane(say("/health"), joined("; ", parts), ticks)


def _most(tally: Counter[str]) -> List[Tuple[str, int]]:
    return sorted(tally.items(), key=lambda one: (-one[1], one[0]))[:3]


def _end(stream: Stream) -> float:
    return number(stream["end"]["t"]) or 0.0
