"""What one simulated server is and does. Faults are changes to these values."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.types import ASGIApp

from simulator.events import EventStream

EventFilter = Callable[[EventStream], EventStream]
Wrapper = Callable[[ASGIApp], ASGIApp]


@dataclass
class Settings:
    """Identity first, then the model's behaviour, then what a fault may do to one request."""

    model: str = "tiny"
    served_names: list[str] = field(default_factory=lambda: ["tiny"])
    api_keys: list[str] = field(default_factory=list)
    max_model_len: int = 32768
    max_num_seqs: int = 256
    stream_interval: int = 1  # tokens per event
    tool_parser: bool = True
    reasoning_parser: bool = False
    log_stats: bool = True
    log_requests: bool = False
    log_responses: bool = False
    track_load: bool = False
    dialect: str = "upstream"  # or fork
    compatibility: bool = False  # fork only; on unless switched off
    ping_interval: float = 0.0  # seconds of silence before a response.ping; 0 = never
    seed: int = 0

    # The model
    tokens_per_second: float = 60.0
    prefill_seconds: float = 0.02
    reply_tokens: int = 32
    reasoning_tokens: int = 16
    calls_tool: bool = True  # with tool_choice auto; required and named ones are always obeyed
    token_cap: int | None = None  # the server's own limit of new tokens
    withheld_tokens: int = 0  # produced before the call and held back by the tool parser
    hide_reasoning: bool = False
    tool_parser_fails: bool = False  # at every token of a call
    fail_after: int = -1  # tokens, then the engine ends the request with the finish reason error; -1 = never
    incomplete_event: bool = False  # response.incomplete ends a cut answer, where 0.32 sends response.completed
    reasoning_parts: bool = False  # response.reasoning_part.* frame a thought, where 0.32 sends content_part.*

    # The engine, per request
    stall: str = ""  # "", "stop" (SIGSTOP to itself), "block", "pause" (once, and then it goes on) or "spin"
    stall_after: int = 0  # tokens; 0 = before the first
    stall_words: str = ""  # what the engine logs when it stalls
    stall_seconds: float = 0.0  # of a "block", then the engine dies, 0 = it never ends; of a "pause"
    die_after: int = -1  # tokens; -1 = never, 0 = before the first
    last_words: str = ""  # what the engine logs before it dies
    busy: bool = False  # burn CPU while in prefill
    warm_up: float = 0.0  # seconds of prefill, busy, of the very first request
    # The engine, from its start
    die_at: float = -1.0  # seconds; -1 = never
    competitors: int = 0  # requests of other clients, always this many
    competitor_tokens: int = 40  # length of each
    queue_for: float = 0.0  # seconds for which other clients, who come with the first request, hold all slots
    kv_exhausted: bool = False  # nothing can be scheduled
    asleep: bool = False

    # The API server
    start_delay: float = 0.0  # seconds before the port opens
    block_server: str = ""  # "", "start", "request" or "midstream"
    block_after: int = 5  # events, for midstream
    block_again: float = 0.0  # seconds for which the event loop is blocked, again and again
    health_delay: float = 0.0  # seconds before /health answers
    lingers: bool = False  # on SIGTERM, until the clients have gone
    http_status: int = 0  # answer every POST with this
    filters: list[EventFilter] = field(default_factory=list)  # over the events of a stream
    responses_filters: list[EventFilter] = field(default_factory=list)  # the same, of POST /v1/responses only
    wrappers: list[Wrapper] = field(default_factory=list)  # around the whole application

    def copy(self) -> "Settings":
        """The same values, with lists of its own for the faults to add to."""
        return replace(
            self,
            filters=list(self.filters),
            responses_filters=list(self.responses_filters),
            wrappers=list(self.wrappers),
        )

    def engine_config(self) -> dict[str, Any]:
        """What the engine process needs to know once, at its start."""
        names = ("max_num_seqs", "die_at", "competitors", "competitor_tokens", "queue_for", "kv_exhausted", "asleep",
                 "tokens_per_second", "stall_words", "stall_seconds", "last_words")  # fmt: skip
        return {name: getattr(self, name) for name in names}
