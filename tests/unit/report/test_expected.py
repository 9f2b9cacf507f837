"""The good run beside what a stream brought: each event at its place, runs in one line, the first deviation marked."""

from __future__ import annotations

import pytest

from streamdiag.judge.facts import gather, stream_facts
from streamdiag.report.expected import beside, deviates, telling
from tests.unit.judge.bundles import (
    bundle,
    call_events,
    chat,
    event,
    nonstream,
    nothing_sent,
    preamble,
    real,
    reasoning_events,
    refused,
    rejected,
    stalled,
    stream,
    text_events,
    truncated,
)

TOOLS = {"request_body": {"stream": True, "tools": [{"type": "function"}], "tool_choice": "required"}}
THINKS = {"request_body": {"stream": True, "reasoning": {"effort": "low"}}}


def lines_of(one, most=50):
    return beside(stream_facts(one["case"], one), most)


def rows(one):
    return [(line.expected, line.seen, line.times) for line in lines_of(one).lines]


def first(one):
    found = lines_of(one)
    return None if found.first is None else found.lines[found.first]


def test_a_good_text_stream_is_the_good_run():
    one = stream("simple", text_events(deltas=37))
    assert [row for row in rows(one) if row[0]] == [
        ("HTTP 200 text/event-stream", "HTTP 200 text/event-stream", 1),
        ("response.created", "response.created", 1),
        ("response.in_progress", "response.in_progress", 1),
        ("response.output_text.delta …", "response.output_text.delta", 37),
        ("response.completed", "response.completed", 1),
    ]
    run = next(line for line in lines_of(one).lines if line.times == 37)
    assert (run.first, round(run.last, 3)) == (0.2, 3.8) and run.quote.startswith("one one") and run.quote.endswith("…")
    assert first(one) is None and not deviates(stream_facts("simple", one))


def test_a_good_call_shows_its_name_its_id_and_its_arguments():
    one = stream("tools", call_events(), **TOOLS)
    found = {line.expected: line for line in lines_of(one).lines}
    assert found["response.output_item.added (function_call)"].detail == "function_call list_files, call id call_1"
    assert found["response.function_call_arguments.delta …"].times == 3
    done = found["response.output_item.done (function_call)"]
    assert done.detail.endswith("whole JSON") and done.quote == '{"path": "."}'
    assert first(one) is None


def test_a_thought_comes_before_the_answer():
    expected = [row[0] for row in rows(stream("reasoning", reasoning_events(), **THINKS)) if row[0]]
    assert expected[3:] == ["response.reasoning_text.delta …", "response.output_text.delta …", "response.completed"]


def test_the_incident_is_a_silence_where_the_answer_was_due():
    one = stalled("tools", seconds=6.3, **TOOLS)
    mark = first(one)
    assert mark.deviation == "silence for 6.2 s, then ended by the probe"
    assert mark.expected == "response.output_item.added (function_call)" and not mark.seen
    assert (mark.first, mark.last) == (0.11, 6.3)
    after = lines_of(one).lines[lines_of(one).first + 1 :]
    assert [line.detail for line in after] == ["did not come"] * 3
    assert after[-1].expected == "response.completed"


def test_a_stream_that_fell_silent_before_anything_came():
    mark = first(stalled(events=[]))
    assert mark.expected == "response.created" and mark.deviation.startswith("silence for ")


def test_a_long_silence_in_the_middle_stands_where_it_fell():
    events = text_events(deltas=6)
    for one in events[7:]:
        one["t"] += 20.0
    found = lines_of(stream("simple", events))
    place = found.first
    assert found.lines[place].deviation == "silence for 20.1 s"
    assert [found.lines[place - 1].times, found.lines[place + 1].times] == [3, 3]


def test_what_the_protocol_found_is_marked_at_its_event():
    events = call_events()
    del events[-2]  # response.output_item.done
    one = stream("tools", events, **TOOLS)
    sent = stream_facts("tools", one)
    mark = first(one)
    assert sent.protocol.first is not None
    assert mark.first == sent.protocol.first.t and str(sent.protocol.first.expected) in mark.deviation


def test_a_cut_stream_is_marked_at_its_end():
    mark = first(truncated())
    assert "the end of the stream" in mark.deviation and mark.detail == "the connection broke"


def test_what_the_server_calls_failed_is_marked():
    failed = event(0.5, "response.failed", response={"id": "resp_1", "error": {"message": "no"}})
    mark = first(stream("simple", [*preamble(), failed]))
    assert (mark.expected, mark.seen) == ("response.completed", "response.failed")
    assert "says that it failed" in mark.deviation


@pytest.mark.parametrize(
    ("one", "words"),
    [(refused(), "no connection"), (rejected(404, "no such model"), "HTTP 404 instead of a stream")],
    ids=["refused", "rejected"],
)
def test_without_a_stream_the_first_line_says_so(one, words):
    found = lines_of(one)
    assert found.first == 0 and words in found.lines[0].deviation and len(found.lines) == 1


def test_chat_and_an_answer_in_one_piece_have_good_runs_of_their_own():
    assert rows(chat())[1:] == [
        ("chat.completion.chunk …", "chat.completion.chunk", 7),
        ("[DONE]", "[DONE]", 1),
    ]
    assert rows(nonstream()) == [("HTTP 200 application/json", "HTTP 200 application/json", 1)]
    assert first(chat()) is None and first(nonstream()) is None


def test_of_many_lines_the_first_the_last_and_the_deviation_stay():
    events = [*preamble(), *(event(0.2 + 0.01 * n, f"vendor.event_{n}") for n in range(300))]
    found = lines_of(stalled(events=events, seconds=40.0), most=10)
    assert len(found.lines) <= 14 and found.first is not None
    left_out = next(line.detail for line in found.lines if "not shown" in line.detail)
    shown = sum(line.times for line in found.lines if line.seen)
    assert int(left_out.rpartition(" ")[2]) + shown == len(events) + 1


def test_the_failing_stream_tells_most():
    whole, bad = stream("simple"), stalled("reasoning")
    assert telling(gather(bundle(whole, stream("codex"), bad))).name == "reasoning"
    assert telling(gather(bundle(stalled("simple"), bad)), ["reasoning"]).name == "reasoning"
    assert telling(gather(bundle())).name == "codex"
    assert telling(gather(bundle(whole))).name == "simple"
    assert telling(gather(nothing_sent())) is None


def test_a_real_stall():
    found = beside(gather(real("engine-stopped")).streams["simple"], 24)
    assert "silence for" in found.lines[found.first].deviation
