"""Which cases are still worth sending."""

from __future__ import annotations

import pytest

from streamdiag.host.plan import ORDER, needless, see, settles
from tests.unit.host.ended import COMPLETED, CREATED, FAILED, REFUSED, ended

WHOLE = (CREATED, COMPLETED)
CANARY = {"sent_at": 2.5}
STANDING = {"how": "stopped", "canary": CANARY, "metrics": [(0.0, 5.0), (2.0, 5.0), (3.0, 5.0), (8.0, 5.0)]}
HELD = {"how": "stopped", "canary": CANARY, "metrics": [(0.0, 5.0), (2.0, 133.0), (3.0, 149.0), (8.0, 149.0)]}
OPEN = {"how": "deadline", "deadline": "silence", "canary": CANARY, "metrics": []}


def whole(*cases):
    return [see(ended(*WHOLE, case=case)) for case in cases]


def sent_after(*seen, public=False):
    """The cases that would still be sent, in order."""
    done = {one["case"] for one in seen}
    return [case for case in ORDER if case not in done and case not in needless(list(seen), public)]


@pytest.mark.parametrize(
    "stream, settled",
    [
        (REFUSED, True),
        (ended(status=None, how="deadline", deadline="headers"), True),
        (ended(status=400), False),
        (ended(status=401), True),
        (ended(status=404), True),
        (ended(status=500), False),
        (ended(*WHOLE), False),
        (ended(*WHOLE, how="deadline", deadline="silence"), False),
        (ended(CREATED, FAILED), False),
        (ended(CREATED, **STANDING), True),
        (ended(CREATED, **HELD), False),
        (ended(CREATED, reason="waiting in the queue: 1 waiting", **HELD), True),
        (ended(CREATED, **OPEN), False),
        (ended(CREATED, how="deadline", deadline="total"), False),
        (ended(case="chat", **OPEN), True),
        (ended((1.0, "message", '{"object":"chat.completion.chunk"}'), case="chat", **OPEN), False),
    ],
)
def test_what_settles_it(stream, settled):
    assert bool(settles(stream)) is settled


def test_a_healthy_server_is_asked_what_can_differ():
    assert sent_after(*whole("simple")) == ["tools", "reasoning", "codex", "padded", "tool_turn"]
    assert sent_after(*whole("simple", "tools", "reasoning", "codex")) == ["tool_turn"]
    assert sent_after(*whole("simple", "tools", "reasoning", "codex", "tool_turn"), public=True) == ["public"]


def test_a_standing_engine_is_asked_once():
    assert sent_after(see(ended(CREATED, **STANDING)), public=True) == []


def test_an_engine_that_lives_behind_a_silent_stream_is_asked_otherwise():
    assert sent_after(see(ended(CREATED, **HELD)), public=True) == ["chat", "nonstream"]


def test_when_tools_fail_reasoning_completes_the_picture():
    seen = [*whole("simple"), see(ended(CREATED, case="tools", **HELD))]
    assert sent_after(*seen) == ["reasoning", "tool_turn"]


def test_size_is_told_from_tools_when_only_codex_fails():
    seen = [*whole("simple", "tools", "reasoning"), see(ended(CREATED, case="codex", **HELD))]
    assert sent_after(*seen) == ["padded", "tool_turn"]


def test_a_server_without_tools_has_no_second_turn():
    seen = [*whole("simple"), see(ended(case="tools", status=400))]
    assert "tool_turn" in needless(seen, False)


def test_an_answer_that_ends_with_an_error_is_not_whole():
    failed = see(ended(CREATED, FAILED))
    assert not failed["whole"]
    assert sent_after(failed) == ["chat", "nonstream"]


@pytest.mark.parametrize("failing, others", [("tools", ["reasoning"]), ("reasoning", ["tools"])])
def test_padded_waits_for_codex(failing, others):
    seen = [*whole("simple"), *whole(*others)]
    assert "padded" in sent_after(*seen)  # codex will be sent, and may fail
    assert "padded" not in sent_after(*seen, see(ended(CREATED, case=failing, **HELD)))
    assert "padded" not in sent_after(*seen, *whole(failing, "codex"))
    assert "padded" in sent_after(*seen, *whole(failing), see(ended(case="codex", status=400)))


def test_enough_is_enough():
    slow = whole("simple")
    slow[0]["seconds"] = 100.0
    assert sent_after(*slow, public=True) == ["public"]
    assert sent_after(*slow, public=False) == []


def test_every_reason_is_a_sentence():
    for reason in needless(whole("simple", "tools", "reasoning", "codex"), False).values():
        assert len(reason.split()) > 3
