"""The closer look: at real processes, with a real stream held open, and with every part missing or hanging in turn."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from streamdiag.bundle import Process, Stacks
from streamdiag.host import process, stall
from streamdiag.host.probe import Server
from streamdiag.host.stall import choose, describe_look, take_stall
from streamdiag.judge.stacks import describe_stall

EVENT = b'event: response.created\ndata: {"type": "response.created"}\n\n'
HELD_OPEN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
)
KEY = "sk-test-3f9a77c1d2e84b60"
#: A thread that has its name from a secret, a child that works and one that sleeps.
SLEEPER = "import time; print('there', flush=True); time.sleep(600)"
WORKER = "print('there', flush=True)\nwhile True: pass"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(stall, "HEAD_START", 0.3)
    monkeypatch.setattr(stall, "SETTLE", 0.05)
    monkeypatch.setattr(stall, "read_gpus", lambda _timeout: {"state": "absent", "reason": "none here", "gpus": []})


class Holding:
    """A server that answers one request with ``answer`` and then nothing; ``closed``: the client closed it."""

    def __init__(self, answer):
        self.answer = answer
        self.request = b""
        self.closed = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        client, _address = self._socket.accept()
        with client:
            client.settimeout(20)
            self.request = client.recv(65536)
            client.sendall(self.answer)
            while client.recv(65536):
                pass
        self.closed.set()

    def close(self):
        self._socket.close()


@pytest.fixture
def server():
    holding = Holding(HELD_OPEN)
    yield holding
    holding.close()


@pytest.fixture
def child():
    """``child(program)``: a process of ours that runs, as the target module describes it."""
    children = []

    def start(program, role):
        one = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        children.append(one)
        assert one.stdout.readline() == "there\n"
        return Process(process.sample([one.pid])[0], role=role, argv=[])

    yield start
    for one in children:
        one.kill()
        one.wait()
        one.stdout.close()


class Dumps:
    """A py-spy that says ``frames``, one entry per dump of a process, or does what a function among them does."""

    source = {"state": "ok", "reason": ""}  # noqa: RUF012
    version = "py-spy of a test"

    def __init__(self, *frames):
        self.frames = frames
        self.dumped = []

    def dump(self, pid, _timeout):
        self.dumped.append(pid)
        said = self.frames[min(self.dumped.count(pid), len(self.frames)) - 1]
        if callable(said):
            said = said()
        return Stacks(state="ok", reason="", threads=[{"name": "MainThread", "thread_id": pid, "frames": [said]}])


def look_closer(server, py_spy, *processes, between=0.4):
    return take_stall(Server(server.url, "m", KEY, processes), py_spy, become=False, between=between)


def test_two_looks_while_a_request_is_in_flight(server, child):
    sleeper, worker = child(SLEEPER, "engine_core"), child(WORKER, "worker")
    seen = look_closer(server, Dumps("f (x.py:1)"), sleeper, worker)
    assert b"POST /v1/responses" in server.request
    assert server.closed.wait(5), "the stream was left open"
    canary = seen["canary"]
    assert [canary["http_status"], canary["end"]["how"], len(canary["events"])] == [200, "stopped", 1]
    engine, busy = seen["processes"]
    assert [look["state"] for look in engine["looks"]] == ["S", "S"]
    assert engine["looks"][1]["t"] - engine["looks"][0]["t"] == pytest.approx(0.4, abs=0.3)
    assert engine["seconds"] == pytest.approx(engine["looks"][1]["t"] - engine["looks"][0]["t"])
    assert engine["cpu_used"] == 0.0
    assert busy["cpu_used"] > 0.0
    assert engine["looks"][0]["threads"] == 1
    assert engine["looks"][0]["stacks"]["threads"][0]["state"] == "S"
    assert canary["end"]["t"] >= engine["looks"][1]["t"]
    assert seen["sockets"]["state"] == "ok"
    assert seen["seconds"] < 12


def test_what_stands_and_what_moves(server, child):
    one, two = child(SLEEPER, "engine_core"), child(SLEEPER, "worker")
    still = look_closer(server, Dumps("f (x.py:1)"), one, two)
    assert [found["same_stack"] for found in still["processes"]] == [True, True]
    assert describe_look(still) == f"stacks: engine_core {one['pid']} stands, worker {two['pid']} stands"
    facts = describe_stall(still)
    assert facts.same_stack("engine_core") is True
    assert facts.top_frames("worker") == ["f (x.py:1)"]


def test_another_line_is_a_movement(server, child):
    one = child(SLEEPER, "engine_core")
    seen = look_closer(server, Dumps("f (x.py:1)", "f (x.py:2)"), one)
    assert seen["processes"][0]["same_stack"] is False
    assert describe_look(seen).endswith("moves")


def test_a_stopped_process_is_not_continued(server, child):
    one = child(SLEEPER, "engine_core")
    os.kill(one["pid"], signal.SIGSTOP)
    try:
        seen = look_closer(server, Dumps("f (x.py:1)"), one)
        assert process.sample([one["pid"]])[0]["state"] == "T"
    finally:
        os.kill(one["pid"], signal.SIGCONT)
    assert [look["state"] for look in seen["processes"][0]["looks"]] == ["T", "T"]


def test_a_number_that_belongs_to_another_process_now(server, child):
    one = child(SLEEPER, "worker")
    py_spy = Dumps("f (x.py:1)")
    seen = look_closer(server, py_spy, Process(one, started_at=one["started_at"] - 60))["processes"][0]
    assert [look["state"] for look in seen["looks"]] == ["gone", "gone"]
    assert (seen["cpu_used"], seen["seconds"], seen["same_stack"], py_spy.dumped) == (None, None, None, [])


def test_a_process_that_dies_between_the_looks(server, child):
    one = child(SLEEPER, "worker")

    def die():
        os.kill(one["pid"], signal.SIGKILL)
        os.waitpid(one["pid"], 0)
        return "f (x.py:1)"

    seen = look_closer(server, Dumps(die), one)["processes"][0]
    assert [look["state"] for look in seen["looks"]] == ["S", "gone"]
    assert (seen["cpu_used"], seen["same_stack"]) == (None, None)


def test_a_host_that_hides_processes(server, child, monkeypatch):
    monkeypatch.setattr(stall, "sample", lambda _pids: [])
    seen = look_closer(server, Dumps("f (x.py:1)"), child(SLEEPER, "worker"))
    assert seen["processes"][0]["looks"][0]["stacks"]["state"] == "denied"


# Every part has its own limit


def test_a_dump_that_hangs_costs_its_own_limit_and_no_other_process(server, child, monkeypatch):
    monkeypatch.setattr(stall, "DUMP_SECONDS", 0.2)
    monkeypatch.setattr(stall, "FILE_SECONDS", 0.2)
    over = threading.Event()
    one, two = child(SLEEPER, "engine_core"), child(SLEEPER, "worker")

    class Hangs(Dumps):
        def dump(self, pid, timeout):
            if pid == one["pid"]:
                over.wait(20)
            return super().dump(pid, timeout)

    began = time.monotonic()
    seen = look_closer(server, Hangs("f (x.py:1)"), one, two)
    took = time.monotonic() - began
    over.set()
    assert took < 8
    hung, fine = seen["processes"]
    assert (hung["same_stack"], hung["looks"][0]["stacks"]["reason"]) == (None, "not read in time")
    assert fine["same_stack"] is True


def test_parts_that_break_say_why_and_fell_nothing_else(server, child, monkeypatch):
    def breaks(*_arguments):
        raise RuntimeError("odd")

    monkeypatch.setattr(stall, "read_gpus", breaks)
    monkeypatch.setattr(stall, "read_sockets", breaks)
    monkeypatch.setattr(stall, "read_environ", breaks)
    seen = look_closer(server, Dumps(breaks), child(SLEEPER, "worker"))
    for part in (seen["gpus"], seen["sockets"], seen["processes"][0]["looks"][0]["stacks"]):
        assert (part["state"], part["reason"]) == ("failed", "RuntimeError: odd")
    assert seen["canary"]["http_status"] == 200


def test_a_server_that_refuses_connections(child):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    one = child(SLEEPER, "main")
    seen = take_stall(Server(url, "m", "", [one]), Dumps("f (x.py:1)"), become=False, between=0.2)
    assert seen["canary"]["end"]["how"] == "refused"
    assert seen["processes"][0]["same_stack"] is True


def test_a_server_that_accepts_nothing(child):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        seen = take_stall(Server(url, "m", "", []), Dumps("f (x.py:1)"), become=False, between=0.2)
    assert (seen["canary"]["end"]["how"], seen["canary"]["http_status"]) == ("stopped", None)
    waiting = [one["recv_queue_bytes"] for one in seen["sockets"]["listening"]]
    assert waiting == [1], "the connection that nobody accepts"


def test_no_process_is_known(server):
    py_spy = Dumps("f (x.py:1)")
    seen = look_closer(server, py_spy)
    assert (seen["processes"], py_spy.dumped) == ([], [])
    assert describe_look(seen) == "no stacks: no process is known"


def test_why_no_stack_could_be_read(server, child):
    class Denied(Dumps):
        def dump(self, pid, timeout):
            return Stacks(state="denied", reason=f"stacks of process {pid} not readable as guest", threads=[])

    one = child(SLEEPER, "worker")
    seen = look_closer(server, Denied(), one)
    assert describe_look(seen) == f"no stacks: stacks of process {one['pid']} not readable as guest"
    assert seen["processes"][0]["same_stack"] is None
    assert seen["processes"][0]["cpu_used"] == 0.0


def test_no_secret_travels(server, child):
    seen = look_closer(server, Dumps(f"f_{KEY} (x.py:1)"), child(SLEEPER, "worker"))
    assert KEY.encode() in server.request
    assert KEY not in str(seen)


def test_a_secret_of_the_server_s_environment_does_not_travel(server, child, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "quite-a-long-secret-4711")
    one = child(SLEEPER, "main")
    seen = look_closer(server, Dumps("load_quite-a-long-secret-4711 (x.py:1)"), one)
    assert "4711" not in str(seen["processes"][0]["looks"][0]["stacks"])


# Which processes


def named(*roles):
    return [Process(pid=100 + n, role=role, title="t") for n, role in enumerate(roles)]


def test_workers_are_alike_so_only_the_first_ones_are_dumped():
    chosen = choose(named("main", "other", "engine_core", *["worker"] * 8))
    assert [one.process["role"] for one in chosen] == ["main", "engine_core", *["worker"] * 8]
    assert [one.dumped for one in chosen] == [True, True, *[True] * 4, *[False] * 4]


def test_releases_without_titles_have_no_engine_to_tell():
    chosen = choose(named("main", "other", "other"))
    assert [one.dumped for one in chosen] == [True, True, True]


def test_a_worker_that_is_not_dumped_has_its_clocks(server, child, monkeypatch):
    monkeypatch.setattr(stall, "DUMPED_PER_ROLE", 1)
    one, two = child(SLEEPER, "worker"), child(SLEEPER, "worker")
    py_spy = Dumps("f (x.py:1)")
    seen = look_closer(server, py_spy, one, two)
    assert set(py_spy.dumped) == {one["pid"]}
    assert seen["processes"][1]["cpu_used"] == 0.0
    assert seen["processes"][1]["looks"][0]["stacks"]["state"] == "absent"
