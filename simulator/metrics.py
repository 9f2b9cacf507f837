"""The /metrics page: names, labels and buckets of a running vLLM 0.32 (metrics_catalogue.jsonl), and its arithmetic."""

import json
import time
from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    Summary,
)

from simulator.settings import Settings

CATALOGUE = Path(__file__).with_name("metrics_catalogue.jsonl")
KINDS: dict[str, type[Counter | Gauge | Histogram | Summary]] = {
    "counter": Counter,
    "gauge": Gauge,
    "histogram": Histogram,
    "summary": Summary,
}
# label values that exist from the start, in vLLM's order
CHILDREN: dict[str, list[dict[str, str]]] = {
    "vllm:num_requests_waiting_by_reason": [{"reason": x} for x in ("capacity", "deferred")],
    "vllm:engine_sleep_state": [{"sleep_state": x} for x in ("awake", "weights_offloaded", "discard_all")],
    "vllm:prompt_tokens_by_source": [
        {"source": x} for x in ("local_compute", "local_cache_hit", "external_kv_transfer")
    ],
    "vllm:prompt_tokens_cached_by_source": [
        {"source": x} for x in ("device", "host", "p2p", "disk", "external_unspecified")
    ],
    "vllm:request_success": [{"finished_reason": x} for x in ("stop", "length", "abort", "error", "repetition")],
    "vllm:admission_rejections": [{"reason": x} for x in ("max_num_queued_reqs", "max_num_queued_tokens")],
    "vllm:tool_call_parser_invocations": [
        {"mode": mode, "outcome": outcome, "request_type": request}
        for mode in ("streaming", "non_streaming")
        for outcome in ("tool_call", "no_tool_call")
        for request in ("chat_completions", "responses", "other")
    ],
}
CACHE_CONFIG = {
    "_block_size_resolved": "True", "block_size": "128", "cache_dtype": "auto", "cache_hit_alignment_tokens": "None",
    "effective_attention_block_size": "128", "enable_mamba_shared_prefix_checkpoint": "False",
    "enable_prefix_caching": "True", "engine": "0", "gpu_memory_utilization": "0.92", "hash_block_size": "None",
    "is_attention_free": "False", "kv_cache_dtype_skip_layers": "[]", "kv_cache_layout": "None",
    "kv_cache_max_concurrency": "64.0", "kv_cache_memory_bytes": "1073741824", "kv_cache_size_tokens": "2097152",
    "kv_offloading_backend": "native", "kv_offloading_size": "None", "kv_sharing_fast_prefill": "False",
    "mamba_block_size": "None", "mamba_cache_dtype": "auto", "mamba_cache_mode": "none",
    "mamba_page_size_padded": "None", "mamba_ssm_cache_dtype": "float32", "num_cpu_blocks": "None",
    "num_gpu_blocks": "16384", "num_gpu_blocks_override": "None",
    "prefix_cache_retention_interval": "0", "prefix_caching_hash_algo": "sha256",
    "prefix_match_unit": "None", "replayssm_buffer_len": "16", "skip_page_size_padded": "None",
    "sliding_window": "None", "swa_bounded_replay": "True", "use_kda_recoverssm": "False", "use_replayssm": "False",
    "user_specified_block_size": "False",
}  # fmt: skip


class Metrics:
    """All series of one server and what the periodic log line needs."""

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        GCCollector(self.registry)
        PlatformCollector(self.registry)
        ProcessCollector(registry=self.registry)
        self.on = settings.log_stats
        self.base = {"engine": "0", "model_name": settings.served_names[0]}
        self.all: dict[str, Any] = {}
        self.stats = {"running": 0, "waiting": 0, "kv_usage": 0.0, "asleep": False}
        self.window = {"prompt": 0, "generation": 0, "queries": 0, "hits": 0}
        for line in CATALOGUE.read_text().splitlines():
            row = json.loads(line)
            if row["name"].startswith("vllm:tool_call") and not settings.tool_parser:
                continue
            if self.on or not row["name"].startswith("vllm:"):
                self.define(row)
        if self.on:
            self.get("vllm:engine_sleep_state", sleep_state="awake").set(1)
            self.all["vllm:cache_config_info"].labels(**CACHE_CONFIG).set(1)

    def define(self, row: dict[str, Any]) -> None:
        name = row["name"].removesuffix("_total") if row["type"] == "counter" else row["name"]
        extra = {"buckets": row["buckets"]} if row["type"] == "histogram" else {}
        self.all[name] = KINDS[row["type"]](name, row["help"], row["labels"], registry=self.registry, **extra)
        fixed = {k: v for k, v in self.base.items() if k in row["labels"]}
        for labels in CHILDREN.get(name, [{}] if set(row["labels"]) == set(fixed) and fixed else []):
            self.all[name].labels(**fixed, **labels)

    def get(self, name: str, **labels: str) -> Any:
        metric = self.all[name]
        return metric.labels(**{k: v for k, v in self.base.items() if k in metric._labelnames}, **labels)

    def state(self, stats: dict[str, Any]) -> None:
        """The gauges, as the engine reports them."""
        self.stats = stats
        if not self.on:
            return
        self.get("vllm:num_requests_running").set(stats["running"])
        self.get("vllm:num_requests_waiting").set(stats["waiting"])
        self.get("vllm:num_requests_waiting_by_reason", reason="capacity").set(stats["waiting"])
        self.get("vllm:kv_cache_usage_perc").set(stats["kv_usage"])
        self.get("vllm:engine_sleep_state", sleep_state="awake").set(not stats["asleep"])
        self.get("vllm:engine_sleep_state", sleep_state="weights_offloaded").set(stats["asleep"])

    def record(self, outputs: list[dict[str, Any]]) -> None:
        """Counters and histograms, from the outputs of one step."""
        if not self.on:
            return
        prompt = generated = 0
        for out in outputs:
            generated += len(out["tokens"])
            if out["produced"] == 1:
                prompt += self.first_token(out)
            elif out["tokens"]:
                self.get("vllm:inter_token_latency_seconds").observe(out["now"] - out["last_at"])
            if out["finish"]:
                self.finished(out)
        self.get("vllm:generation_tokens").inc(generated)
        self.get("vllm:iteration_tokens_total").observe(prompt + generated)
        self.window["prompt"] += prompt
        self.window["generation"] += generated

    def first_token(self, out: dict[str, Any]) -> int:
        """Count the prompt; return how many of its tokens were computed (not taken from the cache)."""
        prompt, cached = out["prompt_tokens"], out["cached_tokens"]
        self.get("vllm:prompt_tokens").inc(prompt)
        self.get("vllm:prompt_tokens_by_source", source="local_compute").inc(prompt - cached)
        self.get("vllm:prompt_tokens_by_source", source="local_cache_hit").inc(cached)
        self.get("vllm:prompt_tokens_cached").inc(cached)
        self.get("vllm:prompt_tokens_cached_by_source", source="device").inc(cached)
        self.get("vllm:prefix_cache_queries").inc(prompt)
        self.get("vllm:prefix_cache_hits").inc(cached)
        self.get("vllm:time_to_first_token_seconds").observe(out["now"] - out["queued_at"])
        self.window["queries"] += prompt
        self.window["hits"] += cached
        return int(prompt - cached)

    def finished(self, out: dict[str, Any]) -> None:
        scheduled = out["scheduled_at"] or out["now"]
        first = out["first_at"] or out["now"]
        decode = out["now"] - first
        self.get("vllm:request_success", finished_reason=out["finish"]).inc()
        for name, value in (
            ("request_prompt_tokens", out["prompt_tokens"]),
            ("request_generation_tokens", out["produced"]),
            ("request_max_num_generation_tokens", out["produced"]),
            ("request_params_n", 1),
            ("request_params_max_tokens", out["max_tokens"]),
            ("request_time_per_output_token_seconds", decode / max(out["produced"] - 1, 1)),
            ("e2e_request_latency_seconds", out["now"] - out["queued_at"]),
            ("request_queue_time_seconds", scheduled - out["queued_at"]),
            ("request_inference_time_seconds", out["now"] - scheduled),
            ("request_prefill_time_seconds", first - scheduled),
            ("request_decode_time_seconds", decode),
            ("request_num_preemptions", 0),
            ("request_prefill_kv_computed_tokens", out["prompt_tokens"] - out["cached_tokens"]),
        ):
            self.get(f"vllm:{name}").observe(value)

    def parsed(self, api: str, streaming: bool, tool_call: bool) -> None:
        """One invocation of the tool parser: per delta in a stream, per request otherwise."""
        if self.on and "vllm:tool_call_parser_invocations" in self.all:
            mode = "streaming" if streaming else "non_streaming"
            outcome = "tool_call" if tool_call else "no_tool_call"
            self.get("vllm:tool_call_parser_invocations", mode=mode, outcome=outcome, request_type=api).inc()

    def http(self, handler: str, method: str, status: int, sizes: tuple[int, int], seconds: float) -> None:
        """One HTTP request, as prometheus-fastapi-instrumentator counts it; sizes are the content-length headers."""
        self.all["http_requests"].labels(handler=handler, method=method, status=f"{status // 100}xx").inc()
        self.all["http_request_size_bytes"].labels(handler=handler).observe(sizes[0])
        self.all["http_response_size_bytes"].labels(handler=handler).observe(sizes[1])
        self.all["http_request_duration_highr_seconds"].observe(seconds)
        self.all["http_request_duration_seconds"].labels(handler=handler, method=method).observe(seconds)


class StatsLog:
    """The line every ten seconds; silent after two idle intervals, as LoggingStatLogger (loggers.py) is."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.last = (0.0, 0.0)
        self.last_time = time.monotonic()
        self.queries = self.hits = 0

    def line(self) -> str | None:
        now = time.monotonic()
        seconds = now - self.last_time
        window = self.metrics.window
        rates = (window["prompt"] / seconds, window["generation"] / seconds)
        self.queries += window["queries"]
        self.hits += window["hits"]
        idle = not any((*rates, *self.last))
        self.last, self.last_time = rates, now
        self.metrics.window = dict.fromkeys(window, 0)
        if idle:
            return None
        stats = self.metrics.stats
        parts = [
            f"Engine 000: Avg prompt throughput: {rates[0]:.1f} tokens/s",
            f"Avg generation throughput: {rates[1]:.1f} tokens/s",
            f"Running: {stats['running']} reqs",
            f"Waiting: {stats['waiting']} reqs",
            f"GPU KV cache usage: {stats['kv_usage'] * 100:.1f}%",
        ]
        if self.queries:
            parts.append(f"Prefix cache hit rate: {self.hits / self.queries * 100:.1f}%")
        return ", ".join(parts)
