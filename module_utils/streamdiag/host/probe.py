"""One stream case: send it, watch it on several clocks, observe the server meanwhile, keep whatever came.

The probe observes and never judges: it returns a Stream, complete or not, and says how it ended.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import httpcore
import httpx

from ..bundle import BUNDLE_VERSION, End, Event, Piece, Process, Stream
from ..responses import cut_in_thought, is_heartbeat, is_streaming, name_of, progressed, terminals
from ..words import say
from .cases import CASES, Case, find_case
from .client import trust_store
from .endpoints import authorization, describe
from .priority import going_first
from .sampler import Sampler
from .sse import SSEParser
from .standstill import abandoned, queued, standstill, working
from .watch import DeadlinePassed, Deadlines, Stopped, Watch
from .wire import WIRE_ERRORS, WatchedTransport

#: Seconds of silence after which a canary is sent beside the stream.
CANARY_AFTER = 2.5
CANARY_DEADLINES = Deadlines(headers=60.0, first_event=60.0, silence=60.0, patience=60.0, total=90.0)
EVENT_LIMIT = 2000
PIECE_LIMIT = 4000
#: The first events are kept whole (they name ids and settings), later ones are cut: bytes of data in total.
DATA_BUDGET = 1024 * 1024
DATA_LIMIT = 64 * 1024
BODY_LIMIT = 16 * 1024
#: An answer that was asked for in one piece names ids, items and usage up to its last byte.
ANSWER_LIMIT = 64 * 1024
#: A thought is given more room only where that takes no longer than this, in seconds.
THINKING_SECONDS = 25.0
_ENDED_BESIDE = say("the stream it was sent beside has ended")
#: Answers by which a server refuses the form of a request, so that another form is worth a try.
REFUSED_FORMS = frozenset({400, 422, 501})


class Server(NamedTuple):
    """Where the streams go. ``processes``: the unit's processes whose clocks are watched (may be empty).
    ``counters_url``: the server itself, where ``base_url`` is a proxy before it; counters and canary go there.
    """

    base_url: str
    model: str
    api_key: str = ""
    processes: Sequence[Process] = ()
    counters_url: str = ""

    @property
    def itself(self) -> Server:
        return self._replace(base_url=self.counters_url or self.base_url)


def run_case(name: str, server: Server, deadlines: Deadlines, variant: str = "") -> Stream:
    """Run the case ``name`` (a key of CASES) with sampler and canary. Raises KeyError for an unknown case only.

    ``variant``: of the case ``public``, as a Stream names it.
    """
    case = find_case(name, server.model, variant)
    refused: List[Dict[str, Any]] = []
    for body in case.bodies:
        stream = _observed(case, body, server, deadlines)
        stream["variant"] = variant
        stream["retried"] = list(refused)
        if stream["http_status"] not in REFUSED_FORMS:
            break
        refused.append(dict(stream))
    if case.room and cut_in_thought(stream) and _seconds_for(case.room, stream) <= THINKING_SECONDS:
        longer = _observed(case, dict(body, max_output_tokens=case.room), server, deadlines)
        if longer["http_status"] == 200:
            longer["variant"], longer["retried"] = variant, [*refused, dict(stream, retried=[])]
            return longer
    return stream


def _seconds_for(tokens: int, stream: Stream) -> float:
    """How long as many ``tokens`` would take, at the pace at which those of ``stream`` came."""
    asked: int = stream["request_body"]["max_output_tokens"]
    return tokens * stream["end"]["t"] / max(1, asked)


def _observed(case: Case, body: Dict[str, Any], server: Server, deadlines: Deadlines) -> Stream:
    """One request with a sampler beside it, a canary in its silence, and an early end when waiting proves nothing."""
    watch = Watch(deadlines)
    counters = server.itself.base_url
    with Sampler(watch.now, watch.silence, counters, server.api_key, server.processes) as sampler:
        watch.working = lambda: working(sampler.samples, watch.now(), watch.silence())
        stream = _new_stream(case, body, server, deadlines)
        companion = _Companion(watch, sampler, server.itself, stream)
        companion.start()
        with going_first():
            _exchange(case, body, server, watch, stream)
        stream["canary"] = companion.finish()
        stream["samples"] = sampler.samples
    return stream


class _Companion(threading.Thread):
    """Beside the reading thread: sends the canary into a silence, and ends the stream when waiting proves nothing."""

    def __init__(self, watch: Watch, sampler: Sampler, server: Server, stream: Stream) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._watch = watch
        self._sampler = sampler
        self._server = server
        self._ended = threading.Event()
        self._canary: Optional[Stream] = None
        self._canary_watch = Watch(CANARY_DEADLINES)
        self._canary_thread: Optional[threading.Thread] = None

    def run(self) -> None:
        while not self._ended.wait(0.25):
            if self._watch.t_connect is None:
                continue
            silence = self._watch.silence()
            if silence >= CANARY_AFTER and self._canary_thread is None:
                self._send_canary()
            if self._canary is not None and "end" not in self._canary:
                self._canary["silence"] = self._canary_watch.silence()
            reason = self._why_wait_no_more(silence)
            if reason is not None:
                self._watch.stop(reason)

    def _why_wait_no_more(self, silence: float) -> Optional[str]:
        now = self._watch.now()
        seen = (self._sampler.samples, self._canary, now - silence, now)
        reason = standstill(*seen) or abandoned(*seen)
        if reason is None and not progressed(self._stream):  # what has got something of the engine waits for no turn
            reason = queued(*seen)
        return reason

    def _send_canary(self) -> None:
        case = CASES["canary"](self._server.model)
        self._canary_watch = Watch(CANARY_DEADLINES)
        canary = _new_stream(case, case.bodies[0], self._server, CANARY_DEADLINES)
        canary["sent_at"] = round(self._watch.now(), 3)
        self._canary = canary
        self._canary_thread = threading.Thread(
            target=_exchange, args=(case, case.bodies[0], self._server, self._canary_watch, canary), daemon=True
        )
        self._canary_thread.start()

    def finish(self) -> Optional[Dict[str, Any]]:
        """The main stream is over: end the canary too, if there is one, and return its Stream."""
        self._ended.set()
        self.join(timeout=1.0)
        if self._canary_thread is None or self._canary is None:
            return None
        self._canary_watch.stop(_ENDED_BESIDE)
        self._canary_thread.join(timeout=2.0)
        canary = dict(self._canary)
        if "end" not in canary:  # stuck where no clock is looked at: in a name lookup, or while connecting
            canary["end"] = End(t=round(self._canary_watch.now(), 4), how="stopped", deadline="", reason=_ENDED_BESIDE)
        return canary


def _new_stream(case: Case, body: Dict[str, Any], server: Server, deadlines: Deadlines) -> Stream:
    return Stream(
        bundle_version=BUNDLE_VERSION,
        case=case.name,
        variant="",
        at=time.time(),
        method="POST",
        url=server.base_url.rstrip("/") + case.path,
        request_headers=dict(case.headers),
        request_body=body,
        deadlines=deadlines.as_dict(),
        t_connect=None,
        t_headers=None,
        http_status=None,
        response_headers={},
        body="",
        reads=[],
        pieces=[],
        events=[],
        comments=[],
        bytes=0,
        dropped_events=0,
        unparsed="",
        canary=None,
        retried=[],
    )


def _exchange(case: Case, body: Dict[str, Any], server: Server, watch: Watch, stream: Stream) -> None:
    """Send the request and fill ``stream`` with what comes, whatever happens; sets ``stream["end"]``."""
    how, deadline = "broken", ""
    reason: str = ""
    stream["reads"] = watch.reads
    try:
        with httpx.Client(transport=WatchedTransport(watch), verify=trust_store(), trust_env=False) as client:
            headers = dict(case.headers, **authorization(server.api_key))
            connect = {"connect": watch.deadlines.connect, "pool": watch.deadlines.connect}
            request = httpx.Request("POST", stream["url"], json=body, headers=headers, extensions={"timeout": connect})
            stream["request_bytes"] = int(request.headers["content-length"])
            response = client.send(request, stream=True)
            watch.headers_arrived()
            stream["http_status"] = response.status_code
            stream["response_headers"] = dict(response.headers)
            try:
                if _is_event_stream(response):
                    _read_events(response, watch, stream)
                else:
                    _read_body(response, stream)
            finally:
                response.close()
        how, reason = "closed", say("the server ended the answer")
    except DeadlinePassed as passed:
        how, deadline, reason = "deadline", passed.name, passed.reason
    except Stopped as stopped:
        how, reason = "stopped", stopped.reason
    except (httpx.ConnectTimeout, httpcore.ConnectTimeout) as error:
        how, deadline, reason = "deadline", "connect", describe(error)
    except (httpx.ConnectError, httpcore.ConnectError) as error:
        how, reason = "refused", describe(error)
    except WIRE_ERRORS as error:
        how, reason = "error", describe(error)
    except Exception as error:  # partial data, whatever happens: a fault of ours must not lose the evidence
        how, reason = "broken", describe(error)
    stream["t_connect"] = _rounded(watch.t_connect)
    stream["t_headers"] = _rounded(watch.t_headers)
    stream["end"] = End(t=round(watch.now(), 4), how=how, deadline=deadline, reason=reason)


def _is_event_stream(response: httpx.Response) -> bool:
    kind = response.headers.get("content-type", "").lower()
    return response.status_code == 200 and kind.startswith("text/event-stream")


def _read_events(response: httpx.Response, watch: Watch, stream: Stream) -> None:
    parser = SSEParser(data_limit=DATA_LIMIT)
    ends = terminals(stream)
    kept = 0
    try:
        for chunk in response.iter_bytes():
            stream["bytes"] += len(chunk)
            if len(stream["pieces"]) < PIECE_LIMIT:
                stream["pieces"].append(Piece(t=round(watch.now(), 6), size=len(chunk), read=len(watch.reads) - 1))
            events, comments = parser.feed(chunk, round(watch.now(), 6))
            stream["comments"] += comments[: max(0, EVENT_LIMIT - len(stream["comments"]))]
            for event in events:
                event["read"] = len(watch.reads) - 1
                if not is_heartbeat(event):
                    watch.event_arrived()
                if name_of(event) in ends:
                    watch.terminal_event_arrived()
                kept += len(event["data"])
                if kept > DATA_BUDGET:
                    _cut(event)
                stream["events"].append(event)
                if len(stream["events"]) > EVENT_LIMIT:
                    del stream["events"][EVENT_LIMIT // 2]  # beginning and end are what is judged
                    stream["dropped_events"] += 1
    finally:
        stream["unparsed"] = parser.unparsed


def _cut(event: Event) -> None:
    """Keep the start of the data, and what it calls itself where only the whole of it says so."""
    if event["name"] == "message" and len(event["data"]) > 256:
        event["type"] = name_of(event)
    event["data"] = event["data"][:256]


def _read_body(response: httpx.Response, stream: Stream) -> None:
    """An answer that is no event stream: what was asked for, or the start of it says why."""
    body = b""
    limit = BODY_LIMIT if is_streaming(stream) else ANSWER_LIMIT
    try:
        for chunk in response.iter_bytes():
            stream["bytes"] += len(chunk)
            body = (body + chunk)[:limit]
    finally:
        stream["body"] = body.decode("utf-8", "replace")


def _rounded(t: Optional[float]) -> Optional[float]:
    return None if t is None else round(t, 6)
