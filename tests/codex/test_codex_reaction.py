"""What the real Codex CLI does with a stream, and that the judge says just that of the case ``codex``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streamdiag.host.probe import Server, run_case
from streamdiag.host.watch import Deadlines
from streamdiag.judge.codex_client import Reaction, codex_says
from streamdiag.judge.protocol import read_protocol
from tests.codex.cli import NEEDS_CLI, Turn, codex_turn
from tests.diagnosis import simulator

pytestmark = NEEDS_CLI

#: Seconds of silence after which the CLI and the probe leave, in these tests; by default Codex waits 300 s.
IDLE = 3.0
DEADLINES = Deadlines(headers=IDLE, first_event=IDLE, silence=IDLE, patience=IDLE)
DISCONNECTED = "stream disconnected before completion: "

Ask = Callable[..., tuple[Turn, Reaction]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Start the simulator with arguments; the CLI's turn on it, and the judge's word on the probe's stream from it."""

    def both(*arguments: str) -> tuple[Turn, Reaction]:
        with simulator(tmp_path, "--model", "tiny", *arguments) as base_url:
            turn = codex_turn(tmp_path, base_url, IDLE)
            stream = run_case("codex", Server(base_url, "tiny"), DEADLINES)
        return turn, codex_says(stream, read_protocol(stream), IDLE)

    return both


def test_a_healthy_server(ask: Ask) -> None:
    turn, reaction = ask()
    assert (turn.status, turn.last_words) == (0, "")
    assert [kind for kind, _text in turn.items] == ["command_execution", "agent_message"]  # two turns of the model
    assert reaction == Reaction("works", "Codex runs exec_command")


def test_an_answer_in_text(ask: Ask) -> None:
    turn, reaction = ask("--fault", "answers_without_tool")
    assert turn.status == 0 and [kind for kind, _text in turn.items] == ["agent_message"]
    assert reaction == Reaction("works", "Codex shows the answer")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("missing_terminal", DISCONNECTED + "stream closed before response.completed"),
        ("truncated", DISCONNECTED + "Transport error: network error: error decoding response body"),
        ("engine_stalled", DISCONNECTED + "idle timeout waiting for SSE"),
    ],
)
def test_a_stream_that_codex_retries(ask: Ask, fault: str, words: str) -> None:
    turn, reaction = ask("--fault", fault)
    assert (turn.status, turn.last_words) == (1, words)
    assert reaction.outcome == "retries" and reaction.words.endswith("then fails: " + words)


def test_an_incomplete_response_is_final(ask: Ask) -> None:
    words = "Incomplete response returned, reason: max_output_tokens"
    turn, reaction = ask("--fault", "incomplete_0_33", "--fault", "output_limit=8")
    assert (turn.status, turn.last_words) == (1, words)
    assert reaction == Reaction("fails", "Codex stops: " + words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fault", "missing_done"), "Codex ends the turn without running exec_command: no response.output_item.done"),
        (
            ("--fault", "missing_done", "--fault", "answers_without_tool"),
            "Codex ends the turn without an answer: its response.output_item.done is missing",
        ),
        (
            ("--fault", "empty_answer"),
            "Codex ends the turn with nothing: the stream brought no message and no call",
        ),
    ],
)
def test_a_turn_that_ends_well_and_does_nothing(ask: Ask, arguments: tuple[str, ...], words: str) -> None:
    turn, reaction = ask(*arguments)
    assert (turn.status, turn.last_words, turn.items) == (0, "", [])
    assert turn.events[-1]["type"] == "turn.completed"
    assert reaction == Reaction("empty_turn", words)


def test_a_refused_request_is_final(ask: Ask) -> None:
    turn, reaction = ask("--fault", "http_error=400")
    assert turn.status == 1 and "The server refuses the request." in turn.last_words
    assert reaction == Reaction("fails", "Codex stops at HTTP 400")


def test_an_error_of_the_server(ask: Ask) -> None:
    turn, reaction = ask("--fault", "http_error=503")
    assert turn.status == 1
    assert turn.last_words.startswith("unexpected status 503 Service Unavailable: The server refuses the request.")
    assert reaction.outcome == "retries" and "HTTP 503" in reaction.words
