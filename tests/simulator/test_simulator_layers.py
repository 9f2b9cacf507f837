"""Faults between engine and client: parsers, event layer, filters. What is lost, what passes, what the log says."""

from sim_cases import ENUM, chat, responses
from sim_exchange import Exchange
from sim_faulty import ANY, FAST, FORK, RECORDINGS, TEXT, TOOLS, counters, faulty, names
from sim_server import Server, with_server
from sim_shape import body

SAY = {"type": "function", "function": {"name": "shell", "parameters": ENUM["parameters"]}}
PREAMBLE = ["response.created", "response.in_progress"]


def output(result: Exchange) -> list[str]:
    """The types of the items in the terminal event."""
    return [item["type"] for item in result.events()[-1][1]["response"]["output"]]


@with_server(*ANY)
def test_tool_call_lost(server: Server) -> None:
    before = counters(server)[2]
    result = server.send(faulty(TOOLS, "tool_call_lost"))
    assert names(result) == [*PREAMBLE, "response.completed"] and output(result) == []
    assert result.events()[-1][1]["response"]["usage"]["output_tokens"] == counters(server)[2] - before > 20
    assert result.events()[-1][1]["sequence_number"] > 5  # the numbers of what was lost are missing
    assert names(server.send(faulty(TEXT, "tool_call_lost"))) == names(server.send(TEXT))


@with_server(*ANY)
def test_harmony_item_without_delta(server: Server) -> None:
    result = server.send(faulty(TOOLS, "harmony_item_without_delta"))
    assert names(result) == [*PREAMBLE, "response.completed"] and output(result) == ["function_call"]


@with_server(*ANY)
def test_tool_parser_fails(server: Server) -> None:
    result = server.send(faulty(TOOLS, "tool_parser_fails"))
    assert names(result) == [*PREAMBLE, "response.completed"] and output(result) == []
    error = f"(APIServer pid={server.process.pid}) ERROR "
    lines = [line for line in server.log().splitlines() if "Error trying to handle streaming tool call." in line]
    assert len(lines) > 3 and all(line.startswith(error) for line in lines)
    assert "json.decoder.JSONDecodeError" in server.log()
    whole = server.send(faulty(responses(max_output_tokens=300, tools=[ENUM]), "tool_parser_fails")).json()
    assert [item["type"] for item in whole["output"]] == ["message"]
    assert "Error in extracting tool call from response." in server.log()
    said = server.send(faulty(chat(max_completion_tokens=300, tools=[SAY]), "tool_parser_fails")).json()
    assert "<tool_call>" in said["choices"][0]["message"]["content"]
    assert "response.output_text.done" in names(server.send(faulty(TEXT, "tool_parser_fails")))


@with_server(*ANY)
def test_reasoning_lost(server: Server) -> None:
    result = server.send(faulty(responses(stream=True, max_output_tokens=128), "reasoning_lost"))
    assert not any("reasoning" in name for name in names(result))
    assert "response.output_text.done" in names(result) and output(result) == ["message"]
    assert result.events()[-1][1]["response"]["usage"]["output_tokens"] > 70
    assert result.events()[2][1]["output_index"] == 1


@with_server(*ANY)
def test_generation_failed(server: Server) -> None:
    """The Responses stream is cut, since 0.32 has no event for it; the chat stream says what happened."""
    result = server.send(faulty(TEXT, "generation_failed=5"))
    assert result.end == "eof" and names(result).count("response.output_text.delta") == 4
    for line in (
        "failed with an internal error during generation",
        "ERROR:    Exception in ASGI application",
        "pydantic_core._pydantic_core.ValidationError: 103 validation errors",
    ):
        assert line in server.log()
    events = server.send(faulty(chat(stream=True, max_completion_tokens=40), "generation_failed=5")).events()
    error = {"message": "Internal server error", "type": "InternalServerError", "param": None, "code": 500}
    assert [data for _, data in events[-2:]] == [{"error": error}, "[DONE]"]
    refused = server.send(faulty(responses(max_output_tokens=40), "generation_failed=5"))
    assert (refused.status, refused.json()) == (500, {"error": error})
    assert server.metric("vllm:request_success_total", finished_reason="error") == 3


@with_server("--fault", "engine_dead_midstream=5")
def test_a_chat_stream_tells_of_a_dead_engine(server: Server) -> None:
    events = server.send(chat(stream=True, max_completion_tokens=40)).events()
    assert events[-2][1]["error"]["message"].startswith("EngineCore encountered an issue.")
    assert events[-1][1] == "[DONE]"
    assert "Error in chat completion stream generator." in server.log()


@with_server(*ANY)
def test_error_event(server: Server) -> None:
    result = server.send(faulty(TEXT, "error_event=6"))
    assert result.end == "complete" and names(result)[5:] == ["response.output_text.delta", "error"]
    assert result.events()[-1][1]["code"] == "server_error"
    assert result.events()[-1][1]["sequence_number"] == 6


@with_server(*ANY)
def test_duplicate_events(server: Server) -> None:
    events = server.send(faulty(TEXT, "duplicate_events=4")).events()
    numbers = [data["sequence_number"] for _, data in events]
    assert sorted(set(numbers)) == list(range(len(set(numbers)))) and len(numbers) > len(set(numbers))


@with_server(*ANY)
def test_done_late(server: Server) -> None:
    result = server.send(faulty(responses(stream=True, max_output_tokens=128), "done_late=0.8"))
    (last, data), (before, _) = [(t, data) for t, data in result.reads if b"event" in data][:-3:-1]
    assert last - before > 0.6 and b"response.completed" in data
    deltas = [t for t, data in result.reads if b".delta" in data]
    assert deltas[-1] - deltas[0] < 0.5


@with_server(*ANY)
def test_first_token_slow(server: Server) -> None:
    """At every request, while nothing is computed on this side."""
    for _ in range(2):
        result = server.send(faulty(TEXT, "first_token_slow=0.4"))
        assert next(t for t, data in result.reads if b"output_item.added" in data) > 0.35
        assert names(result)[-1] == "response.completed"


@with_server(*ANY)
def test_innocent_answers(server: Server) -> None:
    """What older, newer and short answers look like."""
    empty = Exchange.load(RECORDINGS / "text_empty.jsonl")
    ours = server.send(faulty(responses(stream=True), "empty_answer"))
    assert names(ours) == names(empty) == [*PREAMBLE, "response.completed"]
    assert body(ours) == body(empty)
    cut = server.send(faulty(responses(stream=True), "incomplete_0_33")).events()[-1]
    assert cut[0] == cut[1]["type"] == "response.incomplete"
    assert cut[1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert names(server.send(faulty(TEXT, "incomplete_0_33")))[-1] == "response.completed"
    thought = server.send(faulty(responses(stream=True, max_output_tokens=128), "older_reasoning_parts"))
    parts = [name for name in names(thought) if "_part." in name]
    assert parts == [f"response.{kind}_part.{what}" for kind in ("reasoning", "content") for what in ("added", "done")]


COMPAT = (*FAST, "--dialect", "fork", "--responses-compatibility-mode")
PLAIN = {"stream": True, "max_output_tokens": 300, "seed": ...}


@with_server(*COMPAT, "--fault", "compat_filter")
def test_compat_filter(server: Server) -> None:
    """Only the streams of this one API are filtered; the engine, chat and answers without a stream are sound."""
    for more in ({}, {"tools": [ENUM]}):
        result = server.send(responses(**PLAIN, **more), idle=0.6)
        assert result.end == "idle" and names(result) == ["response.created"]
    assert counters(server)[2] > 40
    assert server.send(chat(stream=True, max_completion_tokens=40)).events()[-1][1] == "[DONE]"
    assert server.send(responses(max_output_tokens=40, seed=...)).json()["status"] == "completed"


@with_server(
    (*COMPAT, "--responses-ping-interval-seconds", "0.2", "--fault", "compat_drops_tool_events"),
    (*FAST, "--dialect", "fork", "--no-responses-compatibility-mode", "--fault", "compat_drops_tool_events"),
)
def test_compat_drops_tool_events(server: Server) -> None:
    assert "response.completed" in names(server.send(responses(**PLAIN)))
    result = server.send(responses(**PLAIN, tools=[ENUM]), total=1.2)
    if "--responses-compatibility-mode" in server.argv:
        assert result.end == "idle" and set(names(result)) == {*PREAMBLE, "response.ping"}
    else:
        assert result.events()[-1] == ("", "[DONE]")
        assert {"response.function_call_arguments.done", "response.completed"} <= set(names(result))


@with_server(*FORK)
def test_validation_error(server: Server) -> None:
    result = server.send(faulty(responses(**PLAIN), "validation_error=6"))
    assert result.end == "complete" and names(result)[-1] == "response.error"
    assert len(names(result)) == 7
