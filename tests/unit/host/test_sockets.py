"""Real sockets of this process, and a fake tree for other owners."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from streamdiag.host import sockets


@pytest.fixture(params=["ipv4", "ipv6", "mapped"])
def pair(request):
    """A listening socket, a client of it, the name the client sees, and the accepted connection."""
    six = request.param != "ipv4"
    if six and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    server = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
    try:
        server.bind({"ipv4": ("127.0.0.1", 0), "ipv6": ("::1", 0), "mapped": ("::", 0)}[request.param])
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    server.listen(5)
    port = server.getsockname()[1]
    client = socket.create_connection(("::1" if request.param == "ipv6" else "127.0.0.1", port))
    accepted, _ = server.accept()
    local = {"ipv4": "127.0.0.1:{0}", "ipv6": "[::1]:{0}", "mapped": "[::]:{0}"}[request.param].format(port)
    served = f"[::1]:{port}" if request.param == "ipv6" else f"127.0.0.1:{port}"
    yield port, local, served, client, accepted
    for one in (client, accepted, server):
        one.close()


def alive(found):
    """Without what earlier tests left on the same port number: closed connections linger for a minute."""
    return [one for one in found["connections"] if one["state"] != "TIME_WAIT"]


def test_our_own_sockets(pair):
    port, local, served, client, _accepted = pair
    client.sendall(b"12345")
    found = sockets.read_sockets(port, [os.getpid()])
    assert found["state"] == "ok" and found["reason"] == ""
    mine = [one for one in found["listening"] if one["local"] == local]
    assert mine == [
        {
            "local": local,
            "peer": ("[::]:0" if local.startswith("[") else "0.0.0.0:0"),
            "state": "LISTEN",
            "pid": os.getpid(),
            "recv_queue_bytes": 0,
            "send_queue_bytes": 0,
        }
    ]
    assert [(one["local"], one["state"], one["recv_queue_bytes"], one["pid"]) for one in alive(found)] == [
        (served, "ESTABLISHED", 5, os.getpid())
    ]
    assert port in sockets.listening_ports([os.getpid()])


def test_port_not_known(pair):
    _port, local, served, _, _ = pair
    found = sockets.read_sockets(None, [os.getpid()])
    assert local in [one["local"] for one in found["listening"]]
    assert served in [one["local"] for one in found["connections"]]


def test_a_connection_that_the_client_left(pair):
    port, _, _, client, _ = pair
    client.close()
    assert alive(sockets.read_sockets(port, [os.getpid()]))[0]["state"] == "CLOSE_WAIT"


def test_a_connection_that_nobody_accepts():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            found = sockets.read_sockets(port, [os.getpid()])
            assert [one["recv_queue_bytes"] for one in found["listening"] if one["local"].endswith(f":{port}")] == [1]
            assert alive(found)[0]["pid"] is None


def test_files_of_the_process_may_not_be_seen(pair, monkeypatch):
    port, local, _, _, _ = pair

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(sockets.os, "listdir", refuse)
    found = sockets.read_sockets(port, [os.getpid()])
    assert found["state"] == "ok" and f"told by port {port} alone" in found["reason"]
    assert [(one["local"], one["pid"]) for one in found["listening"]] == [(local, None)]
    assert len(alive(found)) == 1
    assert sockets.read_sockets(None, [os.getpid()])["state"] == "denied"
    assert sockets.listening_ports([os.getpid()]) == []


def test_another_process_on_the_port(pair):
    port, local, _, _, _ = pair
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            found = sockets.read_sockets(port, [other.pid])
        finally:
            other.kill()
    assert (local, None) in [(one["local"], one["pid"]) for one in found["listening"]]
    assert "outside the unit" in found["reason"]


def test_nobody_and_a_port(pair):
    port, local, _, _, _ = pair
    found = sockets.read_sockets(port, [])
    assert found["reason"] == "" and [one["local"] for one in found["listening"]] == [local]


def test_own_network_namespace_of_the_server(tmp_path):
    table = tmp_path / "77" / "net"
    table.mkdir(parents=True)
    (table / "tcp").write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000002 00:00000000 00000000  1000        0 4242 1 0\n"
        "   1: 0100007F:1F40 0100007F:C000 01 00000010:00000020 00:00000000 00000000  1000        0 0 1 0\n"
        "   2: nonsense\n"
    )
    (tmp_path / "77" / "fd").mkdir()
    os.symlink("socket:[4242]", str(tmp_path / "77" / "fd" / "3"))
    if sys.byteorder == "big":
        pytest.skip("the table is a little-endian machine's")
    found = sockets.read_sockets(8000, [77], tmp_path)
    assert found["listening"][0]["local"] == "127.0.0.1:8000" and found["listening"][0]["pid"] == 77
    assert found["listening"][0]["recv_queue_bytes"] == 2
    assert (found["connections"][0]["send_queue_bytes"], found["connections"][0]["recv_queue_bytes"]) == (16, 32)
    assert sockets.listening_ports([77], tmp_path) == [8000]


def test_no_table(tmp_path):
    assert sockets.read_sockets(8000, [1], tmp_path)["state"] == "absent"


def test_many_connections(tmp_path):
    (tmp_path / "net").mkdir()
    row = "   0: 0100007F:1F40 0100007F:{0:04X} {1} 00000000:00000000 00:00000000 00000000  1000 0 {0} 1 0\n"
    rows = [row.format(1024 + at, "06" if at < 900 else "01") for at in range(1000)]
    (tmp_path / "net" / "tcp").write_text("head\n" + "".join(rows))
    found = sockets.read_sockets(8000, [], tmp_path)
    assert len(found["connections"]) == 500 and found["reason"] == "500 of 1000 connections kept"
    assert found["connections"][99]["state"] == "ESTABLISHED" and found["connections"][100]["state"] == "TIME_WAIT"
