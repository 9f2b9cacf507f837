"""The faults: a registry of small changes to Settings. A new fault is one decorated function; see README.md."""

from collections.abc import Callable
from dataclasses import dataclass

from simulator import bending
from simulator.bodies import Json
from simulator.settings import Settings

Change = Callable[[Settings, float], None]


@dataclass(frozen=True)
class Fault:
    """`value` is the default of `NAME=VALUE`, None where the fault takes none; `imitates` is the reality behind it."""

    name: str
    summary: str
    imitates: str
    value: float | None
    change: Change


FAULTS: dict[str, Fault] = {}


def fault(summary: str, imitates: str, value: float | None = None) -> Callable[[Change], Change]:
    """Register the decorated function under its own name."""

    def register(change: Change) -> Change:
        name = change.__name__
        FAULTS[name] = Fault(name, summary, imitates, value, change)
        return change

    return register


def apply(spec: str, settings: Settings) -> None:
    """Apply `NAME` or `NAME=VALUE`; ValueError says what is wrong with it."""
    name, _, text = spec.partition("=")
    if name not in FAULTS:
        raise ValueError(f"unknown fault {name!r}; --list-faults shows all")
    known = FAULTS[name]
    if text and known.value is None:
        raise ValueError(f"fault {name!r} takes no value")
    known.change(settings, float(text) if text else known.value or 0.0)


def describe() -> str:
    lines = []
    for known in FAULTS.values():
        value = "" if known.value is None else f"={known.value:g}"
        lines.append(f"{known.name + value:32} {known.summary}\n{'':32} imitates: {known.imitates}")
    return "\n".join(lines)


# Which requests the faults of one request hit (--fault-when)
CONDITIONS: dict[str, Callable[[Json], bool]] = {
    "always": lambda body: True,
    "tools": lambda body: bool(body.get("tools")),
    "no_tools": lambda body: not body.get("tools"),
    "reasoning": lambda body: bool(body.get("reasoning")),
    "tools_and_reasoning": lambda body: bool(body.get("tools") and body.get("reasoning")),
    "large": lambda body: len(str(body)) > 16384,
    "second_turn": lambda body: "function_call_output" in str(body.get("input", "")),
    "stream": lambda body: bool(body.get("stream")),
    "responses": lambda body: "input" in body,
}


@fault("nothing is wrong", "a healthy server")
def none(s: Settings, value: float) -> None:
    pass


# The engine

FATAL = (
    "EngineCore encountered a fatal error.\nTraceback (most recent call last):\n"
    '  File "vllm/v1/engine/core.py", line 1222, in run_engine_core\n    engine_core.run_busy_loop()\n'
)


@fault("created and in_progress, then silence; health 200, counters flat, running=0", "SIGSTOP to the engine core")
def engine_stalled(s: Settings, value: float) -> None:
    s.stall = "stop"


@fault("the same, but the process sleeps in a wait instead of being stopped", "an engine waiting for ever for a GPU")
def engine_blocked(s: Settings, value: float) -> None:
    s.stall = "block"


@fault("the same, and the engine logs that its workers do not answer", "a hung worker of a tensor-parallel group")
def worker_hung(s: Settings, value: float) -> None:
    s.stall = "block"
    s.last_words = (
        "No available shared memory broadcast block found in 60 seconds. This typically happens when some processes "
        "are hanging or doing some time-consuming work (e.g. compilation, weight/kv cache quantization)."
    )


@fault("silence after VALUE tokens, running=1 for ever, counters flat", "a hung kernel or collective", 12)
def engine_stalled_midstream(s: Settings, value: float) -> None:
    s.stall, s.stall_after = "stop", int(value)


@fault("the engine is killed after VALUE tokens; health 503, then the server ends", "SIGKILL by the OOM killer", 12)
def engine_dead_midstream(s: Settings, value: float) -> None:
    s.die_after = int(value)


@fault("the engine is killed when the request reaches it", "a crash on the first batch")
def engine_dead_before(s: Settings, value: float) -> None:
    s.die_after = 0


@fault("the engine is killed VALUE seconds after the start, with no request", "an idle engine killed from outside", 2)
def engine_dead_idle(s: Settings, value: float) -> None:
    s.die_at = value


@fault("out of GPU memory after VALUE tokens: traceback of the engine, then as engine_dead", "CUDA out of memory", 12)
def engine_out_of_memory(s: Settings, value: float) -> None:
    s.die_after = int(value)
    s.last_words = (
        FATAL + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
        "79.25 GiB of which 1.06 GiB is free."
    )


@fault("a CUDA error after VALUE tokens: traceback of the engine, then as engine_dead", "an illegal memory access", 12)
def engine_cuda_error(s: Settings, value: float) -> None:
    s.die_after = int(value)
    s.last_words = FATAL + "torch.AcceleratorError: CUDA error: an illegal memory access was encountered"


@fault("VALUE tokens per second", "an overloaded or throttled GPU", 2)
def slow(s: Settings, value: float) -> None:
    s.tokens_per_second = value


@fault("the first token after VALUE seconds, the engine busy meanwhile", "a long prompt on a slow device", 8)
def long_prefill(s: Settings, value: float) -> None:
    s.prefill_seconds, s.busy = value, True


@fault("the first request after the start waits VALUE seconds for its first token, later ones do not", "compilation", 8)
def first_request_slow(s: Settings, value: float) -> None:
    s.warm_up = value


@fault("other clients hold every slot, VALUE seconds each; waiting>0, tokens rise", "max-num-seqs reached", 600)
def queue_saturated(s: Settings, value: float) -> None:
    s.max_num_seqs = s.competitors = min(s.max_num_seqs, 4)
    s.competitor_tokens = max(1, int(value * s.tokens_per_second))


@fault("waiting>0, running=0, tokens flat, cache full", "a KV cache without room for the request")
def kv_cache_exhausted(s: Settings, value: float) -> None:
    s.kv_exhausted = True


@fault("the engine sleeps: awake=0, running=0, waiting=0", "POST /sleep that nobody undid")
def engine_asleep(s: Settings, value: float) -> None:
    s.asleep = True


@fault("VALUE other clients' short requests at a time raise the counters", "a server in use", 2)
def other_traffic(s: Settings, value: float) -> None:
    s.competitors, s.competitor_tokens = int(value), 40


# The model and its parsers


@fault("the server's own limit of VALUE new tokens cuts every answer", "max_new_tokens in the generation config", 8)
def output_limit(s: Settings, value: float) -> None:
    s.token_cap = int(value)


@fault("VALUE tokens of a call are produced and held back: tokens rise, no event", "a tool parser that waits", 6000)
def tool_call_withheld(s: Settings, value: float) -> None:
    s.withheld_tokens = int(value)


@fault("VALUE tokens of reasoning are produced and not sent", "include_reasoning: false", 6000)
def reasoning_hidden(s: Settings, value: float) -> None:
    s.reasoning_parser, s.hide_reasoning, s.reasoning_tokens = True, True, int(value)


@fault("reasoning goes on for VALUE tokens", "a model that never closes its thought", 30000)
def runaway_reasoning(s: Settings, value: float) -> None:
    s.reasoning_parser, s.reasoning_tokens = True, int(value)


@fault("answers in text although it has tools (no fault)", "a model that needs no tool")
def answers_without_tool(s: Settings, value: float) -> None:
    s.calls_tool = False


@fault("an answer of VALUE tokens (no fault)", "a long answer", 300)
def long_answer(s: Settings, value: float) -> None:
    s.reply_tokens = int(value)


# The API server


@fault("the event loop blocks at the start: connections accepted, no answer, health silent", "SIGSTOP to the server")
def api_server_stalled(s: Settings, value: float) -> None:
    s.block_server = "start"


@fault("the event loop blocks at the first POST, before its headers", "a deadlock in request handling")
def api_server_stalled_on_request(s: Settings, value: float) -> None:
    s.block_server = "request"


@fault("the event loop blocks after VALUE events of a stream", "a deadlock in mid-stream", 8)
def api_server_stalled_midstream(s: Settings, value: float) -> None:
    s.block_server, s.block_after = "midstream", int(value)


@fault("the port is closed for VALUE seconds", "loading the model", 5)
def starting(s: Settings, value: float) -> None:
    s.start_delay = value


@fault("every POST is answered with status VALUE", "a proxy or an overloaded server", 503)
def http_error(s: Settings, value: float) -> None:
    s.http_status = int(value)


@fault("no vllm: series in /metrics, no stats line", "--disable-log-stats")
def metrics_off(s: Settings, value: float) -> None:
    s.log_stats = False


@fault("one event per VALUE tokens", "--stream-interval", 10)
def stream_interval(s: Settings, value: float) -> None:
    s.stream_interval = int(value)


@fault("headers and all events at the end", "VLLM_DEBUG_LOG_API_SERVER_RESPONSE=true")
def burst(s: Settings, value: float) -> None:
    s.wrappers.append(bending.burst)


@fault("the body leaves in pieces of VALUE bytes, whatever the events", "a buffer in the server", 16384)
def fixed_chunks(s: Settings, value: float) -> None:
    s.wrappers.append(lambda app: bending.FixedChunks(app, int(value)))


@fault("after SIGTERM the server waits for its clients to leave", "vLLM 0.32 with a stalled engine")
def lingering_stop(s: Settings, value: float) -> None:
    s.lingers = True


# The stream


@fault("after a finished function call the stream is held open, silent", "a server that waits for tool outputs")
def awaiting_tool_output(s: Settings, value: float) -> None:
    s.filters.append(bending.wait_after_call)


@fault("every VALUE-th delta is lost", "a proxy that drops events", 3)
def lost_deltas(s: Settings, value: float) -> None:
    s.filters.append(lambda events: bending.without_some_deltas(events, int(value)))


@fault("the stream ends after VALUE events without a terminal one; a traceback in the log", "an exception", 8)
def truncated(s: Settings, value: float) -> None:
    s.filters.append(lambda events: bending.fail_after(events, int(value)))


@fault("after VALUE events nothing more is sent, while the engine works on to the end", "a lost background task", 4)
def silent_after(s: Settings, value: float) -> None:
    s.filters.append(lambda events: bending.keep_silent_after(events, int(value)))


@fault("output_item.done and the other done events of items are missing", "harmony items without a delta")
def missing_done(s: Settings, value: float) -> None:
    s.filters.append(bending.without_done)


@fault("output_item.done carries another id than output_item.added", "a proxy or server that makes ids up")
def wrong_ids(s: Settings, value: float) -> None:
    s.filters.append(bending.with_wrong_ids)


@fault("the terminal event is missing, the stream ends cleanly", "a server that forgets response.completed")
def missing_terminal(s: Settings, value: float) -> None:
    s.filters.append(bending.without_terminal)


@fault("fork: pings are never sent", "a heartbeat that got lost")
def ping_lost(s: Settings, value: float) -> None:
    s.ping_interval = 0.0


@fault("fork: response.queued comes first (no fault)", "the fork under load")
def queued_first(s: Settings, value: float) -> None:
    s.filters.append(bending.with_queued)


@fault("fork with compatibility mode: only response.created passes, then silence", "the original incident")
def compat_filter(s: Settings, value: float) -> None:
    if s.compatibility:
        s.ping_interval = 0.0
        s.filters.append(lambda events: bending.keep_silent_after(events, 1))
