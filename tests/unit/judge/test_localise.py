"""What separates the requests that fail from those that work."""

from __future__ import annotations

import re

import pytest

from streamdiag.judge.facts import gather
from streamdiag.judge.localise import localise, works
from tests.unit.judge.bundles import (
    call_events,
    chat,
    empty_events,
    facts,
    nonstream,
    nothing_sent,
    public,
    reasoning_events,
    rejected,
    run,
    stalled,
    stream,
    text_events,
    truncated,
    used,
)

SIMPLE = stream("simple")


def whole(*cases):
    return [stream(case) for case in cases]


WHERE = {
    "all is well": (whole("simple", "tools", "reasoning", "codex"), "nothing"),
    "everything": ([stalled()], "every request"),
    "everything, chat too": ([stalled(), stalled("chat")], "every request"),
    "the Responses API": ([stalled(), chat()], "/v1/responses"),
    "its streams": ([stalled(), chat(), nonstream()], "streams of /v1/responses"),
    "streaming": ([stalled(), stalled("chat"), nonstream()], "streaming"),
    "tools": ([*whole("simple", "reasoning"), stalled("tools")], "tools"),
    "tools, and nothing else was asked": ([SIMPLE, stalled("tools")], "tools"),
    "reasoning": ([*whole("simple", "tools"), stalled("reasoning")], "reasoning"),
    "reasoning, and nothing else was asked": ([SIMPLE, stalled("reasoning")], "reasoning"),
    "both alike": ([SIMPLE, stalled("tools"), truncated("reasoning")], "tools, and reasoning"),
    "size": (
        [*whole("simple", "tools", "reasoning"), stalled("codex"), truncated("padded")],
        "the size of the request",
    ),
    "both together": (
        [*whole("simple", "tools", "reasoning", "padded"), stalled("codex")],
        "tools and reasoning together",
    ),
    "what codex sends": ([*whole("simple", "tools", "reasoning"), rejected(400, case="codex")], "what codex sends"),
    "codex, and nothing else was asked": ([SIMPLE, stalled("codex")], "what codex sends"),
    "the second turn": ([*whole("simple", "tools"), truncated("tool_turn")], "the second turn"),
    "the way to the client": (
        [SIMPLE, public(), public("gzip", how="error", events=text_events(end=""))],
        "the way from the server to the client",
    ),
    "nothing that it knows": ([SIMPLE, stalled("chat")], "unknown"),
}


@pytest.mark.parametrize(("streams", "trigger"), WHERE.values(), ids=WHERE)
def test_what_separates_them(streams, trigger):
    found = localise(facts(*streams))
    assert found.trigger == trigger
    assert found.words


def test_no_stream_was_sent():
    assert localise(gather(nothing_sent(run=run()))).trigger == "unknown"


@pytest.mark.parametrize(
    "streams",
    [[SIMPLE, stalled("reasoning")], [SIMPLE, stalled("codex")], [SIMPLE, stalled("tools")]],
    ids=["reasoning", "codex", "tools"],
)
def test_the_words_name_no_stream_that_was_not_sent(streams):
    words = set(re.findall(r"\w+", localise(facts(*streams)).words))
    assert not words & ({"tools", "reasoning", "padded", "tool_turn"} - {one["case"] for one in streams})


WORKS = {
    "text": (stream(), True),
    "a call": (stream(events=call_events()), True),
    "a thought alone": (stream(events=reasoning_events()), True),
    "an answer in one piece": (nonstream(), True),
    "chat": (chat(), True),
    "an empty turn of the model": (stream(events=empty_events(**used(1))), True),
    "nothing shown of many tokens": (stream(events=empty_events(**used(100))), False),
    "nothing shown, nothing counted": (stream(events=empty_events()), False),
    "against the protocol": (stream(events=[e for e in text_events() if not e["name"].endswith(".done")]), False),
    "cut": (truncated(), False),
    "silent": (stalled(), False),
    "refused": (rejected(400), False),
}


@pytest.mark.parametrize(("one", "good"), WORKS.values(), ids=WORKS)
def test_what_works(one, good):
    assert works(facts(one).streams[one["case"]]) is good
