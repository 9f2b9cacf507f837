"""The host after the last stream, however little of it can be read."""

from __future__ import annotations

import json
import socket
import time

import pytest

from streamdiag.host import machine
from streamdiag.host.machine import Gathered, describe_machine, read_machine

PARTS = ("unit", "processes", "sockets", "gpus")


def described(**states):
    one = {name: {"state": states.get(name, "ok"), "reason": ""} for name in (*PARTS, "journal", "kernel")}
    return describe_machine(
        Gathered({name: one[name] for name in PARTS}, {"unit": one["journal"], "kernel": one["kernel"]})
    )


@pytest.mark.parametrize(
    "states, expected",
    [
        ({}, "read unit, processes, sockets, gpu, journal, kernel log"),
        ({"gpus": "absent"}, "read unit, processes, sockets, journal, kernel log; not gpu"),
        ({"journal": "denied", "kernel": "failed"}, "read unit, processes, sockets, gpu; not journal, kernel log"),
        (
            dict.fromkeys((*PARTS, "journal", "kernel"), "denied"),
            "read nothing; not unit, processes, sockets, gpu, journal, kernel log",
        ),
    ],
)
def test_describe(states, expected):
    assert described(**states) == expected


def test_a_host_that_shows_nothing(no_program):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    began = time.time()
    seen = read_machine("vllm", url, "sk-very-secret", since=began - 60, become=False)
    assert {name: seen.machine[name]["state"] for name in ("unit", "gpus", "processes")} == {
        "unit": "absent",
        "gpus": "absent",
        "processes": "absent",
    }
    assert all(seen.machine[name]["reason"] for name in ("unit", "gpus", "processes"))
    assert all(log["state"] != "ok" and log["reason"] for log in seen.journal.values())
    assert seen.machine["endpoints"]["/health"]["state"] == "failed" and seen.machine["metrics"]["state"] == "failed"
    assert began <= seen.machine["at"] <= time.time()
    assert seen.machine["observer"]["become"] is False
    assert "sk-very-secret" not in json.dumps(seen, allow_nan=False)
    assert "not unit, processes" in describe_machine(seen)


@pytest.mark.parametrize("url", ["http://[::1", "nonsense", ""])
def test_an_address_that_is_none(no_program, url):
    seen = read_machine("vllm", url, "", since=time.time(), become=False)
    assert seen.machine["endpoints"]["/health"]["state"] == "failed"


def test_what_the_logs_repeat_is_redacted(monkeypatch, no_program):
    """The key comes as a parameter; the log has it in a line of a client's making."""
    line = {"at": 1.0, "pid": 1, "priority": 6, "text": "Authorization: Bearer sk-very-secret"}
    log = {"state": "ok", "reason": "", "since": 0.0, "lines": [line], "dropped": 0}
    unit = {"state": "ok", "reason": "", "name": "vllm.service", "properties": {"ActiveState": "active"}}
    monkeypatch.setattr(machine, "read_unit", lambda _name: unit)
    monkeypatch.setattr(machine, "read_unit_log", lambda *_arguments: log)
    monkeypatch.setattr(machine, "read_kernel_log", lambda *_arguments: log)
    seen = read_machine("vllm", "http://127.0.0.1:1", "sk-very-secret", since=0.0, become=True)
    assert "sk-very-secret" not in json.dumps(seen) and len(seen.journal["unit"]["lines"]) == 1


def test_without_a_unit_there_is_no_log_of_it(no_program):
    """An empty log that was "read" would pass for a quiet server: the log of a server without a unit is elsewhere."""
    log = read_machine("vllm", "http://127.0.0.1:1", "", since=0.0, become=False).journal["unit"]
    assert log["state"] == "absent" and "the server's log is elsewhere" in log["reason"]
