"""Command lines as operators write them."""

from __future__ import annotations

import pytest

from streamdiag.host.flags import Listen, compat_mode, host_and_port, is_server, model_name, parse_flags

API = ["/opt/vllm/bin/python", "-m", "vllm.entrypoints.openai.api_server"]
SERVE = ["/opt/vllm/bin/python3", "/opt/vllm/bin/vllm", "serve"]


@pytest.mark.parametrize(
    "argv, flags",
    [
        ([*API, "--model", "m", "--port", "8001"], {"model": "m", "port": "8001"}),
        ([*API, "--model=m", "--port=8001"], {"model": "m", "port": "8001"}),
        ([*API, "--max_model_len", "1", "--max_num_seqs=2"], {"max-model-len": "1", "max-num-seqs": "2"}),
        ([*SERVE, "openai/gpt-oss-120b", "--enforce-eager"], {"enforce-eager": None, "model": "openai/gpt-oss-120b"}),
        ([*SERVE, "--enforce-eager", "m"], {"enforce-eager": None, "model": "m"}),
        ([*SERVE, "--port", "8001", "m"], {"port": "8001", "model": "m"}),
        ([*SERVE, "-tp", "2", "m", "-ep", "--host", "h"], {"host": "h", "model": "m"}),
        ([*SERVE, "-O3", "m"], {"model": "m"}),
        ([*SERVE, "-tp=2", "m"], {"model": "m"}),
        (["vllm", "serve", "m", "--no-x"], {"no-x": None, "model": "m"}),
        (["/x/vllm/entrypoints/openai/api_server.py", "--port", "1"], {"port": "1"}),
        (["python", "-m", "vllm.entrypoints.cli.main", "serve", "m"], {"model": "m"}),
        ([*API, "--served-model-name", "a", "b", "--port", "1"], {"served-model-name": "a b", "port": "1"}),
        ([*API, "--port", "1", "--port", "2"], {"port": "2"}),
        ([*API, "--rope", '{"a_b": "--c d"}', "--seed", "-1"], {"rope": '{"a_b": "--c d"}', "seed": "-1"}),
        ([*API, "--compilation-config.pass_config.x_y", "1"], {"compilation-config.pass_config.x_y": "1"}),
        ([*API, "--enable-chunked-prefill", "False"], {"enable-chunked-prefill": "False"}),
        ([*API, "--chat-template", "<x> | a;"], {"chat-template": "<x> | a;"}),
        (["/bin/bash", "-c", "exec vllm serve m --port 8001 2>&1 | tee log"], {"port": "8001", "model": "m"}),
        (["/bin/sh", "-lc", "cd /x && A=1 vllm serve 'm n' --port=8001; true"], {"port": "8001", "model": "m n"}),
        (["/bin/bash", "-c", "vllm", "serve", "m", "--port", "8001"], {"port": "8001", "model": "m"}),
        (["bash", "-c", "vllm serve m --port 'x"], {"port": "'x", "model": "m"}),
        (["/usr/bin/env", "A=b", "vllm", "serve", "m"], {"model": "m"}),
        (["numactl", "-N", "0", "vllm", "serve", "m", "--port", "1"], {"port": "1", "model": "m"}),
        (["/opt/fork/server", "--port", "1"], {"port": "1"}),
        ([], {}),
        (["x"], {}),
    ],
)
def test_parse(argv, flags):
    assert parse_flags(argv) == flags


def test_is_server():
    assert is_server(API) and is_server(["vllm", "serve"]) and is_server(SERVE)
    assert not is_server(["/bin/bash", "-c", "vllm serve m"])
    assert not is_server(["vllm", "bench", "serve"]) and not is_server(["VLLM::EngineCore"]) and not is_server([])


def test_where_it_listens():
    assert host_and_port({}) == Listen(None, 8000, None)
    assert host_and_port({"host": "::", "port": "1234"}) == Listen("::", 1234, None)
    assert host_and_port({"uds": "/run/vllm.sock"}).uds == "/run/vllm.sock"
    assert host_and_port({"port": "$PORT"}).port is None
    assert host_and_port({"port": None}).port == 8000


def test_model_name():
    assert model_name({"model": "/m", "served-model-name": "a b"}) == "a"
    assert model_name({"model": "/m"}) == "/m"
    assert model_name({}) is None


ON, OFF = "--responses-compatibility-mode", "--no-responses-compatibility-mode"


@pytest.mark.parametrize(
    "words, mode",
    [
        ([], "unknown"),
        ([ON], "on"),
        ([OFF], "off"),
        ([ON, OFF], "off"),
        ([OFF, ON], "on"),
        ([ON, OFF, ON], "on"),
        ([ON + "=false"], "off"),
        ([ON, "false"], "off"),
        ([ON + "=True"], "on"),
        ([OFF + "=0"], "on"),
        (["--responses_compatibility_mode"], "on"),
        ([ON + "=maybe"], "unknown"),
    ],
)
def test_compat_mode(words, mode):
    assert compat_mode(parse_flags(["vllm", "serve", "m", *words]), ON, OFF) == mode


def test_compat_mode_told_by_a_value():
    flags = parse_flags(["vllm", "serve", "m", "--compat", "strict", "--x"])
    assert compat_mode(flags, "--compat=strict", "--compat=off") == "on"
    assert compat_mode({"compat": "off"}, "--compat=strict", "--compat=off") == "off"
    assert compat_mode({"compat": "other"}, "--compat=strict", "--compat=off") == "unknown"
    assert compat_mode({"": None}, "", "") == "unknown"
