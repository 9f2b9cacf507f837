"""The faults: a registry of small changes to Settings. A new fault is one decorated function; see README.md."""

import random
from collections.abc import Callable

from simulator import bending
from simulator.bodies import Json
from simulator.registry import Registry
from simulator.settings import Settings

REGISTRY: Registry[Settings] = Registry()
FAULTS = REGISTRY.faults
fault, apply, describe = REGISTRY.fault, REGISTRY.apply, REGISTRY.describe


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
    "half": lambda body: random.random() < 0.5,  # at random
}


# Faults of the fork's own behaviour: upstream has nothing that could break so
FORK = {"ping_lost", "compat_filter", "compat_drops_tool_events", "validation_error"}


@fault("nothing is wrong", "a healthy server")
def none(s: Settings, value: float) -> None:
    pass


# The engine

WORKER_WAIT = (
    "No available shared memory broadcast block found in 60 seconds. This typically happens when some processes "
    "are hanging or doing some time-consuming work (e.g. compilation, weight/kv cache quantization)."
)
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
    s.stall, s.stall_words = "block", WORKER_WAIT


@fault("the same, and after VALUE seconds the call to the workers times out and the engine dies", "a hung worker", 5)
def worker_timeout(s: Settings, value: float) -> None:
    s.stall, s.stall_words, s.stall_seconds = "block", WORKER_WAIT, value
    s.last_words = FATAL + "TimeoutError: RPC call to execute_model timed out."


@fault(
    "the same for VALUE seconds, once; then the engine goes on as if nothing had been", "a wait for another host", 14
)
def engine_pauses(s: Settings, value: float) -> None:
    s.stall, s.stall_seconds = "pause", value


@fault("the same, but the engine burns CPU time for ever", "a busy wait for a worker or a device that never answers")
def spinning_engine(s: Settings, value: float) -> None:
    s.stall = "spin"


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


@fault("the first token of every request after VALUE seconds, the engine's CPU clock standing", "a prefill on a GPU", 5)
def first_token_slow(s: Settings, value: float) -> None:
    s.prefill_seconds = value


@fault("the first request after the start waits VALUE seconds for its first token, later ones do not", "compilation", 8)
def first_request_slow(s: Settings, value: float) -> None:
    s.warm_up = value


@fault("other clients hold every slot, VALUE seconds each; waiting>0, tokens rise", "max-num-seqs reached", 600)
def queue_saturated(s: Settings, value: float) -> None:
    s.max_num_seqs = s.competitors = min(s.max_num_seqs, 4)
    s.competitor_tokens = max(1, int(value * s.tokens_per_second))


@fault("as queue_saturated, from the first request on for VALUE seconds; then it runs and completes", "a rush hour", 6)
def queue_clears(s: Settings, value: float) -> None:
    s.max_num_seqs, s.queue_for = min(s.max_num_seqs, 4), value


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


@fault("the tool parser fails at every token of a call: errors in the log, and no call", "arguments that are no JSON")
def tool_parser_fails(s: Settings, value: float) -> None:
    s.tool_parser_fails = True


@fault("the engine gives one request up after VALUE tokens: a cut stream, errors in the log", "a failed KV load", 12)
def generation_failed(s: Settings, value: float) -> None:
    s.fail_after = int(value)


@fault("reasoning goes on for VALUE tokens", "a model that never closes its thought", 30000)
def runaway_reasoning(s: Settings, value: float) -> None:
    s.reasoning_parser, s.reasoning_tokens = True, int(value)


@fault("answers in text although it has tools (no fault)", "a model that needs no tool")
def answers_without_tool(s: Settings, value: float) -> None:
    s.calls_tool = False


@fault("neither text nor call: created, in_progress, completed (no fault)", "a model that ends its turn at once")
def empty_answer(s: Settings, value: float) -> None:
    s.reply_tokens, s.calls_tool = 0, False


@fault("response.incomplete ends an answer cut by its limit (no fault)", "vLLM 0.33")
def incomplete_0_33(s: Settings, value: float) -> None:
    s.incomplete_event = True


@fault("reasoning of VALUE tokens in response.reasoning_part.* (no fault)", "vLLM before content_part for thoughts", 16)
def older_reasoning_parts(s: Settings, value: float) -> None:
    s.reasoning_parser, s.reasoning_parts, s.reasoning_tokens = True, True, int(value)


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


@fault("the event loop blocks for VALUE seconds again and again: bursts, slow /health", "work in the event loop", 3)
def api_server_slow_event_loop(s: Settings, value: float) -> None:
    s.block_again = value


@fault("/health answers after VALUE seconds; streams are sound (no fault of a stream)", "a slow health check", 4)
def health_slow(s: Settings, value: float) -> None:
    s.health_delay = value


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


@fault("headers and all events at the end; the log says so", "VLLM_DEBUG_LOG_API_SERVER_RESPONSE=true")
def burst(s: Settings, value: float) -> None:
    s.log_responses = True


@fault("headers and all events at the end; the log says nothing", "a --middleware that reads the whole answer")
def middleware_holds(s: Settings, value: float) -> None:
    s.wrappers.append(bending.hold_to_end)


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


@fault("all deltas at once, response.completed only VALUE seconds later", "work left to do after the last token", 20)
def done_late(s: Settings, value: float) -> None:
    s.filters.append(lambda events: bending.with_late_end(events, value))


@fault("nothing about a function call reaches the client, the rest does; tokens counted", "a filter between the layers")
def tool_call_lost(s: Settings, value: float) -> None:
    s.responses_filters.append(lambda events: bending.without_items(events, "function_call"))


@fault("a thought of VALUE tokens is swallowed, the text behind it passes; tokens counted", "a filter of thoughts", 40)
def reasoning_lost(s: Settings, value: float) -> None:
    s.reasoning_parser, s.reasoning_tokens = True, int(value)
    s.responses_filters.append(lambda events: bending.without_items(events, "reasoning"))


@fault("a function call has no events and is only in completed.output", "gpt-oss (harmony): an item without a delta")
def harmony_item_without_delta(s: Settings, value: float) -> None:
    s.responses_filters.append(lambda events: bending.without_items(events, "function_call", still_at_end=True))


@fault("every VALUE-th event comes twice", "a retry between server and client", 4)
def duplicate_events(s: Settings, value: float) -> None:
    s.filters.append(lambda events: bending.with_duplicates(events, int(value)))


@fault("after VALUE events an `error` event ends the stream", "the Responses API's own way to fail, of a gateway", 8)
def error_event(s: Settings, value: float) -> None:
    error = {"code": "server_error", "message": "The server had an error while processing your request.", "param": None}
    s.responses_filters.append(lambda events: bending.error_after(events, int(value), "error", error))


@fault("output_item.done and the other done events of items are missing", "a server that leaves its items open")
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


@fault("fork with compatibility mode: only response.created passes; chat and nonstream work", "the original incident")
def compat_filter(s: Settings, value: float) -> None:
    if s.compatibility:
        s.ping_interval = 0.0
        s.responses_filters.append(lambda events: bending.keep_silent_after(events, 1))


@fault("fork with compatibility mode: from a function call on only pings; all else passes", "a filter of tool events")
def compat_drops_tool_events(s: Settings, value: float) -> None:
    if s.compatibility:
        s.responses_filters.append(bending.silent_at_calls)


@fault(
    "fork: after VALUE events one fails validation: response.error ends the stream",
    "the fork's check of what it sends",
    8,
)
def validation_error(s: Settings, value: float) -> None:
    error = {"error": {"code": "event_validation_failed", "message": "An event failed validation."}}
    s.responses_filters.append(lambda events: bending.error_after(events, int(value), "response.error", error))
