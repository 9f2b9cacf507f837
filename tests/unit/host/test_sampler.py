"""The looks beside a stream: each source at its own pace, none in the way of another."""

from __future__ import annotations

import threading
import time

import pytest

from streamdiag.clocks import read_clocks
from streamdiag.host import sampler as sampler_module
from streamdiag.host.sampler import Sampler

KNOWN = [{"pid": 7, "role": "engine_core", "cpu": 500.0}, {"pid": 8, "role": "main", "cpu": 60.0}]


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


@pytest.fixture
def host(monkeypatch):
    """A host whose sources answer at once; a test replaces one."""
    monkeypatch.setattr(sampler_module, "INTERVAL", 0.05)
    monkeypatch.setattr(sampler_module, "GPU_INTERVAL", 0.05)
    monkeypatch.setattr(sampler_module, "get_metrics", lambda url, t, key, timeout: {"t": t, "state": "ok"})
    monkeypatch.setattr(sampler_module, "get", lambda url, path, key, timeout: {"path": path, "state": "ok"})
    monkeypatch.setattr(sampler_module, "read_gpus", lambda timeout: {"state": "ok", "gpus": []})
    monkeypatch.setattr(
        sampler_module, "sample", lambda pids: [{"pid": pid, "state": "S", "cpu": 501.0} for pid in pids]
    )
    return monkeypatch


def sampled(processes=KNOWN, silence=0.0, **more):
    began = time.monotonic()
    return Sampler(lambda: time.monotonic() - began, lambda: silence, "http://h", "", processes, **more)


def test_every_source_is_looked_at(host):
    with sampled(silence=99.0) as sampler:
        until(lambda: all(len(found) >= 2 for found in sampler.samples.values()))
    for found in sampler.samples.values():
        assert [one["t"] for one in found] == sorted(one["t"] for one in found)
    assert sampler.samples["processes"][0]["processes"][0] == {
        "pid": 7,
        "role": "engine_core",
        "state": "S",
        "cpu": 501.0,
    }


def test_waits_are_sampled_where_they_are_known(host):
    host.setattr(
        sampler_module,
        "sample",
        lambda pids: [
            {"pid": 7, "state": "R", "cpu": 501.0, "waited": 12.5, "runnable": 3},
            {"pid": 8, "state": "S", "cpu": 61.0},
        ],
    )
    with sampled() as sampler:
        until(lambda: sampler.samples["processes"])
    engine, main = sampler.samples["processes"][0]["processes"]
    assert (engine["waited"], engine["runnable"]) == (12.5, 3)
    assert "waited" not in main and "runnable" not in main


def test_health_is_asked_in_silence_only(host):
    with sampled() as sampler:
        until(lambda: len(sampler.samples["metrics"]) >= 3)
    assert sampler.samples["health"] == []


def test_a_stream_shorter_than_the_interval_has_two_looks(host):
    host.setattr(sampler_module, "INTERVAL", 60.0)
    with sampled() as sampler:
        until(lambda: sampler.samples["metrics"])
    assert len(sampler.samples["metrics"]) == 2


@pytest.mark.parametrize("hung", ["get_metrics", "get", "read_gpus", "sample"])
def test_a_source_that_hangs_delays_no_other_and_not_the_end(host, hung):
    released = threading.Event()

    def hang(*_arguments, **_named):
        released.wait(20)
        return [] if hung == "sample" else {"state": "failed"}

    host.setattr(sampler_module, hung, hang)
    name = {"get_metrics": "metrics", "get": "health", "read_gpus": "gpus", "sample": "processes"}[hung]
    before = threading.active_count()
    with sampled(silence=99.0) as sampler:
        until(lambda: all(len(found) >= 3 for source, found in sampler.samples.items() if source != name))
        began = time.monotonic()
    assert time.monotonic() - began < 5.0
    assert sampler.samples[name] == []
    released.set()
    until(lambda: threading.active_count() == before)


def test_no_gpu_program_is_not_looked_for_again(host):
    host.setattr(sampler_module, "read_gpus", lambda timeout: {"state": "absent", "reason": "no nvidia-smi"})
    with sampled() as sampler:
        until(lambda: len(sampler.samples["metrics"]) >= 4)
    assert len(sampler.samples["gpus"]) == 1


def test_no_process_and_no_gpu_asked_for(host):
    with sampled(processes=[], gpus=False) as sampler:
        until(lambda: len(sampler.samples["metrics"]) >= 2)
    assert (sampler.samples["processes"], sampler.samples["gpus"]) == ([], [])


def test_the_clock_of_a_process_that_is_gone_stands(host):
    """It does not fall to zero: that would be CPU time given back."""
    answers = [{"pid": 7, "state": "R", "cpu": 510.0}, {"pid": 7, "state": "R", "cpu": 512.0}]
    host.setattr(sampler_module, "sample", lambda pids: [answers.pop(0) if answers else {"pid": 7, "state": "gone"}])
    with sampled() as sampler:
        until(lambda: len(sampler.samples["processes"]) >= 4)
    looks = sampler.samples["processes"][:4]
    assert [look["processes"][0]["cpu"] for look in looks] == [510.0, 512.0, 512.0, 512.0]
    clocks = read_clocks(looks)
    assert clocks.cpu == 2.0 and clocks.halted[0]["state"] == "gone"


def test_a_helper_that_ended_is_no_halted_engine():
    """A compiler that the server started, a shell of ExecStartPost: gone, while the engine works."""

    def look(t):
        helper = {"pid": 9, "role": "other", "state": "gone" if t else "R", "cpu": 1.0}
        return {"t": t, "processes": [{"pid": 7, "role": "engine_core", "state": "R", "cpu": t}, helper]}

    clocks = read_clocks([look(0.0), look(1.0), look(2.0)])
    assert clocks.halted == [] and not clocks.idle
