"""What each stream case sends, and that two cases differ in nothing but what they are there to tell apart."""

from __future__ import annotations

import json

import pytest

from streamdiag.host import probe
from streamdiag.host.cases import CASES, PROMPT, THINKING_ROOM, find_case, public_case
from streamdiag.host.codex import codex_headers
from streamdiag.host.plan import is_whole
from streamdiag.host.probe import Server, run_case
from streamdiag.host.watch import Deadlines
from tests.diagnosis import simulator


def made(name, model="tiny"):
    return CASES[name](model)


def first(name):
    return made(name).bodies[0]


def on_the_wire(body):
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def without(body, *keys):
    return {key: value for key, value in body.items() if key not in keys}


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_bounded_and_accepts_no_encoding(name):
    case = made(name)
    assert case.name == name
    assert "accept-encoding" not in {header.lower() for header in case.headers}
    assert case.path == ("/v1/chat/completions" if name == "chat" else "/v1/responses")
    assert 1 <= len(case.bodies) <= 2
    for body in case.bodies:
        assert body["model"] == "tiny" and body["stream"] is (name != "nonstream")
        limits = [body[key] for key in ("max_output_tokens", "max_tokens", "max_completion_tokens") if key in body]
        assert len(limits) == 1 and 16 <= limits[0] <= 512
        assert body.get("store") is (None if name == "chat" else False)  # nothing of ours is kept by the server
        assert json.loads(json.dumps(body)) == body


@pytest.mark.parametrize("name", CASES)
def test_two_bodies_share_nothing_that_can_be_changed(name):
    one = made(name)
    one.bodies[0]["model"] = "changed"
    one.headers["x"] = "y"
    assert made(name).bodies[0]["model"] == "tiny" and "x" not in made(name).headers


def test_only_tools_tell_tools_from_simple():
    extra = {"tools", "tool_choice", "parallel_tool_calls"}
    assert without(first("tools"), *extra, "input") == without(first("simple"), "input")


def test_reasoning_asks_for_a_summary_and_does_without():
    summarised, plain = made("reasoning").bodies
    assert summarised["reasoning"] == {"effort": "low", "summary": "auto"}
    assert plain == dict(summarised, reasoning={"effort": "low"})
    assert "tools" not in plain and plain["max_output_tokens"] == 512


@pytest.mark.parametrize("model", ["tiny", "openai/gpt-oss-120b", "модель"])
def test_padded_is_as_large_as_codex_and_as_plain_as_simple(model):
    padded, codex, simple = (CASES[name](model).bodies[0] for name in ("padded", "codex", "simple"))
    assert len(on_the_wire(padded)) == pytest.approx(len(on_the_wire(codex)), rel=0.02)
    assert without(padded, "input") == without(simple, "input")
    (item,) = padded["input"]
    (part,) = item["content"]
    assert part["text"].endswith(" " + PROMPT)


def test_chat_asks_the_same_as_simple():
    body, newer = made("chat").bodies
    assert [m["content"] for m in body["messages"]] == [PROMPT]
    assert body["max_tokens"] == newer["max_completion_tokens"] == first("simple")["max_output_tokens"]
    assert without(body, "max_tokens") == without(newer, "max_completion_tokens")


def test_nonstream_is_simple_without_a_stream():
    assert first("nonstream") == dict(first("simple"), stream=False)
    assert made("nonstream").headers["accept"] == "application/json"


@pytest.mark.parametrize("number", [0, 1])
def test_tool_turn_answers_a_call_of_the_tool_it_offers(number):
    body = made("tool_turn").bodies[number]
    question, call, output = body["input"]
    assert question == first("tools")["input"][0] and body["tools"] == first("tools")["tools"]
    assert (call["type"], output["type"]) == ("function_call", "function_call_output")
    assert call["call_id"] == output["call_id"] and call["name"] == body["tools"][0]["name"]
    assert set(json.loads(call["arguments"])) == set(body["tools"][0]["parameters"]["required"])
    assert body["tool_choice"] == "auto"
    assert ("id" in call) is ("id" in output) is bool(number)


def test_public_is_simple_with_the_headers_of_the_client():
    case = public_case("tiny", gzip=False)
    assert (case.name, case.bodies, case.headers) == ("public", made("simple").bodies, codex_headers("tiny"))
    packed = public_case("tiny", gzip=True)
    assert packed.headers == dict(case.headers, **{"accept-encoding": "gzip"})
    assert packed.bodies == case.bodies


@pytest.mark.parametrize(
    "variant, gzip", [("", False), ("gzip", True), ("controller", False), ("controller-gzip", True)]
)
def test_a_variant_chooses_the_client(variant, gzip):
    assert find_case("public", "tiny", variant) == public_case("tiny", gzip)
    assert find_case("simple", "tiny", variant) == made("simple")


@pytest.mark.parametrize(
    "arguments",
    [(), ("--dialect", "fork"), ("--dialect", "fork", "--no-responses-compatibility-mode")],
    ids=["upstream", "fork", "fork without compatibility mode"],
)
def test_a_healthy_server_answers_every_case_at_once(tmp_path, arguments):
    """Whole, and in the first form that was tried."""
    with simulator(tmp_path, "--model", "tiny", "--tokens-per-second", "400", *arguments) as base_url:
        streams = [run_case(name, Server(base_url, "tiny"), Deadlines()) for name in CASES]
    assert {stream["case"]: is_whole(stream) for stream in streams} == dict.fromkeys(CASES, True)
    assert [stream["case"] for stream in streams if stream["retried"]] == []


RUNAWAY = ("--model", "tiny", "--fault", "runaway_reasoning")


def test_reasoning_without_an_end_takes_all_the_room_it_gets(tmp_path):
    """No word of an answer, in the cases that leave room for reasoning; ``reasoning`` gets more of it."""
    with simulator(tmp_path, *RUNAWAY, "--tokens-per-second", "400") as base_url:
        streams = [run_case(name, Server(base_url, "tiny"), Deadlines()) for name in ("reasoning", "codex")]
    (first,) = streams[0]["retried"]
    for stream, room in ((streams[0], THINKING_ROOM), (first, 512), (streams[1], 512)):
        kinds = [event["name"] for event in stream["events"]]
        assert kinds.count("response.reasoning_text.delta") == room
        assert "response.output_text.delta" not in kinds
        end = json.loads(stream["events"][-1]["data"])["response"]  # whole, tools and all
        assert end["incomplete_details"] == {"reason": "max_output_tokens"}
    assert streams[1]["retried"] == []


def test_a_thought_gets_no_more_room_where_that_takes_long(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "THINKING_SECONDS", 1.0)
    with simulator(tmp_path, *RUNAWAY, "--tokens-per-second", "1000") as base_url:
        stream = run_case("reasoning", Server(base_url, "tiny"), Deadlines())
    assert (stream["request_body"]["max_output_tokens"], stream["retried"]) == (512, [])


def test_a_thought_that_gets_no_more_room_is_kept(tmp_path):
    """The context has room for the first request only: the refusal does not replace what came."""
    small = (*RUNAWAY, "--tokens-per-second", "1000", "--max-model-len", "1024")
    with simulator(tmp_path, *small) as base_url:
        stream = run_case("reasoning", Server(base_url, "tiny"), Deadlines())
    assert (stream["http_status"], stream["retried"]) == (200, [])
    assert stream["request_body"]["max_output_tokens"] == 512
