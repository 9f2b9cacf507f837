"""What must go, and what must stay."""

from __future__ import annotations

import json

import pytest

from streamdiag.host.redact import PLACEHOLDER, Redactor, is_secret_name
from streamdiag.said import as_said
from streamdiag.words import Words, say

KEY = "s3cretValue-77"


@pytest.mark.parametrize(
    "words, kept",
    [
        (["vllm", "serve", "m", "--api-key", KEY, "--port", "8000"], ["vllm", "serve", "m", "--api-key", PLACEHOLDER, "--port", "8000"]),
        (["x", "--api-key=" + KEY], ["x", "--api-key=" + PLACEHOLDER]),
        (["x", "--api_key", KEY, "other-Key-99", "--host", "h"], ["x", "--api_key", PLACEHOLDER, PLACEHOLDER, "--host", "h"]),
        (["x", "--hf-token", KEY, "serve"], ["x", "--hf-token", PLACEHOLDER, "serve"]),
        (["x", "--hf-token=" + KEY, "serve"], ["x", "--hf-token=" + PLACEHOLDER, "serve"]),
        (["x", "--ssl-keyfile-password", KEY], ["x", "--ssl-keyfile-password", PLACEHOLDER]),
        (["x", "--client-secret", KEY], ["x", "--client-secret", PLACEHOLDER]),
        (["x", "--api-key", "ab"], ["x", "--api-key", PLACEHOLDER]),
    ],
)  # fmt: skip
def test_secret_options_go(words, kept):
    assert Redactor().argv(words) == kept


def test_a_script_of_a_shell():
    words = ["/bin/bash", "-c", f"exec vllm serve m --api-key {KEY} other-Key-99 --port 8000 2>&1 | tee log"]
    assert Redactor().argv(words) == [
        "/bin/bash",
        "-c",
        f"exec vllm serve m --api-key {PLACEHOLDER} --port 8000 2>&1 | tee log",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["vllm", "serve", "openai/gpt-oss-120b", "--max-num-batched-tokens", "8192", "--tokenizer", "mistral"],
        ["x", "--ssl-keyfile", "/etc/ssl/key.pem", "--ssl-certfile", "/etc/ssl/cert.pem"],
        ["x", "--tokenizer-mode", "auto", "--hf-overrides", '{"rope_theta": 1}', "--hf-config-path", "/m"],
        ["x", "--max-tokens", "16", "--tool-call-parser", "hermes", "--kv-cache-dtype", "auto"],
        ["x", "--long-prefill-token-threshold", "2048", "--skip-tokenizer-init", "m"],
        ["python", "-m", "vllm.entrypoints.openai.api_server", "--model", "/opt/models/tiny", "--task", "generate"],
        ["/opt/vllm/bin/python", "-c", "from multiprocessing.resource_tracker import main;main(31)"],
    ],
)
def test_other_options_stay(words):
    assert Redactor().argv(words) == words


def test_environment_by_name():
    variables = {
        "HF_TOKEN": KEY,
        "VLLM_API_KEY": "zq",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        "PGPASSWORD": "hunter22",
        "DATABASE_URL": "postgres://user:pw@db/x",
        "PATH": "/usr/bin",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_TOKEN_PATH": "/root/.cache/token",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "SSH_AUTH_SOCK": "/run/ssh",
        "EMPTY_TOKEN": "",
        "PWD": "/opt/vllm",
    }
    kept = Redactor().environment(variables)
    gone = {"HF_TOKEN", "VLLM_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"}
    assert {name for name, value in kept.items() if value == PLACEHOLDER} == gone
    assert kept["DATABASE_URL"] == f"postgres://{PLACEHOLDER}@db/x"
    assert {name: value for name, value in kept.items() if name not in gone | {"DATABASE_URL"}} == {
        name: value for name, value in variables.items() if name not in gone | {"DATABASE_URL"}
    }


def test_environment_property_of_systemd():
    text = 'VLLM_CPU_KVCACHE_SPACE=1 "HF_TOKEN=abc def ghi" "VLLM_LOGGING_CONFIG={\\"a\\": 1}" OPENAI_API_KEY=xyz'
    kept = Redactor().environment_property(text)
    assert "abc" not in kept and "ghi" not in kept and "xyz" not in kept
    assert kept.startswith("VLLM_CPU_KVCACHE_SPACE=1 HF_TOKEN=" + PLACEHOLDER)
    assert '{"a": 1}' in kept


def test_headers():
    headers = {
        "Authorization": "Bearer " + KEY,
        "cookie": "a=b; c=d",
        "x-api-key": "q",
        "Proxy-Authorization": "Basic dXNlcjpwdw==",
        "content-type": "text/event-stream",
        "x-request-id": "resp_0123456789abcdef",
    }
    assert Redactor().headers(headers) == {
        "Authorization": "Bearer " + PLACEHOLDER,
        "cookie": PLACEHOLDER,
        "x-api-key": PLACEHOLDER,
        "Proxy-Authorization": "Basic " + PLACEHOLDER,
        "content-type": "text/event-stream",
        "x-request-id": "resp_0123456789abcdef",
    }


@pytest.mark.parametrize(
    "url, kept",
    [
        ("https://user:pw@gpu43:8443/v1", f"https://{PLACEHOLDER}@gpu43:8443/v1"),
        ("http://h/x?api_key=abc&n=3", f"http://h/x?api_key={PLACEHOLDER}&n=3"),
        ("http://h/x?max_tokens=4&token=abc", f"http://h/x?max_tokens=4&token={PLACEHOLDER}"),
        ("http://h/x?sig=abc#f", f"http://h/x?sig={PLACEHOLDER}#f"),
        ("http://h:8000/v1/responses/resp_1?stream=true&starting_after=4", None),
        ("tcp://127.0.0.1:35471", None),
    ],
)
def test_urls(url, kept):
    assert Redactor().url(url) == (url if kept is None else kept)


@pytest.mark.parametrize(
    "text",
    [
        "non-default args: {'api_key': ['" + KEY + "'], 'model': 'm'}",
        "non-default args: {'api_key': ['k1', '" + KEY + "', 'k3'], 'model': 'm'}",
        "Namespace(api_key='" + KEY + "', port=8000)",
        "Namespace(hf_token=" + KEY + ", port=8000)",
        '{"api_key": "' + KEY + '"}',
        'body: "{\\"api_key\\": \\"' + KEY + '\\"}"',
        "Authorization: Bearer " + KEY,
        "authorization: " + KEY,
        "{'authorization': 'Bearer " + KEY + "'}",
        "(b'authorization', b'Bearer " + KEY + "')",
        "Cookie: a=1; session=" + KEY,
        "x-api-key: " + KEY,
        "curl -H 'Authorization: Bearer " + KEY + "' http://h",
        "got Bearer " + KEY + " from 10.0.0.1",
        "password: " + KEY,
        "PASSWORD=" + KEY,
        "vllm serve m --api-key " + KEY,
        "vllm serve m --api-key=" + KEY + " --port 1",
        "vllm serve m --hf-token '" + KEY + "'",
        "GET /v1/models?token=" + KEY + " HTTP/1.1",
        "redis://:" + KEY + "@cache:6379/0",
    ],
)
def test_secrets_in_text_go(text):
    kept = Redactor().text(text)
    assert KEY not in kept
    assert PLACEHOLDER in kept


@pytest.mark.parametrize(
    "secret",
    [
        "hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567",
        "sk-proj-abcdefghijklmnop1234",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "nvapi-abcdefghijklmnopqrstuv",
    ],
)
def test_forms_of_credentials_go(secret):
    assert Redactor().text(f"loading with {secret}, then x") == f"loading with {PLACEHOLDER}, then x"


@pytest.mark.parametrize(
    "text",
    [
        "(APIServer pid=107) INFO 11-22 19:32:31 [loggers.py:335] Engine 000: Avg prompt throughput: 1.5 tokens/s, "
        "Avg generation throughput: 0.8 tokens/s, Running: 0 reqs, Waiting: 0 reqs, CPU KV cache usage: 0.0%",
        'INFO:     127.0.0.1:46542 - "POST /v1/responses HTTP/1.1" 200 OK',
        "Received request resp_0a1b2c3d4e5f: prompt: 'hi', params: SamplingParams(max_tokens=16, stop_token_ids=[1])",
        "chatcmpl-8f2b1c is done; call_abc123, fc_99, msg_1",
        '{"usage": {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}, "prompt_tokens": 4}',
        "non-default args: {'max_num_batched_tokens': 8192, 'api_key': None, 'tokenizer': 'tiny', 'port': 8000}",
        "unexpected tokens remaining in message header: Some('to=functions.shell')",
        "Unexpected token 200012 while expecting start token 200006",
        "openai_harmony.HarmonyError: unexpected token='<|start|>'",
        "Unknown token: <|call|>",
        "error: argument --api-key: expected at least one argument",
        "  [--allow-credentials | --no-allow-credentials] [--api-key API_KEY [API_KEY ...]]",
        "  [--hf-token [HF_TOKEN]] [--hf-overrides HF_OVERRIDES] HF_TOKEN is not set",
        "401 Unauthorized: Bearer authentication required",
        "Killed process 133 (VLLM::EngineCor) total-vm:1234kB",
        "NVRM: Xid (PCI:0000:3b:00): 79, pid=74, GPU has fallen off the bus.",
        "KeyError: 'reasoning'",
        "Using tokenizer_mode: auto, eos_token: </s>, pad_token='<pad>'",
        '{"token": " the", "logprob": -0.1, "bytes": [32]}',
        '{"prompt_cache_key": "0199-aaaa-bbbb", "client_metadata": {"x": "y"}}',
        "task-1234-abcdefgh disk-usage-report hf_overrides hf_text_config sk-learn",
        "http://127.0.0.1:8000/v1/models",
        '{"sequence_number":4,"type":"response.output_text.delta","item_id":"msg_93fa7d8b6a0d4a","delta":"hello"}',
    ],
)
def test_evidence_stays(text):
    redactor = Redactor()
    for dummy in ("EMPTY", "none", "1234567", "secret", "not-needed"):
        redactor.learn(dummy)
    assert redactor.text(text) == text


def test_a_secret_once_learnt_is_found_everywhere():
    redactor = Redactor()
    redactor.argv(["vllm", "--api-key", KEY])
    assert redactor.text(f"client sent {KEY}; why") == f"client sent {PLACEHOLDER}; why"


def test_a_learnt_value_is_no_part_of_a_word():
    redactor = Redactor()
    redactor.learn("gpt-oss")
    assert redactor.text("gpt-oss xgpt-ossy") == PLACEHOLDER + " xgpt-ossy"


def test_tree_learns_before_it_removes():
    bundle = {
        "at": 1.5,
        "lines": [{"text": f"GET / with {KEY}", "pid": 74, "priority": None}],
        "argv": ["vllm", "serve", "m", "--api-key", KEY],
        "unit": {
            "exec_start": ["vllm", "--api-key", KEY],
            "properties": {"ExecStart": "{ argv[]=vllm --api-key " + KEY + " other-1 ; ignore_errors=no }", "MainPID": "74"},
        },
        "flags": {"api-key": KEY, "port": "8000", "max-model-len": "32768"},
        "environment": {"HF_TOKEN": "t", "HOME": "/"},
        "request_headers": {"authorization": "Bearer " + KEY},
        "usage": {"prompt_tokens": 12, "max_tokens": 3, "token": 5},
        "api_keys": [KEY, None],
        "tools": [{"parameters": {"properties": {"token": {"type": "string"}, "key": {"type": "string"}}}}],
        "logprobs": [{"token": "a", "logprob": -1.0}],
        "key": "value",
    }  # fmt: skip
    kept = Redactor().tree(bundle)
    assert KEY not in json.dumps(kept, ensure_ascii=False)
    assert "other-1" not in json.dumps(kept)
    assert kept["lines"][0] == {"text": "GET / with " + PLACEHOLDER, "pid": 74, "priority": None}
    assert kept["argv"] == ["vllm", "serve", "m", "--api-key", PLACEHOLDER]
    assert kept["flags"] == {"api-key": PLACEHOLDER, "port": "8000", "max-model-len": "32768"}
    assert kept["environment"] == {"HF_TOKEN": PLACEHOLDER, "HOME": "/"}
    assert kept["api_keys"] == [PLACEHOLDER, None]
    for name in ("at", "usage", "tools", "logprobs", "key"):
        assert kept[name] == bundle[name]


def test_redacting_twice_changes_nothing():
    redactor = Redactor()
    once = redactor.tree({"text": f"api_key='{KEY}' Authorization: Bearer {KEY}"})
    assert redactor.tree(once) == once


@pytest.mark.parametrize("key", [KEY, "ab1"])
@pytest.mark.parametrize("form", ["ran with --api-key {word} twice", "api_key={word}", "see {word}"])
def test_how_a_sentence_was_made_tells_no_more_than_it_does(form, key):
    """A word alone is no secret to look at: ``--api-key`` before it makes it one."""
    redactor = Redactor()
    redactor.learn(KEY)
    kept = redactor.tree({"reason": say(form, word=key), "lines": [{"reason": say("no words")}]})
    if key == KEY or "see" not in form:
        assert key not in json.dumps(kept)
    assert kept["lines"][0]["said"] == {"reason": {"template": "no words", "values": {}}}
    assert isinstance(as_said(kept)["lines"][0]["reason"], Words)


@pytest.mark.parametrize("name", ["--api-key", "HF_TOKEN", "openaiApiKey", "access_tokens", "clientSecret", "db.pass"])
def test_secret_names(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "tokenizer", "num_tokens", "stop_token_ids", "keyfile", "key", "token", "monkey", "eosToken"]
)
def test_other_names(name):
    assert not is_secret_name(name)


def test_a_long_line_takes_no_long_time():
    text = "--a " * 20000 + "x=" * 20000 + "'" * 20000 + "Bearer " * 5000 + "://" * 5000
    Redactor().text(text)
