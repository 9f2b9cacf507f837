"""The case ``codex`` beside the request of the real Codex CLI, both as a server gets them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamdiag.host.cases import CASES, MAX_REASONING_TOKENS
from streamdiag.host.probe import Server, run_case
from streamdiag.host.watch import Deadlines
from tests.codex.cli import KEY, NEEDS_CLI, PROMPT, codex_turn
from tests.codex.recorder import Sent, call, message, recorder

pytestmark = NEEDS_CLI

#: Strings under these keys are prose or made up for one turn; everything else has to be the same to the letter.
FREE = frozenset({"text", "description", "id", "prompt_cache_key"})
#: What the probe sends and the real client does not: no answer of ours may run for ever on somebody's server.
OURS = {"max_output_tokens": MAX_REASONING_TOKENS}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> list[Sent]:
    """Both requests of a turn in which the model calls a tool."""
    with recorder(call("exec_command", cmd="echo hello"), message("done")) as (base_url, sent):
        turn = codex_turn(tmp_path_factory.mktemp("codex"), base_url)
    assert (turn.status, turn.last_words, len(sent)) == (0, "", 2), turn
    return sent


@pytest.fixture(scope="module")
def ours() -> Sent:
    """The request of the case, with a key as the real client has one."""
    with recorder(message("done")) as (base_url, sent):
        run_case("codex", Server(base_url, "tiny", KEY), Deadlines())
    (only,) = sent
    return only


def frame(value: Any, key: str = "") -> Any:
    """``value`` with the free strings as ``"…"``: what is left is keys, types, names, schemas, settings."""
    if isinstance(value, dict):
        return {inner: frame(one, inner) for inner, one in value.items()}
    if isinstance(value, list):
        return [frame(one) for one in value]
    return "…" if isinstance(value, str) and key in FREE else value


def types(value: Any) -> Any:
    """Keys and types of JSON, as far down as it goes."""
    if isinstance(value, dict):
        return {key: types(one) for key, one in value.items()}
    return [types(one) for one in value] if isinstance(value, list) else type(value).__name__


def test_path(real: list[Sent], ours: Sent) -> None:
    assert real[0].path == ours.path == "/v1/responses"


def test_keys_of_the_body(real: list[Sent], ours: Sent) -> None:
    assert set(ours.body) - set(real[0].body) == set(OURS)
    assert set(real[0].body) <= set(ours.body)
    assert {key: ours.body[key] for key in OURS} == OURS


@pytest.mark.parametrize("key", ["input", "tools"])
def test_items_and_tools_have_the_same_frame(real: list[Sent], ours: Sent, key: str) -> None:
    """Items, roles, parts; tools, their names, the schemas of their arguments."""
    theirs = frame(real[0].body[key])
    assert len(theirs) == len(ours.body[key])
    for one, other in zip(frame(ours.body[key]), theirs, strict=True):
        assert one == other


def test_everything_else_in_the_body(real: list[Sent], ours: Sent) -> None:
    apart = {"input", "tools", "client_metadata", *OURS}
    theirs, mine = ({k: v for k, v in frame(one.body).items() if k not in apart} for one in (real[0], ours))
    assert mine == theirs
    assert types(ours.body["client_metadata"]) == types(real[0].body["client_metadata"])


def test_turn_metadata(real: list[Sent], ours: Sent) -> None:
    """A JSON text, once in the body and once among the headers."""
    name = "x-codex-turn-metadata"
    for one in (real[0], ours):
        assert one.headers[name] == one.body["client_metadata"][name]
    assert types(json.loads(ours.headers[name])) == types(json.loads(real[0].headers[name]))


def test_headers(real: list[Sent], ours: Sent) -> None:
    """The same ones, none more and none less: with ``accept-encoding`` a proxy would compress and hold back."""
    assert set(ours.headers) == set(real[0].headers)
    assert "accept-encoding" not in ours.headers
    same = ("accept", "content-type", "originator", "authorization", "x-codex-beta-features")
    assert {name: ours.headers[name] for name in same} == {name: real[0].headers[name] for name in same}
    assert ours.headers["user-agent"].split("/")[0] == real[0].headers["user-agent"].split("/")[0]


def test_size(real: list[Sent], ours: Sent) -> None:
    assert real[0].body["input"][-1]["content"][0]["text"] == PROMPT
    assert len(ours.raw) == pytest.approx(len(real[0].raw), rel=0.15)


def test_the_second_turn_brings_the_items_of_the_case_tool_turn(real: list[Sent]) -> None:
    theirs = real[1].body["input"][len(real[0].body["input"]) :]
    ours = CASES["tool_turn"]("tiny").bodies[-1]["input"][1:]
    assert [item["type"] for item in theirs] == ["function_call", "function_call_output"]
    assert [types(item) for item in ours] == [types(item) for item in theirs]
    assert ours[0]["status"] == theirs[0]["status"] and ours[0]["call_id"] == ours[1]["call_id"]
