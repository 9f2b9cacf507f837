"""What the Codex CLI does with a stream. The answers are those of the real CLI (0.163) to the same streams."""

from __future__ import annotations

import copy
import json

import pytest
from bundles import real
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_streams import (
    Wire,
    bent,
    call,
    foreign,
    message,
    recorded,
    response,
    sse,
    stream,
    with_call,
    with_message,
)

from streamdiag.judge.codex_client import codex_says
from streamdiag.judge.protocol import read_protocol


def says(stream, idle_timeout=300.0):
    return codex_says(stream, read_protocol(stream), idle_timeout)


def outcome(stream):
    return says(stream).outcome


def answer():
    return with_message(Wire(), message())


# What it needs


@pytest.mark.parametrize("name", ["tools_required", "reasoning_then_call", "codex_required", "namespace_required"])
def test_a_call_of_a_real_server_is_run(name):
    assert says(recorded(name)) == ("works", "Codex runs shell")


@pytest.mark.parametrize("name", ["text", "codex", "reasoning_then_text", "tools_auto"])
def test_an_answer_of_a_real_server_is_shown(name):
    assert says(recorded(name)) == ("works", "Codex shows the answer")


@pytest.mark.parametrize("name", ["text_empty", "reasoning", "reasoning_hidden", "tools_required_cut_early"])
def test_a_turn_without_message_and_call_is_empty(name):
    reaction = says(recorded(name))
    assert reaction.outcome == "empty_turn"
    assert "with nothing" in reaction.words


def test_it_goes_by_the_items_that_end():
    lost = says(bent("tools_required", "missing_done"))
    assert lost.outcome == "empty_turn"
    assert "without running shell" in lost.words
    assert says(bent("text", "missing_done")).outcome == "empty_turn"
    assert says(Wire().completed(call()).stream()).outcome == "empty_turn"
    assert outcome(bent("tools_required", "wrong_ids")) == "works"
    assert outcome(bent("text", "lost_deltas=2")) == "works"
    assert outcome(Wire().item("done", 0, **call()).completed().stream()) == "works"


@pytest.mark.parametrize("key", ["call_id", "name", "arguments"])
def test_an_item_that_it_cannot_parse_is_no_item(key):
    incomplete = {name: value for name, value in call().items() if name != key}
    assert outcome(Wire().item("done", 0, **incomplete).completed().stream()) == "empty_turn"


@pytest.mark.parametrize("arguments", ['{"path": ', ""])
def test_arguments_that_it_cannot_read_go_back_to_the_model(arguments):
    reaction = says(with_call(Wire(), call(arguments)).completed(call(arguments)).stream())
    assert reaction.outcome == "works"
    assert "cannot read the arguments of list_files" in reaction.words


def test_it_leaves_at_completed():
    body = answer().completed(message()).body
    assert outcome(stream(body + b"data: [DONE]\n\n")) == "works"
    assert outcome(stream(body, how="stopped", silence=900.0)) == "works"


@pytest.mark.parametrize("condition", ["healthy", "healthy-trixie"])
def test_a_terminal_event_that_the_probe_cut_counts(condition):
    for name, stored in real(condition).streams.items():
        assert says(stored).outcome == "works", name


def test_what_the_probe_did_not_keep_is_no_empty_turn():
    cut = answer().completed(message()).stream()
    done = next(event for event in cut["events"] if event["name"] == "response.output_item.done")
    done["data"] = done["data"][:40]
    assert says(cut).outcome == "works"
    dropped = slow(1, 1, 301)
    dropped["dropped_events"] = 1000  # what was silence may have been any of them
    del dropped["events"][2:9]
    assert says(dropped).outcome == "works"
    assert "the probe kept a part only" in says(dropped).words


# What it retries, and what it does not


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (answer(), "stream closed before response.completed"),
        (answer().event("error", message="boom"), "stream closed before response.completed"),
        (answer().event("response.error", message="boom"), "stream closed before response.completed"),
        (answer().event("response.completed"), "stream closed before response.completed"),
        (answer().completed(id=None), "missing field `id`"),
        (answer().completed(usage={"input_tokens": 1}), "missing field `output_tokens`"),
        (
            answer().completed(
                usage={"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "input_tokens_details": {}}
            ),
            "missing field `cached_tokens`",
        ),
        (
            answer().event("response.failed", response=response(error={"code": "slow_down", "message": "boom"})),
            "boom",
        ),
        (answer().event("response.failed", response=response()), "response.failed event received"),
    ],
)
def test_what_it_retries(ending, words):
    reaction = says(ending.stream())
    assert reaction.outcome == "retries"
    assert words in reaction.words
    assert "retries 5 times" in reaction.words


@pytest.mark.parametrize("usage", [None, {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}])
def test_the_usage_may_be_missing_and_its_details_too(usage):
    assert outcome(answer().completed(usage=usage).stream()) == "works"


@pytest.mark.parametrize("code", ["invalid_prompt", "context_length_exceeded", "server_is_overloaded"])
def test_some_failures_are_final(code):
    failed = answer().event("response.failed", response=response(error={"code": code, "message": "boom"}))
    assert outcome(failed.stream()) == "fails"
    assert outcome(failed.completed(message()).stream()) == "works"  # it reads on until the stream ends


def test_an_incomplete_response_is_final():
    cut = answer().completed(message(), limit="max_output_tokens", name="response.incomplete")
    assert says(cut.stream()) == ("fails", "Codex stops: Incomplete response returned, reason: max_output_tokens")
    assert outcome(answer().completed(message(), limit="max_output_tokens").stream()) == "works"


def test_a_cut_connection_is_retried():
    reaction = says(real("engine-killed").streams["simple"])
    assert reaction.outcome == "retries"
    assert "error decoding response body" in reaction.words


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [(400, "fails", "400"), (429, "fails", "429"), (404, "retries", " 5 times"), (503, "retries", " 29 times")],
)
def test_answers_of_another_status(status, expected, words):
    reaction = says(stream(b"", status=status))
    assert reaction.outcome == expected
    assert words in reaction.words


def test_without_headers_it_waits_without_a_limit():
    reaction = says(real("api-server-stopped").streams["simple"])
    assert reaction.outcome == "retries"
    assert "waits for the headers without a limit" in reaction.words


def test_without_a_connection_it_retries():
    assert "gets no connection" in says(real("unit-stopped").streams["simple"]).words


def test_a_body_that_is_no_event_stream_has_no_end():
    page = stream(b"")
    page["response_headers"] = {"content-type": "application/json"}
    assert outcome(page) == "retries"


# Its idle clock


def slow(*gaps, between=b"", **how):
    """``answer`` with seconds of silence before its events, ``between`` before each of the later ones."""
    found = stream(
        answer().completed(message()).body.replace(b"event: response.output", between + b"event: response.output")
    )
    t = 0.1
    for number, event in enumerate(found["events"]):
        t = event["t"] = t + (gaps[number] if number < len(gaps) else 0.1)
    found["end"] = {"t": t + 0.1, "how": "closed", "deadline": "", "reason": "", **how}
    return found


def test_silence_ends_the_stream_for_it():
    assert outcome(slow(1, 1, 299)) == "works"
    reaction = says(slow(1, 1, 301))
    assert reaction.outcome == "retries"
    assert "301.0 s of silence after 2.1 s; at 300 s Codex retries 5 times" in reaction.words
    assert "idle timeout waiting for SSE" in reaction.words
    assert says(slow(1, 1, 4), idle_timeout=3.0).outcome == "retries"


def test_every_event_with_data_starts_its_clock_again():
    for ping in (sse("response.ping", {"type": "response.ping"}), b"event: ping\ndata: {}\n\n", b"data: [DONE]\n\n"):
        assert outcome(slow(1, 1, 200, 200, between=ping)) == "works"
    assert outcome(slow(1, 1, 200, 200, between=b"id: 1\n\n")) == "retries"


def test_a_comment_does_not_start_its_clock_again():
    commented = slow(1, 1, 301)
    commented["comments"] = [{"t": float(t), "text": "ping"} for t in range(0, 300, 15)]
    assert outcome(commented) == "retries"


def test_what_it_would_do_after_the_probe_has_left():
    silent = real("engine-stopped").streams["simple"]
    assert says(silent).outcome == "retries"
    assert "of silence when the probe left; at 300 s Codex retries 5 times" in says(silent).words
    flowing = stream(answer().body, how="deadline", deadline="total", silence=0.4)
    assert says(flowing) == ("works", "no silence of 300 s by the time the probe left; Codex would still read")
    assert outcome(stream(answer().body, how="deadline", deadline="total", silence=8.0)) == "retries"
    assert "301.0 s of silence" in says(stream(answer().body, how="stopped", silence=301.0)).words


# Other servers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai-reasoning-call", "Codex runs list_files"),
        ("openai-hosted-tools", "Codex shows the answer"),
        ("llama.cpp", "Codex runs list_files"),
        ("ollama", "Codex runs list_files"),
        ("litellm", "Codex shows the answer"),
        ("responses.js", "Codex shows the answer"),
    ],
)
def test_streams_of_other_implementations_work(name, expected):
    assert says(foreign(name)) == ("works", expected)


def test_a_usage_in_the_words_of_chat_completions_is_unreadable_to_it():
    assert "missing field `input_tokens`" in says(foreign("sglang")).words


def test_it_goes_by_the_type_in_the_data_alone():
    body = answer().completed(message()).body
    unnamed = b"".join(line + b"\n" for line in body.split(b"\n") if not line.startswith(b"event:"))
    assert outcome(stream(unnamed)) == "works"
    assert outcome(stream(body.replace(b'"type":"response.completed"', b'"kind":"x"'))) == "retries"


GOOD = recorded("reasoning_then_call")
LEAVES = st.none() | st.booleans() | st.integers(-1, 1) | st.text(max_size=3)
KEYS = [
    "type",
    "response",
    "item",
    "id",
    "usage",
    "error",
    "code",
    "content",
    "text",
    "output_tokens",
    "incomplete_details",
]
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner))
TYPES = st.sampled_from(["response.completed", "response.failed", "response.incomplete", "response.output_item.done"])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 30), TYPES, st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_no_content_makes_it_fail(number, kind, data):
    torn = copy.deepcopy(GOOD)
    text = json.dumps({**data, "type": kind})
    torn["events"][number % len(torn["events"])].update(name=kind, data=text, data_bytes=len(text))
    reaction = says(torn)
    assert reaction.outcome in ("works", "fails", "retries", "empty_turn")
    assert reaction.words
