"""Stacks of real processes, read by the real py-spy out of a memory file, and every way in which that can fail."""

from __future__ import annotations

import base64
import contextlib
import json
import lzma
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("ansible", reason="the archive is built by a lookup plugin of Ansible")

from lookup_plugins import pyspy_archive
from streamdiag.bundle import Stacks
from streamdiag.host import command, stacks
from streamdiag.host.process import ThreadClock, read_threads, system_call, wait_channel
from streamdiag.host.stacks import PySpy, add_clocks, cut, moved_threads, parse_dump, same_main_thread, wrong_machine

#: Waits for a line, then waits elsewhere. Lets everybody of its user look, which some hosts forbid by default.
CHILD = """
import ctypes, sys, threading, time
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1).value, 0, 0, 0)
def helper():
    time.sleep(600)
threading.Thread(target=helper, name="helper", daemon=True).start()
def first():
    print("there", flush=True)
    sys.stdin.readline()
def second():
    print("there", flush=True)
    sys.stdin.readline()
first()
second()
"""


@contextlib.contextmanager
def started(program=CHILD):
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout.readline() == "there\n"
            wait_for_state(child.pid, "S")
            yield child
        finally:
            child.kill()


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0]


def wait_for_state(pid, state):
    deadline = time.monotonic() + 10
    while state_of(pid) != state:
        assert time.monotonic() < deadline, state_of(pid)
        time.sleep(0.01)


@pytest.fixture(scope="module")
def archive():
    built = pyspy_archive.build_archive()
    if not built:
        pytest.skip("py-spy is not installed: pip install -r requirements.txt")
    return base64.b64encode(built).decode("ascii")


@pytest.fixture
def py_spy(archive):
    loaded = PySpy(archive)
    assert loaded.source == {"state": "ok", "reason": ""}
    yield loaded
    loaded.close()


def packed(program):
    return base64.b64encode(lzma.compress(program)).decode("ascii")


def main_frames(found):
    return [frame.partition(" ")[0] for frame in found["threads"][0]["frames"]]


# Real processes


def test_where_a_process_stands_and_that_it_moved(py_spy):
    with started() as child:
        first = py_spy.dump(child.pid, 10.0)
        again = py_spy.dump(child.pid, 10.0)
        child.stdin.write("on\n")
        child.stdin.flush()
        assert child.stdout.readline() == "there\n"
        wait_for_state(child.pid, "S")
        second = py_spy.dump(child.pid, 10.0)
    assert (first["state"], first["reason"]) == ("ok", "")
    assert [thread["name"] for thread in first["threads"]] == ["MainThread", "helper"]
    assert main_frames(first) == ["first", "<module>"]
    assert first["threads"][0]["frames"][0] == "first (<string>:9)"
    assert main_frames(second) == ["second", "<module>"]
    assert same_main_thread(first, again) is True
    assert same_main_thread(first, second) is False
    assert moved_threads(first, second) == []
    assert py_spy.version.startswith("py-spy ")


def test_a_stopped_process_is_read_and_stays_stopped(py_spy):
    with started() as child:
        os.kill(child.pid, signal.SIGSTOP)
        wait_for_state(child.pid, "T")
        found = py_spy.dump(child.pid, 10.0)
        clocks = read_threads(child.pid, 100)
        with open(f"/proc/{child.pid}/status", encoding="utf-8") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        os.kill(child.pid, signal.SIGCONT)
    assert main_frames(found) == ["first", "<module>"]
    add_clocks(found, clocks)
    assert [thread["state"] for thread in found["threads"]] == ["T", "T"]
    assert status["State"].startswith("T")
    assert (status["TracerPid"], int(status["SigPnd"], 16), int(status["ShdPnd"], 16)) == ("0", 0, 0)


def test_nothing_is_left_of_the_program(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = set(os.listdir("/proc/self/fd"))
    loaded = PySpy(archive)
    loaded.dump(os.getpid(), 10.0)
    loaded.close()
    assert set(os.listdir("/proc/self/fd")) <= before
    assert list(tmp_path.iterdir()) == []
    assert loaded.dump(os.getpid(), 10.0)["threads"] == []


def test_a_process_that_is_gone(py_spy):
    with started() as child:
        pass
    found = py_spy.dump(child.pid, 10.0)
    assert (found["state"], found["threads"]) == ("absent", [])
    assert f"process {child.pid} is gone" in found["reason"]


def test_a_process_that_is_no_python(py_spy):
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            found = py_spy.dump(child.pid, 10.0)
        finally:
            child.kill()
    assert (found["state"], found["threads"]) == ("failed", [])
    assert f"process {child.pid}" in found["reason"]
    assert "Stack backtrace" not in found["reason"]


# Programs that cannot run here


@pytest.mark.parametrize(
    "given, state, words",
    [
        ("", "absent", "did not travel"),
        ("no base64 at all", "failed", "did not arrive whole"),
        (base64.b64encode(b"no xz").decode(), "failed", "did not arrive whole"),
        (packed(b"\x7fELF" * 100)[:-40], "failed", "did not arrive whole"),
        (packed(b"MZ no program for Linux, this"), "absent", "no program for Linux"),
        (packed(b"\xcf\xfa\xed\xfe" * 20), "absent", "no program for Linux"),
    ],
    ids=["empty", "no base64", "no xz", "cut", "Windows", "macOS"],
)
def test_an_archive_that_cannot_be_used(given, state, words):
    loaded = PySpy(given)
    assert loaded.source["state"] == state
    assert words in loaded.source["reason"]
    found = loaded.dump(os.getpid(), 1.0)
    assert (found["state"], found["reason"], found["threads"]) == (state, loaded.source["reason"], [])


def elf(machine, order="little"):
    head = b"\x7fELF\x02" + (b"\x01" if order == "little" else b"\x02") + b"\0" * 10
    return head + (3).to_bytes(2, order) + machine.to_bytes(2, order) + b"\0" * 100


@pytest.mark.parametrize(
    "program, machine, reason",
    [
        (elf(62), "x86_64", ""),
        (elf(3), "x86_64", ""),
        (elf(183), "aarch64", ""),
        (elf(22, "big"), "s390x", ""),
        (elf(62), "aarch64", "the controller's py-spy is for x86_64, this host is aarch64"),
        (elf(183), "x86_64", "the controller's py-spy is for aarch64, this host is x86_64"),
        (elf(8), "x86_64", "the controller's py-spy is for machine 8, this host is x86_64"),
        (b"\x7fELF", "x86_64", "the controller's py-spy is no program for Linux"),
    ],
)
def test_a_program_of_another_machine(program, machine, reason):
    assert wrong_machine(program, machine) == reason


def test_a_program_that_does_not_start(monkeypatch):
    monkeypatch.setattr(stacks, "wrong_machine", lambda program, machine: "")
    before = set(os.listdir("/proc/self/fd"))
    loaded = PySpy(packed(elf(62)))
    assert loaded.source["state"] == "failed"
    assert "cannot be run from memory" in loaded.source["reason"]
    assert set(os.listdir("/proc/self/fd")) <= before


def test_a_host_that_runs_nothing_from_memory(archive, monkeypatch):
    denied = command.Result(None, "", "/proc/1/fd/5: Permission denied")
    monkeypatch.setattr(command, "run", lambda *_a, **_k: denied)
    assert PySpy(archive).source["state"] == "denied"


def test_a_host_without_memory_files(archive, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", refuse)
    assert PySpy(archive).source["state"] == "denied"
    monkeypatch.delattr(os, "memfd_create")
    assert PySpy(archive).source["state"] == "absent"


def test_an_old_kernel_that_does_not_know_the_flag(archive, monkeypatch):
    real, flags = os.memfd_create, []

    def old(name, given):
        flags.append(given)
        if given & 0x10:
            raise OSError(22, "Invalid argument")
        return real(name, given)

    monkeypatch.setattr(os, "memfd_create", old)
    loaded = PySpy(archive)
    assert loaded.source["state"] == "ok"
    assert flags == [0x11, 0x1]
    loaded.close()


def test_a_python_without_lzma(archive, monkeypatch):
    monkeypatch.setitem(sys.modules, "lzma", None)
    assert PySpy(archive).source["state"] == "absent"


# What py-spy may say


@pytest.fixture
def said(py_spy, monkeypatch):
    """``said(result, …)``: the dump of a py-spy that does these things one after another, and how often it was run."""

    def dump(*results, timeout=5.0):
        left = list(results)
        monkeypatch.setattr(command, "run", lambda *_a, **_k: left.pop(0))
        return py_spy.dump(1234567, timeout), len(results) - len(left)

    return dump


GOOD = json.dumps([{"thread_name": "MainThread", "os_thread_id": 7, "frames": []}])


@pytest.mark.parametrize(
    "result, state, words",
    [
        (command.Result(1, "", "Permission Denied: Try running again with elevated …"), "denied", "not readable as"),
        (command.Result(1, "", "Error: Operation not permitted (os error 1)"), "denied", "not readable as"),
        (command.Result(1, "", "Error: No such process (os error 3)"), "absent", "is gone"),
        (command.Result(1, "", "Error: odd\n\nStack backtrace:\n   0: main"), "failed", "process 1234567: Error: odd"),
        (command.Result(-9, "", ""), "failed", "ended with code -9"),
        (command.Result(0, "[{", ""), "failed", "printed no stacks"),
        (command.Result(0, "7", ""), "failed", "printed no stacks"),
        (command.Result(0, '["text"]', ""), "failed", "printed no stacks"),
        (command.Result(0, "[]", ""), "failed", "no Python thread"),
        (command.Result(None, "", "", timed_out=True), "failed", "within 5.0 s"),
        (command.Result(None, "", "", timed_out=True, stuck=True), "failed", "cannot be killed"),
    ],
)
def test_what_went_wrong(said, result, state, words):
    found, runs = said(result, result, result)
    assert (found["state"], found["threads"]) == (state, [])
    assert words in found["reason"]
    assert "Stack backtrace" not in found["reason"]
    assert runs == (stacks.ATTEMPTS if state == "failed" else 1)


def test_a_process_that_changed_meanwhile_is_read_again(said):
    torn = command.Result(1, "", "Error: Failed to copy PyCodeObject")
    found, runs = said(torn, command.Result(0, GOOD, ""))
    assert (found["state"], runs) == ("ok", 2)


def test_who_may_not_read_and_why(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "CAP_SYS_PTRACE" in stacks._not_readable(os.getpid())
    monkeypatch.setattr(os, "stat", lambda path: type("Stat", (), {"st_uid": 4242}))
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert "ptrace_scope" in stacks._not_readable(1)
    monkeypatch.setattr(os, "geteuid", lambda: 4243)
    assert "neither root nor its owner" in stacks._not_readable(1)


# What is made of it


def thread(name, *frames, number=None):
    return {"name": name, "thread_id": number, "frames": list(frames)}


def dumped(*threads):
    return Stacks(state="ok", reason="", threads=list(threads))


def test_the_main_thread_comes_first_and_frames_are_one_line_each():
    frames = [
        {"name": "Queue.get", "filename": "/usr/lib/python3.11/queue.py", "short_filename": "queue.py", "line": 171},
        {"name": "f", "filename": "/opt/f.py", "short_filename": None, "line": 0},
        {"name": "g" * 500, "filename": "x.py", "line": 1},
    ]
    given = [
        {"thread_name": "alpha", "os_thread_id": 8, "frames": []},
        {"thread_name": None, "os_thread_id": None, "frames": None},
        {"thread_name": "MainThread", "os_thread_id": 7, "frames": frames},
    ]
    found = parse_dump(json.dumps(given))
    assert [one["name"] for one in found["threads"]] == ["MainThread", "", "alpha"]
    assert found["threads"][0]["frames"][:2] == ["Queue.get (queue.py:171)", "f (/opt/f.py)"]
    assert max(map(len, found["threads"][0]["frames"])) == stacks.FRAME_LENGTH


def test_what_is_kept_is_bounded_and_says_what_is_missing():
    many = [f"f{n} (x.py:{n})" for n in range(100)]
    kept = cut(dumped(*(thread(f"t{n}", *many) for n in range(60))))
    assert len(kept["threads"]) == stacks.THREAD_LIMIT
    assert kept["dropped_threads"] == 60 - stacks.THREAD_LIMIT
    assert kept["threads"][0]["frames"] == many[: stacks.FRAME_LIMIT]
    assert kept["threads"][0]["dropped_frames"] == 100 - stacks.FRAME_LIMIT
    small = cut(dumped(thread("t", "f (x.py:1)")))
    assert (small["dropped_threads"], small["threads"][0]["dropped_frames"]) == (0, 0)


def test_the_same_functions_at_another_line_are_another_stack():
    first = dumped(thread("MainThread", "f (x.py:1)", number=1))
    assert same_main_thread(first, dumped(thread("MainThread", "f (x.py:2)", number=1))) is False
    assert same_main_thread(first, dumped(thread("other", "f (x.py:1)", number=2))) is None
    assert same_main_thread(first, dumped(thread("MainThread", number=1))) is None
    assert same_main_thread(first, Stacks(state="denied", reason="x", threads=[])) is None


def test_threads_that_move_come_or_go():
    first = dumped(*(thread(name, "f (x.py:1)", number=n) for n, name in enumerate(["MainThread", "a", "b", "c"], 1)))
    second = dumped(
        thread("MainThread", "g (x.py:1)", number=1),
        thread("a", "f (x.py:1)", number=2),
        thread("b", "g (x.py:1)", number=3),
        thread("d", "f (x.py:1)", number=9),
    )
    assert moved_threads(first, second) == ["b", "c", "d"]
    assert moved_threads(first, Stacks(state="denied", reason="x", threads=[])) == []


def test_the_kernel_s_view_of_a_thread():
    found = dumped(thread("MainThread", number=7), thread("helper", number=8), thread("odd"))
    add_clocks(found, {7: ThreadClock("R", 1.5)})
    assert [(one["state"], one["cpu"]) for one in found["threads"]] == [("R", 1.5), ("", None), ("", None)]


def test_threads_of_a_process():
    mine = read_threads(os.getpid(), 1000)
    assert mine[os.getpid()].state == "R"
    assert mine[os.getpid()].cpu >= 0
    assert len(read_threads(os.getpid(), 1)) == 1
    assert read_threads(2**22 + 1, 10) == {}


def test_threads_of_a_container_are_known_by_their_own_numbers(tmp_path):
    folder = tmp_path / "4000" / "task" / "4001"
    folder.mkdir(parents=True)
    (folder / "stat").write_text("4001 (VLLM::Worker) D 1 " + "0 " * 9 + "150 50 " + "0 " * 20, encoding="utf-8")
    (folder / "status").write_text("Name:\tVLLM::Worker\nNSpid:\t4001\t178\n", encoding="utf-8")
    assert read_threads(4000, 10, tmp_path) == {178: ThreadClock("D", 200 / os.sysconf("SC_CLK_TCK"))}


def test_what_a_sleeping_process_waits_for(tmp_path):
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "wchan").write_text("futex_do_wait", encoding="utf-8")
    (folder / "syscall").write_text("202 0x435db240 0x189 0x0 0x0 0x0 0xffffffff 0x7ffc 0x7f66", encoding="utf-8")
    assert (wait_channel(7, tmp_path), system_call(7, tmp_path)) == ("futex_do_wait", "202")
    (folder / "wchan").write_text("0", encoding="utf-8")
    (folder / "syscall").write_text("running\n", encoding="utf-8")
    assert (wait_channel(7, tmp_path), system_call(7, tmp_path)) == ("", "running")
    assert (wait_channel(8, tmp_path), system_call(8, tmp_path)) == ("", "")


# The archive


def test_the_archive_is_the_program_itself(archive):
    program = stacks.unpack(archive)
    assert program == pyspy_archive.find_program().read_bytes()
    assert len(archive) < 4 * 1024 * 1024


def test_a_controller_without_py_spy_sends_nothing_and_says_so(monkeypatch):
    def missing(name):
        raise pyspy_archive.importlib.metadata.PackageNotFoundError(name)

    warnings = []
    monkeypatch.setattr(pyspy_archive.importlib.metadata, "distribution", missing)
    monkeypatch.setattr(pyspy_archive.Display, "warning", lambda self, words: warnings.append(words))
    assert pyspy_archive.LookupModule().run([]) == [""]
    assert len(warnings) == 1
    assert "py-spy" in warnings[0]
