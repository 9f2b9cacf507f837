"""Event streams as servers, proxies and vandals send them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdiag.host.sse import SSEParser

ENDS = ("\n", "\r\n", "\r")
# Bytes that mean something to the parser come often; the rest is there to be carried through.
_PIECES = st.sampled_from(
    [
        b"data",
        b"event",
        b"id",
        b":",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xc3",
        b"x",
        b"{}",
    ]
)


def parse(*chunks, **limits):
    """All events and comments of ``chunks``, chunk number as time, and the parser."""
    parser = SSEParser(**limits)
    events, comments = [], []
    for t, chunk in enumerate(chunks):
        more_events, more_comments = parser.feed(chunk, float(t))
        events += more_events
        comments += more_comments
    return events, comments, parser


def cut(raw, places):
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[start:end] for start, end in zip(edges, edges[1:])]


def without_t(things):
    return [{key: value for key, value in thing.items() if key != "t"} for thing in things]


@settings(max_examples=120, deadline=None)
@given(raw=st.lists(_PIECES, max_size=60).map(b"".join), places=st.lists(st.integers(0, 400), max_size=12))
def test_how_a_stream_is_cut_into_chunks_changes_nothing(raw, places):
    whole_events, whole_comments, whole = parse(raw)
    events, comments, parser = parse(*cut(raw, places))
    assert without_t(events) == without_t(whole_events)
    assert without_t(comments) == without_t(whole_comments)
    assert parser.unparsed == whole.unparsed


_TEXT = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=12)


@settings(max_examples=80, deadline=None)
@given(
    end=st.sampled_from(ENDS),
    bom=st.booleans(),
    places=st.lists(st.integers(0, 2000), max_size=12),
    told=st.lists(
        st.tuples(
            st.sampled_from(["", "response.created", "x y"]),
            st.lists(_TEXT, min_size=1, max_size=3),
            st.none() | _TEXT.map(str.strip),
        ),
        max_size=6,
    ),
)
def test_what_was_told_is_what_is_heard(end, bom, places, told):
    """Written by the rules, with comments between the fields: read back with the same names, data and sizes."""
    blocks = []
    for name, lines, comment in told:
        block = f"event: {name}{end}" if name else ""
        block += "" if comment is None else f": {comment}{end}"
        block += "".join(f"data: {line}{end}" for line in lines) + end
        blocks.append(block.encode())
    raw = b"".join(blocks)
    bytes_on_the_wire = b"\xef\xbb\xbf" * bom + raw + b": the end" + end.encode() + b"."
    events, comments, parser = parse(*cut(bytes_on_the_wire, places))
    assert [(e["name"], e["data"], e["data_bytes"]) for e in events] == [
        (name or "message", "\n".join(lines), len("\n".join(lines).encode())) for name, lines, _ in told
    ]
    assert [comment["text"] for comment in comments] == [c for *_, c in told if c is not None] + ["the end"]
    if all(c is None or name for name, _, c in told):  # a comment before the first field is not the event's
        assert [event["size"] for event in events] == [len(block) for block in blocks]
    assert parser.unparsed == "."


@pytest.mark.parametrize(
    "raw, expected",
    [
        (b"data: a\n\n", [("message", "a")]),
        (b"data:a\n\n", [("message", "a")]),
        (b"data:  a \n\n", [("message", " a ")]),  # one blank is taken off, no more
        (b"data\n\n", [("message", "")]),
        (b"data:\n\n", [("message", "")]),
        (b"data: a\ndata\ndata: b\n\n", [("message", "a\n\nb")]),
        (b"event: e\n\n", [("e", "")]),  # a browser drops it; here it is a sign of life
        (b"retry: 3000\n\n", [("message", "")]),
        (b"event: e\nevent: f\ndata: a\n\n", [("f", "a")]),
        (b"event:\ndata: a\n\n", [("message", "a")]),
        (b"event: e\ndata: a\n\ndata: b\n\n", [("e", "a"), ("message", "b")]),  # a name is for one event
        (b"data: a:b: c\n\n", [("message", "a:b: c")]),
        (b"Data: a\n\n", [("message", "")]),  # field names are exact
        (b" data: a\n\n", [("message", "")]),
        (b"\n\n\n", []),
        (b": c\n\n", []),
        (b":\n\n", []),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("message", "a"), ("message", "b")]),
        (b"data: a\r\rdata: b\r\r.", [("message", "a"), ("message", "b")]),
        (b"data: a\n\r\n", [("message", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", "a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("message", "a"), ("message", "")]),  # only at the very start
        (b"data: \xff\xfe\n\n", [("message", "\ufffd\ufffd")]),
        (b"event: \xff\ndata: a\n\n", [("\ufffd", "a")]),
        (b"data: \x00\n\n", [("message", "\x00")]),
        (b"HTTP/1.1 500 Oops\n\n", [("message", "")]),
        (b"", []),
    ],
)
def test_lines(raw, expected):
    events, _comments, _parser = parse(raw)
    assert [(event["name"], event["data"]) for event in events] == expected


def test_times_are_those_of_the_last_byte():
    events, comments, _parser = parse(b"data: a\n", b"\ndata: b\n: c", b"\n", b"\n")
    assert [event["t"] for event in events] == [1.0, 3.0]
    assert [comment["t"] for comment in comments] == [2.0]


@pytest.mark.parametrize(
    "raw, unparsed",
    [
        (b"data: a\n\n", ""),
        (b'data: a\n\nevent: e\ndata: {"x\n', 'event: e\ndata: {"x'),
        (b"data: a\n\nevent: e\ndata: b\ndata: c", "event: e\ndata: b\ndata: c"),
        (b"data: \xff", "data: \ufffd"),
        (b"event: \xff\n", "event: \ufffd"),
        (b"\xef\xbb", "\ufffd"),
        (b"<html>", "<html>"),
    ],
)
def test_the_start_of_an_event_that_was_cut(raw, unparsed):
    assert parse(raw)[2].unparsed == unparsed


def test_long_data_is_cut_and_its_true_size_kept():
    events, _comments, _parser = parse(b"data: " + b"x" * 100 + b"\n\ndata: y\n\n", data_limit=10)
    assert [(e["data"], e["data_bytes"], e["size"]) for e in events] == [("x" * 10, 100, 108), ("y", 1, 9)]


def test_data_cut_inside_a_character_is_still_text():
    (event,), _comments, _parser = parse("data: ééé\n\n".encode(), data_limit=3)
    assert event["data"] == "é\ufffd"


def test_comments_are_cut():
    _events, (comment,), _parser = parse(b": " + b"c" * 1000 + b"\n")
    assert comment["text"] == "c" * 200


def held(parser):
    """Bytes that the parser holds on to, counting what a list entry costs."""
    return len(parser._pending) + sum(len(line) + 8 for line in parser._data) + len(parser._name)


@pytest.mark.parametrize(
    "chunk",
    [
        b"x" * 100,
        b"data: " + b"x" * 94,
        b"data: " + b"x" * 93 + b"\n",
        b"data:\n" * 16,
        b"data: x\n" * 12,
        b"event: x\n",
    ],
)
def test_a_server_that_never_ends_its_event_cannot_fill_the_memory(chunk):
    parser = SSEParser(data_limit=100, buffer_limit=1000)
    sizes = []
    for t in range(2000):
        assert parser.feed(chunk, float(t)) == ([], [])
        sizes.append(held(parser))
    assert max(sizes) < 20000
    assert len(parser.unparsed) <= 100


def test_after_an_overlong_event_the_next_one_is_read():
    chunks = [b"data: " + b"x" * 500] * 10
    events, _comments, _parser = parse(*chunks, b"\n\nevent: e\ndata: y\n\n", data_limit=50, buffer_limit=1000)
    assert [(event["name"], len(event["data"])) for event in events] == [("message", 50), ("e", 1)]


def test_a_name_is_cut_too():
    (event,), _comments, _parser = parse(b"event: " + b"n" * 100_000 + b"\ndata: x\n\n")
    assert len(event["name"]) <= 200
