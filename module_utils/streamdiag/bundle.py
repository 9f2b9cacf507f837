"""The evidence of one host: what the host wing writes and the judge wing reads.

A bundle is a folder of JSON files, one per source, each with one of the shapes below. They are
``TypedDict``s because evidence *is* JSON: nothing is converted on the way from the host to a
verdict, so a stored bundle judges exactly like a fresh one. An object may have ``said``, which tells how sentences
in it were made, so that a report can say them in another language (said.with_said). Runs on Python 3.8.

Units: ``t`` and ``t_*`` are seconds since the start of the stream they belong to (monotonic clock);
``at`` is seconds since the epoch (wall clock, UTC); ``cpu`` is seconds of CPU time; ``*_bytes`` are bytes.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, TypedDict

BUNDLE_VERSION = 1

#: Files of a bundle. Streams are ``stream-<case>.json``, those of a variant ``stream-<case>-<variant>.json``; what an
#: audit sent again is ``repeat-<n>-<case>.json``.
TARGET = "target.json"
MACHINE = "machine.json"
JOURNAL = "journal.json"
STALL = "stall.json"
RUN = "run.json"
EXPERIMENT = "experiment.json"


def stream_file(name: str) -> str:
    """``"simple"`` -> ``"stream-simple.json"``, ``"public-gzip"`` -> ``"stream-public-gzip.json"``."""
    return f"stream-{name}.json"


def repeat_file(repeat: int, name: str) -> str:
    """``2, "simple"`` -> ``"repeat-2-simple.json"``. What was sent first (repeat 1) is ``stream_file``."""
    return f"repeat-{repeat}-{name}.json"


class Source(TypedDict, total=False):
    """How one source was read. Missing evidence says why it is missing; it is never an empty success."""

    state: str  # ok | denied | absent | failed
    reason: str  # "" when ok


class Unit(Source, total=False):
    """``systemctl show`` of the unit (systemd's own property names, argv and environment redacted)."""

    name: str
    properties: Dict[str, str]
    exec_start: List[str]
    alternatives: List[str]  # when the unit is absent: units on this host that look like vLLM


class Process(TypedDict, total=False):
    """One process of the unit, from /proc."""

    pid: int
    ppid: int
    role: str  # main | api_server | engine_core | worker | other
    title: str  # comm, as the kernel cuts it
    argv: List[str]
    state: str  # R S D T t Z X, see proc(5)
    cpu: float
    waited: float  # seconds that its threads were kept waiting for a CPU, added up; absent where the kernel hides it
    runnable: int  # threads that run or want to: a wait counts in ``waited`` only when it is over; absent with it
    rss_bytes: int
    started_at: float
    threads: int


class Processes(Source, total=False):
    processes: List[Process]


class Socket(TypedDict, total=False):
    local: str
    peer: str
    state: str  # LISTEN, ESTABLISHED, …
    pid: Optional[int]
    recv_queue_bytes: int
    send_queue_bytes: int


class Sockets(Source, total=False):
    listening: List[Socket]  # of the unit's processes where that can be told, else of the port
    connections: List[Socket]  # on the server's port


class Gpu(TypedDict, total=False):
    index: int
    name: str
    uuid: str
    utilization_percent: Optional[float]
    memory_used_bytes: Optional[int]
    memory_total_bytes: Optional[int]
    temperature_celsius: Optional[float]
    ecc_uncorrected: Optional[int]
    throttle_reasons: List[str]
    processes: List[Dict[str, Any]]  # pid, name, memory_used_bytes
    lost: str  # nvidia-smi's own words when this GPU cannot be read


class Gpus(Source, total=False):
    driver_version: str
    gpus: List[Gpu]


class LogLine(TypedDict, total=False):
    at: float
    pid: Optional[int]
    priority: Optional[int]
    text: str


class Log(Source, total=False):
    since: float
    lines: List[LogLine]
    dropped: int  # lines left out because the log was longer than the limit


class Journal(TypedDict, total=False):
    unit: Log
    kernel: Log


class Endpoint(Source, total=False):
    """One ``GET`` on the server, beside the streams. ``failed`` when no whole answer came."""

    t: float  # only when sampled beside a stream
    path: str
    http_status: Optional[int]
    seconds: float
    body: str


class Metrics(TypedDict, total=False):
    """What the judge needs of ``/metrics``, summed over engines. ``None``: the server does not serve it."""

    t: float
    state: str  # ok | failed
    reason: str
    running: Optional[float]
    waiting: Optional[float]
    kv_cache_usage: Optional[float]  # 0..1
    generation_tokens: Optional[float]
    prompt_tokens: Optional[float]
    preemptions: Optional[float]
    successes: Dict[str, float]  # by finished_reason
    awake: Optional[float]


class Observer(TypedDict, total=False):
    """Whose eyes saw this: what a check may be skipped for."""

    user: str
    uid: int
    groups: List[str]
    become: bool
    python: str
    hostname: str


class Intent(Source, total=False):
    """A change that this tool makes, or has made, to the unit (host/changing/intent.py). ``absent``: none."""

    version: int
    unit: str
    what: str  # compat_on | compat_off | default | args | env | debug_logging
    by: str  # restart | audit
    run_id: str
    started_at: str  # UTC, ISO 8601
    phase: str  # prepared | written | restarting | in_force | removing | rolling_back
    kept: bool  # meant to stay as it is
    persist: bool  # in /etc, not in /run
    drop_in: str  # path
    boot_id: str
    in_force: bool  # whether a drop-in of ours is there now
    change: Dict[str, Any]  # only on the host
    before: Dict[str, Any]  # only on the host


class Target(TypedDict, total=False):
    """What is being diagnosed, as found before the first stream."""

    bundle_version: int
    at: float
    observer: Observer
    unit: Unit
    processes: Processes
    sockets: Sockets
    endpoints: Dict[str, Endpoint]
    base_url: str
    base_url_source: str  # given | argv | socket | default
    public_url: str
    model: str
    model_source: str  # given | served | argv | none
    api_key_given: bool
    served_models: List[str]
    vllm_version: str
    flags: Dict[str, Optional[str]]  # the server's long options, without dashes; None for a switch
    argv: List[str]
    environment: Dict[str, str]  # VLLM_* and its like; empty when not readable
    environment_state: Source
    compat_mode: str  # on | off | unsupported | unknown
    metrics: Metrics
    intent: Intent


class Machine(TypedDict, total=False):
    """The same sources again, after the last stream."""

    bundle_version: int
    at: float
    observer: Observer
    unit: Unit
    processes: Processes
    sockets: Sockets
    gpus: Gpus
    endpoints: Dict[str, Endpoint]
    metrics: Metrics


class Read(TypedDict, total=False):
    t: float
    size: int  # bytes of body that one read of the socket brought
    not_before: float  # they came after this: the last look that found nothing, else the read before


class Piece(TypedDict, total=False):
    """One piece of the decoded body as the HTTP layer gave it: with chunked transfer, one chunk of the sender."""

    t: float
    size: int  # bytes of body, without the framing of HTTP
    read: int  # index of the read that completed it


class Event(TypedDict, total=False):
    """One server-sent event, as dispatched by an SSE parser (WHATWG HTML, 9.2.6)."""

    t: float
    read: int  # index of the read that completed it: events of one read arrived together
    name: str  # the event field, "message" when there was none
    size: int  # bytes on the wire, with its blank line
    type: str  # what the data names itself, only when the event field was missing and the data was cut
    data: str  # cut to the limit of the probe
    data_bytes: int  # before the cut


class Comment(TypedDict, total=False):
    t: float
    text: str


class ProcessSample(TypedDict, total=False):
    t: float
    processes: List[Process]


class GpuSample(Gpus, total=False):
    t: float


class Samples(TypedDict, total=False):
    """Counters, process clocks and GPUs in the same seconds as the stream."""

    metrics: List[Metrics]
    processes: List[ProcessSample]
    gpus: List[GpuSample]
    health: List[Endpoint]


class End(TypedDict, total=False):
    """How a stream ended, in the probe's words. The judge names the outcome."""

    t: float
    how: str  # closed | refused | deadline | error | stopped | broken (the probe itself failed)
    deadline: str  # with how == deadline, which one: connect | headers | first_event | silence | total
    reason: str


class Stream(TypedDict, total=False):
    """One stream case, whatever happened to it."""

    bundle_version: int
    case: str
    variant: str  # of the case ``public``: "", "gzip", "controller" or "controller-gzip"
    at: float
    method: str
    url: str
    request_headers: Dict[str, str]
    request_body: Any
    request_bytes: int
    deadlines: Dict[str, float]
    t_connect: Optional[float]
    t_headers: Optional[float]
    http_status: Optional[int]
    response_headers: Dict[str, str]
    body: str  # of an answer that is no event stream, cut
    reads: List[Read]
    pieces: List[Piece]
    events: List[Event]
    comments: List[Comment]
    bytes: int
    dropped_events: int  # beyond the limit: counted, not kept
    unparsed: str  # bytes after the last whole event
    end: End
    canary: Optional[Dict[str, Any]]  # a Stream
    sent_at: float  # of a canary: t on the clock of the stream it was sent beside
    silence: float  # of a canary that has not ended: seconds since it got anything
    samples: Samples
    retried: List[Dict[str, Any]]  # Streams before this one: refused for their form, or cut in the middle of a thought


class ThreadStack(TypedDict, total=False):
    """One Python thread. ``state`` and ``cpu`` are the kernel's: py-spy tells no idle thread without a pause."""

    name: str
    thread_id: Optional[int]  # the kernel's, in the namespace of the process
    state: str  # as of a Process, "" when unknown
    cpu: Optional[float]
    frames: List[str]  # "function (file:line)", innermost first
    dropped_frames: int  # outer ones beyond the limit


class Stacks(Source, total=False):
    """One ``py-spy dump --nonblocking`` of one process, the main thread first."""

    threads: List[ThreadStack]
    dropped_threads: int


class Look(TypedDict, total=False):
    """One process at one moment of a stall. ``t``: since the start of the canary that is held open meanwhile."""

    t: float
    state: str
    cpu: float
    threads: int
    wait_channel: str  # the kernel function it sleeps in; "" when it runs or that may not be read
    syscall: str  # its number on the host's architecture, or "running"; "" when not readable
    stacks: Stacks


class StalledProcess(TypedDict, total=False):
    """One process of the server, looked at twice. What needs two looks is None when one of them failed."""

    pid: int
    role: str
    title: str
    looks: List[Look]
    seconds: Optional[float]  # between the looks
    cpu_used: Optional[float]  # between the looks
    same_stack: Optional[bool]  # whether the main thread was at the same line, called by the same lines
    moved_threads: List[str]  # other threads of which that is not so, that came or that went


def stream_name(stream: Stream) -> str:
    """``public-gzip``: the case, and which of its variants."""
    variant = stream.get("variant", "")
    return stream["case"] + ("-" + variant if variant else "")


class Stall(TypedDict, total=False):
    """A closer look at the server at the moment of a stall, while a canary was in flight."""

    bundle_version: int
    at: float
    seconds: float  # that all of it took
    observer: Observer
    py_spy: Source  # whether stacks could be read at all
    py_spy_version: str
    processes: List[StalledProcess]
    sockets: Sockets
    gpus: Gpus
    canary: Dict[str, Any]  # a Stream


class Run(TypedDict, total=False):
    """The controller's part of the story."""

    bundle_version: int
    run_id: str
    host: str
    started_at: str
    finished_at: str
    tool_version: str
    inventories: List[str]  # as given to Ansible, for commands to paste
    settings: Dict[str, Any]
    skipped_cases: Dict[str, str]  # case -> why it was not sent
    skipped_said: Dict[str, Any]  # case -> how that was made, see said.put_together
    unreachable: str  # ssh's own words; "" when reached
    errors: List[Dict[str, str]]  # step, message: where the tool itself could not do its work


class Experiment(TypedDict, total=False):
    """What an audit did to the server after these streams, and what came of it."""

    bundle_version: int
    change: str  # compat_on | compat_off | args | env | debug_logging
    words: str  # what was changed, in words
    conclusion: str  # of the comparison, in a word, see docs/result.md
    summary: str  # its numbers, over all cases
    said: Dict[str, Any]  # how the summary was made, see said.put_together; not in files of earlier versions
    fixed: List[str]  # cases that failed before and came whole after
    failing: List[str]  # cases that failed after as before
