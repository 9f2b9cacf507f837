"""The real /proc, and fake trees for the states it does not offer here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from streamdiag.host import process


@pytest.fixture
def child():
    running = subprocess.Popen(["sleep", "60"])
    yield running
    running.kill()
    running.wait()


def tree(tmp_path, *processes, cgroup_v2=True):
    """A fake /proc. Each process: pid, ppid, argv, cgroup; comm is cut from argv[0] as the kernel does."""
    (tmp_path / "stat").write_text("cpu  1 2 3\nbtime 1700000000\n")
    for pid, ppid, argv, cgroup in processes:
        folder = tmp_path / str(pid)
        folder.mkdir()
        comm = os.path.basename(argv[0])[:15]
        fields = ["S", ppid, 1, 1, 0, -1, 0, 0, 0, 0, 0, 250, 50, 0, 0, 20, 0, 7, 0, 12345, 1000, 10]
        (folder / "stat").write_text("{} ({}) {} 0 0\n".format(pid, comm, " ".join(map(str, fields))))
        (folder / "cmdline").write_bytes(b"\0".join(word.encode() for word in argv) + b"\0")
        lines = "0::{0}\n" if cgroup_v2 else "12:memory:/other\n1:name=systemd:{0}\n0::/\n"
        (folder / "cgroup").write_text(lines.format(cgroup))
    return tmp_path


UNIT = "/system.slice/vllm.service"
API = ["python", "-m", "vllm.entrypoints.openai.api_server"]
SPAWNED = ["python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()", "--multiprocessing-fork"]
TRACKER = ["python", "-c", "from multiprocessing.resource_tracker import main;main(31)"]


def roles(found):
    return {one["pid"]: one["role"] for one in found["processes"]}


def test_ourselves_and_our_child(child):
    found = process.read_processes(os.getpid(), "")
    assert found["state"] == "ok" and found["reason"] == ""
    own, other = found["processes"][0], found["processes"][1]
    assert (own["pid"], own["role"], own["ppid"]) == (os.getpid(), "main", os.getppid())
    assert own["argv"][0].endswith(os.path.basename(sys.executable)) or "pytest" in " ".join(own["argv"])
    assert own["cpu"] > 0 and own["rss_bytes"] > 1 << 20 and own["threads"] >= 1
    assert 0 < time.time() - own["started_at"] < 3600
    assert (other["pid"], other["title"], other["argv"]) == (child.pid, "sleep", ["sleep", "60"])
    assert other["state"] in "SRD"


def test_sample_sees_stopped_and_vanished(child):
    child.send_signal(signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)
    assert [one["state"] for one in process.sample([child.pid])] == ["T"]
    child.kill()
    child.wait()
    assert process.sample([child.pid]) == [{"pid": child.pid, "state": "gone"}]


def test_sample_sees_cpu_time_pass():
    before = process.sample([os.getpid()])[0]["cpu"]
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    assert process.sample([os.getpid()])[0]["cpu"] > before


def threads(proc, *seen):
    """Threads of process 10 of a fake /proc: of each its state, and its line of clocks, None for a kernel without."""
    for tid, (state, clocks) in enumerate(seen, 10):
        folder = proc / "10" / "task" / str(tid)
        folder.mkdir(parents=True)
        (folder / "stat").write_text("{} (a b) {} {} 0 0\n".format(tid, state, " ".join(["0"] * 21)))
        if clocks is not None:
            (folder / "schedstat").write_text(clocks + "\n")
    return proc


@pytest.fixture
def proc(tmp_path):
    return tree(tmp_path, (10, 1, API, UNIT))


def test_sample_adds_up_what_threads_waited_and_counts_those_that_want_to_run(proc):
    seen = [("S", "9000000000 1500000000 12"), ("R", "0 250000000 1"), ("R", "0 0 0"), ("D", "5 1 1")]
    one = process.sample([10], threads(proc, *seen))[0]
    assert (one["waited"], one["runnable"]) == (1.75, 2)


@pytest.mark.parametrize(
    ("why", "seen"),
    [
        ("a kernel without such clocks", [("R", None), ("R", None)]),
        ("one that does not count says 0 of everything", [("R", "0 0 0"), ("S", "0 0 0")]),
        ("something else stands there", [("R", "not known here at all")]),
        ("no thread may be seen", []),
    ],
)
def test_sample_says_nothing_of_waits_that_it_cannot_know(proc, why, seen):
    one = process.sample([10], threads(proc, *seen))[0]
    assert one["state"] == "S" and not {"waited", "runnable"} & set(one), why


def test_sample_reads_the_oldest_threads_of_very_many(proc, monkeypatch):
    monkeypatch.setattr(process, "_WAITS_READ", 2)
    one = process.sample([10], threads(proc, *[("R", "1 1000000000 1")] * 5))[0]
    assert (one["waited"], one["runnable"]) == (2.0, 2)


def test_current_titles(tmp_path):
    proc = tree(
        tmp_path,
        (10, 1, API, UNIT),
        (11, 10, TRACKER, UNIT),
        (12, 10, ["VLLM::EngineCore_DP0"], UNIT),
        (13, 12, ["VLLM::Worker_TP0"], UNIT),
        (14, 12, ["VLLM::Worker_DP0_PP0_TP1_EP1"], UNIT),
        (15, 10, ["VLLM::DPCoordinator"], UNIT),
        (16, 10, ["VLLM::APIServer_0"], UNIT),
        (20, 1, ["VLLM::EngineCore"], "/system.slice/other.service"),
    )
    found = process.read_processes(10, UNIT, proc)
    assert roles(found) == {10: "main", 11: "other", 12: "engine_core", 13: "worker", 14: "worker", 15: "other"} | {
        16: "api_server"
    }
    engine = next(one for one in found["processes"] if one["pid"] == 12)
    assert engine["title"] == "VLLM::EngineCor" and engine["cpu"] == 300 / os.sysconf("SC_CLK_TCK")
    assert engine["threads"] == 7 and engine["rss_bytes"] == 10 * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "engine, worker",
    [
        ("VLLM::EngineCore_0", "VLLM::Worker_TP0"),
        ("VLLM::DPEngineCore_0", "VLLM::Worker"),
        ("prod-gpt-oss-120b::EngineCore", "prod-gpt-oss-120b::Worker_TP1"),
        ("VLLM::EngineCore", "VLLM::EngineCore"),  # forked, its own title not set yet
    ],
)
def test_other_titles(tmp_path, engine, worker):
    proc = tree(tmp_path, (10, 1, API, UNIT), (12, 10, [engine], UNIT), (13, 12, [worker], UNIT))
    assert roles(process.read_processes(10, UNIT, proc)) == {10: "main", 12: "engine_core", 13: "worker"}


@pytest.mark.parametrize("started", [SPAWNED, API])
def test_releases_without_titles(tmp_path, started):
    proc = tree(tmp_path, (10, 1, API, ""), (11, 10, TRACKER, ""), (12, 10, started, ""), (13, 12, started, ""))
    assert roles(process.read_processes(10, "", proc)) == {10: "main", 11: "other", 12: "engine_core", 13: "worker"}


def test_a_shell_as_main_process(tmp_path):
    proc = tree(tmp_path, (10, 1, ["bash", "-c", "vllm serve m; true"], UNIT), (11, 10, ["vllm", "serve", "m"], UNIT))
    found = process.read_processes(10, UNIT, proc)
    assert [(one["pid"], one["role"]) for one in found["processes"]] == [(11, "main"), (10, "other")]


@pytest.mark.parametrize("v2", [True, False])
def test_members_of_the_control_group_that_left_the_tree(tmp_path, v2):
    proc = tree(
        tmp_path,
        (1, 0, ["init"], "/init.scope"),
        (10, 1, API, UNIT),
        (12, 1, ["VLLM::EngineCore"], UNIT),
        (13, 1, ["VLLM::Worker"], UNIT + "/sub"),
        (14, 1, ["VLLM::Worker"], UNIT + "2"),
        (15, 1, ["VLLM::Worker"], "/machine.slice/x" + UNIT),
        cgroup_v2=v2,
    )
    assert sorted(roles(process.read_processes(10, UNIT, proc))) == [10, 12, 13]


def test_a_container_without_its_own_cgroup_namespace(tmp_path):
    outer = "/machine.slice/gpu43"
    proc = tree(tmp_path, (1, 0, ["init"], outer + "/init.scope"), (10, 1, API, outer + UNIT), (11, 1, API, UNIT))
    assert sorted(roles(process.read_processes(0, UNIT, proc))) == [10]


def test_nothing_runs(tmp_path):
    proc = tree(tmp_path, (1, 0, ["init"], "/init.scope"))
    for main, group, words in (
        (0, "", "no running process"),
        (0, UNIT, "no running process"),
        (77, UNIT, "77 is gone"),
    ):
        found = process.read_processes(main, group, proc)
        assert found["state"] == "absent" and words in found["reason"] and found["processes"] == []
    assert process.read_processes(1, "", tmp_path / "none")["state"] == "absent"


def test_hidden_processes(tmp_path, monkeypatch):
    proc = tree(tmp_path, (50, 49, ["ours"], "/user.slice"))
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    found = process.read_processes(10, UNIT, proc)
    assert found["state"] == "denied" and "hidepid" in found["reason"]
    assert process.sample([10, 50], proc)[0]["pid"] == 50  # not "gone": we cannot know
    assert process.read_environ(10, proc)[0]["state"] == "denied"


def test_a_process_with_a_strange_name(tmp_path):
    proc = tree(tmp_path, (10, 1, ["a) R 1 (b"], ""))
    found = process.read_processes(10, "", proc)["processes"][0]
    assert found["title"] == "a) R 1 (b" and found["state"] == "S"


def test_environ(child):
    source, variables = process.read_environ(os.getpid())
    assert source == {"state": "ok", "reason": ""} and variables["PATH"]
    assert process.read_environ(child.pid)[0]["state"] == "ok"
    child.kill()
    child.wait()
    assert process.read_environ(child.pid) == (
        {"state": "absent", "reason": f"process {child.pid} is gone"},
        {},
    )


def test_environ_of_somebody_else(monkeypatch):
    def refuse(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    source, variables = process.read_environ(1)
    assert source["state"] == "denied" and "neither root nor its owner" in source["reason"] and variables == {}
