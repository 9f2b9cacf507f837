"""The request that stands in for the real client's: its shape and size, on paper and on the wire."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from streamdiag.host.cases import MAX_REASONING_TOKENS
from streamdiag.host.codex import codex_body, codex_headers
from streamdiag.host.probe import Server, run_case
from streamdiag.host.watch import Deadlines

WIRE = {"separators": (",", ":"), "ensure_ascii": False}


@pytest.fixture(scope="module")
def body():
    return codex_body("tiny")


@pytest.fixture(scope="module")
def recorded():
    """The bytes that a server gets of the case ``codex``: the head in lines, and the body."""
    taken = []

    def serve(listener):
        while not taken:  # the sampler asks for the counters, too
            client, _address = listener.accept()
            with client:
                peeked = client.recv(4, socket.MSG_PEEK)
                if peeked != b"POST":
                    client.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
                    continue
                raw = b""
                while b"\r\n\r\n" not in raw:
                    raw += client.recv(65536)
                head, _, rest = raw.partition(b"\r\n\r\n")
                lines = head.decode("ascii").split("\r\n")
                length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
                while len(rest) < length:
                    rest += client.recv(65536)
                taken.append((lines, rest))
                client.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        stream = run_case("codex", Server(url, "tiny"), Deadlines(total=20.0))
        thread.join(10)
    assert stream["http_status"] == 401
    return taken[0]


def test_size_on_the_wire(recorded):
    """The real one has about 39 KB (39 300 bytes for the shortest of prompts)."""
    assert 38_000 <= len(recorded[1]) <= 41_000


def test_headers_on_the_wire(recorded):
    lines, _body = recorded
    assert lines[0] == "POST /v1/responses HTTP/1.1"
    names = [line.split(":")[0].lower() for line in lines[1:]]
    assert len(names) == len(set(names))
    # No accept-encoding: with it a proxy may compress, and hold everything back meanwhile. No connection header either.
    assert set(names) == {"host", "content-length", *codex_headers("tiny")}
    sent = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    assert sent["accept"] == "text/event-stream"
    assert json.loads(sent["x-codex-turn-metadata"])["model"] == "tiny"


def test_a_model_with_any_name_fits_into_the_headers():
    for value in codex_headers("модель\r\nx: y").values():
        assert value.isascii() and value.isprintable()


def test_body_on_the_wire(recorded, body):
    assert json.loads(recorded[1].decode("utf-8")) == dict(body, max_output_tokens=MAX_REASONING_TOKENS)


def test_keys(body):
    assert set(body) == {
        *("model", "stream", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "store", "include"),
        *("prompt_cache_key", "client_metadata"),
    }
    assert (body["model"], body["stream"], body["store"], body["tool_choice"]) == ("tiny", True, False, "auto")
    assert body["reasoning"] == {"summary": "auto"}
    assert body["include"] == ["reasoning.encrypted_content"]
    assert all(isinstance(value, str) for value in body["client_metadata"].values())
    assert json.loads(body["client_metadata"]["x-codex-turn-metadata"])["model"] == "tiny"


def test_input(body):
    assert [(item["type"], item["role"]) for item in body["input"]] == [
        ("message", "developer"),
        ("message", "developer"),
        ("message", "user"),
        ("message", "user"),
    ]
    assert [len(item["content"]) for item in body["input"]] == [1, 2, 1, 1]
    assert {part["type"] for item in body["input"] for part in item["content"]} == {"input_text"}
    assert len({item["id"] for item in body["input"]}) == 4


def test_tools(body):
    assert [tool["type"] for tool in body["tools"]] == [*["function"] * 4, "namespace", *["function"] * 3, "web_search"]
    namespace = body["tools"][4]
    functions = [tool for tool in [*body["tools"], *namespace["tools"]] if tool["type"] == "function"]
    assert len(namespace["tools"]) == 5 and len(functions) == 12
    assert len({tool["name"] for tool in functions}) == 12
    for tool in functions:
        assert set(tool) == {"type", "name", "description", "strict", "parameters"}
        assert set(tool["parameters"].get("required", [])) <= set(tool["parameters"]["properties"])
    tools = len(json.dumps(body["tools"], **WIRE))
    assert 14_000 <= tools <= 20_000  # the real one's: about 17 KB of tools, 19 KB of instructions


def test_the_same_bytes_in_every_process():
    """A prompt that differs from run to run would miss the server's prefix cache, and compare unlike with unlike."""
    program = "import json; from streamdiag.host.codex import codex_body; print(json.dumps(codex_body('m')))"
    home = str(Path(__file__).parents[3] / "module_utils")
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": home, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert runs == {(json.dumps(codex_body("m")) + "\n").encode()}


def test_two_bodies_share_nothing():
    one, other = codex_body("a"), codex_body("a")
    one["input"][0]["content"][0]["text"] = "changed"
    one["tools"].clear()
    assert other == codex_body("a")
