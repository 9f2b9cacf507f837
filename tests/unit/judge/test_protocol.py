"""The grammar of a stream: real ones keep it, each fault breaks its rule, and nothing makes the reader fail."""

from __future__ import annotations

import copy
import json

import pytest
from bundles import real
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from protocol_streams import (
    FOREIGN,
    RECORDINGS,
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

from streamdiag.judge.protocol import read_protocol

#: Recorded by hand with a part left out.
TRIMMED = {"fault_burst", "fault_engine_killed_midstream"}
STREAMS = sorted(path.stem for path in RECORDINGS.glob("*.jsonl") if path.stem not in TRIMMED and recorded(path.stem))
RESPONSES = [name for name in STREAMS if "chat" not in name]


def rules(stream, severity=None):
    found = read_protocol(stream).deviations
    return [deviation.rule for deviation in found if severity in (None, deviation.severity)]


# Real streams


def test_there_are_recordings():
    assert len(STREAMS) > 30
    assert len(RESPONSES) > 20


@pytest.mark.parametrize("name", STREAMS)
def test_a_real_stream_keeps_the_grammar(name):
    protocol = read_protocol(recorded(name))
    assert protocol.deviations == []
    assert protocol.dialect == ("chat" if "chat" in name else "upstream")
    assert protocol.comparable


def test_what_a_stream_brought_is_counted():
    protocol = read_protocol(recorded("reasoning_then_call"))
    assert protocol.tally == (0, 12, 12, {"reasoning": 1, "function_call": 1}, {"reasoning": 1, "function_call": 1})
    (made,) = protocol.calls
    assert (made.name, made.complete, json.loads(made.arguments)) == ("shell", True, {"cmd": "ls"})
    assert protocol.terminal == "response.completed"
    assert protocol.first is protocol.first_fail is None


def test_a_call_that_the_token_limit_cut_is_no_deviation():
    protocol = read_protocol(recorded("tools_required_cut"))
    assert protocol.deviations == []
    assert [(made.arguments, made.complete) for made in protocol.calls] == [("[2", False)]


def test_a_chat_call_is_read_like_one():
    (made,) = read_protocol(recorded("chat_tools_required")).calls
    assert (made.name, made.complete, json.loads(made.arguments)) == ("shell", True, {"cmd": "ls"})


@pytest.mark.parametrize("condition", ["healthy", "healthy-trixie"])
@pytest.mark.parametrize("case", ["simple", "tools", "codex"])
def test_real_runs_of_a_healthy_server_do_not_fail(condition, case):
    protocol = read_protocol(real(condition).streams[case])
    assert protocol.dialect == "upstream"
    assert protocol.first_fail is None
    # a model of random weights may call a tool with a number
    assert {deviation.rule for deviation in protocol.deviations} <= {"arguments_json"}


def test_a_server_that_died_left_its_stream_open():
    protocol = read_protocol(real("engine-killed").streams["simple"])
    assert [deviation.rule for deviation in protocol.deviations] == ["terminal"]
    assert [item.type for item in protocol.open_items] == ["message"]
    assert protocol.first_fail.index == 9
    assert "the end of the stream after response.output_text.delta" in protocol.first_fail.words


@pytest.mark.parametrize("condition", ["engine-stopped", "worker-stopped"])
def test_a_stream_that_the_probe_ended_is_judged_by_what_came(condition):
    protocol = read_protocol(real(condition).streams["simple"])
    assert (protocol.deviations, protocol.terminal, protocol.dialect) == ([], "", "upstream")


@pytest.mark.parametrize("condition", ["api-key", "unknown-model", "unit-stopped", "api-server-stopped"])
def test_what_is_no_stream_has_no_grammar(condition):
    protocol = read_protocol(real(condition).streams["simple"])
    assert (protocol.dialect, protocol.deviations, protocol.calls) == ("none", [], [])


# The simulator's faults, over real streams


@pytest.mark.parametrize("name", ["text", "tools_required", "reasoning_then_call"])
@pytest.mark.parametrize(
    ("fault", "fails"),
    [
        ("none", set()),
        ("queued_first", set()),
        ("missing_done", {"pairing"}),
        ("wrong_ids", {"ids"}),
        ("lost_deltas=3", {"joined_text"}),
        ("missing_terminal", {"terminal"}),
        ("truncated=4", {"terminal"}),
    ],
)
@pytest.mark.parametrize("fork", [False, True], ids=["upstream", "fork"])
def test_a_fault_breaks_its_rule_and_no_other(name, fault, fails, fork):
    protocol = read_protocol(bent(name, fault, fork))
    assert {deviation.rule for deviation in protocol.deviations if deviation.severity == "fail"} == fails
    assert bool(protocol.open_items) == (fault in ("missing_done", "truncated=4"))
    if not fails:
        assert protocol.deviations == []
    if fork and fault != "truncated=4":
        assert protocol.dialect == "fork" or not protocol.terminal


def test_a_lost_event_is_where_the_numbers_jump():
    first = read_protocol(bent("text", "lost_deltas=3")).first
    assert (first.rule, first.severity) == ("sequence_number", "warn")
    assert "event never came" in first.words


def test_the_fork_s_own_events_are_none_of_the_answer():
    protocol = read_protocol(bent("tools_required", "none", fork=True))
    assert protocol.dialect == "fork"
    assert protocol.tally.arguments == read_protocol(recorded("tools_required")).tally.arguments


def test_heartbeats_are_invisible():
    wire = with_message(Wire(), message()).completed(message())
    plain = read_protocol(wire.stream())
    ping, comment = sse("response.ping", {"type": "response.ping"}), b": ping\n\n"
    beaten = wire.body.replace(b"\n\n", b"\n\n" + ping + comment)
    assert read_protocol(stream(beaten)) == plain._replace(dialect="fork")


def test_a_numbered_heartbeat_takes_part_in_the_numbers():
    wire = Wire()
    wire.event("keepalive")
    assert read_protocol(with_message(wire, message()).completed(message()).stream()).deviations == []


# Older and other versions of vLLM, as their source writes them


def harmony(call_id="call_1", final_ids=("msg_1", "fc_1", "msg_2"), part="response.reasoning_part"):
    """gpt-oss up to 0.12: reasoning parts of their own, one ``content_index`` for all items, fresh ids at the end."""
    wire, thought = Wire(), {"type": "reasoning", "id": "msg_1", "summary": []}
    part_data = {"item_id": "msg_1", "index": 0, "content_index": 0}
    content = {"type": "reasoning_text", "text": "Look first."}
    wire.item("added", 0, **thought)
    wire.inside(part + ".added", **part_data, part={**content, "text": ""})
    for delta in ("Look ", "first."):
        wire.inside("response.reasoning_text.delta", **part_data, delta=delta)
    wire.inside("response.reasoning_text.done", **part_data, text="Look first.")
    wire.inside(part + ".done", **part_data, part=content)
    thought = {**thought, "content": [content]}
    wire.item("done", 0, **thought)
    # an item without a delta in between has no events, but takes a number
    made = call()
    with_call(wire, made, index=2, done={**made, "id": None, "call_id": call_id})
    said = message(item_id="msg_2")
    with_message(wire, said, index=3, content_index=1)
    output = [{**item, "id": name} for item, name in zip((thought, made, said), final_ids)]
    return wire.completed(output[0], {"type": "reasoning", "id": "rs_0", "content": []}, *output[1:])


@pytest.mark.parametrize("part", ["response.reasoning_part", "response.content_part"])
def test_harmony_streams_keep_the_grammar(part):
    protocol = read_protocol(harmony(part=part).stream())
    assert (protocol.dialect, protocol.deviations) == ("upstream", [])
    assert protocol.tally == (2, 2, 1, *[{"reasoning": 1, "function_call": 1, "message": 1}] * 2)


def test_new_ids_in_the_final_output_are_said_once_and_break_nothing():
    protocol = read_protocol(harmony(final_ids=("rs_9", "fc_9", "msg_9")).stream())
    assert [(found.severity, found.rule) for found in protocol.deviations] == [("warn", "ids")]


def test_a_call_that_ends_under_another_call_id_breaks_clients():
    assert rules(harmony(call_id="fc_other").stream(), "fail") == ["ids"]


def test_an_item_that_the_limit_cut_may_stay_open():
    wire = Wire().item("added", 0, **call(""))
    wire.inside("response.function_call_arguments.delta", "fc_1", 0, delta='{"pa')
    protocol = read_protocol(wire.completed(limit="max_output_tokens").stream())
    assert [(found.severity, found.rule) for found in protocol.deviations] == [("warn", "pairing")]
    assert [item.id for item in protocol.open_items] == ["fc_1"]


def test_an_item_before_the_one_that_the_limit_cut_ends():
    wire = Wire().item("added", 0, **message("")).item("added", 1, **call(""))
    assert rules(wire.completed(limit="max_output_tokens").stream()) == ["pairing", "pairing"]
    assert rules(wire.stream(), "fail") == ["pairing"]


@pytest.mark.parametrize(
    "end",
    [
        {"limit": "max_output_tokens"},
        {"limit": "max_output_tokens", "name": "response.incomplete"},
        {"max_output_tokens": 5},  # as many as were used
    ],
)
def test_the_token_limit_is_known_by_any_of_its_signs(end):
    cut = call('{"pa')
    assert rules(with_call(Wire(), cut).completed(cut, **end).stream()) == []
    assert rules(with_call(Wire(), cut).completed(cut).stream()) == ["arguments_json"]


def test_a_stream_without_in_progress_is_as_good():
    wire = Wire(created=False).event("response.created", response=response())
    assert rules(with_message(wire, message()).completed(message()).stream()) == []


def test_in_progress_may_come_again_as_a_sign_of_life():
    wire = Wire().event("response.in_progress", response=response())
    assert rules(with_message(wire, message()).completed(message()).stream()) == []


def test_a_custom_tool_s_input_may_be_sent_again_in_full():
    made = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "apply", "input": "abc"}
    wire = Wire().item("added", 0, **{**made, "input": ""})
    for delta in ("ax", "abc"):
        wire.inside("response.custom_tool_call_input.delta", "ctc_1", 0, delta=delta)
    wire.inside("response.custom_tool_call_input.done", "ctc_1", 0, input="abc").item("done", 0, **made)
    protocol = read_protocol(wire.completed(made).stream())
    assert protocol.deviations == []
    assert protocol.calls == [("c", "apply", "abc", True)]


# One rule at a time


def test_created_comes_first():
    wire = Wire(created=False).event("response.in_progress", response=response())
    with_message(wire, message()).event("response.created", response=response())
    found = read_protocol(wire.completed(message()).stream()).deviations
    assert [(one.severity, one.rule, one.index) for one in found] == [("warn", "order", 0)]


def test_created_comes_once():
    wire = Wire().event("response.created", response=response())
    assert rules(with_message(wire, message()).completed(message()).stream()) == ["order"]


@pytest.mark.parametrize(
    ("late", "severity"),
    [("response.completed", "warn"), ("response.in_progress", "warn"), ("response.output_item.done", "fail")],
)
def test_nothing_follows_the_end(late, severity):
    wire = with_message(Wire(), message()).completed(message())
    wire.event(late, response=response("completed"), item=message(), output_index=0)
    found = read_protocol(wire.stream()).deviations
    assert [(one.severity, one.rule, one.index) for one in found] == [(severity, "order", 10)]


def test_done_mark_and_unknown_events_break_no_rule():
    wire = Wire(created=False).event("codex.rate_limits", left=3)
    wire.event("response.created", response=response()).event("response.moderation.result", flagged=False)
    wire = with_message(wire, message()).completed(message())
    protocol = read_protocol(stream(wire.body + b"data: [DONE]\n\n"))
    assert (protocol.deviations, protocol.dialect) == ([], "fork")


@pytest.mark.parametrize("name", ["response.failed", "response.error", "error"])
def test_an_error_ends_a_stream_wherever_it_is(name):
    wire = Wire().item("added", 0, **message("")).event(name, response=response("failed"), message="boom")
    protocol = read_protocol(wire.stream())
    assert (protocol.deviations, protocol.terminal) == ([], name)


def test_a_response_keeps_its_id():
    wire = with_message(Wire(), message()).completed(message(), id="resp_b07d973b1a668074")
    assert rules(wire.stream(), "fail") == ["ids"]


def test_a_delta_names_its_item():
    wire = Wire().item("added", 0, **message(""))
    wire.inside("response.content_part.added", "msg_1", 0, content_index=0, part={"type": "output_text", "text": ""})
    wire.inside("response.output_text.delta", "msg_other", 0, content_index=0, delta="Hello there")
    protocol = read_protocol(wire.stream(how="stopped"))
    assert [(found.severity, found.rule) for found in protocol.deviations] == [("fail", "ids")]
    assert protocol.tally.text == 1


def test_an_item_is_opened_before_it_is_used():
    wire = Wire()
    for delta in ("Hel", "lo"):
        wire.inside("response.output_text.delta", "msg_1", 0, content_index=0, delta=delta)
    assert rules(wire.completed().stream(), "fail") == ["pairing"]


def test_an_item_ends_once():
    wire = with_call(Wire(), call()).item("done", 0, **call())
    found = read_protocol(wire.completed(call()).stream()).deviations
    assert [(one.severity, one.rule, one.index) for one in found] == [("fail", "pairing", 6)]


def test_every_item_has_an_id_and_an_index_of_its_own():
    wire = with_message(with_message(Wire(), message()), message("Again"))
    found = read_protocol(wire.completed(message(), message("Again")).stream()).deviations
    assert [(one.severity, one.rule) for one in found] == [("fail", "ids"), ("warn", "output_index")]


def test_parts_are_inside_their_item_and_end_before_it():
    wire = Wire().item("added", 0, **message(""))
    wire.inside("response.output_text.delta", "msg_1", 0, content_index=0, delta="Hello there")
    wire.item("done", 0, **message())
    found = read_protocol(wire.completed(message()).stream()).deviations
    assert [(one.severity, one.rule, one.index) for one in found] == [("warn", "nesting", 3), ("warn", "nesting", 4)]


def test_deltas_after_the_item_s_end_are_lost():
    wire = with_message(Wire(), message())
    wire.inside("response.output_text.delta", "msg_1", 0, content_index=0, delta="!")
    assert rules(wire.completed(message()).stream(), "fail") == ["pairing"]


@pytest.mark.parametrize("arguments", ["", '{"path": ', "{'path': '.'}", '{"a": 1} {"b": 2}'])
def test_arguments_are_whole_json(arguments):
    broken = call(arguments)
    protocol = read_protocol(with_call(Wire(), broken).completed(broken).stream())
    assert [(found.severity, found.rule) for found in protocol.deviations] == [("fail", "arguments_json")]
    assert not protocol.calls[0].complete


def test_arguments_that_are_no_object_are_the_model_s():
    number = call("7")
    protocol = read_protocol(with_call(Wire(), number).completed(number).stream())
    assert [(found.severity, found.rule) for found in protocol.deviations] == [("warn", "arguments_json")]
    assert protocol.calls[0].complete


def test_arguments_of_an_unfinished_stream_are_not_judged():
    wire = Wire().item("added", 0, **call(""))
    wire.inside("response.function_call_arguments.delta", "fc_1", 0, delta='{"pa')
    protocol = read_protocol(wire.stream(how="stopped"))
    assert protocol.deviations == []
    assert protocol.calls == [("call_1", "list_files", '{"pa', False)]
    assert protocol.open_items == [("function_call", "fc_1", 2, 0.4)]


def test_a_call_that_only_the_final_output_has_never_reaches_a_client():
    protocol = read_protocol(Wire().completed(call()).stream())
    assert [(found.severity, found.rule) for found in protocol.deviations] == [("fail", "pairing")]
    assert protocol.calls == []


def test_a_message_that_only_the_final_output_has_never_reaches_a_client():
    assert rules(Wire().completed(message()).stream(), "fail") == ["pairing"]


def test_the_final_output_says_what_was_streamed():
    wire = with_message(Wire(), message("Hello there"))
    assert rules(wire.completed(message("Hello, you")).stream(), "fail") == ["joined_text"]


def test_white_space_and_spelling_of_json_do_not_count():
    wire = with_call(with_message(Wire(), message("\n\nHello")), call('{"path":"."}'), index=1)
    assert rules(wire.completed(message("Hello"), call('{ "path": "." }')).stream()) == []


def test_an_event_says_its_type_in_its_data():
    body = with_message(Wire(), message()).completed(message()).body
    assert rules(stream(body.replace(b',"type":"response.output_text.delta"', b"")), "fail") == ["type"]
    assert rules(stream(body.replace(b'"type":"response.output_text.delta"', b'"type":"delta"')), "fail") == ["type"]


def test_an_event_that_is_no_json_is_broken():
    body = Wire().body + b"event: response.output_text.delta\ndata: {oops\n\n"
    assert rules(stream(body, how="stopped"), "fail") == ["type"]


def test_a_sentence_says_where_and_what():
    first = read_protocol(with_message(Wire(), message()).stream()).first
    assert first.words == (
        "event 10 at 1.100 s: expected a terminal event (response.completed), "
        "saw the end of the stream after response.output_item.done"
    )


def test_a_stream_without_any_event_lacks_its_end():
    assert rules(stream(b"")) == ["terminal"]
    assert rules(stream(b"", how="deadline")) == []
    assert rules(stream(b"", "/v1/chat/completions")) == ["terminal"]


# Chat


def chat(*choices, end=b"data: [DONE]\n\n", ids=("c", "c", "c", "c")):
    chunks = [
        sse("", {"id": name, "object": "chat.completion.chunk", "choices": [choice] if choice else []})
        for name, choice in zip(ids, choices)
    ]
    return stream(b"".join(chunks) + end, "/v1/chat/completions")


SAID = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}
STOP = {"index": 0, "delta": {}, "finish_reason": "stop"}


def tool(arguments, reason="tool_calls"):
    function = {"name": "list_files", "arguments": arguments}
    return {
        "index": 0,
        "delta": {"tool_calls": [{"index": 0, "id": "t", "function": function}]},
        "finish_reason": reason,
    }


@pytest.mark.parametrize(
    ("broken", "fails"),
    [
        (chat(SAID, STOP), []),
        (chat(SAID, STOP, None), []),  # the usage comes after the last choice
        (chat(SAID, STOP, end=b""), ["terminal"]),
        (chat(SAID), ["finish_reason"]),
        (chat(SAID, STOP, ids=("c", "d")), ["ids"]),
        (chat(SAID, STOP, SAID), ["order"]),
        (chat(SAID, STOP, end=b"data: [DONE]\n\ndata: {}x\n\n"), ["order"]),
        (chat(tool('{"path"')), ["arguments_json"]),
        (chat(tool('{"path"', "length")), []),
        (chat(SAID, end=b'data: {"error": {"message": "boom"}}\n\ndata: [DONE]\n\n'), []),
    ],
)
def test_chat_streams(broken, fails):
    protocol = read_protocol(broken)
    assert [found.rule for found in protocol.deviations if found.severity == "fail"] == fails
    assert protocol.dialect == "chat"


# Other implementations

FOREIGNERS = sorted(path.stem for path in FOREIGN.glob("*.sse"))


def test_there_are_foreigners():
    assert len(FOREIGNERS) >= 5


@pytest.mark.parametrize("name", FOREIGNERS)
def test_another_implementation_is_warned_about_at_most(name):
    protocol = read_protocol(foreign(name))
    assert protocol.dialect == "foreign"
    assert protocol.first_fail is None
    assert protocol.terminal == "response.completed"
    assert protocol.open_items == []
    assert all(made.complete for made in protocol.calls)
    assert protocol.tally.text + protocol.tally.reasoning + protocol.tally.arguments > 0


@pytest.mark.parametrize("name", [name for name in FOREIGNERS if name.startswith("openai")])
def test_the_reference_keeps_its_own_grammar(name):
    assert read_protocol(foreign(name)).deviations == []


@pytest.mark.parametrize("name", FOREIGNERS)
def test_another_implementation_s_stream_that_is_broken_fails(name):
    cut = foreign(name)
    ends = [number for number, event in enumerate(cut["events"]) if "response.completed" in event["data"]]
    del cut["events"][ends[0] :]
    assert rules(cut, "fail") == ["terminal"]


# Whatever happens to a good stream

GOOD = {
    name: recorded(name) for name in ("reasoning_then_call", "reasoning_then_text", "text", "tools_required", "codex")
}
goods = st.sampled_from(sorted(GOOD)).map(lambda name: copy.deepcopy(GOOD[name]))
ENDS = ("response.output_item.done", "response.completed")


@pytest.mark.parametrize("name", sorted(GOOD))
def test_no_end_can_be_dropped_unseen(name):
    limited, last = 'max_output_tokens"}' in GOOD[name]["events"][-1]["data"], GOOD[name]["events"][-2]
    for number, event in enumerate(GOOD[name]["events"]):
        cut = copy.deepcopy(GOOD[name])
        del cut["events"][number]
        found = read_protocol(cut)
        assert found.deviations, event["name"]
        if event["name"] in ENDS and not (limited and event is last):
            assert found.first_fail, event["name"]


@pytest.mark.parametrize("name", sorted(GOOD))
def test_no_event_can_be_repeated_or_moved_unseen(name):
    for number in range(len(GOOD[name]["events"]) - 1):
        again, moved = copy.deepcopy(GOOD[name]), copy.deepcopy(GOOD[name])
        again["events"].insert(number, again["events"][number])
        moved["events"].insert(number, moved["events"].pop(number + 1))
        assert read_protocol(again).deviations
        assert read_protocol(moved).deviations


@settings(max_examples=150, deadline=None)
@given(goods, st.lists(st.tuples(st.sampled_from(["drop", "repeat", "swap", "cut"]), st.integers(0, 60)), max_size=8))
def test_no_shuffling_makes_the_reader_fail(good, changes):
    events = good["events"]
    for change, number in changes:
        assume(events)
        number %= len(events)
        if change == "drop":
            del events[number]
        elif change == "repeat":
            events.insert(number, copy.deepcopy(events[-1]))
        elif change == "swap":
            events[number], events[0] = events[0], events[number]
        else:
            events[number]["data"] = events[number]["data"][: len(events[number]["data"]) // 2]
    found = read_protocol(good).deviations
    assert found == sorted(found, key=lambda deviation: deviation.index)
    assert all(0 <= deviation.index <= len(events) and deviation.words for deviation in found)


@settings(max_examples=100, deadline=None)
@given(goods, st.sets(st.integers(0, 60), min_size=1), st.integers(0, 300))
def test_no_deviation_rests_on_what_the_probe_cut(good, cut, kept):
    for number in cut:
        event = good["events"][number % len(good["events"])]
        event["data"] = event["data"].encode()[:kept].decode("utf-8", "replace")
    assert read_protocol(good).deviations == []


@settings(max_examples=100, deadline=None)
@given(goods, st.data())
def test_no_deviation_rests_on_what_the_probe_dropped(good, data):
    """The probe drops from the middle: the beginning and the end are kept."""
    first = data.draw(st.integers(2, len(good["events"]) - 2))
    last = data.draw(st.integers(first, len(good["events"]) - 2))
    good["dropped_events"] = last - first + 1
    del good["events"][first : last + 1]
    protocol = read_protocol(good)
    assert (protocol.deviations, protocol.comparable) == ([], False)


NAMES = sorted({event["name"] for good in GOOD.values() for event in good["events"]} | {"message", "error", "x", ""})
KEYS = [
    "item",
    "id",
    "type",
    "item_id",
    "call_id",
    "output_index",
    "content_index",
    "delta",
    "text",
    "part",
    "response",
]
KEYS += [
    "output",
    "content",
    "summary",
    "arguments",
    "sequence_number",
    "usage",
    "choices",
    "tool_calls",
    "index",
    "error",
]
LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=3) | st.sampled_from(NAMES)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(NAMES), JSON.map(json.dumps) | st.text(max_size=8)), max_size=8),
    st.sampled_from(["/v1/responses", "/v1/chat/completions"]),
    st.sampled_from(["closed", "error", "deadline", "stopped", "broken"]),
)
def test_no_content_makes_the_reader_fail(sent, path, how):
    events = [
        {"t": 0.1, "read": 0, "name": name or "message", "size": 9, "data": data, "data_bytes": len(data.encode())}
        for name, data in sent
    ]
    good = stream(Wire().body, path, how)
    good["events"] += events
    for deviation in read_protocol(good).deviations:
        assert deviation.words
