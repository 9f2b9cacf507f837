"""Steps that an engineer follows at night: each change is checked, each command is of this run, none holds a secret."""

from __future__ import annotations

import re
import shlex

import pytest

from streamdiag.judge.assess import assess
from tests.unit.judge.bundles import (
    ENGINE,
    EXPECTED,
    WORKER,
    bundle,
    fresh,
    machine,
    real,
    refused,
    rejected,
    run,
    stalled,
    stream,
    target,
    unit,
)
from tests.unit.judge.test_causes import RULES
from tests.unit.judge.test_stall_facts import process, stall

CHECK = "$ ansible-playbook diagnose.yml -l gpu43"
CHANGES = ("systemd_service", "kill -CONT", "restart_compat=off", "/wake_up")
ALL = {**{name: real(name) for name in EXPECTED}, **{name: one for name, (one, _cause, _state) in RULES.items()}}


def next_step(one):
    return assess(one)["verdict"]["next_step"]


def fix_of(cause, one):
    return next(c["fix"] for c in assess(one)["causes"] if c["id"] == cause)


def commands(text):
    return [line for line in text.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("one", ALL.values(), ids=ALL)
def test_what_changes_something_is_checked_before_the_next_change(one):
    for cause in assess(one)["causes"]:
        found = commands(cause["fix"])
        for place, line in enumerate(found):
            if any(change in line for change in CHANGES):
                after = found[place + 1 :]
                assert after and "diagnose.yml" in after[0], (cause["id"], cause["fix"])


@pytest.mark.parametrize("one", ALL.values(), ids=ALL)
def test_steps_are_numbered_from_one_on_or_not_at_all(one):
    for cause in assess(one)["causes"]:
        numbers = re.findall(r"^(\d+)\. ", cause["fix"], re.MULTILINE)
        assert numbers == [str(n) for n in range(1, len(numbers) + 1)] and len(numbers) != 1
        assert numbers == [] or cause["fix"].startswith("1. ")


def test_a_process_that_is_stopped_goes_on_before_anything_is_restarted():
    found = commands(next_step(real("engine-stopped")))
    assert [re.search(r"kill -CONT 132|diagnose|py-spy|state=restarted", line)[0] for line in found] == [
        *("kill -CONT 132", "diagnose", "py-spy", "state=restarted", "diagnose"),
    ]
    assert "Go on only if it is still broken" in next_step(real("engine-stopped"))
    assert "Go on only" not in next_step(bundle(stalled()))


# Stacks


def test_the_stacks_are_of_the_process_that_stands():
    for condition, pid in (("engine-stopped", 132), ("worker-stopped", 161), ("api-server-stopped", 74)):
        (line,) = [line for line in commands(next_step(real(condition))) if "py-spy" in line]
        words = shlex.split(line.removeprefix("$ "))
        assert words[words.index("-a") + 1] == f"py-spy dump --nonblocking --pid {pid}"
        assert "skip this where the host has no py-spy" in next_step(real(condition))


def test_stacks_that_were_read_are_named_and_not_asked_for():
    seen = bundle(stalled(), stall=stall(process("engine_core", pid=ENGINE)))
    assert "evidence/stall.json" in next_step(seen) and "py-spy" not in next_step(seen)
    unread = bundle(stalled(), stall=stall(process("engine_core", "not permitted", pid=ENGINE)))
    of_another = bundle(stalled(), stall=stall(process("worker", pid=WORKER)))
    for one in (unread, of_another):
        assert "evidence/stall.json" not in next_step(one) and f"--pid {ENGINE}'" in next_step(one)


# The same run again


def test_a_check_is_what_this_run_was_told():
    assert CHECK in commands(next_step(bundle(stalled())))
    told = bundle(
        stalled(),
        run=run(inventories=["/etc/inv dir/hosts.ini"], settings={"client_timeout": 30.0, "ping_interval": 15.0}),
        target=target(
            unit={**unit(), "name": "llm.service"},
            base_url="http://127.0.0.1:9000",
            base_url_source="given",
            model="org/m-1",
            model_source="given",
            public_url="https://llm.example.org",
        ),
    )
    assert commands(next_step(told))[-1] == (
        "$ ansible-playbook -i '/etc/inv dir/hosts.ini' diagnose.yml -l gpu43 -e vllm_unit=llm.service "
        "-e vllm_base_url=http://127.0.0.1:9000 -e vllm_model=org/m-1 -e vllm_public_url=https://llm.example.org "
        "-e vllm_client_timeout=30"
    )


def test_what_was_found_is_found_again():
    found = target(base_url="http://127.0.0.1:9000", base_url_source="argv", model="m", model_source="served")
    assert commands(next_step(bundle(stalled(), target=found)))[-1] == CHECK


# A key


def test_a_key_is_never_on_a_command_line():
    for given in (False, True):
        found = next_step(bundle(rejected(401, "no"), target=target(api_key_given=given)))
        assert commands(found) == [
            "$ ansible-vault create vllm-key.yml",
            f"{CHECK} -e @vllm-key.yml --ask-vault-pass",
        ]
        assert 'vllm_api_key: "KEY"' in found
    assert "Check with the key of this run" in next_step(bundle(stalled(), target=target(api_key_given=True)))
    assert "the key" not in next_step(bundle(stalled()))
    for one in ALL.values():
        assert not [c["id"] for c in assess(one)["causes"] if "vllm_api_key=" in c["fix"]]


# A model


def unknown(served, asked="nosuch"):
    found = target(served_models=served, model=asked, model_source="given")
    return next_step(bundle(rejected(404, "no such model"), target=found))


def test_a_model_that_is_served_is_named():
    found = unknown(["tiny", "tiny-lora"])
    assert commands(found) == [f"{CHECK} -e vllm_model=tiny"]
    assert "(tiny, tiny-lora)" in found and "clients have to ask for tiny" in found and "nosuch" in found


def test_what_a_server_calls_a_model_is_no_command():
    found = unknown(["a'; rm -rf /\n$ evil\n3. evil", "b"], asked="no\n$ such")
    assert commands(found) == [f"{CHECK} -e vllm_model=MODEL"]
    assert re.findall(r"^(\d)\. ", found, re.MULTILINE) == ["1", "2"]


def test_a_request_that_is_refused_for_another_reason_is_corrected_and_checked():
    served = next_step(bundle(rejected(400, "bad"), target=target(served_models=["tiny"], model="tiny")))
    assert commands(served) == [CHECK]
    unlisted = commands(next_step(bundle(rejected(404, "bad"), target=target(served_models=[]))))
    assert "/v1/models" in unlisted[0] and unlisted[1:] == [CHECK]


# A crash loop


def test_the_log_is_read_only_where_it_is_not_quoted():
    quoted = fresh(real("crash-loop"))
    found = commands(next_step(quoted))
    assert "systemctl cat vllm.service" in found[0] and "daemon_reload=true" in found[1] and "diagnose" in found[2]
    lines = {**quoted.journal["unit"], "lines": []}
    unquoted = commands(fix_of("crash_loop", quoted._replace(journal={**quoted.journal, "unit": lines})))
    assert "journalctl -u vllm.service" in unquoted[0] and unquoted[1:] == found


# Where there is no unit


def test_without_a_unit_nothing_is_pasted_that_needs_one():
    one = bundle(stalled(), target=target(unit={"state": "absent", "reason": "no systemd"}), machine=machine(unit={}))
    for cause in assess(one)["causes"]:
        assert not [line for line in commands(cause["fix"]) if "systemd_service" in line or "systemctl" in line]
    assert "by the means it was started with" in next_step(one)


def test_an_address_that_was_given_wrongly_is_left_away():
    given = bundle(refused(), target=target(base_url="http://127.0.0.1:9000", base_url_source="given"))
    assert commands(fix_of("endpoint_unreachable", given)) == [CHECK]
    assert "vllm_base_url=" in fix_of("endpoint_unreachable", bundle(refused()))


def test_an_engine_that_died_with_its_server_is_said_to_be_down_at_once():
    summary = assess(real("engine-killed"))["verdict"]["summary"]
    assert "the server is down now, inactive (dead): journal" in summary
    again = fresh(real("engine-killed"))
    again.machine["unit"]["properties"].update(ActiveState="active", SubState="running")
    verdict = assess(again)["verdict"]
    assert verdict["primary_cause"] == "engine_dead" and "is down now" not in verdict["summary"]


# What a reader of first screens asked for


def test_a_restart_says_what_it_costs_where_it_costs_something():
    assert "Restart it (this cuts every open stream):" in next_step(real("engine-stopped"))
    assert "Restart it:" in next_step(real("engine-killed"))  # it is down: nothing is open
    assert "Once that is corrected, restart it:" in next_step(real("crash-loop"))  # it never came up


def test_what_was_not_tested_is_no_fault_of_the_server():
    wants = assess(real("api-key"))["verdict"]["summary"]
    assert "this run has none: HTTP 401" in wants and wants.endswith(". Whether its streams work was not tested")
    asked = assess(real("unknown-model"))["verdict"]["summary"]
    assert asked.startswith(
        "This run asked the server on gpu45 for the model nosuch, which it does not serve: HTTP 404"
    )
    assert asked.endswith(". Whether its streams work was not tested")
    some = bundle(stream(), rejected(400, "no tools here", case="tools"))
    assert "was not tested" not in assess(some)["verdict"]["summary"]


def test_sudo_that_does_not_answer_is_no_host_out_of_reach():
    verdict = assess(real("host-unreachable"))["verdict"]
    assert verdict["status"] == "unreachable" and verdict["summary"].startswith("sudo on gpu45 did not let this run in")
    found = commands(verdict["next_step"])
    assert [("-b" in line.split(), "ping" in line) for line in found[:2]] == [(False, True), (True, True)]


def test_a_busy_server_is_not_restarted_and_its_clients_are_named():
    found = fix_of("queue_saturated", bundle(stalled()))
    assert "ss --numeric --tcp state established sport = :8000" in commands(found)[0]
    assert "restarted" not in found and "A restart would only cut what runs" in found
    nowhere = bundle(stalled(), target=target(base_url="http://llm.example.org"))
    assert commands(fix_of("queue_saturated", nowhere)) == [CHECK]


def test_the_parser_of_tool_calls_and_the_model_are_named():
    parsed = target(flags={"tool-call-parser": "hermes"}, model="org/m-1")
    assert "--tool-call-parser (hermes) is the one of the model org/m-1" in fix_of(
        "tool_call_withheld", bundle(stalled(), target=parsed)
    )
    assert "--tool-call-parser (none)" in fix_of("tool_call_withheld", bundle(stalled()))
