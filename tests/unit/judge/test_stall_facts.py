"""What a closer look at a stall is read as: sentences, who stood still, and where."""

from __future__ import annotations

import pytest

from streamdiag.bundle import STALL
from streamdiag.judge.stacks import QUOTED_FRAMES, describe_stall, telling
from streamdiag.store import load, write_part

#: The engine core of vLLM 0.32 while its worker is stopped, as py-spy shows it.
WAITING_FOR_WORKER = [
    "Poller.poll (zmq/sugar/poll.py:106)",
    "SpinCondition.wait (vllm/distributed/device_communicators/shm_broadcast.py:210)",
    "MessageQueue.acquire_read (vllm/distributed/device_communicators/shm_broadcast.py:864)",
    "_GeneratorContextManager.__enter__ (contextlib.py:137)",
    "MessageQueue.dequeue (vllm/distributed/device_communicators/shm_broadcast.py:971)",
    "MultiprocExecutor.collective_rpc.<locals>.get_response (vllm/v1/executor/multiproc_executor.py:440)",
    "FutureWrapper.result (vllm/v1/executor/multiproc_executor.py:98)",
    "EngineCore.step (vllm/v1/engine/core.py:674)",
    "spawn_main (multiprocessing/spawn.py:120)",
    "<module> (<string>:1)",
]
WAITING_FOR_WORK = ["Condition.wait (threading.py:320)", "Queue.get (queue.py:171)", "f (vllm/v1/engine/core.py:1588)"]


def stacks(frames):
    if isinstance(frames, str):
        return {"state": "denied", "reason": frames, "threads": []}
    threads = [{"name": "MainThread", "frames": frames}, {"name": "helper", "frames": ["other (y.py:1)"]}]
    return {"state": "ok", "reason": "", "threads": threads}


def process(role="engine_core", frames=WAITING_FOR_WORK, state="S", pid=812, **more):
    frames = frames if isinstance(frames, tuple) else (frames, frames)
    looks = [
        {"t": t, "state": state, "wait_channel": "" if state == "gone" else "futex_do_wait", "stacks": stacks(one)}
        for t, one in zip((0.2, 3.2), frames)
    ]
    return {
        "pid": pid,
        "role": role,
        "looks": looks,
        "seconds": 3.0,
        "cpu_used": 0.0,
        "moved_threads": [],
        "same_stack": None if isinstance(frames[0], str) else frames[0] == frames[1],
        **more,
    }


def stall(*processes, reason=""):
    return {"py_spy": {"state": "absent" if reason else "ok", "reason": reason}, "processes": list(processes)}


def sentence(one):
    return describe_stall(stall(one)).sentences[0]


SENTENCES = {
    "stands": (
        process(),
        "engine_core 812: the same stack twice in 3.0 s, 0.00 s of CPU time, "
        "in Condition.wait (threading.py:320) <- f (core.py:1588)",
    ),
    "moves": (
        process(frames=(["f (x/y.py:1)"], ["g (x/y.py:2)"]), cpu_used=2.91),
        "engine_core 812: another stack after 3.0 s, 2.91 s of CPU time, in g (y.py:2)",
    ),
    "stopped": (
        process(frames=["f (x/y.py:1)"], state="T"),
        "engine_core 812: stopped by a signal (state T), the same stack twice in 3.0 s, 0.00 s of CPU time, "
        "in f (y.py:1)",
    ),
    "in the driver": (
        process("worker", "not readable as guest", state="D"),
        "worker 812: in uninterruptible sleep (state D), 0.00 s of CPU time in 3.0 s, asleep in futex_do_wait",
    ),
    "gone": (
        process(frames="gone", state="gone", seconds=None, cpu_used=None),
        "engine_core 812: gone",
    ),
    "one stack only": (
        process(frames=(["f (x/y.py:1)"], "denied"), same_stack=None),
        "engine_core 812: 0.00 s of CPU time in 3.0 s, in f (y.py:1)",
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_one_sentence_per_process(name):
    one, expected = SENTENCES[name]
    assert sentence(one) == expected


def test_a_process_without_a_look():
    assert sentence(process(looks=[], seconds=None, cpu_used=None, same_stack=None)) == "engine_core 812: not read"


def test_the_telling_frames_are_the_innermost_and_those_of_the_server():
    found = telling(WAITING_FOR_WORKER)
    assert len(found) == QUOTED_FRAMES
    assert found[0] == WAITING_FOR_WORKER[0]
    assert "contextlib.py" not in " ".join(found)
    assert any("get_response" in frame for frame in found), "the frame that says that it waits for a worker"
    assert telling(["<module> (<string>:1)"]) == ["<module> (<string>:1)"]
    assert telling(["a (x/y.py:1)", "b (torch/utils/_contextlib.py:124)", "c (asyncio/runners.py:1)"]) == [
        "a (x/y.py:1)"
    ]


def test_same_stack_of_a_role():
    moved = (["f (x/y.py:1)"], ["g (x/y.py:1)"])
    facts = describe_stall(
        stall(process("main"), process("engine_core", "denied"), process("worker"), process("worker", moved))
    )
    assert facts.same_stack("main") is True
    assert facts.same_stack("worker") is False
    assert facts.same_stack("engine_core") is None
    assert facts.same_stack("no such role") is None


def test_top_frames_of_a_role():
    facts = describe_stall(stall(process("worker", "denied"), process("worker", ["f (x/y.py:1)"])))
    assert facts.top_frames("worker") == ["f (x/y.py:1)"]
    assert facts.top_frames("main") == []


def test_why_there_is_no_stack():
    assert describe_stall(None).reason == "no closer look was taken"
    assert describe_stall(None).taken is False
    assert describe_stall(stall(process(frames="not readable as guest"))).reason == "not readable as guest"
    assert describe_stall(stall(process(frames="x"), reason="py-spy is absent")).reason == "py-spy is absent"
    assert describe_stall(stall()).reason == "no process of the server was known"
    some = describe_stall(stall(process(), process("worker", "denied")))
    assert (some.taken, some.reason) == (True, "")


def test_it_is_a_part_of_the_bundle(tmp_path):
    write_part(tmp_path, STALL, stall(process()))
    bundle = load(tmp_path)
    assert describe_stall(bundle.stall).same_stack("engine_core") is True
    assert "evidence/stall.json" in bundle.digests
