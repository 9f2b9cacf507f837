"""What systemctl says, and when it cannot."""

from __future__ import annotations

import json

import pytest

from streamdiag.host.unit import full_name, is_unit_name, parse_exec_start, parse_properties, read_unit

EXEC_START = (
    "{ path=/bin/sh ; argv[]=/bin/sh -c exec vllm serve m --port 8000 ; ignore_errors=no ; "
    "start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }"
)
SHOWN = f"""Type=simple
MainPID=74
ExecStart={EXEC_START}
Environment=A=1
EnvironmentFiles=/etc/a (ignore_errors=no)
EnvironmentFiles=/etc/b (ignore_errors=yes)
CPUQuotaPerSecUSec=200ms
Id=vllm.service
LoadState=loaded
ActiveState=active
StatusText=one
two
"""


def test_a_unit_with_its_exact_words(program):
    program("systemctl", SHOWN)
    bus = {"type": "a(sasbttttuii)", "data": [["/bin/sh", ["/bin/sh", "-c", "exec vllm serve m --port 8000"], False]]}
    asked = program("busctl", json.dumps(bus))
    unit = read_unit("vllm")
    assert unit["state"] == "ok" and unit["name"] == "vllm.service" and "alternatives" not in unit
    assert unit["exec_start"] == ["/bin/sh", "-c", "exec vllm serve m --port 8000"]
    assert unit["properties"]["MainPID"] == "74" and unit["properties"]["StatusText"] == "one\ntwo"
    assert unit["properties"]["EnvironmentFiles"] == "/etc/a (ignore_errors=no)\n/etc/b (ignore_errors=yes)"
    assert unit["properties"]["CPUQuotaPerSecUSec"] == "200ms"
    assert "/org/freedesktop/systemd1/unit/vllm_2eservice" in asked.read_text()


@pytest.mark.parametrize("answer", ["", "{}", '{"data": []}', '{"data": [["x"]]}', "no json"])
def test_a_bus_that_cannot_be_asked(program, answer):
    program("systemctl", SHOWN)
    program("busctl", answer, "Failed", 0 if answer else 1)
    assert read_unit("vllm")["exec_start"] == ["/bin/sh", "-c", "exec vllm serve m --port 8000"]


def test_an_instance(program):
    shown = program("systemctl", "Id=vllm@gpu-0.service\nLoadState=loaded\n")
    asked = program("busctl", "", "", 1)
    assert read_unit("vllm@gpu-0")["name"] == "vllm@gpu-0.service"
    assert shown.read_text().splitlines()[0].endswith("-- vllm@gpu-0.service")
    assert "/unit/vllm_40gpu_2d0_2eservice" in asked.read_text()


def test_no_such_unit(program):
    program(
        "systemctl",
        body='case "$*" in\n'
        "*\\*.service) printf 'Id=a.service\\nExecStart={ argv[]=/opt/vLLM/serve ; flags= }\\n\\nId=b.service\\n'; exit;;\n"
        "list-unit-files*) echo 'vllm-old.service disabled enabled'; exit;;\n"
        "*) printf 'Id=nosuch.service\\nLoadState=not-found\\n'; exit;;\nesac",
    )
    unit = read_unit("nosuch")
    assert unit["state"] == "absent" and unit["reason"] == "there is no unit nosuch.service on this host"
    assert unit["alternatives"] == ["vllm-old.service", "a.service"]


@pytest.mark.parametrize("name", ["", "v*", "a b", "a;b", "$(x)", "x/y", "v?", "[v]", "x\n"])
def test_what_is_no_name(program, name):
    program("systemctl", SHOWN)
    assert not is_unit_name(name)
    assert read_unit(name)["state"] == "absent"


def test_names():
    assert is_unit_name("vllm") and is_unit_name("vllm@0.service") and is_unit_name("-x")
    assert (
        full_name("vllm") == "vllm.service" and full_name("x.scope") == "x.scope" and full_name("a.b") == "a.b.service"
    )


@pytest.mark.parametrize(
    "stderr, rc, state, words",
    [
        ("System has not been booted with systemd as init system (PID 1). Can't operate.", 1, "absent", "not booted"),
        ("Failed to get properties: Access denied", 1, "denied", "Access denied"),
        ("Failed to connect to bus: Connection refused", 1, "failed", "Connection refused"),
        ("Unit name vllm@.service is neither a valid invocation ID nor unit name.", 1, "absent", "template"),
    ],
)
def test_systemctl_that_fails(program, stderr, rc, state, words):
    program("systemctl", "", stderr, rc)
    unit = read_unit("vllm@")
    assert unit["state"] == state and words in unit["reason"]


def test_no_systemd(no_program):
    unit = read_unit("vllm")
    assert unit["state"] == "absent" and "no systemctl" in unit["reason"] and "alternatives" not in unit


def test_parsers():
    assert parse_exec_start("") == [] and parse_exec_start("{ path=x }") == []
    assert parse_exec_start("{ path=/x ; argv[]=/x a ; flags= ; start_time=[n/a] }") == ["/x", "a"]
    assert parse_exec_start("{ argv[]=bash -lc a 'b c'; d ; flags= }") == ["bash", "-lc", "a 'b c'; d"]
    assert parse_exec_start("{ argv[]=/opt/push -c x y ; flags= }") == ["/opt/push", "-c", "x", "y"]
    assert parse_properties("nonsense\nId=x\nUnknown=1\n") == {"Id": "x\nUnknown=1"}
