"""A change of this tool on the host: said in the row of the process and beside the verdict, never in the verdict."""

from __future__ import annotations

import pytest

from streamdiag.judge.assess import assess
from streamdiag.report.summary import summarise
from streamdiag.report.terminal import announcement
from tests.unit.judge.bundles import OK, bundle, stream, target

INTENT = {
    **OK, "unit": "vllm.service", "what": "compat_off", "by": "audit", "run_id": "earlier", "kept": False,
    "started_at": "2026-11-25T19:00:00Z", "phase": "restarting", "in_force": True,
}  # fmt: skip
COMMAND = "ansible-playbook restart.yml -l gpu43 -e restart_compat=default"


def judged(**more):
    intent = {**INTENT, **more}
    result = assess(bundle(stream("simple"), target=target(intent=intent)))
    return result, {check["id"]: check for check in result["checks"]}["check-1"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "an audit (run earlier, since 2026-11-25T19:00:00Z) was left half-way: compat_off, phase restarting"),
        ({"by": "restart", "phase": "rolling_back"}, "a restart (run earlier"),
        ({"phase": "in_force"}, "an audit (run earlier"),
    ],
)
def test_left_half_way(more, words):
    result, row = judged(**more)
    assert row["status"] == "warn" and words in row["reason"] and COMMAND in row["reason"]
    assert words in row["evidence"][-1]["excerpt"]
    assert result["notes"] == [row["evidence"][-1]["excerpt"]]
    assert result["verdict"]["status"] == "healthy", "the verdict is about streams"
    assert f"note: {words}" in announcement(result, "r")
    assert summarise([result])["hosts"][0]["notes"] == result["notes"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"kept": True, "phase": "in_force"}, "compat_off is in force (run earlier"),
        ({"kept": True, "phase": "in_force", "in_force": False}, "ended when the host was booted"),
        ({"state": "denied", "reason": "x not readable as guest"}, "not readable as guest"),
    ],
)
def test_nothing_to_put_right(more, words):
    _result, row = judged(**more)
    assert row["status"] == "pass" and words in row["reason"]


def test_an_audit_s_own_change_is_not_left_half_way():
    one = bundle(stream("simple"), target=target(intent={**INTENT, "run_id": "r1"}))
    after = one._replace(run={**one.run, "run_id": "r1/after"})
    assert assess(after)["notes"] == []
    assert assess(after._replace(run={**one.run, "run_id": "r2/after"}))["notes"] != []


@pytest.mark.parametrize("more", [{"run_id": "test"}, {"state": "absent", "reason": "none"}])
def test_nothing_to_say(more):
    if "run_id" in more:
        more = {"run_id": assess(bundle(stream("simple")))["run_id"]}
    result, row = judged(**more)
    assert row["status"] == "pass" and result["notes"] == [] and "compat_off" not in row["reason"]


def test_the_exact_command_of_the_quick_fix():
    audit = "audit.yml -l gpu43 -e audit_change=compat_off"
    for mode, words in (("on", audit), ("unknown", audit), ("off", "restart.yml -l gpu43 -e restart_compat=on")):
        rows = assess(bundle(stream("simple"), target=target(compat_mode=mode)))["checks"]
        row = next(row for row in rows if row["id"] == "fix-2")
        assert row["status"] == "skip" and f"ansible-playbook {words}" in row["reason"]
