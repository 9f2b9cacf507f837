"""A finished stream in one line, and whether more streams could tell more."""

from __future__ import annotations

import pytest

from streamdiag.host.outcome import describe_stream, settles


def stream(*events, status=200, how="closed", deadline="", reason="why", body="", t_connect=0.01):
    return {
        "case": "simple",
        "http_status": status,
        "t_connect": t_connect,
        "t_headers": None if status is None else 0.5,
        "body": body,
        "events": [{"t": t, "name": name, "data": data} for t, name, data in events],
        "end": {"t": 9.0, "how": how, "deadline": deadline, "reason": reason},
    }


CREATED = (1.0, "response.created", "{}1")
PING = (5.0, "response.ping", "{}")
COMPLETED = (2.0, "response.completed", "{}1")
UNNAMED = (2.0, "message", '{"type":"response.completed"}')
REFUSED = stream(status=None, t_connect=None, how="refused")


@pytest.mark.parametrize(
    "given, line, settled",
    [
        (REFUSED, "simple: no connection: why", True),
        (stream(status=None, how="deadline", deadline="headers"), "simple: connected, no answer in 9.0 s: why", True),
        (stream(status=400, body='{"a":\n  1}'), 'simple: HTTP 400: {"a": 1}', False),
        (stream(status=400, body="x" * 999), "simple: HTTP 400: " + "x" * 160, False),
        (stream(status=401), "simple: HTTP 401: ", True),
        (stream(status=404), "simple: HTTP 404: ", True),
        (stream(status=500), "simple: HTTP 500: ", False),
        (stream(CREATED, COMPLETED), "simple: 200, 2 events in 9.0 s, response.completed", False),
        (stream(CREATED, UNNAMED), "simple: 200, 2 events in 9.0 s, response.completed", False),
        (
            stream(CREATED, COMPLETED, how="deadline", deadline="silence"),
            "simple: 200, 2 events in 9.0 s, response.completed",
            False,
        ),
        (stream(CREATED), "simple: 200, 1 events in 9.0 s, then 8.0 s of silence after response.created; why", False),
        (
            stream(CREATED, PING, how="stopped"),
            "simple: 200, 1 events in 9.0 s, then 8.0 s of silence after response.created; nothing moves: why",
            True,
        ),
        (
            stream(how="deadline", deadline="first_event"),
            "simple: 200, 0 events in 9.0 s, then 8.5 s of silence after the headers; why",
            True,
        ),
        (
            stream(CREATED, how="deadline", deadline="total"),
            "simple: 200, 1 events in 9.0 s, then 8.0 s of silence after response.created; why",
            False,
        ),
    ],
)
def test_line_and_settlement(given, line, settled):
    assert describe_stream(given) == line
    assert bool(settles(given)) == settled
