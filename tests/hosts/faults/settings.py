"""vLLM's own settings, some of which are no fault."""

from __future__ import annotations

from collections.abc import Iterator

from ..host import Host
from ..server import Server
from .bending import ENDLESS, REASONING, bendable
from .registry import fault


@fault
def stream_interval(host: Host, value: float = 5) -> Iterator[str]:
    """One event per `value` tokens (no fault)."""
    with Server(host).configured("--stream-interval", f"{value:g}"):
        yield f"--stream-interval {value:g}"


@fault
def debug_response(host: Host) -> Iterator[str]:
    """Answers are logged, and therefore sent when they are complete."""
    with Server(host).configured(environment={"VLLM_DEBUG_LOG_API_SERVER_RESPONSE": "true"}):
        yield "VLLM_DEBUG_LOG_API_SERVER_RESPONSE=true"


@fault
def metrics_off(host: Host) -> Iterator[str]:
    """No vllm: series in /metrics, no statistics in the log (no fault)."""
    with Server(host).configured("--disable-log-stats"):
        yield "--disable-log-stats"


@fault
def output_limit(host: Host, value: float = 8) -> Iterator[str]:
    """The server's own limit of `value` new tokens cuts every answer."""
    with Server(host).configured("--override-generation-config.max_new_tokens", f"{value:g}"):
        yield f"at most {value:g} new tokens"


@fault
def small_model_len(host: Host, value: float = 2048) -> Iterator[str]:
    """The context is too small for the request of a real client, which is refused."""
    with Server(host).configured("--max-model-len", f"{value:g}"):
        yield f"--max-model-len {value:g}"


@fault
def runaway_reasoning(host: Host) -> Iterator[str]:
    """The model never closes its thought, and never ends its turn: all it makes is reasoning, until a limit ends it."""
    with bendable(host, *REASONING, *ENDLESS):
        yield " ".join((*REASONING, *ENDLESS))


@fault
def engine_asleep(host: Host) -> Iterator[str]:
    """Somebody put the engine to sleep: requests are taken, and none is scheduled."""
    server = Server(host)
    with server.configured(environment={"VLLM_SERVER_DEV_MODE": "1"}):
        server.request("/sleep?level=1", {}, timeout=60)
        try:
            yield "POST /sleep"
        finally:
            server.request("/wake_up", {}, timeout=60)
