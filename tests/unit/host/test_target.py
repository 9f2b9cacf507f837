"""Where the server answers, with which model; and a host without systemd."""

from __future__ import annotations

import http.server
import json
import socket
import threading

import pytest

from streamdiag.host import target as target_module
from streamdiag.host.flags import parse_flags
from streamdiag.host.target import DEFAULT_BASE_URL, Wanted, describe_target, observer, port_of, problem, read_target

NOTHING = Wanted("vllm")
MODELS = {"/v1/models": b'{"data":[{"id":"tiny"},{"id":"other"}]}', "/version": b'{"version":"0.32.0"}'}


@pytest.fixture
def serve():
    """``serve(pages)``: a server on loopback; what is not in ``pages`` is 404, but for an empty /health."""
    ended = []

    def start(pages):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = pages.get(self.path, b"" if self.path == "/health" else None)
                self.send_response(404 if body is None else 200)
                self.send_header("content-length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_words):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        ended.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in ended:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


SERVE = "vllm serve m "


@pytest.mark.parametrize(
    "why, wanted, command, ports, running, expected",
    [
        (
            "the operator's word",
            Wanted("vllm", "https://h:9/"),
            SERVE + "--port 1",
            [1],
            True,
            ("https://h:9", "given"),
        ),
        ("the flag", NOTHING, SERVE + "--port 8001", [8001], True, ("http://127.0.0.1:8001", "argv")),
        (
            "the flag, among other ports",
            NOTHING,
            SERVE + "--port 8001",
            [5, 8001],
            True,
            ("http://127.0.0.1:8001", "argv"),
        ),
        (
            "the socket, where it differs",
            NOTHING,
            SERVE + "--port 8001",
            [9000, 9001],
            True,
            ("http://127.0.0.1:9000", "socket"),
        ),
        ("the default of the server", NOTHING, SERVE, [8000], True, ("http://127.0.0.1:8000", "argv")),
        ("sockets not readable", NOTHING, SERVE + "--port 8001", [], True, ("http://127.0.0.1:8001", "argv")),
        ("not running, as configured", NOTHING, SERVE + "--port 8001", [], False, ("http://127.0.0.1:8001", "argv")),
        (
            "not running, a variable in the port",
            NOTHING,
            SERVE + "--port $PORT",
            [],
            False,
            (DEFAULT_BASE_URL, "default"),
        ),
        (
            "running, a variable in the port",
            NOTHING,
            SERVE + "--port $PORT",
            [7],
            True,
            ("http://127.0.0.1:7", "socket"),
        ),
        ("no server at all", NOTHING, "", [], False, (DEFAULT_BASE_URL, "default")),
        ("every interface", NOTHING, SERVE + "--host 0.0.0.0", [8000], True, ("http://127.0.0.1:8000", "argv")),
        ("every interface, IPv6", NOTHING, SERVE + "--host ::", [8000], True, ("http://[::1]:8000", "argv")),
        ("one interface", NOTHING, SERVE + "--host 10.0.0.5", [8000], True, ("http://10.0.0.5:8000", "argv")),
        ("one interface, IPv6", NOTHING, SERVE + "--host fd00::5", [8000], True, ("http://[fd00::5]:8000", "argv")),
        ("a name", NOTHING, SERVE + "--host gpu43", [8000], True, ("http://gpu43:8000", "argv")),
        ("TLS", NOTHING, SERVE + "--ssl-certfile c.pem", [8000], True, ("https://127.0.0.1:8000", "argv")),
    ],
)
def test_base_url(monkeypatch, why, wanted, command, ports, running, expected):
    monkeypatch.setattr(target_module, "listening_ports", lambda pids: ports)
    assert target_module.find_base_url(wanted.base_url, parse_flags(command.split()), [1, 2], running) == expected, why


@pytest.mark.parametrize(
    "wanted, served, flags, expected",
    [
        (Wanted("vllm", model="mine"), ["a"], {"model": "b"}, ("mine", "given")),
        (NOTHING, ["a", "lora"], {"model": "b"}, ("a", "served")),
        (NOTHING, [], {"model": "b"}, ("b", "argv")),
        (NOTHING, [], {"model": "b", "served-model-name": "c d"}, ("c", "argv")),
        (NOTHING, [], {}, ("", "none")),
    ],
)
def test_model(wanted, served, flags, expected):
    assert target_module._model(wanted, served, flags) == expected


@pytest.mark.parametrize(
    "status, body, expected",
    [
        (200, '{"data":[{"id":"a"},{"id":"b"}]}', ["a", "b"]),
        (200, '{"data":[{"id":7},{"name":"x"},"y",null]}', ["7"]),
        (200, '{"data":{"id":"a"}}', []),
        (200, '[{"id":"a"}]', []),
        (200, "<html>", []),
        (200, "", []),
        pytest.param(200, "[" * 100_000, [], id="nested"),
        (401, '{"data":[{"id":"a"}]}', []),
        (None, "", []),
    ],
)
def testserved_models(status, body, expected):
    endpoint = {"state": "ok", "http_status": status, "body": body}
    assert target_module.served_models(endpoint) == expected
    assert target_module._version(endpoint) == ""


@pytest.mark.parametrize("body, expected", [('{"version":"0.32.0"}', "0.32.0"), ('{"version":1}', "1"), ('"0.32"', "")])
def test_version(body, expected):
    assert target_module._version({"http_status": 200, "body": body}) == expected


@pytest.mark.parametrize(
    "url, port",
    [
        ("http://h", 80),
        ("https://h/x", 443),
        ("http://[::1]:8", 8),
        ("http://h:99999", None),
        ("http://h:x", None),
        ("http://[::1", None),
        ("h:1", None),
        ("", None),
    ],
)
def test_port_of(url, port):
    assert port_of(url) == port


ABSENT = {
    "state": "absent",
    "reason": "unit x.service is not known here",
    "alternatives": ["vllm-a.service", "b.service"],
}


@pytest.mark.parametrize(
    "unit, wanted, health, expected",
    [
        ({"state": "ok"}, NOTHING, "failed", []),
        ({"state": "failed", "reason": "systemctl hung"}, NOTHING, "failed", []),
        (ABSENT, Wanted("x", "http://h:1"), "failed", []),
        (ABSENT, Wanted("vllm"), "ok", []),
        (
            ABSENT,
            Wanted("vllm"),
            "failed",
            ["x.service is not known", "vllm-a.service, b.service", "-e vllm_unit=NAME"],
        ),
        (ABSENT, Wanted("nosuch"), "ok", ["x.service is not known", "-e vllm_base_url=URL"]),  # misspelt is misspelt
        (dict(ABSENT, alternatives=[]), Wanted("nosuch"), "failed", ["x.service is not known here; name the unit"]),
    ],
)
def test_problem(unit, wanted, health, expected):
    words = problem(wanted, {"unit": unit, "endpoints": {"/health": {"state": health}}})
    assert bool(words) == bool(expected)
    assert [part for part in expected if part not in words] == []


def described(**change):
    target = {
        "unit": {"state": "ok", "name": "vllm.service", "properties": {"ActiveState": "active", "SubState": "running"}},
        "processes": {"state": "ok", "processes": [{"pid": 42}, {"pid": 43}, {"pid": 44}]},
        "base_url": "http://127.0.0.1:8000",
        "model": "tiny",
        "vllm_version": "0.32.0",
        "observer": {"uid": 0, "user": "root"},
    }
    return describe_target(dict(target, **change))


def test_describe():
    assert described() == "vllm.service active (running), pid 42 + 2, http://127.0.0.1:8000, model tiny, vLLM 0.32.0"
    assert described(unit=ABSENT).startswith("unit x.service is not known here, pid 42")
    assert described(processes={"state": "denied"}, model="", vllm_version="") == (
        "vllm.service active (running), http://127.0.0.1:8000, model unknown"
    )
    assert described(observer={"uid": 1001, "user": "guest"}).endswith(", read as guest, without root")


def test_observer(monkeypatch):
    mine = observer(become=True)
    assert mine["become"] is True and mine["user"] and mine["groups"] and mine["python"].count(".") == 2
    monkeypatch.setattr(target_module.os, "geteuid", lambda: 4_000_000_000)
    monkeypatch.setattr(target_module.os, "getegid", lambda: 4_000_000_000)
    monkeypatch.setattr(target_module.os, "getgroups", list)
    assert (observer(False)["user"], observer(False)["groups"]) == ("uid 4000000000", ["4000000000"])


def test_a_server_without_systemd(serve, no_program):
    url = serve(dict(MODELS, **{"/metrics": b"vllm:num_requests_running 1\n"}))
    wanted = Wanted("vllm", url + "/", "https://public/", api_key="sk-very-secret")
    target = read_target(wanted, become=False)
    assert (target["base_url"], target["base_url_source"], target["public_url"]) == (url, "given", "https://public/")
    assert (target["model"], target["model_source"], target["served_models"]) == ("tiny", "served", ["tiny", "other"])
    assert target["vllm_version"] == "0.32.0"
    assert target["unit"]["state"] != "ok" and target["unit"]["reason"]
    assert target["metrics"]["state"] == "ok" and target["metrics"]["running"] == 1.0
    assert {path: answer["http_status"] for path, answer in target["endpoints"].items()} == {
        "/health": 200,
        "/version": 200,
        "/v1/models": 200,
        "/load": 404,
    }
    assert problem(wanted, target) == ""
    assert "sk-very-secret" not in json.dumps(target, allow_nan=False)
    assert "model tiny, vLLM 0.32.0" in describe_target(target)


def test_a_page_may_repeat_the_key(serve, no_program):
    url = serve({"/health": b"you sent sk-very-secret", "/v1/models": b'{"data":[{"id":"sk-very-secret"}]}'})
    assert "sk-very-secret" not in json.dumps(read_target(Wanted("vllm", url, api_key="sk-very-secret"), become=False))


def test_nobody_listens(no_program, closed_port):
    wanted = Wanted("vllm", f"http://127.0.0.1:{closed_port}", model="mine")
    target = read_target(wanted, become=True)
    assert (target["model"], target["model_source"], target["served_models"]) == ("mine", "given", [])
    assert {answer["state"] for answer in target["endpoints"].values()} == {"failed"}
    assert "refused" in target["endpoints"]["/health"]["reason"]
    assert target["metrics"]["state"] == "failed"
    assert target["processes"]["processes"] == [] and target["processes"]["reason"]
    assert (target["argv"], target["flags"], target["environment"]) == ([], {}, {})
    assert target["environment_state"]["state"] == "absent"
    json.dumps(target, allow_nan=False)


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://127.0.0.1:99999", "127.0.0.1:1", "nonsense", "ftp://127.0.0.1/", "http://"]
)
def test_an_address_that_is_none_is_said_and_not_raised(no_program, url):
    target = read_target(Wanted("vllm", url), become=False)
    assert target["endpoints"]["/health"]["state"] == "failed" and target["endpoints"]["/health"]["reason"]
    assert describe_target(target)


def test_a_key_that_no_header_can_carry(no_program, closed_port):
    """Pasted with an accent or a line feed: said, not raised."""
    for key in ("sk-\u00e9t\u00e9-secret", "sk-secret\nx", "sk-\u4e2d\u6587-secret"):
        target = read_target(Wanted("vllm", f"http://127.0.0.1:{closed_port}", api_key=key), become=False)
        assert target["endpoints"]["/health"]["state"] == "failed"
