"""Process clocks: who ran, who did not want to, and who wanted to and got no CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from streamdiag.clocks import read_clocks, starving
from streamdiag.host import process

API, ENGINE, HELPER = 1, 2, 9
ROLES = {API: "main", ENGINE: "engine_core", HELPER: "other"}


def taken(seconds=10, step=1.0, **of):
    """Looks at an API server, an engine and a helper; ``engine=lambda t: {...}`` changes what is seen of that one."""
    idle = {"state": "S", "cpu": 3.0, "waited": 50.0, "runnable": 0}
    named = {API: of.get("api"), ENGINE: of.get("engine"), HELPER: of.get("helper")}
    return [
        {
            "t": t,
            "processes": [
                {"pid": pid, "role": ROLES[pid], **idle, **(change(t) if change else {})}
                for pid, change in named.items()
            ],
        }
        for t in (n * step for n in range(int(seconds / step) + 1))
    ]


def waits(share, cpu=0.0, runnable=1):
    """Waits that end soon, so that the kernel counts them as they come."""
    return lambda t: {"waited": 50.0 + share * t, "cpu": 3.0 + cpu * t, "runnable": runnable}


def late(t):
    """A wait of 60 s that is over at 6 s, and is counted then."""
    return {"waited": 50.0 if t < 6 else 110.0, "runnable": 1 if t < 6 else 0}


def without_waits(samples):
    for sample in samples:
        for one in sample["processes"]:
            del one["waited"], one["runnable"]
    return samples


def test_what_neither_runs_nor_wants_to_is_idle():
    found = read_clocks(taken())
    assert found.idle and not found.wanted and not found.starved and found.waited == 0.0


@pytest.mark.parametrize("share", [0.95, 3.0, 0.6])  # 3: several threads at once
def test_an_engine_that_gets_no_cpu_starves_and_is_not_idle(share):
    found = read_clocks(taken(engine=waits(share)))
    assert [(one.pid, one.role) for one in found.starved] == [(ENGINE, "engine_core")]
    assert found.starved[0].waited == pytest.approx(min(share, 1.0) * 10)
    assert found.wanted and not found.idle


def test_an_api_server_that_gets_no_cpu_keeps_an_engine_from_its_work():
    found = read_clocks(taken(api=waits(0.9)))
    assert [one.pid for one in found.starved] == [API]
    assert found.cpu == 0.0 and found.waited == 0.0 and not found.idle


def test_a_wait_that_is_not_over_counts_although_the_kernel_does_not_count_it_yet():
    found = read_clocks(taken(api=lambda t: {"state": "R", "runnable": 1}))
    assert [(one.pid, one.waited) for one in found.starved] == [(API, 10.0)]


def test_a_wait_counts_for_no_longer_than_it_was_looked_at():
    # 60 s come at once when it is over. From 6 s on nothing waits.
    found = read_clocks(taken(engine=late))
    assert found.waited == pytest.approx(6.0)
    assert read_clocks(taken(engine=late)[6:]).waited == 0.0


@pytest.mark.parametrize(
    ("why", "engine"),
    [
        ("only the last look saw it want to run", lambda t: {"runnable": int(t == 10)}),
        ("it ran meanwhile, and did not wait", lambda t: {"runnable": 1, "cpu": 3.0 + 0.04 * t}),
    ],
)
def test_no_wait_is_made_up(why, engine):
    assert read_clocks(taken(engine=engine)).waited == 0.0, why


def test_what_a_thread_takes_along_when_it_ends_is_not_missing_elsewhere():
    found = read_clocks(taken(engine=lambda t: {"waited": 50.0 + t - (30.0 if t >= 5 else 0.0)}))
    assert found.waited == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("why", "engine"),
    [
        ("two busy cores: it waits for 40 % of the time and runs for the rest", waits(0.4, cpu=0.6)),
        ("many threads that wait, and run", waits(5.0, cpu=1.2)),
        ("it spins, on a core that it shares with one other", waits(0.5, cpu=0.5)),
        ("half of the time is not most of it", waits(0.5)),
        ("one that runs when it wants to", lambda t: {"runnable": 1, "cpu": 3.0 + t}),
        ("blocked in the kernel", lambda t: {"state": "D"}),
        ("stopped", lambda t: {"state": "T"}),
    ],
)
def test_what_runs_or_stands_does_not_starve(why, engine):
    assert not read_clocks(taken(engine=engine)).starved, why


def test_an_idle_engine_of_a_busy_host_is_idle():
    assert read_clocks(taken(engine=waits(0.1, cpu=0.004))).idle
    assert not read_clocks(taken(engine=waits(0.3, cpu=0.004))).idle


def test_a_helper_without_cpu_is_nobody_who_serves():
    found = read_clocks(taken(helper=waits(1.0)))
    assert not found.starved
    assert not found.idle  # the engine may wait for what it compiles


def test_unknown_is_not_zero():
    found = read_clocks(without_waits(taken(engine=waits(1.0))))
    assert found.waited is None and not found.starved and found.idle
    known_once = taken(engine=waits(1.0))
    without_waits(known_once[1:])
    assert read_clocks(known_once).waited is None


def test_in_words():
    found = read_clocks(taken(seconds=31, api=waits(29 / 31), engine=waits(1.0)))
    assert starving(found.starved) == (
        "process 1 (main) waited 29 s of 31 s for a CPU, process 2 (engine_core) waited 31 s of 31 s for a CPU"
    )


# A process that really gets no CPU

_WAITER = "import time\nprint('up', flush=True)\nwhile True: time.sleep(0.02)"
_HOG = "print('up', flush=True)\nwhile True: pass"


@pytest.fixture
def crowded():
    """A CPU with three processes: one that wants all of it, one that comes last, and one that wants nothing."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("one CPU only: whoever looks would starve, too")
    begun = []

    def start(program, policy, nice):
        def place():
            os.sched_setaffinity(0, cpus[-1:])
            os.sched_setscheduler(0, policy, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, 0, nice)

        running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, preexec_fn=place)
        begun.append(running)
        running.stdout.readline()
        return running.pid

    try:
        waiter = start(_WAITER, os.SCHED_IDLE, 0)
        sleeper = start("import time; print('up', flush=True); time.sleep(60)", os.SCHED_OTHER, 0)
        start(_HOG, os.SCHED_OTHER, -19)
        yield waiter, sleeper
    except (PermissionError, subprocess.SubprocessError):
        pytest.skip("not permitted here: SCHED_IDLE, a nice value below 0 or a CPU of its own")
    finally:
        for running in begun:
            running.kill()
            running.wait()


def test_a_real_process_without_cpu_starves_and_one_that_sleeps_does_not(crowded):
    waiter, sleeper = crowded
    if "waited" not in process.sample([waiter])[0]:
        pytest.skip("this kernel does not count how long a process waits (/proc/PID/schedstat)")
    samples = []
    for _look in range(5):
        time.sleep(0.3)
        looked = [{**one, "role": "main"} for one in process.sample([waiter, sleeper])]
        samples.append({"t": time.monotonic(), "processes": looked})
    found = read_clocks(samples)
    assert [one.pid for one in found.starved] == [waiter]
    assert found.starved[0].waited > 0.9 * found.seconds
    assert not found.idle and found.cpu < 0.1
