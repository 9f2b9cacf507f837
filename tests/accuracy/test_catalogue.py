"""The form of the catalogue, what it promises to hold, and that its documentation counts right. Nothing is run here."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml

from simulator.options import parse as parse_simulator
from streamdiag.judge.causes import ORDER
from tests.accuracy.catalogue import CATALOGUE, CAUSES, SIMULATOR, VLLM, CatalogueError, Entry, load, parse
from tests.play import ROOT

WHOLE = load()
#: Look-alikes that must be told apart, by the entries that stand for them.
ALIKE = (
    {"engine_stalled", "api_server_stalled", "first_request_slow"},
    {"tool_call_withheld", "awaiting_tool_output"},
    {"fixed_chunks", "proxy_gzip", "stream_interval", "burst"},
    {"vllm_fixed_chunks", "vllm_proxy_gzip", "vllm_stream_interval", "vllm_debug_response"},
    {"truncated", "engine_dead_midstream", "proxy_read_timeout", "output_limit"},
    {"vllm_truncated", "vllm_engine_killed", "vllm_proxy_read_timeout", "vllm_output_limit"},
    {"slow_first_token", "queue_saturated", "engine_stalled_midstream"},
    {"truncated_by_size", "truncated_by_tools"},
)
INNOCENT = {
    *("slow_but_steady", "long_prefill", "long_answer", "answers_without_tool", "other_traffic", "metrics_off"),
    *("stream_interval", "queued_first", "reasoning_shown", "reasoning_parts", "incomplete_event", "proxy_plain"),
    *("healthy", "healthy_fork", "vllm_no_sudo", "vllm_proxy_plain", "vllm_untouched"),
}


def test_it_is_large_enough() -> None:
    assert len(WHOLE.entries) >= 45
    assert len(WHOLE.at(VLLM)) >= 20
    assert len([e for e in WHOLE.entries if e.status == "healthy"]) >= 15


def test_every_cause_is_the_right_answer_at_least_once() -> None:
    assert set(CAUSES) - {entry.cause for entry in WHOLE.entries} == set()


def test_every_rule_has_an_entry_that_it_must_decide() -> None:
    assert set(ORDER) - {entry.cause for entry in WHOLE.entries} == set()


def test_innocents_are_there() -> None:
    assert {entry.name for entry in WHOLE.entries if entry.status == "healthy"} >= INNOCENT


@pytest.mark.parametrize("members", ALIKE, ids=lambda members: "-".join(sorted(members)))
def test_look_alikes_are_there(members: set[str]) -> None:
    assert any(members <= set(group) for group in WHOLE.look_alikes.values())


@pytest.mark.parametrize("name", WHOLE.look_alikes)
def test_look_alikes_have_different_verdicts(name: str) -> None:
    verdicts = {entry.verdict for entry in WHOLE.entries if entry.name in WHOLE.look_alikes[name]}
    rows = {str(entry.rows) for entry in WHOLE.entries if entry.name in WHOLE.look_alikes[name]}
    assert len(verdicts) > 1
    assert len(rows) > 1


@pytest.mark.parametrize("entry", WHOLE.entries, ids=lambda entry: entry.name)
def test_a_fault_turns_rows_and_is_taken_for_nothing_else(entry: Entry) -> None:
    if entry.cause is not None:
        assert entry.rows, "which rows tell?"
        assert entry.not_blamed, "what does it look like, and is not?"
    assert re.fullmatch(r"[a-z0-9_]+", entry.name)
    assert entry.where == VLLM or not entry.name.startswith("vllm_")


@pytest.mark.parametrize("entry", WHOLE.at(SIMULATOR), ids=lambda entry: entry.name)
def test_the_simulator_knows_the_command_line(entry: Entry) -> None:
    assert not parse_simulator(entry.command_line()).list_faults


def test_real_entries_that_share_settings_stand_together() -> None:
    changes = [entry.around for entry in WHOLE.at(VLLM)]
    assert len([1 for a, b in zip(changes, changes[1:], strict=False) if a != b]) == len(set(changes)) - 1


def test_the_documentation_counts_right() -> None:
    page = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    innocents = len([e for e in WHOLE.entries if e.status == "healthy"])
    there, real = len(WHOLE.at(SIMULATOR)), len(WHOLE.at(VLLM))
    assert f"{there + real} entries: {there} on the simulator, {real} on a real vLLM; {innocents} of them" in page


# What the loader refuses

GOOD = {"name": "one", "where": "simulator", "note": "a note", "status": "broken", "cause": "engine_stalled"}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "has no name"),
    ({"note": ""}, "lacks note"),
    ({"where": "elsewhere"}, "no place is called 'elsewhere'"),
    ({"status": "ill"}, "no status is called 'ill'"),
    ({"cause": "gremlins"}, "no cause is called 'gremlins'"),
    ({"cause": None}, "goes with a cause"),
    ({"status": "healthy"}, "goes with no cause"),
    ({"confidence": "sure"}, "no confidence is called 'sure'"),
    ({"not_blamed": ["gremlins"]}, "no cause is called 'gremlins'"),
    ({"not_blamed": ["engine_stalled"]}, "its cause and not to be blamed"),
    ({"faults": ["nosuch"]}, "unknown fault 'nosuch'"),
    ({"faults": ["slow=much"]}, "could not convert"),
    ({"faults": "slow"}, "a list of words is needed"),
    ({"when": "sometimes"}, "no condition is called 'sometimes'"),
    ({"dialect": "klingon"}, "no dialect is called 'klingon'"),
    ({"proxy": "nosuch"}, "unknown fault 'nosuch'"),
    ({"variables": {"vllm_unit": "x"}}, "no variable of a simulator is called 'vllm_unit'"),
    ({"variables": ["x"]}, "a mapping is needed"),
    ({"around": ["bendable"]}, "is for the real server"),
    ({"rows": {"fail": ["step-9"]}}, "no row is called 'step-9'"),
    ({"rows": {"good": ["step-1"]}}, "no status of a row is called 'good'"),
    ({"rows": {"fail": ["step-1"], "pass": ["step-1"]}}, "two statuses: step-1"),
    ({"rows": ["step-1"]}, "a mapping of status to rows"),
    ({"colour": "red"}, "no key is called 'colour'"),
    ({"where": "vllm", "faults": ["nosuch"]}, "unknown fault 'nosuch'"),
    ({"where": "vllm", "faults": ["unit_stopped=3"]}, "takes no value"),
    ({"where": "vllm", "faults": ["unit_stopped"], "when": "tools"}, "takes no when"),
    ({"where": "vllm", "proxy": "nosuch"}, "unknown fault 'nosuch'"),
    ({"where": "vllm", "variables": {"vllm_colour": "x"}}, "no variable is called 'vllm_colour'"),
    ({"where": "vllm", "dialect": "fork"}, "are the simulator's"),
]


@pytest.mark.parametrize(("change", "words"), BAD, ids=[words for _change, words in BAD])
def test_what_nothing_knows_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(CatalogueError, match=re.escape(words)) as refused:
        parse({"look_alikes": {}, "entries": [{**GOOD, **change}]})
    assert change.get("name") == "" or "entry one" in str(refused.value)


def test_the_good_entry_is_good() -> None:
    entry = parse({"look_alikes": {}, "entries": [GOOD]}).entries[0]
    assert (entry.name, entry.verdict, entry.confidence, entry.command_line()) == ("one", "engine_stalled", "high", [])


def test_names_are_unique_and_groups_name_entries() -> None:
    data = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    twice = copy.deepcopy(data)
    twice["entries"].append(twice["entries"][0])
    with pytest.raises(CatalogueError, match="two entries are called healthy"):
        parse(twice)
    lost = copy.deepcopy(data)
    lost["look_alikes"]["slow, queued, stalled"].append("nosuch")
    with pytest.raises(CatalogueError, match="no entry is called 'nosuch'"):
        parse(lost)
    with pytest.raises(CatalogueError, match="two keys"):
        parse({"entries": []})


def test_the_command_line_and_the_secrets() -> None:
    row = {"faults": ["slow=5"], "when": "large", "dialect": "fork", "arguments": ["--api-key", "k1"]}
    entry = parse({"look_alikes": {}, "entries": [{**GOOD, **row, "variables": {"vllm_api_key": "k2"}}]}).entries[0]
    words = ["--fault", "slow=5", "--fault-when", "large", "--dialect", "fork", "--api-key", "k1"]
    assert entry.command_line() == words
    assert entry.secrets() == ["k1", "k2"]
