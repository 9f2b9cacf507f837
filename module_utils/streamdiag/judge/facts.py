"""What the whole bundle says at once: the few facts that checks and causes both stand on. Pure, computed once."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple, Union

from ..bundle import MACHINE, TARGET, Endpoint, Experiment, Machine, Metrics, Process, Run, Stream, Target, stream_file
from ..responses import terminal_name
from ..said import put_together
from ..store import Bundle
from ..words import say
from .arrival import Arrival, read_arrival
from .logs import Logs, read_logs
from .protocol import Protocol, read_protocol
from .result import Quote
from .silence import Silence, Standing, longest_silence, standing
from .stacks import StallFacts, describe_stall
from .streams import flows, outcome
from .tokens import unseen
from .traffic import other_traffic

#: The order in which streams are sent, and shown: the cases of the contract, ``public`` in its variants.
STREAM_ORDER = (
    "simple",
    "tools",
    "reasoning",
    "codex",
    "padded",
    "chat",
    "nonstream",
    "tool_turn",
    "public",
    "public-gzip",
    "public-controller",
    "public-controller-gzip",
    "canary",
)
#: A client that waits this long for the next event has given up (the incident's client: 60 s; Codex: 300 s).
CLIENT_TIMEOUT = 60.0
#: Seconds between two pings: the fork's default for --responses-ping-interval-seconds.
PING_INTERVAL = 15.0
#: Silence longer than this is worth a warning even when the stream completes, in seconds.
SLOW = 10.0
#: ``ActiveState`` of a unit that runs or is about to.
UP = ("active", "activating", "reloading")
_DEAD = ("Z", "X", "gone")


class StreamFacts(NamedTuple):
    """One stream, judged by itself. ``standing``: what the witnesses said during its longest silence.

    ``name``: the case with its variant, ``public-gzip``. ``unseen``: tokens that were made in the longest silence.
    """

    name: str
    stream: Stream
    outcome: str
    silence: Optional[Silence]
    standing: Optional[Standing]
    unseen: Optional[float]
    protocol: Protocol
    arrival: Arrival

    @property
    def completed(self) -> bool:
        """Came to its end by the protocol; a stream that the probe cut while events flowed did not."""
        return self.outcome == "completed" or (self.outcome == "incomplete" and terminal_name(self.stream) is not None)

    @property
    def stalled(self) -> bool:
        return self.outcome == "stalled"

    @property
    def afar(self) -> bool:
        """Sent from the controller: its canary and its counters do not meet the server itself."""
        return self.stream.get("variant", "").startswith("controller")


class UnitFacts(NamedTuple):
    """systemd's view before the first stream and after the last. ``known`` is False without systemd or unit."""

    known: bool
    reason: str
    before: Dict[str, str]
    after: Dict[str, str]

    def now(self, name: str) -> str:
        """The property's latest value, ``""`` when unknown."""
        return self.after.get(name, self.before.get(name, ""))

    def number(self, name: str) -> int:
        """A numeric property's latest value, 0 when unknown."""
        value = self.now(name)
        return int(value) if value.isdigit() else 0

    @property
    def state(self) -> str:
        """``active (running)``, ``activating (auto-restart)``, ``failed (failed)``, … or ``unknown``."""
        active, sub = self.now("ActiveState"), self.now("SubState")
        return f"{active} ({sub})" if active else say("unknown")

    @property
    def restarts_during_run(self) -> int:
        before, after = self.before.get("NRestarts", ""), self.after.get("NRestarts", "")
        return int(after) - int(before) if before.isdigit() and after.isdigit() else 0


class Facts(NamedTuple):
    run: Run
    target: Target
    machine: Machine
    streams: Dict[str, StreamFacts]
    unit: UnitFacts
    logs: Logs
    vanished: List[Process]  # the unit's processes that were there before the streams and not after
    stall: StallFacts
    traffic: str  # in words when other clients share the server, else ""
    digests: Dict[str, str]
    experiment: Optional[Experiment] = None  # what an audit found out by a change

    def quote(self, file: str, excerpt: str) -> Quote:
        """Point at a file of the bundle (``target.json``). A file that was never gathered has no checksum."""
        path = "evidence/" + file
        return Quote(path=path, sha256=self.digests.get(path, ""), excerpt=excerpt)

    def quote_stream(self, name: str, excerpt: str) -> Quote:
        return self.quote(stream_file(name), excerpt)

    @property
    def everything_sent(self) -> List[StreamFacts]:
        """All streams that were sent, in STREAM_ORDER; what that does not know comes last."""
        known = [name for name in STREAM_ORDER if name in self.streams]
        return [self.streams[name] for name in known + sorted(set(self.streams) - set(known))]

    @property
    def sent(self) -> List[StreamFacts]:
        """The streams that went to the server itself, on loopback."""
        return [s for s in self.everything_sent if s.stream["case"] != "public"]

    @property
    def public(self) -> List[StreamFacts]:
        """The streams that went through ``vllm_public_url``."""
        return [s for s in self.everything_sent if s.stream["case"] == "public"]

    @property
    def failing(self) -> List[StreamFacts]:
        """The streams that brought no whole answer; not those that flowed until the probe's own limit cut them.

        A host often cannot reach its own public address (hairpin NAT): that counts only where nobody else can.
        """
        bad = [s for s in self.everything_sent if not (s.completed or flows(s.stream))]
        return [s for s in bad if not (s.outcome == "unreachable" and self.came_whole(_from_afar(s)))]

    @property
    def well_after(self) -> bool:
        """After the streams ``/health`` answered 200, and no process of the server was gone."""
        codes = [endpoint["http_status"] for file, endpoint in self.endpoints("/health") if file == MACHINE]
        return all(code == 200 for code in codes) and not self.vanished

    @property
    def first_bad(self) -> Optional[StreamFacts]:
        """The first stream on loopback that did not come to its end."""
        return next((s for s in self.sent if not s.completed), None)

    def came_whole(self, name: str) -> bool:
        """The stream was sent and completed."""
        return name in self.streams and self.streams[name].completed

    def setting(self, name: str, default: float) -> float:
        """A number of the operator's, such as ``client_timeout`` in seconds."""
        value = self.run.get("settings", {}).get(name)
        return float(value) if isinstance(value, (int, float)) else default

    @property
    def probe_broke(self) -> str:
        """In words when every bad stream is one in which the probe itself broke: it says nothing of the server."""
        ends = [(s.name, s.stream["end"]) for s in self.sent if not s.completed]
        if not ends or any(end["how"] != "broken" for _case, end in ends):
            return ""
        case, end = ends[0]
        return say("the probe itself broke in the case {case}: {reason}", case=case, reason=end["reason"])

    @property
    def all_unreachable(self) -> bool:
        return bool(self.sent) and all(s.outcome == "unreachable" for s in self.sent)

    @property
    def ever_http(self) -> bool:
        """Something that was asked, an endpoint or a stream, answered in HTTP."""
        around = [answer["http_status"] for path in ("/health", "/v1/models") for _f, answer in self.endpoints(path)]
        return any(around) or any(sent.stream["http_status"] for sent in self.sent)

    @property
    def last_seen(self) -> List[Process]:
        """The server's processes as last seen: beside the last stream that sampled them, else before the streams."""
        for sent in reversed(self.sent):
            samples = sent.stream["samples"]["processes"]
            if samples:
                return samples[-1]["processes"]
        return self.target.get("processes", {}).get("processes", [])

    @property
    def server_name(self) -> str:
        """The unit's name where there is one, for sentences."""
        name = self.target.get("unit", {}).get("name") if self.unit.known else None
        return say("the server") if name is None else name

    def endpoints(self, path: str) -> List[Tuple[str, Endpoint]]:
        """The answers to ``GET path`` as (file of the bundle, answer): before the streams, and after them."""
        found: List[Tuple[str, Endpoint]] = []
        for name, part in ((TARGET, self.target), (MACHINE, self.machine)):
            endpoint = part.get("endpoints", {}).get(path)
            if endpoint is not None:
                found.append((name, endpoint))
        return found

    @property
    def metrics(self) -> List[Metrics]:
        """All samples of ``/metrics`` that were answered, before, beside and after the streams."""
        found = [self.target.get("metrics")]
        for sent in self.sent:
            found += sent.stream["samples"]["metrics"]
        found.append(self.machine.get("metrics"))
        return [m for m in found if m is not None and m.get("state") == "ok"]


def was_asked(answer: Union[Endpoint, Metrics]) -> bool:
    """Whether the server was asked at all; one that leaves ``/health`` unanswered is not asked for more."""
    return not answer.get("reason", "").startswith("not asked")


def gather(bundle: Bundle) -> Facts:
    """The facts of ``bundle``. Parts that are missing are empty here; each rule says what it lacks."""
    target = bundle.target or Target()
    machine = bundle.machine or Machine()
    streams = {name: stream_facts(name, stream) for name, stream in bundle.streams.items()}
    before_unit, after_unit = target.get("unit", {}), machine.get("unit", {})
    unit = UnitFacts(
        known=before_unit.get("state") == "ok" or after_unit.get("state") == "ok",
        reason=before_unit.get("reason", say("the target was not gathered")),
        before=before_unit.get("properties", {}),
        after=after_unit.get("properties", {}),
    )
    return Facts(
        run=bundle.run,
        target=target,
        machine=machine,
        streams=streams,
        unit=unit,
        logs=read_logs(bundle.journal),
        vanished=_vanished(target, machine, streams),
        stall=describe_stall(bundle.stall),
        traffic=other_traffic(target, machine, list(bundle.streams.values()), bundle.stall is not None),
        digests=bundle.digests,
        experiment=_experiment(bundle.experiment),
    )


def _experiment(stored: Optional[Experiment]) -> Optional[Experiment]:
    """With its summary as ``Words``, where it tells how that was made."""
    if not stored or "said" not in stored:
        return stored
    return {**stored, "summary": put_together(stored["said"])}


def stream_facts(name: str, stream: Stream) -> StreamFacts:
    """One stream, judged by itself. ``name``: as in its file's name."""
    silence = longest_silence(stream)
    return StreamFacts(
        name=name,
        stream=stream,
        outcome=outcome(stream),
        silence=silence,
        standing=standing(stream, silence) if silence is not None else None,
        unseen=unseen(stream, silence.start, silence.end) if silence is not None else None,
        protocol=read_protocol(stream),
        arrival=read_arrival(stream),
    )


def _from_afar(sent: StreamFacts) -> str:
    """The name of the same public stream as the controller sent it; ``""`` for any other."""
    public = sent.stream["case"] == "public" and not sent.afar
    return sent.name.replace("public", "public-controller", 1) if public else ""


def _vanished(target: Target, machine: Machine, streams: Dict[str, StreamFacts]) -> List[Process]:
    """Those of the server's processes that were there before the streams and died since: gone, or not yet reaped."""
    dead = {
        process["pid"]
        for sent in streams.values()
        for sample in sent.stream["samples"]["processes"][-1:]
        for process in sample["processes"]
        if process["state"] in _DEAD
    }
    before, after = target.get("processes", {}).get("processes", []), machine.get("processes", {})
    if after.get("state") in ("ok", "absent"):
        alive = {process["pid"] for process in after.get("processes", []) if process["state"] not in _DEAD}
        dead |= {process["pid"] for process in before} - alive
    return [process for process in before if process["pid"] in dead]
