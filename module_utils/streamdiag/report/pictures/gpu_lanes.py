"""Each GPU of the server beside a stream: one that idles, or is lost, while the others work tells a hung collective."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional, Set

from ...bundle import Stream
from ...words import joined, say
from .chart import NO_ANSWER, Lane, Level, Span, Tick
from .values import number, records, samples, text

#: So many GPUs have a lane each. Of more have one: those that are gone, the busiest, the idlest, and the rest together.
MOST = 8


class _Look(NamedTuple):
    """One GPU in one sample. ``gone``: "" when nvidia-smi could read it, else how it names what is the matter."""

    t: float
    until: float  # the next sample, whatever that says
    load: Optional[float]
    gone: str
    users: FrozenSet[int]  # pids, as far as nvidia-smi lists any


class _Gpu(NamedTuple):
    """``place``: its index, None where nvidia-smi only complains of it; ``name`` is its bus id then."""

    place: Optional[int]
    name: str
    looks: List[_Look]

    @property
    def gone(self) -> bool:
        return any(look.gone for look in self.looks)

    @property
    def loads(self) -> List[float]:
        return [look.load for look in self.looks if look.load is not None]

    @property
    def mean(self) -> float:
        return sum(self.loads) / max(1, len(self.loads))

    @property
    def users(self) -> Set[int]:
        return {pid for look in self.looks for pid in look.users}


class _Ours(NamedTuple):
    """``certain``: nvidia-smi lists a process of the server on one of them, or there is no other GPU."""

    gpus: List[_Gpu]
    certain: bool


def gpus(stream: Stream) -> List[Lane]:
    """A lane for each GPU of the server. None without a sample, and where there is no GPU tool."""
    found = [one for one in samples(stream, "gpus") if one.get("state") != "absent"]
    if not found:
        return []
    seen = _seen(found, max(number(stream["end"]["t"]) or 0.0, float(found[-1]["t"])))
    if not any(gpu.loads or gpu.gone for gpu in seen):
        reason = next((one.get("reason") for one in reversed(found) if one.get("reason")), "")
        words = say("no data: {reason}", reason=text(reason)) if reason else say("no data: no GPU says its load")
        return [Lane(say("GPU"), words)]
    ours = _ours(seen, _pids(stream))
    if not ours.gpus:
        return [Lane(say("GPU"), say("the server uses none"))]
    missing = [Tick(float(one["t"]), NO_ANSWER) for one in found if not records(one, "gpus")]
    if len(ours.gpus) <= MOST:
        return [_lane(gpu, _title(gpu, seen), _words(gpu, ours, missing), missing) for gpu in ours.gpus]
    return _most_telling(ours, seen, missing)


def _seen(found: List[Dict[str, Any]], end: float) -> List[_Gpu]:
    """Every GPU of the host, in nvidia-smi's order; ``found``: the samples."""
    known: Dict[str, _Gpu] = {}
    uuids: Dict[int, str] = {}
    for sample in found:
        for row in records(sample, "gpus"):
            index, uuid = _index(row), row.get("uuid")
            if index is not None and isinstance(uuid, str) and uuid:
                uuids.setdefault(index, uuid)
    ends = [float(one["t"]) for one in found[1:]] + [end]
    for sample, until in zip(found, ends):
        here = {_key(row, uuids): row for row in records(sample, "gpus")}
        unlisted = [key for key in known if key not in here] if here else []
        strays = [key for key, row in here.items() if _index(row) is None]
        if len(unlisted) == len(strays) == 1:  # what is complained of is the one that is not listed any more
            here[unlisted.pop()] = here.pop(strays[0])
        for key, row in here.items():
            gpu = known.setdefault(key, _Gpu(_index(row), text(row.get("name") or ""), []))
            gone = say("lost") if row.get("lost") else ""
            gpu.looks.append(_Look(float(sample["t"]), until, _load(row), gone, _users(row)))
        for key in unlisted:
            known[key].looks.append(_Look(float(sample["t"]), until, None, say("not listed"), frozenset()))
    return sorted(known.values(), key=lambda gpu: (gpu.place is None, gpu.place or 0))


def _key(row: Mapping[str, Any], uuids: Dict[int, str]) -> str:
    """The UUID; of a lost one that says none any more that of its index. Indices are counted anew in each sample."""
    uuid, index = row.get("uuid"), _index(row)
    if isinstance(uuid, str) and uuid:
        return uuid
    return uuids.get(index, str(index)) if index is not None else str(row.get("name"))


def _index(row: Mapping[str, Any]) -> Optional[int]:
    index = number(row.get("index"))
    return int(index) if index is not None and index >= 0 else None


def _load(row: Mapping[str, Any]) -> Optional[float]:
    load = number(row.get("utilization_percent"))
    return max(0.0, load) if load is not None and not row.get("lost") else None


def _users(row: Mapping[str, Any]) -> FrozenSet[int]:
    return frozenset(_pids_of([row]))


def _pids(stream: Stream) -> Set[int]:
    return _pids_of(samples(stream, "processes"))


def _pids_of(parts: Iterable[Mapping[str, Any]]) -> Set[int]:
    found = (number(one.get("pid")) for part in parts for one in records(part, "processes"))
    return {int(pid) for pid in found if pid is not None}


def _ours(seen: List[_Gpu], pids: Set[int]) -> _Ours:
    """Those that list a process of the server, and what is gone and lists none; else whatever may be the server's."""
    foreign = [gpu for gpu in seen if pids and gpu.users and not gpu.users & pids]
    possible = [gpu for gpu in seen if gpu not in foreign]
    if not any(gpu.users & pids for gpu in possible):
        return _Ours(possible, certain=len(seen) < 2)
    return _Ours([gpu for gpu in possible if gpu.users & pids or gpu.gone], certain=True)


def _most_telling(ours: _Ours, seen: List[_Gpu], missing: List[Tick]) -> List[Lane]:
    """Of more GPUs than there is room for: what is gone, the busiest, the idlest, and all others as one."""
    working = sorted((gpu for gpu in ours.gpus if gpu.loads and not gpu.gone), key=lambda gpu: -gpu.mean)
    busiest, idlest = working[:1], working[1:][-1:]
    gone = [gpu for gpu in ours.gpus if gpu.gone][: MOST - 2]
    lanes: List[Lane] = []
    for gpu in [one for one in ours.gpus if one in busiest + idlest + gone]:
        words = _words(gpu, ours, missing)
        if gpu in busiest:
            words = say("busiest of {count}: {words}", count=len(ours.gpus), words=words)
        elif gpu in idlest:
            words = say("idlest of {count}: {words}", count=len(ours.gpus), words=words)
        lanes.append(_lane(gpu, _title(gpu, seen), words, missing))
    rest = [gpu for gpu in ours.gpus if gpu not in busiest + idlest + gone]
    return [*lanes, _together(rest)]


def _together(rest: List[_Gpu]) -> Lane:
    """Their mean at each sample."""
    loads: Dict[float, List[float]] = {}
    untils: Dict[float, float] = {}
    for look in (look for gpu in rest for look in gpu.looks if look.load is not None):
        loads.setdefault(look.t, []).append(look.load or 0.0)
        untils[look.t] = look.until
    levels = [Level(t, untils[t], _height(sum(found) / len(found))) for t, found in sorted(loads.items())]
    words = say("{count} more", count=len(rest))
    known = [load for found in loads.values() for load in found]
    if known:
        words = say("{count} more: {load}; their mean", count=len(rest), load=_range(known))
    return Lane(say("GPUs"), words, (), levels)


def _title(gpu: _Gpu, seen: List[_Gpu]) -> str:
    return say("GPU") if gpu.place is None or len(seen) < 2 else say("GPU {number}", number=gpu.place)


def _lane(gpu: _Gpu, title: str, words: str, missing: List[Tick]) -> Lane:
    levels = [Level(look.t, look.until, _height(look.load)) for look in gpu.looks if look.load is not None]
    return Lane(title, words, missing, levels, _spans(gpu))


def _height(load: float) -> float:
    return min(1.0, load / 100)


def _spans(gpu: _Gpu) -> List[Span]:
    """One span per state that lasted."""
    spans: List[Span] = []
    for look in gpu.looks:
        if not look.gone:
            continue
        if spans and (spans[-1].words, spans[-1].end) == (look.gone, look.t):
            spans[-1] = spans[-1]._replace(end=look.until)
        else:
            spans.append(Span(look.t, look.until, look.gone[0].upper(), look.gone))
    return spans


def _words(gpu: _Gpu, ours: _Ours, missing: List[Tick]) -> str:
    parts: List[str] = [gpu.name] if gpu.place is None and gpu.name else []
    if gpu.loads:
        parts.append(_range(gpu.loads))
    elif not gpu.gone:
        parts.append(say("it does not say its load"))
    if gpu.gone:
        first = next(look for look in gpu.looks if look.gone)
        always = first is gpu.looks[0]
        parts.append(first.gone if always else say("{state} from {t:.1f} s", state=first.gone, t=first.t))
    if missing:
        parts.append(say("not answered: {count}", count=len(missing)))
    if not ours.certain:
        parts.append(say("maybe not the server's"))
    return joined("; ", parts)


def _range(loads: List[float]) -> str:
    low, high = min(loads), max(loads)
    return say("{low:.0f} to {high:.0f} %", low=low, high=high) if low < high else say("{load:.0f} %", load=low)
