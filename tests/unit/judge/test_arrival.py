"""How deltas arrive: real streams, streams made here, and a probe that gets no CPU now and then."""

from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.demo import start_server, stop
from streamdiag.host.probe import Server, run_case
from streamdiag.host.sse import SSEParser
from streamdiag.host.watch import Deadlines
from streamdiag.judge.arrival import FLOWING, HELD_BACK, Arrival, compare_arrival, read_arrival
from tests.simulator.sim_exchange import Exchange

TESTS = Path(__file__).resolve().parents[2]
TEXT = "response.output_text.delta"
ARGUMENTS = "response.function_call_arguments.delta"
TICK = 0.01  # seconds between two looks of the reader below
KINDS = FLOWING | HELD_BACK | {"too_short", "none"}


# Streams made here: events are sent at their times and read by a reader that may be held up


def _event(t, name, read, size=200, **data):
    text = json.dumps({"type": name, **data})
    return {"t": t, "read": read, "name": name, "size": size, "data": text, "data_bytes": len(text)}


def _reads(times, held_up=()):
    """For each of ``times`` the index of the read that brings what came then, and these reads as the probe keeps them.

    ``held_up``: (from, until) in which the reader gets no CPU.
    """
    reads, index, now, empty = [], [], 0.0, 0.0
    waiting = sorted(times)
    while waiting:
        due = waiting[0]
        while now < due:
            wakes = min(now + TICK, due)
            found = max((end for start, end in held_up if start <= wakes < end), default=wakes)
            if found < due:
                empty = now + TICK
            now = found
        now = max((end for start, end in held_up if start <= now < end), default=now)
        before = max(empty, reads[-1]["t"] if reads else 0.0)
        arrived = [t for t in waiting if t <= now]
        reads.append({"t": round(now, 6), "size": 200 * len(arrived), "not_before": round(min(before, now), 6)})
        index += [len(reads) - 1] * len(arrived)
        waiting = waiting[len(arrived) :]
        now += 0.0001
    return reads, index


def _stream(times, created=0.02, held_up=(), names=None, tokens=None, proven=True, pieces=None, **more):
    """A whole answer: response.created at ``created``, a delta at each of ``times``, response.completed."""
    times = list(times)
    last = max([created, *times]) + 0.001
    reads, index = _reads([created, *times, last], held_up)
    if not proven:
        for read in reads:
            del read["not_before"]
    usage = {"usage": {"output_tokens": tokens}} if tokens else {}
    names = ["response.created", *(names or [TEXT] * len(times)), "response.completed"]
    data = [{}] * (len(names) - 1) + [{"response": usage}]
    return {
        "case": "simple",
        "url": "http://127.0.0.1:8000/v1/responses",
        "t_connect": 0.001,
        "response_headers": {"content-type": "text/event-stream", "transfer-encoding": "chunked"},
        "reads": reads,
        "events": [
            _event(reads[read]["t"], name, read, **words) for name, read, words in zip(names, index, data, strict=True)
        ],
        "pieces": [{"t": 0.1, "size": size, "read": 0} for size in pieces or [200] * len(names)],
        "comments": [],
        "dropped_events": 0,
        "samples": {"metrics": []},
        "canary": None,
        **more,
    }


def _paced(count, rate, start=0.05):
    return [start + n / rate for n in range(count)]


def _together(at, count, wire=0.0002):
    return [at + n * wire for n in range(count)]


def _counters(*values, running=1.0):
    return {
        "metrics": [
            {"t": float(t), "state": "ok", "running": running, "waiting": 0.0, "generation_tokens": value}
            for t, value in enumerate(values)
        ]
    }


HALVES = [*_together(1.2, 60), *_together(2.5, 60)]

PATTERNS = {
    "no delta": (_stream([]), "none"),
    "four deltas": (_stream(_paced(4, 10)), "too_short"),
    "60 tokens a second": (_stream(_paced(60, 60)), "one_by_one"),
    "4 tokens a second": (_stream(_paced(12, 4)), "one_by_one"),
    "one token in 2 s": (_stream(_paced(6, 0.5)), "one_by_one"),
    "1000 tokens a second": (_stream(_paced(128, 1000)), "one_by_one"),
    "300 events": (_stream(_paced(300, 150)), "one_by_one"),
    "a late first token": (_stream(_paced(60, 60, start=8.0)), "one_by_one"),
    "a late first token, short and fast": (_stream(_paced(20, 600, start=8.0)), "one_by_one"),
    "late headers, then 250 tokens a second": (_stream(_paced(128, 250, start=3.1), created=3.0), "one_by_one"),
    "a preemption": (_stream([*_paced(30, 60), *_paced(30, 60, start=4.0)]), "one_by_one"),
    "a worker that is stopped in turn": (
        _stream([t for turn in range(8) for t in _paced(4, 500, start=0.1 + turn)]),
        "one_by_one",
    ),
    "one stall of the network": (_stream([*_paced(60, 60), *_together(2.0, 60), *_paced(30, 60, 2.1)]), "one_by_one"),
    "all in 50 ms, at once": (_stream(_together(0.05, 20), created=0.049), "too_short"),
    "created at once, then all together": (_stream(_together(2.0, 60)), "too_short"),
    "at the end": (_stream(_together(2.0, 60), created=1.999), "at_end"),
    "at the end, in one read": (_stream([0.4] * 100, created=0.4), "at_end"),
    "at the end, over 35 ms": (_stream(_together(0.3, 110, wire=0.0003), created=0.299), "at_end"),
    "at the end, but for a third of its time": (_stream(_paced(200, 2000, start=0.2), created=0.2), "too_short"),
    "a call at the end": (_stream(_together(0.5, 5), created=0.5, tokens=90, names=[ARGUMENTS] * 5), "at_end"),
    "flushed once a second": (
        _stream([t for n in range(1, 6) for t in _together(float(n), 50)], created=1.0),
        "bursts",
    ),
    "in two halves": (_stream(HALVES, created=1.199), "bursts"),
    "in two halves, created at once": (_stream(HALVES), "bursts"),
    "five tokens each": (_stream(_paced(26, 40), tokens=128), "by_count"),
    "ten tokens each, few": (_stream(_paced(5, 6), tokens=33), "by_count"),
    "ten tokens each, by counters": (_stream(_paced(14, 6), samples=_counters(100.0, 160.0, 228.0)), "by_count"),
    "a call shows few of its tokens": (_stream(_paced(10, 60), tokens=120, names=[ARGUMENTS] * 10), "one_by_one"),
    "two tokens each, speculated": (_stream(_paced(50, 40), tokens=110), "one_by_one"),
    "others raise the counters": (
        _stream(_paced(30, 40), samples=_counters(100.0, 400.0, running=3.0)),
        "one_by_one",
    ),
    "the engine was restarted": (_stream(_paced(30, 40), samples=_counters(400.0, 10.0)), "one_by_one"),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_the_pattern(name):
    stream, pattern = PATTERNS[name]
    found = read_arrival(stream)
    assert found.pattern == pattern, found.words


def test_the_numbers():
    found = read_arrival(_stream(_paced(41, 40), tokens=45))
    assert found.deltas == found.reads == 41
    assert found.deltas_per_read == 1.0
    assert found.span == pytest.approx(1.0, abs=0.001)
    assert found.longest_pause == pytest.approx(found.median_pause) == pytest.approx(0.025, abs=0.001)
    assert found.tokens_per_delta == 1.1
    assert found.piece_size is None
    assert found.words == "41 deltas came in 41 reads over 1.0 s, the longest pause 25 ms"


def test_words_of_what_is_held_back():
    assert (
        read_arrival(_stream([2.0] * 60, created=2.0)).words
        == "nothing came for 2.0 s, then response.created and all 60 deltas within 1 ms"
    )
    assert (
        read_arrival(_stream(HALVES)).words
        == "120 deltas came in 2 bursts of about 60, each within 12 ms, about 1.3 s apart"
    )
    assert "about 5 each" in read_arrival(_stream(_paced(26, 40), tokens=128)).words


def test_hidden_reasoning_is_no_part_of_the_deltas():
    stream = _stream(_paced(30, 40), tokens=330)
    data = {"response": {"usage": {"output_tokens": 330, "output_tokens_details": {"reasoning_tokens": 300}}}}
    stream["events"][-1]["data"] = json.dumps({"type": "response.completed", **data})
    assert read_arrival(stream).pattern == "one_by_one"
    assert read_arrival(stream).tokens_per_delta == 1.0


def test_tokens_of_an_answer_that_is_not_whole_are_not_known():
    stream = _stream(_paced(30, 40), samples=_counters(0.0, 900.0))
    del stream["events"][-1]
    found = read_arrival(stream)
    assert (found.pattern, found.tokens_per_delta) == ("one_by_one", None)


def test_a_gap_where_events_were_dropped_is_no_pause():
    stream = _stream(_paced(400, 100))
    del stream["events"][100:300]
    stream["dropped_events"] = 200
    found = read_arrival(stream)
    assert (found.pattern, found.deltas) == ("one_by_one", 400)
    assert found.longest_pause < 0.02


def test_a_chat_stream():
    stream = _stream(_paced(40, 40), url="http://127.0.0.1:8000/v1/chat/completions")
    for event in stream["events"]:
        event.update(name="message", data=json.dumps({"object": "chat.completion.chunk"}))
    assert read_arrival(stream).pattern == "one_by_one"


# Pieces


def _pieces(sizes, **more):
    return _stream(_paced(128, 60), pieces=sizes, **more)


@pytest.mark.parametrize(
    ("sizes", "piece_size"),
    [
        ([16384, 15000], 16384),
        ([4096] * 6 + [1], 4096),
        ([8192, 8192, 8192], 8192),
        ([1500] * 17 + [80], 1500),
        ([14480, 1904, 15000], 16384),  # the network cut a chunk
        ([4096, 4096, 1448, 2648, 4096, 700], 4096),
    ],
)
def test_pieces_of_one_size(sizes, piece_size):
    found = read_arrival(_pieces(sizes))
    assert (found.pattern, found.piece_size) == ("fixed_size", piece_size)
    assert str(piece_size) in found.words


@pytest.mark.parametrize(
    "sizes",
    [
        [200] * 130,  # every event is as long as the others
        [1900] * 130,  # long ones, too
        [18193, 18201, *[201] * 128],  # the events of a large request, and deltas
        [4096, 4096, 4096, 5913, 700, 690, 710, 1300],  # a proxy forwards one large event, then what it gets
        [15000, 16714],
        [1500, 30000],  # one full piece of no size that anybody would choose
        [512] * 60 + [7],  # too small to hold anything back
    ],
)
def test_other_pieces(sizes):
    assert read_arrival(_pieces(sizes)).pattern == "one_by_one"


@pytest.mark.parametrize(
    "headers", [{}, {"transfer-encoding": "chunked", "content-encoding": "gzip"}, {"content-length": "31384"}]
)
def test_pieces_that_are_not_the_sender_s(headers):
    assert read_arrival(_pieces([16384, 15000], response_headers=headers)).pattern == "one_by_one"


# A probe that gets no CPU


def test_a_healthy_stream_that_the_probe_could_not_watch():
    found = read_arrival(_stream(_paced(120, 500), held_up=[(0.0, 0.5)]))
    assert (found.pattern, found.reads) == ("too_short", 1)
    assert found.blind == pytest.approx(0.5, abs=0.02)
    assert "got no CPU for 499 ms" in found.words


def test_a_healthy_stream_that_the_probe_could_watch_at_times():
    found = read_arrival(_stream(_paced(300, 100), held_up=[(0.1, 1.1), (1.2, 2.2)]))
    assert found.pattern == "one_by_one"


def test_evidence_that_does_not_say_when_the_probe_looked():
    assert read_arrival(_stream([0.5] * 90, created=0.5, proven=False)).pattern == "too_short"
    assert read_arrival(_stream([3.0] * 90, created=3.0, proven=False)).pattern == "at_end"
    assert read_arrival(_stream(HALVES, created=1.199, proven=False)).pattern not in HELD_BACK
    # Headers that came alone show that the probe was there before the rest came.
    stream = _stream(_together(0.5, 90), created=0.5, proven=False)
    stream["reads"].insert(0, {"t": 0.499, "size": 163})
    for event in stream["events"]:
        event["read"] += 1
    assert read_arrival(stream).pattern == "at_end"


_STALLS = st.lists(st.tuples(st.floats(0, 4), st.floats(0.01, 3)), max_size=6).map(
    lambda pairs: [(start, start + length) for start, length in pairs]
)
_STEPS = st.floats(2.5, 1000).flatmap(
    lambda rate: st.lists(st.floats(0.1 / rate, 2.5 / rate), min_size=0, max_size=200).map(
        lambda steps: [max(step, 0.0008) for step in steps]
    )
)


@settings(max_examples=400, deadline=None)
@given(steps=_STEPS, prefill=st.floats(0.005, 5), late=st.floats(0.003, 3), held_up=_STALLS, proven=st.booleans())
def test_jitter_is_never_buffering(steps, prefill, late, held_up, proven):
    """Whatever the pace, the jitter, the time to the headers and to the first token, and whenever the probe stands.

    Where the evidence does not say when the probe looked, longer stalls than were ever seen could mislead.
    """
    if not proven:
        held_up, late = [(start, min(end, start + 1.4)) for start, end in held_up[:1]], min(late, 0.5)
    times = list(accumulate(steps, initial=late + prefill))
    found = read_arrival(_stream(times, created=late, held_up=held_up, proven=proven, tokens=len(times)))
    assert found.pattern not in HELD_BACK, found.words


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.floats(0, 0.004), min_size=20, max_size=300),
    delays=st.lists(st.floats(0, 0.05), min_size=300, max_size=300),
    prefill=st.floats(0.005, 5),
)
def test_a_network_that_joins_what_it_delays_is_no_buffering(steps, delays, prefill):
    """Each packet is late by up to 50 ms, and those behind it with it: several events per read, in order."""
    sent = accumulate((max(step, 0.001) for step in steps), initial=prefill)
    times = list(accumulate((t + delay for t, delay in zip(sent, delays, strict=False)), max))
    assert read_arrival(_stream(times)).pattern not in HELD_BACK


@settings(max_examples=200, deadline=None)
@given(at=st.floats(0.6, 5), count=st.integers(40, 400), wire=st.floats(0, 0.0003), stall=_STALLS)
def test_what_is_sent_at_the_end_is_never_said_to_flow(at, count, wire, stall):
    found = read_arrival(_stream(_together(at, count, wire), created=at, held_up=stall[:1]))
    assert found.pattern in ("at_end", "too_short"), found.words
    if not stall:
        assert found.pattern == "at_end", found.words


# Evidence that is not as it should be


@pytest.mark.parametrize("part", ["reads", "pieces", "samples", "t_connect", "response_headers", "dropped_events"])
def test_missing_parts(part):
    stream = _stream(_paced(60, 60), tokens=60)
    del stream[part]
    assert read_arrival(stream).pattern in FLOWING
    assert read_arrival({**stream, part: None}).pattern in FLOWING


def test_no_evidence_at_all():
    assert read_arrival({}).pattern == "none"


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damaged_reads_are_survived(data):
    stream = _stream(_paced(20, 60))
    number = st.floats(allow_nan=False, allow_infinity=False, width=32)
    for event in stream["events"]:
        event["read"], event["t"] = data.draw(st.integers(-3, 40)), data.draw(number)
    for read in stream["reads"]:
        read["t"], read["not_before"] = data.draw(number), data.draw(st.none() | number)
    assert read_arrival(stream).pattern in KINDS


# Comparison


def _arrival(pattern, words="these words"):
    return Arrival(pattern, words, 60, 60, 1.0, 1.0, 1.0, None, 0.1, 0.1, 0.0)


def test_held_back_outside_only():
    for inside in FLOWING:
        for outside in HELD_BACK:
            words = compare_arrival(_arrival(inside, "it flows"), _arrival(outside, "it is held"))
            assert words == "it is held; on loopback it flows"


def test_not_held_back_outside_only():
    for inside in KINDS:
        for outside in KINDS - HELD_BACK:
            assert compare_arrival(_arrival(inside), _arrival(outside)) is None
    for inside in KINDS - FLOWING:
        assert compare_arrival(_arrival(inside), _arrival("at_end")) is None


# Real streams


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("healthy", "one_by_one"),
        ("healthy-tools", "one_by_one"),
        ("late-reader", "too_short"),
        ("late-reader-tools", "too_short"),
        ("late-reader-half", "one_by_one"),
        ("debug-response", "at_end"),
        ("debug-response-late-reader", "too_short"),
        ("stream-interval-5", "by_count"),
    ],
)
def test_a_real_stream(name, pattern):
    stream = json.loads((TESTS / "data" / "arrival" / f"{name}.json").read_text(encoding="utf-8"))
    found = read_arrival(stream)
    assert found.pattern == pattern, found.words


@pytest.mark.parametrize("condition", ["healthy", "healthy-trixie", "engine-killed"])
def test_bundles_of_real_runs(condition):
    for path in (TESTS / "data" / "bundles" / condition / "evidence").glob("stream-*.json"):
        assert read_arrival(json.loads(path.read_text(encoding="utf-8"))).pattern not in HELD_BACK, path.name


def _recorded(path):
    """A recording of tests/simulator as a stream of the probe; None when it is no stream."""
    exchange = Exchange.load(path)
    if not any(name == "content-type" and value.startswith("text/event-stream") for name, value in exchange.headers):
        return None
    chunks, parser, given, events, reads, pieces = exchange.chunks, SSEParser(), 0, [], [], []
    raw = b""
    for index, (t, data) in enumerate(exchange.reads):
        raw += data
        reads.append({"t": t, "size": len(data)})
        whole = Exchange([(t, raw)]).chunks if b"\r\n\r\n" in raw else []
        for chunk in chunks[given : len(whole)]:
            pieces.append({"t": t, "size": len(chunk), "read": index})
            events += [{**event, "read": index} for event in parser.feed(chunk, t)[0]]
        given = len(whole)
    return {"t_connect": 0.0, "response_headers": dict(exchange.headers), "reads": reads, "events": events} | {
        "pieces": pieces,
        "url": json.loads(path.read_text().splitlines()[0])["request"]["path"],
    }


RECORDINGS = sorted((TESTS / "simulator" / "recordings").glob("*.jsonl"))


def test_recordings_of_a_healthy_server_are_never_held_back():
    found = {path.stem: read_arrival(stream).pattern for path in RECORDINGS if (stream := _recorded(path))}
    assert len(found) > 30
    assert {name for name, pattern in found.items() if pattern in HELD_BACK} <= {"fault_burst"}
    assert found["text"] == found["reasoning_then_call"] == found["tools_required"] == "one_by_one"
    assert found["fault_stream_interval"] in FLOWING


# The simulator through the real probe


def _ask(folder, *arguments):
    server, base_url = start_server(folder, *arguments)
    try:
        return read_arrival(run_case("simple", Server(base_url, "tiny"), Deadlines()))
    finally:
        stop(server)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--dialect", "fork"),
        ("--tokens-per-second", "20"),
        ("--tokens-per-second", "300"),
        ("--tokens-per-second", "1000"),
        ("--fault", "other_traffic"),
        ("--fault", "long_prefill=1"),
        ("--fault", "stream_interval=10"),
    ],
    ids=" ".join,
)
def test_a_simulator_that_holds_nothing_back(tmp_path, arguments):
    found = _ask(tmp_path, *arguments)
    assert found.pattern in FLOWING | {"too_short"}, found.words  # the latter when this machine was too busy to watch
    assert found.deltas >= 5


@pytest.mark.parametrize("size", [4096, 8192])
def test_a_simulator_that_cuts_its_body_into_pieces(tmp_path, size):
    found = _ask(tmp_path, "--fault", f"fixed_chunks={size}", "--fault", "long_answer=128")
    assert (found.pattern, found.piece_size) == ("fixed_size", size), found.words
