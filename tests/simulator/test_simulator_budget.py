"""What the faults of thinking and calling look like when the request bounds its answer, as the probe's all do."""

import pytest

from sim_cases import ENUM, responses
from sim_exchange import Exchange
from sim_faulty import ANY, RECORDINGS, counters, faulty, names
from sim_server import Server, with_server

# fault -> the recording of a real answer that its limit cut at the same place
LIKE = {
    "runaway_reasoning": "reasoning",
    "reasoning_hidden": "reasoning_hidden",
    "tool_call_withheld": "tools_required_cut_early",
}


@pytest.mark.parametrize("budget", [128, 512])
@pytest.mark.parametrize("fault", LIKE)
@with_server(*ANY)
def test_the_whole_budget_is_spent(server: Server, fault: str, budget: int) -> None:
    tools = {"tools": [ENUM], "tool_choice": "required"} if fault == "tool_call_withheld" else {}
    before = counters(server)[2]
    result = server.send(faulty(responses(stream=True, max_output_tokens=budget, **tools), fault))
    assert counters(server)[2] - before == budget
    last_name, last = result.events()[-1]
    assert last_name == "response.completed"
    assert last["response"]["status"] == "incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["usage"]["output_tokens"] == budget
    # the same kinds of events in the same order, and nothing else
    real = Exchange.load(RECORDINGS / f"{LIKE[fault]}.jsonl")
    assert list(dict.fromkeys(names(result))) == list(dict.fromkeys(names(real)))
    deltas = [name for name in names(result) if name.endswith(".delta")]
    assert deltas == (["response.reasoning_text.delta"] * budget if fault == "runaway_reasoning" else [])
    assert [item["type"] for item in last["response"]["output"]] == (["reasoning"] if deltas else [])


@with_server(*ANY)
def test_only_calls_are_withheld(server: Server) -> None:
    for body in ({}, {"tools": [ENUM], "tool_choice": "none"}):
        result = server.send(faulty(responses(stream=True, max_output_tokens=128, **body), "tool_call_withheld"))
        assert "response.output_text.done" in names(result)


@with_server(*ANY)
def test_a_withheld_call_comes_at_last(server: Server) -> None:
    request = responses(stream=True, max_output_tokens=512, tools=[ENUM])
    result = server.send(faulty(request, "tool_call_withheld=200"))
    added = next(t for t, data in result.reads if b"output_item.added" in data)
    assert added > 0.3 and "response.function_call_arguments.done" in names(result)


@with_server(*ANY)
def test_an_unbounded_thought_that_ends(server: Server) -> None:
    """With a budget beyond the thought, text follows."""
    result = server.send(faulty(responses(stream=True, max_output_tokens=512), "runaway_reasoning=100"))
    assert names(result).count("response.reasoning_text.delta") == 100
    assert "response.output_text.done" in names(result)
