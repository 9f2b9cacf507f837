"""The stand-in proxy: what passes through it untouched, and what each of its faults does to a stream."""

import asyncio
import contextlib
import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest
from simulator.proxy import FAULTS, REGISTRY, listen, parse, server_for
from simulator.proxy import Settings as Wrong

from sim_cases import responses
from sim_exchange import Exchange, Request, exchange
from sim_faulty import ANY, TEXT, counters, faulty, names
from sim_server import ROOT, Server, with_server

SLOWLY = "slow=30"  # tokens per second: events apart in time


@contextlib.contextmanager
def proxied(server: Server, *faults: str) -> Iterator[int]:
    """The port of a proxy before the server, in a thread of this process."""
    words = [word for fault in faults for word in ("--fault", fault)]
    ready, (sock, _) = Event(), listen(0)
    proxy = server_for(parse(["--upstream", f"http://127.0.0.1:{server.port}", *words]), ready.set)
    thread = Thread(target=lambda: asyncio.run(proxy.serve(sockets=[sock])))
    thread.start()
    try:
        assert ready.wait(5)
        yield sock.getsockname()[1]
    finally:
        proxy.should_exit = True
        thread.join(5)
        assert not thread.is_alive()


def ask(port: int, request: Request, **waits: float) -> Exchange:
    return exchange("127.0.0.1", port, request, **waits)


def with_gzip(request: Request) -> Request:
    return replace(request, headers={**request.headers, "accept-encoding": "gzip, deflate"})


@with_server(*ANY)
def test_untouched(server: Server) -> None:
    """Status, headers, bodies, chunks and errors, for clients that accept gzip and for others."""
    with proxied(server) as port:
        for request in (Request(path="/v1/models"), Request(path="/nosuch"), responses(model="nosuch"), TEXT):
            direct, through = server.send(request), ask(port, with_gzip(request))
            assert (through.status, through.end) == (direct.status, direct.end)
            assert [name for name, _ in through.headers] == [name for name, _ in direct.headers]
            kinds = [dict(result.headers)["content-type"] for result in (direct, through)]
            assert kinds[0] == kinds[1]
            assert len(through.chunks) == len(direct.chunks)
        assert names(through) == names(direct)
        query = ask(port, Request(path="/v1/responses/resp_nosuch?stream=true"))
        assert query.status == 404 and "resp_nosuch" in query.json()["error"]["message"]


@with_server(*ANY)
def test_event_by_event(server: Server) -> None:
    with proxied(server) as port:
        result = ask(port, faulty(responses(stream=True, max_output_tokens=20), SLOWLY))
    assert all(chunk.endswith(b"\n\n") and chunk.count(b"\n\n") == 1 for chunk in result.chunks)
    deltas = [t for t, data in result.reads if b"output_text.delta" in data]
    assert len(deltas) > 8 and deltas[-1] - deltas[0] > 0.4


@with_server(*ANY)
def test_a_client_that_leaves(server: Server) -> None:
    """The server learns of it."""
    with proxied(server) as port:
        ask(port, responses(stream=True, max_output_tokens=20000, ignore_eos=True), total=0.3)
        assert server.wait_for(lambda: counters(server)[0] == 0, 2)


@with_server(*ANY)
def test_a_server_that_cuts(server: Server) -> None:
    with proxied(server) as port:
        result = ask(port, faulty(TEXT, "truncated=4"))
    assert result.end == "eof" and len(names(result)) == 4 and not result.raw.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("fault", ["gzip_hold", "hold"])
@with_server(*ANY)
def test_held_to_the_end(server: Server, fault: str) -> None:
    request = faulty(responses(stream=True, max_output_tokens=20), SLOWLY)
    with proxied(server, fault) as port:
        zipped, plain = ask(port, with_gzip(request)), ask(port, request)
        assert ask(port, with_gzip(Request(path="/v1/models"))).json()["object"] == "list"
    assert zipped.reads[0][0] > 0.5 and zipped.t_end - zipped.reads[0][0] < 0.3
    if fault == "gzip_hold":
        assert ("content-encoding", "gzip") in zipped.headers
        assert b"event: response.completed" in gzip.decompress(zipped.body)
    else:
        assert names(zipped)[-1] == "response.completed"
    assert (plain.reads[0][0] > 0.5) == (fault == "hold")
    assert "content-encoding" not in dict(plain.headers) and names(plain)[-1] == "response.completed"


@with_server(*ANY)
def test_bursts(server: Server) -> None:
    with proxied(server, "bursts=1000") as port:
        result = ask(port, TEXT)
    assert {len(chunk) for chunk in result.chunks[:-1]} == {1000} and names(result)[-1] == "response.completed"


@with_server(*ANY)
def test_cuts(server: Server) -> None:
    """By the clock, or at a silence; a proxy that has sent no headers yet answers 504."""
    slow = faulty(responses(stream=True, max_output_tokens=40), SLOWLY)
    silent = faulty(TEXT, "silent_after=4")
    for fault, request in (("cut_after=0.6", slow), ("cut_after=0.6", silent), ("read_timeout=0.6", silent)):
        with proxied(server, fault) as port:
            result = ask(port, request)
        assert result.end == "eof" and 0.5 < result.t_end < 2.5
        assert "response.created" in names(result) and "response.completed" not in names(result)
        assert not result.raw.endswith(b"0\r\n\r\n")
    with proxied(server, "read_timeout=0.6") as port:
        assert names(ask(port, slow))[-1] == "response.completed"
        late = ask(port, replace(faulty(TEXT, "first_token_slow=3"), body={**TEXT.body, "stream": False}))
    assert late.status == 504 and b"<h1>504 Gateway Timeout</h1>" in late.body


@with_server(*ANY)
def test_lost_events(server: Server) -> None:
    whole = names(server.send(TEXT))
    with proxied(server, "drop_every=5") as port:
        dropped = names(ask(port, TEXT))
    with proxied(server, "strip_done") as port:
        stripped = names(ask(port, TEXT))
    assert dropped == [name for i, name in enumerate(whole, 1) if i % 5]
    assert stripped == [name for name in whole if not name.endswith(".done")] != whole


@with_server(*ANY)
def test_stall(server: Server) -> None:
    """The client waits on an open connection while the server has long been done."""
    with proxied(server, "stall_after=2500") as port:
        result = ask(port, TEXT, idle=0.8)
        assert counters(server)[0] == 0
    assert result.end == "idle" and len(result.body) == 2500


@with_server(*ANY)
def test_wrong_answers(server: Server) -> None:
    for fault, status in (("error_page=502", 502), ("error_page=504", 504)):
        with proxied(server, fault) as port:
            page = ask(port, TEXT)
        assert (page.status, dict(page.headers)["content-type"]) == (status, "text/html")
    for fault, kind in (("wrong_type", "application/json"), ("wrong_type=text/html", "text/html")):
        with proxied(server, fault) as port:
            result = ask(port, TEXT)
        assert dict(result.headers)["content-type"] == kind and names(result)[-1] == "response.completed"


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens behind it: a page with 502. SIGTERM ends it."""
    words = ["--upstream", "http://127.0.0.1:9", "--port", "0", "--ready-file", str(tmp_path / "url")]
    command = [sys.executable, "-m", "simulator.proxy", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert (tmp_path / "url").read_text().strip() == url
            page = ask(int(url.rsplit(":", 1)[1]), TEXT)
            assert page.status == 502 and b"<h1>502 Bad Gateway</h1>" in page.body
        finally:
            os.kill(process.pid, signal.SIGTERM)
    assert process.returncode == 0
    for wrong in (["--fault", "nosuch"], ["--fault", "hold=3"], []):
        with pytest.raises(SystemExit) as ended:
            parse([*(words[:2] if wrong else []), *wrong])
        assert ended.value.code == 2 and "error: " in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "none"])
def test_every_fault_changes_something(name: str) -> None:
    assert parse(["--upstream", "http://x", "--fault", name]).settings != Wrong()
    assert name in REGISTRY.describe()
