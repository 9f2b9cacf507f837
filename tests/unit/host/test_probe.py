"""One stream case against small servers that speak HTTP by hand, well, badly or not at all."""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import os
import socket
import struct
import subprocess
import threading
import time

import pytest

from streamdiag.bundle import Process
from streamdiag.host import cases, endpoints, probe, sampler, standstill, watch
from streamdiag.host.outcome import describe_stream
from streamdiag.host.plan import settles
from streamdiag.host.probe import DATA_BUDGET, EVENT_LIMIT, Server, run_case
from streamdiag.host.watch import Deadlines
from streamdiag.responses import name_of, progressed, terminal_name

#: A loaded machine can be late by seconds: only the deadline that a test is about is short.
SLOW = Deadlines(connect=10.0, headers=10.0, first_event=10.0, silence=10.0, patience=10.0, total=10.0)
#: What a judge may rely on, whatever happened.
KEYS = {
    *("bundle_version", "case", "at", "method", "url", "request_headers", "request_body", "request_bytes"),
    *("deadlines", "t_connect", "t_headers", "http_status", "response_headers", "body", "reads", "events"),
    *("comments", "pieces", "variant", "bytes", "dropped_events", "unparsed", "end", "canary", "samples", "retried"),
}
COUNTERS = (
    b'vllm:num_requests_running{engine="0"} 0\nvllm:generation_tokens_total{engine="0"} 100\n'
    b'vllm:prompt_tokens_total{engine="0"} 50\n'
)


def answer(body, status="200 OK", kind="text/plain", *headers):
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def event(name, **data):
    return f"event: {name}\ndata: {json.dumps(dict(data, type=name))}\n\n".encode()


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
CREATED = event("response.created", response={"id": "resp_1"})
DELTA = event("response.output_text.delta", delta="a")
COMPLETED = event("response.completed", response={"id": "resp_1"})
WHOLE = CREATED + DELTA * 3 + COMPLETED
GOOD = HEAD + chunk(CREATED) + chunk(DELTA * 3) + chunk(COMPLETED) + LAST


class Scripted:
    """A server on loopback. ``script(client, number)`` serves the number-th POST; GETs are answered from ``pages``."""

    def __init__(self, script, backlog=16):
        self.script = script
        self.pages = {"/health": answer(b""), "/metrics": answer(COUNTERS)}
        self.heads = []
        self.bodies = []
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._clients = []
        self._threads = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self):
        while True:
            try:
                client, _address = self._socket.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(client,))
            self._clients.append(client)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client):
        with contextlib.suppress(OSError), client:
            raw = b""
            while b"\r\n\r\n" not in raw:
                got = client.recv(65536)
                if not got:
                    return
                raw += got
            head, _, body = raw.partition(b"\r\n\r\n")
            path = head.split()[1].decode()
            if head.startswith(b"GET"):
                page = self.pages.get(path, answer(b"", "404 Not Found"))
                if page is None:
                    self.over.wait(20)
                else:
                    client.sendall(page)
                return
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += client.recv(65536)
            with self._lock:
                self.heads.append(head)
                self.bodies.append(json.loads(body))
                number = len(self.heads)
            if callable(self.script):
                self.script(client, number)
            else:
                client.sendall(self.script)

    def wait(self, seconds=20.0):
        """Say nothing for so long, or until the test is over."""
        self.over.wait(seconds)

    def close(self):
        self.over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in [self._accepting, *self._threads]:
            thread.join(5)
            assert not thread.is_alive()


def open_files():
    return {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd)}


def _is_open(fd):
    return os.path.islink(f"/proc/self/fd/{fd}") and "/proc/" not in os.readlink(f"/proc/self/fd/{fd}")


@pytest.fixture(autouse=True)
def nothing_stays_open():
    """No thread and no socket outlives a test, at the latest after the time limit of a small GET."""
    threads, files = set(threading.enumerate()), open_files()
    yield
    until = time.monotonic() + 8.0
    while time.monotonic() < until and (set(threading.enumerate()) - threads or open_files() - files):
        time.sleep(0.02)
    assert set(threading.enumerate()) - threads == set()
    assert open_files() - files == set()


def in_short(ask_for, *args, timeout):
    return ask_for(*args, timeout=timeout / 5)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    """The same rules on faster clocks."""
    monkeypatch.setattr(watch, "TICK", 0.05)
    monkeypatch.setattr(sampler, "INTERVAL", 0.15)
    monkeypatch.setattr(sampler, "HEALTH_AFTER", 0.2)
    monkeypatch.setattr(sampler, "get", functools.partial(in_short, endpoints.get))
    monkeypatch.setattr(sampler, "get_metrics", functools.partial(in_short, endpoints.get_metrics))
    monkeypatch.setattr(sampler, "read_gpus", lambda timeout: {"state": "absent", "reason": "none here"})
    monkeypatch.setattr(probe, "CANARY_AFTER", 0.2)
    monkeypatch.setattr(standstill, "LEAST_SILENCE", 1.0)
    monkeypatch.setattr(standstill, "IDLE_SILENCE", 1.0)
    monkeypatch.setattr(standstill, "CANARY_SILENCE", 0.4)
    monkeypatch.setattr(standstill, "SILENCE_WITHOUT_CLOCKS", 1.3)


@pytest.fixture
def serve():
    servers = []

    def start(script, **pages):
        server = Scripted(script)
        server.pages.update({"/" + path: page for path, page in pages.items()})
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def idle():
    """A process that stands, as the engine core of a server that hangs."""
    child = subprocess.Popen(["sleep", "60"])
    yield [Process(pid=child.pid, role="engine_core", cpu=0.0)]
    child.kill()
    child.wait()


def whole(stream):
    """``stream``, after a look at everything that a judge relies on."""
    assert set(stream) == KEYS
    text = json.dumps(stream, allow_nan=False)
    assert len(text) < 4 * DATA_BUDGET
    times = [read["t"] for read in stream["reads"]]
    assert times == sorted(times)
    for one in stream["events"]:
        assert set(one) == {"t", "read", "name", "size", "data", "data_bytes"}
        assert 0 <= one["read"] < len(stream["reads"])
        assert stream["reads"][one["read"]]["t"] <= one["t"] <= stream["end"]["t"] + 0.001
    indices = [one["read"] for one in stream["events"]]
    assert indices == sorted(indices)
    assert set(stream["end"]) == {"t", "how", "deadline", "reason"}
    assert (stream["end"]["how"] == "deadline") == bool(stream["end"]["deadline"])
    assert stream["end"]["reason"] and len(stream["end"]["reason"]) <= 500
    assert set(stream["samples"]) == {"metrics", "processes", "gpus", "health"}
    marks = [t for t in (stream["t_connect"], stream["t_headers"], stream["end"]["t"]) if t is not None]
    assert marks == sorted(marks)
    assert (stream["http_status"] is None) == (stream["t_headers"] is None)
    assert (stream["http_status"] is None) == (stream["response_headers"] == {})
    assert "\n" not in describe_stream(stream)
    settles(stream)
    return stream


def ask(server, deadlines=SLOW, processes=(), case="simple"):
    return whole(run_case(case, Server(server.url, "m", "", processes), deadlines))


def names(stream):
    return [one["name"].replace("response.", "") for one in stream["events"]]


GOOD_NAMES = ["created", "output_text.delta", "output_text.delta", "output_text.delta", "completed"]


def test_a_good_stream(serve):
    server = serve(GOOD)
    stream = ask(server)
    assert names(stream) == GOOD_NAMES
    assert stream["end"]["how"] == "closed"
    assert stream["bytes"] == len(WHOLE) == sum(one["size"] for one in stream["events"])
    assert sum(read["size"] for read in stream["reads"]) == len(GOOD)
    assert stream["canary"] is None and stream["retried"] == [] and stream["unparsed"] == ""
    assert [m["generation_tokens"] for m in stream["samples"]["metrics"]] == [100.0, 100.0]  # before and after
    assert describe_stream(stream).startswith("simple: 200, 5 events in ")
    assert describe_stream(stream).endswith(", response.completed")
    assert settles(stream) == ""
    assert server.bodies == [cases.CASES["simple"]("m").bodies[0]] == [stream["request_body"]]
    assert stream["request_bytes"] == int(server.heads[0].lower().split(b"content-length: ")[1].split(b"\r\n")[0])


def test_a_key_is_sent_and_not_kept(serve):
    server = serve(GOOD)
    stream = whole(run_case("simple", Server(server.url + "/", "m", "sk-secret"), SLOW))
    assert b"authorization: bearer sk-secret" in server.heads[0].lower()
    assert server.heads[0].startswith(b"POST /v1/responses ")
    assert "sk-secret" not in json.dumps(stream)


def test_no_proxy_of_the_environment_is_asked(serve, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert names(ask(serve(GOOD))) == GOOD_NAMES


def label(value):
    """What a test is called by: the start of what a server says."""
    return repr(value)[:40] if isinstance(value, (bytes, str)) else None


def paused(first, *parts, pause=0.1):
    def script(client, _number):
        client.sendall(first)
        for part in parts:
            time.sleep(pause)
            client.sendall(part)

    return script


def test_events_that_come_one_by_one_are_timed_one_by_one(serve):
    stream = ask(serve(paused(HEAD, chunk(CREATED), chunk(DELTA), chunk(DELTA + DELTA), chunk(COMPLETED), LAST)))
    assert names(stream) == GOOD_NAMES
    reads = [one["read"] for one in stream["events"]]
    assert reads[2] == reads[3] and len(set(reads)) == 4  # two came together, the others each alone
    times = [one["t"] for one in stream["events"]]
    assert times[2] == times[3]
    assert all(later - earlier > 0.03 for earlier, later in zip(times, times[1:]) if later != times[3])


def test_one_byte_at_a_time(serve):
    def script(client, _number):
        for at in range(len(GOOD)):
            client.sendall(GOOD[at : at + 1])
            time.sleep(0.0002)

    stream = ask(serve(script))
    assert names(stream) == GOOD_NAMES
    assert len(stream["reads"]) > len(GOOD) / 4
    assert len({one["read"] for one in stream["events"]}) == 5


def then_silence(*parts):
    """Send the parts, then hold the connection open."""

    def script(client, _number):
        for part in parts:
            client.sendall(part)
        client.settimeout(20)
        with contextlib.suppress(OSError):
            client.recv(1)  # until the client has gone

    return script


def then_for_ever(start, again, pause=0.1):
    def script(client, _number):
        client.sendall(start)
        while True:
            client.sendall(again)
            time.sleep(pause)

    return script


def reset(client, _number):
    client.sendall(HEAD + chunk(CREATED))
    time.sleep(0.1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


GZIP = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n"
PACKED = gzip.compress(WHOLE)
SHORT = HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 100000")
NESTED = b"data: " + b"[" * 15000 + b"\n\n"


@pytest.mark.parametrize(
    "script, how, status, expected",
    [
        # Not a word of HTTP
        (then_silence(), "deadline headers", None, {}),
        (b"", "error", None, {}),
        (then_silence(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "deadline headers", None, {}),
        (b"SSH-2.0-OpenSSH_9.2p1\r\nInvalid SSH identification string.\r\n", "error", None, {}),
        (b"220 mail ESMTP\r\n\r\n", "error", None, {}),
        (b"x" * 200_000, "error", None, {}),
        (b"HTTP/1.1 " + b"9" * 50_000 + b"\r\n\r\n", "error", None, {}),
        (then_silence(b"HTTP/1.1 200 OK\r\nContent-"), "deadline headers", None, {}),
        (then_for_ever(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", 0.05), "deadline headers", None, {}),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 50_000, "error", None, {}),
        # An answer, and no stream
        (answer(b'{"error":{"message":"no key"}}', "401 Unauthorized"), "closed", 401, {"body": "no key"}),
        (answer(b"nothing here", "404 Not Found"), "closed", 404, {"body": "nothing here"}),
        (answer(b"oops", "500 Internal Server Error"), "closed", 500, {"body": "oops"}),
        (answer(b"oops", "503 Service Unavailable", "text/event-stream"), "closed", 503, {"body": "oops"}),
        (answer(b'{"id":"resp_1"}', kind="application/json"), "closed", 200, {"body": "resp_1"}),
        (answer(b"\xff\xfe\x00", kind="application/json"), "closed", 200, {"body": "\ufffd"}),
        (answer(b"", "204 No Content"), "closed", 204, {}),
        (answer(b"", "307 Temporary Redirect", "text/html", "Location: /v1/responses"), "closed", 307, {}),
        (answer(b"", "302 Found", "text/html", "Location: https://elsewhere.invalid/"), "closed", 302, {}),
        (
            then_for_ever(HEAD.replace(b"text/event-stream", b"text/html"), chunk(b"x" * 9999)),
            "deadline first_event",
            200,
            {"body": "x"},
        ),
        # A stream
        (GOOD, "closed", 200, {"names": GOOD_NAMES}),
        (GOOD.replace(b"text/event-stream", b"Text/Event-Stream"), "closed", 200, {"names": GOOD_NAMES}),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD, "closed", 200, {"names": GOOD_NAMES}),
        (b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + WHOLE, "closed", 200, {"names": GOOD_NAMES}),
        (GZIP.format(len(PACKED)).encode() + PACKED, "closed", 200, {"names": GOOD_NAMES}),
        (GZIP.format(9).encode() + b"not gzip!", "error", 200, {}),
        (HEAD + chunk(b"\xff\xfe\x00\r\n\r\n" + WHOLE) + LAST, "closed", 200, {"names": ["message", *GOOD_NAMES]}),
        # A stream that hangs, or is cut
        (then_silence(HEAD), "deadline first_event", 200, {}),
        (
            then_silence(HEAD + chunk(b"event: response.crea")),
            "deadline first_event",
            200,
            {"unparsed": "event: response.crea"},
        ),
        (then_silence(HEAD + chunk(CREATED)), "deadline silence", 200, {"names": ["created"]}),
        (HEAD + chunk(CREATED) + LAST, "closed", 200, {"names": ["created"]}),
        (HEAD + chunk(CREATED), "error", 200, {"names": ["created"]}),
        (
            HEAD + chunk(CREATED) + b"fff\r\nevent: resp",
            "error",
            200,
            {"names": ["created"], "unparsed": "event: resp"},
        ),
        (HEAD + chunk(CREATED) + b"no hex\r\n", "error", 200, {"names": ["created"]}),
        (SHORT + CREATED, "error", 200, {"names": ["created"]}),
        (reset, "error", 200, {"names": ["created"]}),
        (HEAD + chunk(b'event: error\ndata: {"message":"x"}\n\n') + LAST, "closed", 200, {"names": ["error"]}),
        # Signs of life that no client acts on
        (then_for_ever(HEAD, chunk(b": ping\n\n")), "deadline first_event", 200, {"comments": 1}),
        (then_for_ever(HEAD, chunk(event("response.ping"))), "deadline first_event", 200, {"events": 1}),
        (then_for_ever(HEAD + chunk(CREATED), chunk(b": ping\n\n")), "deadline silence", 200, {"comments": 1}),
        (then_for_ever(HEAD + chunk(CREATED), chunk(event("response.ping"))), "deadline silence", 200, {"events": 2}),
        (then_for_ever(HEAD + chunk(CREATED), chunk(b"x")), "deadline silence", 200, {"names": ["created"]}),
    ],
    ids=label,
)
def test_whatever_happens_a_whole_stream_comes_back(serve, script, how, status, expected):
    soon = {how.split()[1]: 0.25} if " " in how else {}
    stream = ask(serve(script), SLOW._replace(**soon))
    end = stream["end"]
    assert f"{end['how']} {end['deadline']}".strip() == how, end
    assert stream["http_status"] == status
    assert "names" not in expected or names(stream) == expected["names"]
    assert expected.get("body", "") in stream["body"] and len(stream["body"]) <= probe.BODY_LIMIT
    assert stream["unparsed"] == expected.get("unparsed", stream["unparsed"])
    assert len(stream["comments"]) >= expected.get("comments", 0)
    assert len(stream["events"]) >= expected.get("events", 0)
    assert stream["end"]["t"] < 5.0


def test_nested_data_is_data(serve):
    stream = ask(serve(HEAD + chunk(NESTED) + chunk(COMPLETED) + LAST))
    assert names(stream) == ["message", "completed"]


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    stream = whole(run_case("simple", Server(url, "m"), SLOW))
    assert stream["end"]["how"] == "refused" and "refused" in stream["end"]["reason"]
    assert (stream["t_connect"], stream["reads"], stream["canary"]) == (None, [], None)
    assert describe_stream(stream).startswith("simple: no connection: ")
    assert settles(stream)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:1", "ftp://127.0.0.1", "http://", "http://[::1", "http://127.0.0.1:99999"]
)
def test_an_address_that_is_none(url):
    """No server is asked; the Stream says why. ``request_bytes`` is left out where no request could be made."""
    stream = run_case("simple", Server(url, "m"), SLOW)
    assert KEYS - set(stream) <= {"request_bytes"}
    assert stream["end"]["how"] in ("error", "broken", "refused") and stream["end"]["reason"]
    assert describe_stream(stream) and settles(stream)


def test_a_connection_that_is_not_taken():
    """The queue of the listening socket is full: the kernel drops what comes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(3):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        stream = whole(run_case("simple", Server(url, "m"), SLOW._replace(connect=0.3)))
    assert (stream["end"]["how"], stream["end"]["deadline"]) == ("deadline", "connect")
    assert stream["end"]["t"] < 5.0


def by_number(*scripts):
    def script(client, number):
        chosen = scripts[min(number, len(scripts)) - 1]
        chosen(client, number) if callable(chosen) else client.sendall(chosen)

    return script


REFUSAL = answer(b'{"error":"tool_choice"}', "400 Bad Request", "application/json")


def test_a_refused_form_is_followed_by_the_next(serve):
    server = serve(by_number(REFUSAL, GOOD))
    stream = ask(server, case="tools")
    assert [body["tool_choice"] for body in server.bodies] == ["required", "auto"]
    assert names(stream) == GOOD_NAMES and stream["request_body"]["tool_choice"] == "auto"
    (refused,) = stream["retried"]
    assert (refused["http_status"], refused["request_body"]["tool_choice"]) == (400, "required")
    assert "tool_choice" in refused["body"] and refused["retried"] == []


@pytest.mark.parametrize(
    "case, refusal, requests",
    [
        ("tools", REFUSAL, 2),
        ("simple", REFUSAL, 1),
        ("tools", answer(b"", "422 Unprocessable Content"), 2),
        ("tools", answer(b"", "401 Unauthorized"), 1),
        ("tools", answer(b"", "429 Too Many Requests"), 1),
        ("tools", answer(b"", "500 Internal Server Error"), 1),
    ],
    ids=label,
)
def test_how_often_a_refused_request_is_sent(serve, case, refusal, requests):
    server = serve(refusal)
    stream = ask(server, case=case)
    assert len(server.bodies) == requests
    assert len(stream["retried"]) == requests - 1
    assert stream["http_status"] == int(refusal.split()[1])


def test_no_more_events_are_kept_than_fit_and_the_last_one_is(serve):
    many = b"".join(event("response.output_text.delta", delta="x", n=n) for n in range(5000))
    stream = ask(serve(HEAD + chunk(CREATED + many + COMPLETED) + LAST), SLOW._replace(total=20))
    assert len(stream["events"]) == EVENT_LIMIT and stream["dropped_events"] == 5002 - EVENT_LIMIT
    assert names(stream)[0] == "created" and names(stream)[-1] == "completed"
    numbers = [json.loads(one["data"])["n"] for one in stream["events"][1:-1]]
    assert numbers == [*range(EVENT_LIMIT // 2 - 1), *range(5000 - EVENT_LIMIT // 2 + 1, 5000)]
    assert stream["bytes"] == len(CREATED + many + COMPLETED)


def test_no_more_comments_are_kept_than_fit(serve):
    stream = ask(serve(HEAD + chunk(b": c\n" * 9000 + WHOLE) + LAST))
    assert len(stream["comments"]) == EVENT_LIMIT and names(stream) == GOOD_NAMES


def test_an_endless_stream_of_huge_events(serve):
    """Ended by the total, with a bounded part of it kept."""
    huge = chunk(event("response.output_text.delta", delta="x" * 300_000))
    stream = ask(serve(then_for_ever(HEAD + chunk(CREATED), huge, 0.005)), SLOW._replace(total=1.0))
    assert (stream["end"]["how"], stream["end"]["deadline"]) == ("deadline", "total")
    assert 1.0 <= stream["end"]["t"] < 3.0
    assert stream["bytes"] > 1_000_000
    assert all(len(one["data"]) <= probe.DATA_LIMIT for one in stream["events"])
    assert stream["events"][-1]["data_bytes"] > 300_000


def test_the_budget_of_data_is_kept(serve):
    deltas = chunk(event("response.output_text.delta", delta="x" * 80_000)) * 100
    stream = ask(serve(HEAD + deltas + chunk(COMPLETED) + LAST), SLOW._replace(total=20))
    sizes = [len(one["data"]) for one in stream["events"]]
    assert sum(sizes) < DATA_BUDGET + 101 * 256
    assert sizes[0] == probe.DATA_LIMIT and sizes[-2] == 256
    assert json.loads(stream["events"][-1]["data"])["type"] == "response.completed"


def test_reads_are_bounded(serve, monkeypatch):
    """A server that sends byte by byte for minutes fills neither the host's memory nor the report."""
    monkeypatch.setattr(watch, "READ_LIMIT", 50)
    stream = ask(serve(paused(HEAD, *[chunk(DELTA)] * 80, chunk(COMPLETED) + LAST, pause=0.002)))
    assert len(stream["reads"]) == 50
    assert names(stream)[-1] == "completed"
    assert sum(read["size"] for read in stream["reads"]) > 80 * len(DELTA)


# ---- silence: the canary, the early end ----

STUCK = then_silence(HEAD + chunk(CREATED))


def test_a_hang_is_ended_early(serve, idle):
    server = serve(STUCK)
    stream = ask(server, SLOW, idle)
    assert stream["end"]["how"] == "stopped"
    assert "no token in" in stream["end"]["reason"] and "the canary stands too" in stream["end"]["reason"]
    assert 1.0 <= stream["end"]["t"] < 6.0
    assert names(stream) == ["created"]
    canary = stream["canary"]
    assert canary["case"] == "canary" and names(canary) == ["created"]
    assert canary["end"]["how"] == "stopped" and 0.2 <= canary["sent_at"] < 3.0 and canary["silence"] >= 0.4
    assert server.bodies[1] == cases.CASES["canary"]("m").bodies[0]
    samples = stream["samples"]
    assert len(samples["metrics"]) >= 4 and len(samples["processes"]) >= 4 and samples["health"]
    assert {h["http_status"] for h in samples["health"]} == {200}
    assert {p["state"] for s in samples["processes"] for p in s["processes"]} <= {"S", "R"}
    assert "nothing moves" in describe_stream(stream) and "stalled" in settles(stream)


def test_a_hang_without_readable_clocks_takes_longer(serve):
    stream = ask(serve(STUCK), SLOW)
    assert stream["end"]["how"] == "stopped" and "could not be read" in stream["end"]["reason"]
    assert stream["end"]["t"] >= 1.3


def test_a_blocked_api_server(serve, idle):
    """It takes connections and answers none: /health and /metrics hang as well."""
    server = serve(then_silence(), health=None, metrics=None)
    stream = ask(server, SLOW, idle)
    assert stream["end"]["how"] == "stopped" and "/metrics did not answer" in stream["end"]["reason"]
    assert stream["t_connect"] is not None and stream["http_status"] is None
    assert stream["canary"]["http_status"] is None
    assert stream["end"]["t"] < 8.0


def test_a_stream_that_halts_while_others_are_served_is_waited_for(serve, idle):
    """Tokens stand and the processes are idle, but the canary is answered: something else is awaited."""
    server = serve(
        by_number(paused(HEAD + chunk(CREATED), chunk(DELTA * 3) + chunk(COMPLETED) + LAST, pause=1.8), GOOD)
    )
    stream = ask(server, SLOW, idle)
    assert stream["end"]["how"] == "closed" and names(stream) == GOOD_NAMES
    assert names(stream["canary"]) == GOOD_NAMES and stream["canary"]["end"]["how"] == "closed"
    assert stream["events"][1]["t"] - stream["events"][0]["t"] > 1.5


def test_an_engine_that_recovers_is_heard_to_the_end(serve, idle, monkeypatch):
    """Both streams hang and go on together before the rule is met."""
    monkeypatch.setattr(standstill, "LEAST_SILENCE", 3.0)
    monkeypatch.setattr(standstill, "IDLE_SILENCE", 3.0)
    recovering = paused(HEAD + chunk(CREATED), chunk(DELTA * 3) + chunk(COMPLETED) + LAST, pause=0.7)
    stream = ask(serve(recovering), SLOW, idle)
    assert stream["end"]["how"] == "closed" and names(stream) == GOOD_NAMES
    assert stream["canary"] is not None


@pytest.mark.parametrize("moving", ["generation_tokens_total", "prompt_tokens_total"])
def test_a_silent_stream_of_a_working_server_gets_patience(serve, idle, moving):
    """Tokens flow and no event comes (a withheld tool call, a long prefill): beyond silence, up to patience."""
    server = serve(STUCK)
    ticking = threading.Event()

    class Pages(dict):
        def get(self, path, default=None):
            if path != "/metrics":
                return super().get(path, default)
            value = int(time.monotonic() * 100)
            other = "prompt_tokens_total" if moving.startswith("gen") else "generation_tokens_total"
            ticking.set()
            return answer(f"vllm:{moving} {value}\nvllm:{other} 5\n".encode())

    server.pages = Pages(server.pages)
    stream = ask(server, SLOW._replace(silence=0.8, patience=1.6), idle)
    assert ticking.is_set()
    assert (stream["end"]["how"], stream["end"]["deadline"]) == ("deadline", "silence")
    assert stream["end"]["t"] > 1.6


def test_no_canary_beside_a_flowing_stream(serve, monkeypatch):
    monkeypatch.setattr(probe, "CANARY_AFTER", 0.8)
    monkeypatch.setattr(sampler, "HEALTH_AFTER", 0.8)
    parts = [chunk(DELTA)] * 12
    server = serve(paused(HEAD, chunk(CREATED), *parts, chunk(COMPLETED), LAST, pause=0.08))
    stream = ask(server)
    assert stream["end"]["t"] > 1.0
    assert len(server.bodies) == 1 and stream["canary"] is None
    assert stream["samples"]["health"] == []


def test_a_canary_that_cannot_be_ended_is_returned_with_an_end(serve, monkeypatch):
    """It is stuck where no clock is looked at (name lookup, connecting): the stream does not wait for it."""
    released = threading.Event()
    exchange = probe._exchange

    def stuck(case, *rest):
        if case.name == "canary":
            released.wait(20)
        else:
            exchange(case, *rest)

    monkeypatch.setattr(probe, "_exchange", stuck)
    stream = ask(serve(STUCK), SLOW._replace(silence=0.8))
    released.set()
    assert stream["end"]["deadline"] == "silence"
    assert stream["canary"]["end"]["how"] == "stopped" and stream["canary"]["end"]["reason"]


def test_a_fault_of_the_probe_itself_keeps_what_came(serve, monkeypatch):
    def fail(_event):
        raise RuntimeError("our own fault")

    monkeypatch.setattr(probe, "is_heartbeat", fail)
    stream = ask(serve(GOOD))
    assert (stream["end"]["how"], stream["end"]["reason"]) == ("broken", "RuntimeError: our own fault")
    assert stream["http_status"] == 200 and stream["reads"]


def test_a_server_that_does_not_close_after_the_last_event_has_not_stalled(serve):
    stream = ask(serve(then_silence(HEAD + chunk(WHOLE))), SLOW._replace(silence=0.25))
    assert names(stream) == GOOD_NAMES
    assert "response.completed" in describe_stream(stream)
    assert settles(stream) == ""


def test_an_unknown_case_is_an_error():
    with pytest.raises(KeyError):
        run_case("nosuch", Server("http://127.0.0.1:1", "m"), SLOW)


# ---- chat streams, answers in one piece, the public address ----

CHUNK = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"delta":{"content":"a"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
STUCK_CHAT = then_silence(HEAD)


def test_a_chat_stream(serve):
    server = serve(HEAD + chunk(CHUNK * 3) + chunk(DONE) + LAST)
    stream = ask(server, case="chat")
    assert server.heads[0].startswith(b"POST /v1/chat/completions ")
    assert [name_of(one) for one in stream["events"]] == ["chat.completion.chunk"] * 3 + ["[DONE]"]
    assert (terminal_name(stream), stream["end"]["how"]) == ("[DONE]", "closed")


def test_a_chat_stream_is_over_with_done(serve):
    """The server leaves the connection open: nothing is waited for."""
    stream = ask(serve(then_silence(HEAD + chunk(CHUNK + DONE))), SLOW._replace(total=5.0), case="chat")
    assert stream["end"]["how"] == "stopped" and "terminal event" in stream["end"]["reason"]


def test_a_responses_stream_is_not_over_with_done(serve):
    stream = ask(serve(then_silence(HEAD + chunk(CREATED + DONE))), SLOW._replace(silence=0.8))
    assert stream["end"]["deadline"] == "silence" and terminal_name(stream) is None


def test_a_chat_chunk_keeps_its_name_when_its_data_is_cut(serve, monkeypatch):
    monkeypatch.setattr(probe, "DATA_BUDGET", 200)
    large = CHUNK.replace(b'"a"', b'"%b"' % (b"a" * 400))
    stream = run_case("chat", Server(serve(HEAD + chunk(large * 2 + DONE) + LAST).url, "m"), SLOW)
    assert [name_of(one) for one in stream["events"]] == ["chat.completion.chunk"] * 2 + ["[DONE]"]
    assert all(len(one["data"]) <= 256 for one in stream["events"])


def test_a_chat_stream_that_hangs_is_ended_early(serve, idle):
    server = serve(STUCK_CHAT)
    stream = ask(server, SLOW, idle, case="chat")
    assert stream["end"]["how"] == "stopped" and "no token in" in stream["end"]["reason"]
    assert server.heads[1].startswith(b"POST /v1/responses ")  # the canary


WHOLE_ANSWER = json.dumps({"id": "resp_1", "object": "response", "status": "completed", "output": ["x" * 40_000]})


def test_an_answer_in_one_piece_is_kept_whole(serve):
    server = serve(paused(b"", answer(WHOLE_ANSWER.encode(), kind="application/json"), pause=0.3))
    stream = ask(server, case="nonstream")
    assert server.bodies[0]["stream"] is False and b"accept: application/json" in server.heads[0].lower()
    assert json.loads(stream["body"])["status"] == "completed"
    assert (stream["events"], terminal_name(stream), stream["end"]["how"]) == ([], None, "closed")
    assert progressed(stream) and stream["t_headers"] >= 0.25


def test_of_a_huge_answer_the_start_is_kept(serve):
    stream = ask(serve(answer(b"x" * 300_000, kind="application/json")), case="nonstream")
    assert len(stream["body"]) == probe.ANSWER_LIMIT and stream["bytes"] == 300_000


def test_an_answer_in_one_piece_that_does_not_come_is_ended_early(serve, idle):
    stream = ask(serve(then_silence()), SLOW, idle, case="nonstream")
    assert stream["end"]["how"] == "stopped" and "no token in" in stream["end"]["reason"]
    assert stream["canary"] is not None and stream["http_status"] is None and not progressed(stream)


class Moving(dict):
    """Pages whose counters move: ``waiting`` and ``running`` stand, tokens rise."""

    def __init__(self, pages, waiting=0, running=1):
        super().__init__(pages)
        self.gauges = f"vllm:num_requests_waiting {waiting}\nvllm:num_requests_running {running}\n"

    def get(self, path, default=None):
        if path != "/metrics":
            return super().get(path, default)
        tokens = int(time.monotonic() * 100)
        return answer(f"{self.gauges}vllm:generation_tokens_total {tokens}\nvllm:prompt_tokens_total 5\n".encode())


def test_an_answer_in_one_piece_gets_patience_while_tokens_move(serve, idle):
    server = serve(paused(b"", answer(WHOLE_ANSWER.encode(), kind="application/json"), pause=1.8))
    server.pages = Moving(server.pages)
    stream = ask(server, SLOW._replace(headers=0.8), idle, case="nonstream")
    assert stream["end"]["how"] == "closed" and stream["body"] and stream["t_headers"] > 1.5


@pytest.mark.parametrize("case, script", [("simple", STUCK), ("chat", STUCK_CHAT), ("nonstream", then_silence())])
def test_a_stream_in_a_queue_is_ended_early(serve, idle, monkeypatch, case, script):
    monkeypatch.setattr(standstill, "QUEUE_SILENCE", 2.0)
    server = serve(script)
    server.pages = Moving(server.pages, waiting=1)
    stream = ask(server, SLOW, idle, case=case)
    assert stream["end"]["how"] == "stopped"
    assert stream["end"]["reason"].startswith("waiting in the queue: 1 waiting, 1 running, ")
    assert 2.0 <= stream["end"]["t"] < 8.0


def test_a_stream_that_has_begun_waits_in_no_queue(serve, idle, monkeypatch):
    monkeypatch.setattr(standstill, "QUEUE_SILENCE", 1.5)
    server = serve(by_number(then_silence(HEAD + chunk(CREATED + DELTA)), STUCK))
    server.pages = Moving(server.pages, waiting=1)
    stream = ask(server, SLOW._replace(silence=0.8, patience=3.0), idle)
    assert (stream["end"]["how"], stream["end"]["deadline"]) == ("deadline", "silence")


@pytest.mark.parametrize("variant", ["", "gzip", "controller", "controller-gzip"])
def test_the_public_address_is_asked_and_the_server_itself_is_watched(serve, variant):
    proxy, server = serve(STUCK), serve(GOOD)
    server.pages["/metrics"] = answer(COUNTERS.replace(b" 100", b" 777"))
    given = Server(proxy.url, "m", counters_url=server.url)
    stream = whole(run_case("public", given, SLOW._replace(silence=1.0), variant))
    assert (stream["case"], stream["variant"]) == ("public", variant)
    assert stream["url"].startswith(proxy.url) and len(proxy.bodies) == 1
    assert (b"accept-encoding: gzip" in proxy.heads[0].lower()) is ("gzip" in variant)
    assert b"originator: codex_exec" in proxy.heads[0].lower()
    assert {s["generation_tokens"] for s in stream["samples"]["metrics"] if s["state"] == "ok"} == {777.0}
    assert stream["canary"]["url"].startswith(server.url) and names(stream["canary"]) == GOOD_NAMES
    assert stream["canary"]["variant"] == ""


def test_what_a_proxy_packs_is_read(serve):
    stream = whole(run_case("public", Server(serve(GZIP.format(len(PACKED)).encode() + PACKED).url, "m"), SLOW, "gzip"))
    assert names(stream) == GOOD_NAMES and stream["response_headers"]["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    "case, differs",
    [("reasoning", "reasoning"), ("chat", "max_completion_tokens"), ("tool_turn", "input")],
)
def test_cases_with_another_form_try_it(serve, case, differs):
    server = serve(REFUSAL)
    stream = ask(server, case=case)
    one, other = server.bodies
    assert one.get(differs) != other.get(differs) and len(stream["retried"]) == 1
