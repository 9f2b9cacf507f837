"""When a silent stream is ended early, and above all when it is not."""

from __future__ import annotations

import pytest

from streamdiag.bundle import Samples
from streamdiag.host.standstill import abandoned, counters_stand, halted, idle, queued, standstill, working

SINCE = 10.0  # the silence of these tests begins here
FLAT = {"generation_tokens": 100.0, "prompt_tokens": 50.0}
CREATED = {"t": 0.1, "name": "response.created", "data": '{"type":"response.created"}'}
DELTA = {"t": 0.2, "name": "response.output_text.delta", "data": '{"delta":"a"}'}
PING = {"t": 0.3, "name": "response.ping", "data": "{}"}


def metrics(seconds, **change):
    """One answer a second from the start of the stream on; ``change`` grows by that much a second in the silence."""
    return [
        {
            "t": float(t),
            "state": "ok",
            **{name: value + change.get(name, 0) * max(0, t - SINCE) for name, value in FLAT.items()},
        }
        for t in range(int(SINCE) + seconds + 1)
    ]


def unanswered(seconds, reason="ReadTimeout: timed out"):
    return [{"t": SINCE + t, "state": "failed", "reason": reason} for t in range(0, seconds, 2)]


def clocks(seconds, share=0.0, state="S", role="engine_core", api_share=0.03, **process):
    """One look a second at an API server and at one more process that uses ``share`` of a core in the silence."""
    return [
        {
            "t": float(t),
            "processes": [
                {"pid": 1, "role": "main", "state": "S", "cpu": 7 + api_share * t},
                {"pid": 2, "role": role, "state": state, "cpu": 90 + share * max(0.0, t - SINCE), **process},
            ],
        }
        for t in range(int(SINCE) + seconds + 1)
    ]


def hungry(seconds, pid, waits=0.95, **more):
    """The same, and process ``pid`` waits for a CPU for most of the silence."""
    samples = clocks(seconds, **more)
    for sample in samples:
        for one in sample["processes"]:
            share = waits if one["pid"] == pid else 0.02
            one.update(waited=30 + share * max(0.0, sample["t"] - SINCE), runnable=int(one["pid"] == pid))
    return samples


def canary(*events, silence=30.0, **more):
    return {"events": list(events), "http_status": 200, "silence": silence, **more}


def unseen(seconds):
    """/proc hides other users' processes from us: looked at, nothing there."""
    return [{"t": float(t), "processes": []} for t in range(int(SINCE) + seconds + 1)]


def gpus(seconds, load, pid=2):
    """One look every three seconds at a GPU with one user."""
    gpu = {"index": 0, "utilization_percent": float(load), "processes": [{"pid": pid, "name": "VLLM::Worker"}]}
    return [{"t": float(t), "state": "ok", "gpus": [gpu]} for t in range(0, int(SINCE) + seconds + 1, 3)]


def verdict(seconds, metrics=(), processes=(), canary=None, gpus=()):
    samples = Samples(metrics=list(metrics), processes=list(processes), gpus=list(gpus), health=[])
    return standstill(samples, canary, SINCE, SINCE + seconds)


STUCK = canary(CREATED)


@pytest.mark.parametrize(
    "why, seconds, given",
    [
        ("all agree", 13, {"metrics": metrics(13), "processes": clocks(13), "canary": STUCK}),
        ("canary got headers only", 13, {"metrics": metrics(13), "processes": clocks(13), "canary": canary()}),
        (
            "canary got pings only",
            13,
            {"metrics": metrics(13), "processes": clocks(13), "canary": canary(CREATED, PING)},
        ),
        (
            "canary was cut off after created",
            13,
            {"metrics": metrics(13), "processes": clocks(13), "canary": canary(CREATED, end={"how": "closed"})},
        ),
        (
            "canary could not connect",
            13,
            {
                "metrics": metrics(13),
                "processes": clocks(13),
                "canary": canary(http_status=None, end={"how": "refused"}),
            },
        ),
        ("idle engine core", 13, {"metrics": metrics(13), "processes": clocks(13, share=0.01), "canary": STUCK}),
        (
            "busy API server: it answers our own questions",
            13,
            {"metrics": metrics(13), "processes": clocks(13, api_share=0.9), "canary": STUCK},
        ),
        ("stopped by a signal", 8, {"metrics": metrics(8), "processes": clocks(8, state="T"), "canary": STUCK}),
        ("stopped by a debugger", 8, {"metrics": metrics(8), "processes": clocks(8, state="t"), "canary": STUCK}),
        ("engine core died", 8, {"metrics": metrics(8), "processes": clocks(8, state="gone"), "canary": STUCK}),
        (
            "one stopped, the others spin for it",
            8,
            {"metrics": metrics(8), "processes": clocks(8, share=1.0, state="T"), "canary": STUCK},
        ),
        (
            "/metrics never answers",
            13,
            {"metrics": unanswered(13), "processes": clocks(13), "canary": canary(http_status=None)},
        ),
        (
            "an idle GPU beside an idle engine",
            13,
            {"metrics": metrics(13), "processes": clocks(13), "canary": STUCK, "gpus": gpus(13, 0)},
        ),
        (
            "a busy GPU of somebody else's",
            13,
            {"metrics": metrics(13), "processes": clocks(13), "canary": STUCK, "gpus": gpus(13, 98, pid=77)},
        ),
        (
            "stopped, whatever the GPU does",
            8,
            {"metrics": metrics(8), "processes": clocks(8, state="T"), "canary": STUCK, "gpus": gpus(8, 98)},
        ),
        ("idle, and it wants no CPU", 13, {"metrics": metrics(13), "processes": hungry(13, pid=0), "canary": STUCK}),
        (
            "stopped, whoever else waits for a CPU",
            8,
            {"metrics": metrics(8), "processes": hungry(8, pid=1, state="T", api_share=0.0), "canary": STUCK},
        ),
        ("no clocks, but long enough", 16, {"metrics": metrics(16), "canary": STUCK}),
        ("hidden clocks, but long enough", 16, {"metrics": metrics(16), "processes": unseen(16), "canary": STUCK}),
    ],
)
def test_nothing_moves(why, seconds, given):
    assert verdict(seconds, **given), why


@pytest.mark.parametrize(
    "why, seconds, given",
    [
        ("too early", 5, {"metrics": metrics(5), "processes": clocks(5, state="T"), "canary": STUCK}),
        (
            "an engine that gets no CPU",
            60,
            {"metrics": metrics(60), "processes": hungry(60, pid=2), "canary": STUCK},
        ),
        (
            "an API server that gets no CPU, before an engine without work",
            60,
            {"metrics": unanswered(60), "processes": hungry(60, pid=1, api_share=0.0), "canary": STUCK},
        ),
        (
            "an engine that got no CPU in a third of the time",
            60,
            {"metrics": metrics(60), "processes": hungry(60, pid=2, waits=0.34), "canary": STUCK},
        ),
        ("too early for an engine that idles", 11, {"metrics": metrics(11), "processes": clocks(11), "canary": STUCK}),
        (
            "a GPU that works while the CPU idles",
            13,
            {"metrics": metrics(13), "processes": clocks(13), "canary": STUCK, "gpus": gpus(13, 98)},
        ),
        ("a GPU that works, and no clocks", 16, {"metrics": metrics(16), "canary": STUCK, "gpus": gpus(16, 98)}),
        ("no canary sent", 8, {"metrics": metrics(8), "processes": clocks(8), "canary": None}),
        ("canary sent just now", 8, {"metrics": metrics(8), "processes": clocks(8), "canary": canary(silence=2.0)}),
        ("canary got a token", 8, {"metrics": metrics(8), "processes": clocks(8), "canary": canary(CREATED, DELTA)}),
        (
            "canary was answered with an error: the server is alive",
            8,
            {
                "metrics": metrics(8),
                "processes": clocks(8),
                "canary": canary({"t": 0.1, "name": "response.failed", "data": "{}x"}, end={"how": "closed"}),
            },
        ),
        (
            "canary was refused for its form, which says nothing of the engine",
            8,
            {
                "metrics": metrics(8),
                "processes": clocks(8),
                "canary": canary(http_status=400, end={"how": "closed"}),
            },
        ),
        (
            "canary was refused for too many requests",
            8,
            {"metrics": metrics(8), "processes": clocks(8), "canary": canary(http_status=429, end={"how": "closed"})},
        ),
        (
            "tokens flow (withheld from us, or other people's)",
            8,
            {"metrics": metrics(8, generation_tokens=5), "processes": clocks(8), "canary": STUCK},
        ),
        (
            "one token in all this time",
            8,
            {"metrics": metrics(8, generation_tokens=0.125), "processes": clocks(8), "canary": STUCK},
        ),
        (
            "a long prefill",
            8,
            {"metrics": metrics(8, prompt_tokens=512), "processes": clocks(8), "canary": STUCK},
        ),
        (
            "counters reset: a restart",
            8,
            {"metrics": metrics(8, generation_tokens=-9), "processes": clocks(8), "canary": STUCK},
        ),
        (
            "no counters (statistics switched off)",
            30,
            {
                "metrics": [{"t": float(t), "state": "ok", "generation_tokens": None} for t in range(40)],
                "processes": clocks(30),
                "canary": STUCK,
            },
        ),
        (
            "/metrics is not served",
            30,
            {"metrics": unanswered(30, "HTTP 404"), "processes": clocks(30), "canary": STUCK},
        ),
        ("/metrics wants a key", 30, {"metrics": unanswered(30, "HTTP 401"), "canary": STUCK}),
        ("/metrics asked once", 8, {"metrics": unanswered(1), "processes": clocks(8), "canary": STUCK}),
        ("/metrics never asked", 8, {"metrics": [], "processes": clocks(8), "canary": STUCK}),
        ("/metrics answered twice only", 8, {"metrics": metrics(1), "processes": clocks(8), "canary": STUCK}),
        (
            "flat only before the silence",
            8,
            {"metrics": metrics(0)[:-1], "processes": clocks(8), "canary": STUCK},
        ),
        (
            "a first request that compiles",
            8,
            {"metrics": metrics(8), "processes": clocks(8, share=1.0), "canary": STUCK},
        ),
        ("busy a little", 8, {"metrics": metrics(8), "processes": clocks(8, share=0.1), "canary": STUCK}),
        ("busy for very long", 100, {"metrics": metrics(100), "processes": clocks(100, share=1.0), "canary": STUCK}),
        ("two looks at the clocks only", 8, {"metrics": metrics(8), "processes": clocks(1), "canary": STUCK}),
        (
            "clocks looked at before the silence only",
            8,
            {"metrics": metrics(8), "processes": clocks(0)[:-1], "canary": STUCK},
        ),
        ("no clocks, not long enough", 14, {"metrics": metrics(14), "canary": STUCK}),
        ("hidden clocks, not long enough", 14, {"metrics": metrics(14), "processes": unseen(14), "canary": STUCK}),
        (
            "a single process that works (engine in the API server)",
            8,
            {
                "metrics": metrics(8),
                "processes": [
                    {"t": float(t), "processes": [{"pid": 1, "role": "main", "state": "R", "cpu": float(t)}]}
                    for t in range(19)
                ],
                "canary": STUCK,
            },
        ),
    ],
)
def test_something_may_still_come(why, seconds, given):
    assert verdict(seconds, **given) is None, why


def test_the_reason_names_all_three_witnesses():
    reason = verdict(13, metrics(13), clocks(13, share=0.01), STUCK)
    assert reason == "no token in 8 s; the canary stands too; 0.08 s of CPU time in 8 s"
    reason = verdict(8, unanswered(8), clocks(8, state="T"), STUCK)
    assert reason == "/metrics did not answer; the canary stands too; process 2 is in state T"
    assert "could not be read" in verdict(16, metrics(16), (), STUCK)


def test_counters_and_clocks_without_samples():
    assert counters_stand([]) is None
    assert idle([]) is None
    assert halted([]) is None


MOMENT = SINCE + 9


@pytest.mark.parametrize(
    "why, expected, given",
    [
        ("nothing known", False, {}),
        ("flat and idle", False, {"metrics": metrics(9), "processes": clocks(9)}),
        ("tokens", True, {"metrics": metrics(9, generation_tokens=1), "processes": clocks(9)}),
        ("prefill", True, {"metrics": metrics(9, prompt_tokens=1)}),
        ("compiling", True, {"metrics": metrics(9), "processes": clocks(9, share=1.0)}),
        ("spinning for ever", False, {"metrics": metrics(9), "processes": clocks(9, share=1.0), "silence": 76.0}),
        ("tokens count for ever", True, {"metrics": metrics(9, generation_tokens=1), "silence": 119.0}),
        ("no CPU for the engine", True, {"metrics": metrics(9), "processes": hungry(9, pid=2)}),
        ("no CPU for the API server", True, {"metrics": unanswered(9), "processes": hungry(9, pid=1, api_share=0.0)}),
        ("no CPU for ever", False, {"metrics": metrics(9), "processes": hungry(9, pid=2), "silence": 76.0}),
        ("no CPU for one, and the other stopped", False, {"processes": hungry(9, pid=1, api_share=0.0, state="T")}),
        ("stopped", False, {"processes": clocks(9, share=1.0, state="T")}),
        ("no answer", False, {"metrics": unanswered(9)}),
        ("no answer, but compiling", True, {"metrics": unanswered(9), "processes": clocks(9, share=1.0)}),
        ("hidden clocks are no sign of work", False, {"metrics": metrics(9), "processes": unseen(9)}),
        ("work long ago", False, {"metrics": metrics(1, generation_tokens=1), "processes": clocks(9)[:9], "at": 50.0}),
        ("a GPU that works", True, {"metrics": metrics(9), "processes": clocks(9), "gpus": gpus(9, 98)}),
        ("a GPU that works, and no clocks", True, {"metrics": metrics(9), "gpus": gpus(9, 98)}),
        ("a GPU that works for ever", False, {"metrics": metrics(9), "gpus": gpus(9, 98), "silence": 76.0}),
        ("a GPU that works for a stopped engine", False, {"processes": clocks(9, state="T"), "gpus": gpus(9, 98)}),
        ("no counters", False, {"metrics": [{"t": MOMENT - 1, "state": "ok"}, {"t": MOMENT, "state": "ok"}]}),
    ],
)
def test_working(why, expected, given):
    sources = {name: given.get(name, []) for name in ("metrics", "processes", "gpus", "health")}
    samples = Samples(**sources)
    assert working(samples, given.get("at", MOMENT), given.get("silence", 30.0)) is expected, why


def queue(seconds=13, waiting=1, running=1, a_second=100, before=1, **change):
    """Counters once a second over a silence of ``seconds``; ``before``: how many waited before the canary came."""
    return [
        {
            "t": SINCE + t,
            "state": "ok",
            "waiting": float(before if t <= 2 else waiting),
            "running": float(running),
            "generation_tokens": 5000.0 + a_second * t,
            **change,
        }
        for t in range(seconds + 1)
    ]


def in_queue(samples, canary, seconds=13):
    return queued(Samples(metrics=samples, processes=[], gpus=[], health=[]), canary, SINCE, SINCE + seconds)


WAITING = canary(CREATED, sent_at=SINCE + 2.5)


def test_a_queue_is_named_with_its_numbers():
    assert in_queue(queue(), WAITING) == "waiting in the queue: 1 waiting, 1 running, 800 tokens for others in 8 s"
    assert in_queue(queue(waiting=3, running=4), WAITING).startswith("waiting in the queue: 3 waiting, 4 running, ")


@pytest.mark.parametrize(
    "why, samples, given, seconds",
    [
        ("too early", queue(11), WAITING, 11),
        ("no canary sent", queue(), None, 13),
        ("canary sent just now", queue(), canary(sent_at=SINCE + 2.5, silence=1.0), 13),
        ("canary answered", queue(), canary(CREATED, DELTA, sent_at=SINCE + 2.5), 13),
        ("canary refused", queue(), canary(sent_at=SINCE + 2.5, http_status=429), 13),
        ("nobody waits", queue(waiting=0), WAITING, 13),
        ("nobody waits any more", queue()[:-1] + queue(waiting=0)[-1:], WAITING, 13),
        ("nothing runs: the cache is full, or requests are deferred", queue(running=0), WAITING, 13),
        ("tokens stand: the engine does", queue(a_second=0), WAITING, 13),
        ("a restart", queue(a_second=-100), WAITING, 13),
        ("no counters", queue(generation_tokens=None), WAITING, 13),
        ("the gauges are not served", [dict(s, waiting=None, running=None) for s in queue()], WAITING, 13),
        ("only the canary waits: ours may be the one that runs", queue(before=0), WAITING, 13),
        ("nothing was sampled before the canary", queue()[4:], WAITING, 13),
        ("too few samples", queue()[:3] + queue()[-3:], WAITING, 13),
        ("one sample failed", [*queue()[:-1], {"t": SINCE + 13, "state": "failed", "reason": "x"}], WAITING, 13),
        ("nothing sampled", [], WAITING, 13),
    ],
)
def test_no_queue(why, samples, given, seconds):
    assert in_queue(samples, given, seconds) is None, why


ANSWERED = canary(CREATED, DELTA, end={"how": "closed"})


def gauges(seconds=11, running=0.0, waiting=0.0, a_second=0, **change):
    """Counters once a second over a silence of ``seconds``, with the scheduler's gauges."""
    moving = metrics(seconds, generation_tokens=a_second)
    return [{**sample, "running": running, "waiting": waiting, **change} for sample in moving]


def left_alone(counters, canary=ANSWERED, seconds=11, processes=()):
    samples = Samples(metrics=counters, processes=list(processes), gpus=[], health=[])
    return abandoned(samples, canary, SINCE, SINCE + seconds)


def test_a_stream_that_nobody_works_on_is_named_with_its_numbers():
    words = "the engine answered the canary and has no request left: 0 running, 0 waiting, no token in 8 s"
    assert left_alone(gauges()) == words
    assert left_alone(gauges(), processes=clocks(11, share=0.01)) == words
    assert left_alone(gauges(), processes=unseen(11)) == words


@pytest.mark.parametrize(
    "why, given",
    [
        ("too early: an event may be under way", {"counters": gauges(9), "seconds": 9}),
        ("no canary sent", {"canary": None}),
        ("the canary stands: the engine may", {"canary": STUCK}),
        ("the canary got a ping only", {"canary": canary(CREATED, PING)}),
        ("the canary was refused", {"canary": canary(http_status=429, end={"how": "closed"})}),
        ("a request runs: a long prefill", {"counters": gauges(running=1.0)}),
        ("a request waits for its grammar", {"counters": gauges(waiting=1.0)}),
        ("it ran a moment ago", {"counters": [*gauges(running=1.0)[:-2], *gauges()[-2:]]}),
        ("tokens are made", {"counters": gauges(a_second=5)}),
        ("gauges are not served", {"counters": gauges(running=None, waiting=None)}),
        ("token counters are not served", {"counters": gauges(generation_tokens=None)}),
        ("one sample failed", {"counters": [*gauges()[:-1], {"t": SINCE + 11, "state": "failed", "reason": "x"}]}),
        ("too few samples", {"counters": gauges()[-3:]}),
        ("nothing sampled", {"counters": []}),
        ("the engine burns CPU time", {"processes": clocks(11, share=1.0)}),
        ("a process is stopped, so the gauges are old", {"processes": clocks(11, state="T")}),
    ],
)
def test_somebody_may_work_on_it(why, given):
    assert left_alone(**{"counters": gauges(), **given}) is None, why
