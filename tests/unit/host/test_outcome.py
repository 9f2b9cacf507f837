"""A finished stream in one line."""

from __future__ import annotations

import pytest

from streamdiag.host.outcome import describe_stream
from tests.unit.host.ended import COMPLETED, CREATED, PING, REFUSED, UNNAMED, ended


@pytest.mark.parametrize(
    "given, line",
    [
        (REFUSED, "simple: no connection: why"),
        (ended(status=None, how="deadline", deadline="headers"), "simple: connected, no answer in 9.0 s: why"),
        (ended(status=400, body='{"a":\n  1}'), 'simple: HTTP 400: {"a": 1}'),
        (ended(status=400, body="x" * 999), "simple: HTTP 400: " + "x" * 160),
        (ended(CREATED, COMPLETED), "simple: 200, 2 events in 9.0 s, response.completed"),
        (ended(CREATED, UNNAMED), "simple: 200, 2 events in 9.0 s, response.completed"),
        (
            ended(CREATED, COMPLETED, how="deadline", deadline="silence"),
            "simple: 200, 2 events in 9.0 s, response.completed",
        ),
        (ended(CREATED), "simple: 200, 1 events in 9.0 s, then 8.0 s of silence after response.created; why"),
        (
            ended(CREATED, PING, how="stopped"),
            "simple: 200, 1 events in 9.0 s, then 8.0 s of silence after response.created; nothing moves: why",
        ),
        (
            ended(how="deadline", deadline="first_event"),
            "simple: 200, 0 events in 9.0 s, then 8.5 s of silence after the headers; why",
        ),
        (ended(case="public", variant="gzip", status=502, body="bad"), "public-gzip: HTTP 502: bad"),
        (ended(case="nonstream", streaming=False, body="{}"), "nonstream: 200, 2 bytes in 9.0 s"),
    ],
)
def test_line(given, line):
    assert describe_stream(given) == line
