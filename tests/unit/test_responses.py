"""What the events of a stream mean: of a Responses stream, of a chat stream, and of an answer that is none."""

from __future__ import annotations

import json

import pytest

from streamdiag.responses import (
    DONE,
    acting_events,
    is_chat,
    is_heartbeat,
    is_streaming,
    name_in,
    name_of,
    progressed,
    terminal_name,
)

CHUNK = '{"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}'
CHAT_ERROR = '{"error":{"message":"EngineCore encountered an issue.","type":"InternalServerError","code":500}}'


def unnamed(data, **more):
    return {"name": "message", "data": data, **more}


def named(name, data='{"type":"whatever"}'):
    return {"name": name, "data": data}


def responses(*events, **more):
    body = {"stream": True, "input": "Hi"}
    return {"url": "http://h:8000/v1/responses", "request_body": body, "http_status": 200, "events": [*events], **more}


def chat(*events):
    return responses(*events, url="http://h:8000/v1/chat/completions")


def nonstream(**more):
    return responses(request_body={"stream": False, "input": "Hi"}, **more)


@pytest.mark.parametrize(
    "event, name",
    [
        (named("response.created"), "response.created"),
        (named("error", CHUNK), "error"),
        (unnamed('{"type":"response.created"}'), "response.created"),
        (unnamed(CHUNK), "chat.completion.chunk"),
        (unnamed(CHAT_ERROR), "error"),
        (unnamed('{"error":null,"object":"chat.completion.chunk"}'), "chat.completion.chunk"),
        (unnamed(DONE), DONE),
        (unnamed(" [DONE] "), DONE),
        (unnamed('{"object":"chat.comple', type="chat.completion.chunk"), "chat.completion.chunk"),
        (unnamed('{"object":"chat.comple'), "message"),
        (unnamed("[1, 2]"), "message"),
        (unnamed("[" * 100_000), "message"),
        (unnamed('{"type":7}'), "message"),
        (unnamed(""), "message"),
    ],
)
def test_name(event, name):
    assert name_of(event) == name


def test_name_in_data_is_empty_where_there_is_none():
    assert name_in("{}") == name_in("hello") == ""


@pytest.mark.parametrize(
    "url, expected",
    [
        ("http://h/v1/chat/completions", True),
        ("https://h/llm/v1/chat/completions?key=1", True),
        ("http://h/v1/responses", False),
        ("http://h/v1/completions", False),
    ],
)
def test_chat_is_told_by_its_path(url, expected):
    assert is_chat(responses(url=url)) is expected


@pytest.mark.parametrize(
    "body, expected", [({"stream": True}, True), ({"stream": False}, False), ({}, False), (None, False), ("x", False)]
)
def test_streaming_is_told_by_what_was_asked(body, expected):
    assert is_streaming(responses(request_body=body)) is expected


CREATED, DELTA = named("response.created"), named("response.output_text.delta")
COMPLETED = named("response.completed")


@pytest.mark.parametrize(
    "stream, expected",
    [
        (responses(CREATED, DELTA, COMPLETED), "response.completed"),
        (responses(CREATED, COMPLETED, unnamed(DONE)), "response.completed"),
        (responses(CREATED, named("response.incomplete")), "response.incomplete"),
        (responses(CREATED, unnamed('{"type":"response.completed"}')), "response.completed"),
        (responses(CREATED, unnamed(DONE)), None),  # the end of the transport is not the end of the response
        (responses(CREATED, DELTA), None),
        (responses(), None),
        (chat(unnamed(CHUNK), unnamed(DONE)), DONE),
        (chat(unnamed(CHUNK), unnamed(CHAT_ERROR), unnamed(DONE)), "error"),
        (chat(unnamed(CHUNK)), None),
        (chat(COMPLETED), None),
        (nonstream(body="{}"), None),
    ],
)
def test_what_ended_a_stream(stream, expected):
    assert terminal_name(stream) == expected


def test_done_is_acted_upon_in_a_chat_stream_only():
    assert acting_events(chat(unnamed(CHUNK), unnamed(DONE)))[-1]["data"] == DONE
    assert acting_events(responses(COMPLETED, unnamed(DONE))) == [COMPLETED]
    assert not is_heartbeat(unnamed(DONE))


@pytest.mark.parametrize(
    "why, stream, expected",
    [
        ("the preamble needs no engine", responses(CREATED, named("response.in_progress")), False),
        ("a delta", responses(CREATED, DELTA), True),
        ("an error is an answer", responses(CREATED, named("response.error")), True),
        ("a ping", responses(CREATED, named("response.ping", "{}")), False),
        ("[DONE] after nothing", responses(CREATED, unnamed(DONE)), False),
        ("the first chunk of a chat stream comes from the engine", chat(unnamed(CHUNK)), True),
        ("[DONE] alone", chat(unnamed(DONE)), False),
        ("nothing of a chat stream", chat(), False),
        ("a body", nonstream(body=json.dumps({"id": "resp_1"})), True),
        ("no body", nonstream(body=""), False),
        ("no answer", nonstream(body="", http_status=None), False),
        ("a refusal says nothing of the engine", nonstream(body='{"error":"x"}', http_status=400), False),
        ("a page instead of a stream", responses(body="<html>"), False),
    ],
)
def test_progress(why, stream, expected):
    assert progressed(stream) is expected, why
