"""vLLM's ``/metrics`` -> the few numbers that tell a hang from a queue from a slow answer.

Names by version: see vLLM's ``docs/usage/metrics.md``; older names are kept because older servers are
what hangs at night. Values are summed over the labels ``engine`` and ``model_name``.
"""

from __future__ import annotations

import math
import re
from typing import Dict, Iterator, List, Optional, Tuple

from ..bundle import Metrics

_LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:\\.|[^"\\])*)"')

# One field, its names from new to old: the first one that the server has counts.
_NAMES: Dict[str, Tuple[str, ...]] = {
    "running": ("vllm:num_requests_running",),
    "waiting": ("vllm:num_requests_waiting",),
    "kv_cache_usage": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),  # renamed between 0.8.5 and 0.9.2
    "generation_tokens": ("vllm:generation_tokens_total",),
    "prompt_tokens": ("vllm:prompt_tokens_total",),
    "preemptions": ("vllm:num_preemptions_total",),
}
_SUCCESS = "vllm:request_success_total"
_SLEEP = "vllm:engine_sleep_state"

Sample = Tuple[str, Dict[str, str], float]


def samples(text: str) -> Iterator[Sample]:
    """Prometheus text format 0.0.4 -> (name, labels, value). Lines that are no sample of a number are passed over."""
    for line in text.split("\n"):
        match = _LINE.match(line) if not line.startswith("#") else None
        if match is None:
            continue
        try:
            value = float(match.group(3))
        except ValueError:
            continue
        if not math.isfinite(value):
            continue  # NaN equals nothing, not even itself: a counter would seem to move
        yield match.group(1), dict(_LABEL.findall(match.group(2) or "")), value


def parse_metrics(text: str, t: float) -> Metrics:
    """``text``: the body of ``/metrics``; ``t``: seconds on the caller's clock, taken when it was asked for."""
    by_name: Dict[str, List[Sample]] = {}
    for sample in samples(text):
        by_name.setdefault(sample[0], []).append(sample)

    def total(names: Tuple[str, ...]) -> Optional[float]:
        for name in names:
            if name in by_name:
                return sum(value for _name, _labels, value in by_name[name])
        return None

    successes: Dict[str, float] = {}
    for _name, labels, value in by_name.get(_SUCCESS, []):
        reason = labels.get("finished_reason", "")
        successes[reason] = successes.get(reason, 0.0) + value
    awake = [v for _n, labels, v in by_name.get(_SLEEP, []) if labels.get("sleep_state") == "awake"]
    kv = [v for name in _NAMES["kv_cache_usage"] for _n, _l, v in by_name.get(name, [])]
    return Metrics(
        t=t,
        state="ok",
        reason="",
        running=total(_NAMES["running"]),
        waiting=total(_NAMES["waiting"]),
        kv_cache_usage=max(kv) if kv else None,  # a share: the fullest engine counts, not the sum
        generation_tokens=total(_NAMES["generation_tokens"]),
        prompt_tokens=total(_NAMES["prompt_tokens"]),
        preemptions=total(_NAMES["preemptions"]),
        successes=successes,
        awake=min(awake) if awake else None,
    )
