"""``/metrics`` as servers of several years print it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamdiag.host.metrics import parse_metrics, samples

RECORDINGS = Path(__file__).parents[2] / "simulator" / "recordings"
NOTHING = {
    "running": None,
    "waiting": None,
    "kv_cache_usage": None,
    "generation_tokens": None,
    "prompt_tokens": None,
    "preemptions": None,
    "successes": {},
    "awake": None,
}

TWO_ENGINES = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_running{engine="1",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} 0.0
vllm:num_requests_waiting{engine="1",model_name="m"} 4.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 70.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.9
vllm:generation_tokens_total{engine="0",model_name="m"} 1.5e+06
vllm:generation_tokens_total{engine="1",model_name="m"} 7.0
vllm:generation_tokens_created{engine="0",model_name="m"} 1.79e+09
vllm:prompt_tokens_total{engine="0",model_name="m"} 10.0
vllm:prompt_tokens_total{engine="1",model_name="m"} 20.0
vllm:num_preemptions_total{engine="0",model_name="m"} 1.0
vllm:num_preemptions_total{engine="1",model_name="m"} 1.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 5.0
vllm:request_success_total{engine="1",finished_reason="stop",model_name="m"} 6.0
vllm:request_success_total{engine="1",finished_reason="abort",model_name="m"} 1.0
vllm:engine_sleep_state{engine="0",model_name="m",sleep_state="awake"} 1.0
vllm:engine_sleep_state{engine="1",model_name="m",sleep_state="awake"} 0.0
vllm:engine_sleep_state{engine="1",model_name="m",sleep_state="discard_all"} 1.0
"""

#: vLLM 0.8: no engine label, the older name of the cache gauge, no sleep state.
OLD = """\
vllm:num_requests_running{model_name="m"} 1.0
vllm:num_requests_swapped{model_name="m"} 9.0
vllm:num_requests_waiting{model_name="m"} 2.0
vllm:gpu_cache_usage_perc{model_name="m"} 0.5
vllm:cpu_cache_usage_perc{model_name="m"} 0.75
vllm:prompt_tokens_total{model_name="m"} 3.0
vllm:generation_tokens_total{model_name="m"} 4.0
"""


def told(text):
    return {key: value for key, value in parse_metrics(text, 1.5).items() if key not in ("t", "state", "reason")}


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            TWO_ENGINES,
            {
                "running": 5.0,
                "waiting": 4.0,
                "kv_cache_usage": 0.9,
                "generation_tokens": 1500007.0,
                "prompt_tokens": 30.0,
                "preemptions": 2.0,
                "successes": {"stop": 11.0, "abort": 1.0},
                "awake": 0.0,  # one that sleeps is enough for a request to hang
            },
        ),
        (OLD, {"running": 1.0, "waiting": 2.0, "kv_cache_usage": 0.5, "prompt_tokens": 3.0, "generation_tokens": 4.0}),
        ("", {}),
        ("<html>no metrics here</html>", {}),
        ("vllm:num_requests_running 3", {"running": 3.0}),
        ("vllm:num_requests_running{} 3", {"running": 3.0}),
        ("vllm:num_requests_running 3 1795375220000", {"running": 3.0}),  # with a time stamp
        ("vllm:num_requests_running   3\r\n", {"running": 3.0}),
        ("vllm:num_requests_running three", {}),
        ("vllm:num_requests_running", {}),
        ("# vllm:num_requests_running 3", {}),
        ("vllm:num_requests_running_total 3", {}),
        ("vllm:num_requests_running NaN", {}),  # no number: nothing to compare with, and no JSON
        ("vllm:generation_tokens_total +Inf", {}),
        ('vllm:kv_cache_usage_perc{engine="0"} NaN\nvllm:kv_cache_usage_perc{engine="1"} 0.5', {"kv_cache_usage": 0.5}),
        ('vllm:num_requests_running{model_name="a,b=\\"c\\" } 9"} 3', {"running": 3.0}),
        (
            'vllm:request_success_total{model_name="a,finished_reason=\\"x\\"",finished_reason="stop"} 2',
            {"successes": {"stop": 2.0}},
        ),
        ("vllm:request_success_total 2", {"successes": {"": 2.0}}),
        ('vllm:engine_sleep_state{sleep_state="discard_all"} 1', {}),
        ('vllm:num_requests_running{model_name="a\u2028b\x85c"} 3', {"running": 3.0}),
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, str) else "",
)
def test_parse(text, expected):
    assert told(text) == dict(NOTHING, **expected)
    json.dumps(parse_metrics(text, 1.5), allow_nan=False)


def test_state_and_time():
    metrics = parse_metrics("", 1.5)
    assert (metrics["t"], metrics["state"], metrics["reason"]) == (1.5, "ok", "")


def test_labels():
    line = r'a:b{x="1,2",y="say \"hi\" {there}",z="back\\slash",} 4.5e-1'
    assert list(samples(line)) == [("a:b", {"x": "1,2", "y": r"say \"hi\" {there}", "z": r"back\\slash"}, 0.45)]


def test_a_hostile_page_is_read_in_time():
    text = "a{" * 50_000 + "\n" + 'a{b="' + "\\" * 50_000 + "\n" + "vllm:num_requests_running 1\n"
    assert told(text)["running"] == 1.0


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings of the simulator are not in this checkout")
def test_recorded_server():
    assert told((RECORDINGS / "metrics_used.txt").read_text()) == {
        "running": 0.0,
        "waiting": 0.0,
        "kv_cache_usage": 0.0,
        "generation_tokens": 830.0,
        "prompt_tokens": 2856.0,
        "preemptions": 0.0,
        "successes": {"stop": 15.0, "length": 23.0, "abort": 0.0, "error": 0.0, "repetition": 0.0},
        "awake": 1.0,
    }


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings of the simulator are not in this checkout")
def test_recorded_server_without_statistics():
    """``--disable-log-stats``: /metrics answers, and says nothing of the engine."""
    assert told((RECORDINGS / "metrics_no_stats.txt").read_text()) == NOTHING
