"""The rows of the checklist: all of them, in order, and none that passes without what it rests on."""

from __future__ import annotations

import re

import pytest

from streamdiag.judge.assess import assess
from streamdiag.judge.causes import _BY_ID, ORDER
from streamdiag.judge.checks import REST, SYMPTOMS
from streamdiag.judge.checks.row import Row, judge_row
from streamdiag.words import in_language
from tests.unit.judge.bundles import (
    EXPECTED,
    answer,
    bundle,
    denied,
    endpoints,
    event,
    facts,
    gpu,
    journal,
    line,
    log,
    machine,
    mute,
    no_answer,
    nothing_sent,
    preamble,
    processes,
    real,
    refused,
    rejected,
    run,
    stalled,
    stream,
    target,
    text_events,
    unit,
)

CHECKLIST = [
    "symptom-health",
    "symptom-accepted",
    "symptom-first-event",
    "symptom-silence",
    "cause-1",
    "cause-2",
    "cause-3",
    "cause-4",
    "step-1",
    "step-2",
    "step-3",
    "step-4",
    "step-5",
    "fix-1",
    "fix-2",
    "fix-3",
    "fix-4",
    "check-1",
    "check-2",
    "check-3",
    "check-4",
]


def _rows(one):
    return {row["id"]: row for row in assess(one)["checks"]}


def _statuses(one):
    return {id_: row["status"] for id_, row in _rows(one).items()}


@pytest.mark.parametrize("condition", EXPECTED)
def test_every_row_of_the_checklist_in_its_order(condition):
    assert [row["id"] for row in assess(real(condition))["checks"]] == CHECKLIST


def test_a_run_without_anything_has_all_rows_and_passes_none():
    found = _rows(nothing_sent(target=None, machine=None, journal=None))
    assert list(found) == CHECKLIST
    assert {row["status"] for row in found.values()} == {"skip"}
    assert all(row["reason"] for row in found.values())


def test_a_skip_says_why_and_observes_nothing():
    for condition in EXPECTED:
        for row in assess(real(condition))["checks"]:
            assert row["reason"], row["id"]
            if row["status"] == "skip" and not row["id"].startswith("cause-"):
                assert not row["observed"] and not row["evidence"], row["id"]


def test_a_row_that_judges_names_its_file():
    for condition in EXPECTED:
        one = real(condition)
        for row in assess(one)["checks"]:
            if row["status"] in ("pass", "warn", "fail") and not row["id"].startswith("cause-"):
                assert row["evidence"], (condition, row["id"])
            for quote in row["evidence"]:
                assert one.digests[quote["path"]] == quote["sha256"]


def test_a_healthy_host_passes_what_was_exercised():
    found = _statuses(bundle())
    assert {id_ for id_, status in found.items() if status == "pass"} == {
        *("symptom-health", "symptom-accepted", "symptom-first-event", "symptom-silence"),
        *("step-1", "step-2", "step-3", "fix-4", "check-1", "check-2", "check-3", "check-4", "cause-1", "cause-4"),
    }
    assert not {"fail", "warn", "error"} & set(found.values())


def _without(part, *keys):
    """``part`` as a new dict without ``keys``."""
    return {key: value for key, value in part.items() if key not in keys}


_ABSENT = {"state": "denied", "reason": "not permitted"}
#: What is missing -> the rows that must not pass then.
MISSING = {
    "target": ({"target": None}, ("check-1",)),
    "target and machine": ({"target": None, "machine": None}, ("symptom-health", "check-1", "check-2", "check-3")),
    "machine": ({"machine": None}, ("check-2", "check-3")),
    "journal": ({"journal": None}, ("step-2", "check-4")),
    "the unit's journal": ({"journal": {"unit": denied(), "kernel": log()}}, ("step-2", "check-4")),
    "the kernel log": ({"journal": {"unit": log("x"), "kernel": denied()}}, ("step-2",)),
    "part of the journal": ({"journal": {"unit": log("x", reason="only own lines"), "kernel": log()}}, ("step-2",)),
    "unit and processes": (
        {"target": target(unit=_ABSENT, processes=_ABSENT), "machine": machine(unit=_ABSENT, processes=_ABSENT)},
        ("check-1",),
    ),
    "processes": ({"target": target(processes=_ABSENT), "machine": machine(processes=_ABSENT)}, ("check-1",)),
    "gpus": ({"machine": _without(machine(), "gpus")}, ("check-2",)),
    "readable gpus": ({"machine": machine(gpus=_ABSENT)}, ("check-2",)),
    "any gpu": ({"machine": machine(gpus={"state": "ok", "reason": "", "gpus": []})}, ("check-2",)),
    "metrics": (
        {"target": _without(target(), "metrics"), "machine": _without(machine(), "metrics")},
        ("check-3",),
    ),
    "metrics after the streams": ({"machine": _without(machine(), "metrics")}, ("check-3",)),
    "endpoints": (
        {"target": _without(target(), "endpoints"), "machine": _without(machine(), "endpoints")},
        ("symptom-health",),
    ),
    "/health": (
        {
            "target": target(endpoints=_without(endpoints(), "/health")),
            "machine": machine(endpoints=_without(endpoints(), "/health")),
        },
        ("symptom-health",),
    ),
}


@pytest.mark.parametrize(("parts", "rows"), MISSING.values(), ids=MISSING)
def test_what_was_not_gathered_never_passes(parts, rows):
    found = _statuses(bundle(**parts))
    assert list(found) == CHECKLIST
    assert "error" not in found.values()
    for id_ in rows:
        assert found[id_] != "pass", id_


def test_without_metrics_anywhere_no_request_count_passes():
    streams = [stream(case) for case in ("simple", "tools", "codex")]
    for one in streams:
        one["samples"]["metrics"] = []
    parts = {"target": _without(target(), "metrics"), "machine": _without(machine(), "metrics")}
    assert _statuses(bundle(*streams, **parts))["check-3"] == "skip"


@pytest.mark.parametrize(
    ("case", "rows"), [("simple", ["step-1"]), ("tools", ["step-3"]), ("codex", [])], ids=["simple", "tools", "codex"]
)
def test_a_stream_that_was_not_sent_does_not_pass(case, rows):
    streams = [stream(name) for name in ("simple", "tools", "codex") if name != case]
    found = _rows(bundle(*streams, run=run(skipped_cases={case: "the host was lost"})))
    for id_ in rows:
        assert (found[id_]["status"], found[id_]["reason"]) == ("skip", "not sent: the host was lost")
    assert all(row["status"] != "error" for row in found.values())


def test_without_streams_nothing_about_streams_passes():
    found = _statuses(nothing_sent())
    streams = ("symptom-accepted", "symptom-first-event", "symptom-silence", "step-1", "step-3", "step-4", "step-5")
    assert {found[id_] for id_ in (*streams, "fix-4")} == {"skip"}


@pytest.mark.parametrize("id_", [row.id for row in SYMPTOMS + REST])
def test_a_check_that_breaks_is_an_error_row_and_the_others_stay(monkeypatch, id_):
    def breaks(facts):
        raise ZeroDivisionError("not tonight")

    usual = _statuses(bundle())
    rows = [row._replace(judge=breaks) if row.id == id_ else row for row in SYMPTOMS + REST]
    monkeypatch.setattr("streamdiag.judge.checks.SYMPTOMS", rows)
    monkeypatch.setattr("streamdiag.judge.checks.REST", [])
    found = _rows(bundle())
    assert found[id_]["status"] == "error"
    assert "ZeroDivisionError: not tonight" in found[id_]["reason"]
    assert {**_statuses(bundle()), id_: usual[id_]} == usual


def test_judge_row_keeps_what_the_row_says():
    def breaks(facts):
        raise KeyError("state")

    row = judge_row(Row("check-9", "Title", "expected", breaks), facts())
    assert (row["id"], row["title"], row["expected"], row["status"]) == ("check-9", "Title", "expected", "error")


def test_rules_rest_on_rows_that_exist():
    for rule in _BY_ID.values():
        assert set(rule.for_ + rule.against) <= set(CHECKLIST), rule.id
    assert set(ORDER) == set(_BY_ID)


HALTED = stream()
HALTED["samples"]["processes"] = [stalled()["samples"]["processes"][0]]
HALTED["samples"]["processes"][0]["processes"][1]["state"] = "T"

#: row -> bundle, expected status, a word of the reason or of what was observed
STATUSES = {
    "health 503": ("symptom-health", bundle(machine=machine(endpoints=endpoints(answer(503)))), "fail", "503"),
    "health silent": (
        "symptom-health",
        bundle(target=target(endpoints=endpoints(no_answer())), machine=machine(endpoints=endpoints(no_answer()))),
        "fail",
        "not answered with 200",
    ),
    "no event stream": (
        "symptom-accepted",
        bundle(stream(response_headers={"content-type": "text/html"})),
        "fail",
        "text/html",
    ),
    "401": ("symptom-accepted", bundle(rejected(401, "no key")), "fail", "HTTP 401"),
    "late first event": (
        "symptom-first-event",
        bundle(stream(events=[event(9.0, "response.created"), event(9.1, "response.completed")])),
        "warn",
        "late",
    ),
    "no first event": ("symptom-first-event", bundle(stalled(events=[])), "fail", "no first event"),
    "fell silent": ("symptom-silence", bundle(stalled()), "fail", "response.in_progress"),
    "slow": ("symptom-silence", bundle(stream(events=text_events(start=20.0))), "warn", "long silences"),
    "fatal line": ("step-2", bundle(journal=journal("EngineCore encountered a fatal error.")), "fail", "names trouble"),
    "Xid": ("step-2", bundle(journal=journal(kernel=["NVRM: Xid (PCI:0000:17:00): 79"])), "fail", "names trouble"),
    "no delta": ("step-1", bundle(stream(events=text_events(deltas=0))), "warn", "without a single delta"),
    "too short for a ping": ("step-4", bundle(stalled(seconds=14.0)), "skip", "no ping was due"),
    "no ping": ("step-4", bundle(stalled(seconds=40.0)), "warn", "no heartbeat"),
    "pings": (
        "step-4",
        bundle(stalled(seconds=40.0, comments=[{"t": 15.0, "text": ""}, {"t": 30.0, "text": ""}])),
        "pass",
        "2 pings",
    ),
    "a ping outside the silence": (
        "step-4",
        bundle(stalled(seconds=40.0, events=[event(0.1, "response.ping"), *preamble(5.0)])),
        "warn",
        "no heartbeat",
    ),
    "no ping in a stream that never began": ("step-4", bundle(mute()), "skip", "no ping was due"),
    "stopped early": ("step-5", bundle(stalled()), "fail", "cannot help"),
    "slow but complete": ("step-5", bundle(stream(events=text_events(start=70.0))), "warn", "longer timeout helps"),
    "another limit cut it": (
        "fix-4",
        bundle(stream(events=text_events(incomplete_details={"reason": "content_filter"}))),
        "warn",
        "content_filter",
    ),
    "response logging": (
        "fix-3",
        bundle(journal=journal("WARNING 11-22 19:53:03 [x.py:1] CAUTION: Enabling log response in the API Server.")),
        "warn",
        "holds every stream back",
    ),
    "unit failed": ("check-1", bundle(machine=machine(unit=unit("failed", "failed"))), "fail", "failed (failed)"),
    "process gone": (
        "check-1",
        bundle(machine=machine(processes=processes(((74, "main"), (161, "worker"))))),
        "fail",
        "132 (engine_core)",
    ),
    "process stopped": ("check-1", bundle(HALTED), "warn", "state T"),
    "restarted": (
        "check-1",
        bundle(target=target(unit=unit(restarts=3)), machine=machine(unit=unit(restarts=3))),
        "warn",
        "3",
    ),
    "GPU lost": (
        "check-2",
        bundle(machine=machine(gpus={"state": "ok", "reason": "", "gpus": [gpu(), gpu(1, lost="GPU is lost")]})),
        "fail",
        "GPU is lost",
    ),
    "ECC": ("check-2", bundle(machine=machine(gpus={"state": "ok", "gpus": [gpu(ecc_uncorrected=2)]})), "warn", "ECC"),
    "Xid without nvidia-smi": (
        "check-2",
        bundle(machine=_without(machine(), "gpus"), journal=journal(kernel=["NVRM: Xid (PCI:0000:17:00): 79"])),
        "fail",
        "Xid",
    ),
    "request left behind": (
        "check-3",
        bundle(machine=machine(metrics={**machine()["metrics"], "running": 1.0})),
        "warn",
        "counted as running",
    ),
    "no gauges": (
        "check-3",
        bundle(machine=machine(metrics={**machine()["metrics"], "running": None})),
        "skip",
        "no gauges",
    ),
    "nothing logged": ("check-4", bundle(journal={"unit": log(), "kernel": log()}), "warn", "logged nothing"),
    "lines left out": (
        "check-4",
        bundle(journal={"unit": log(line("x"), dropped=77), "kernel": log()}),
        "pass",
        "77",
    ),
}


@pytest.mark.parametrize(("id_", "one", "status", "words"), STATUSES.values(), ids=STATUSES)
def test_status_of_a_row(id_, one, status, words):
    row = _rows(one)[id_]
    assert row["status"] == status, row
    assert words in row["observed"] + " " + row["reason"]


NOT_ASKED = "not asked, because /health failed: ConnectError"


def test_what_was_not_asked_has_no_time_and_no_reason_of_its_own():
    silent = {path: no_answer(NOT_ASKED if path != "/health" else "ConnectError: no") for path in endpoints()}
    one = bundle(
        refused(),
        target=target(endpoints=silent, metrics={"state": "failed", "reason": NOT_ASKED}),
        machine=machine(endpoints=endpoints(), metrics={"state": "failed", "reason": NOT_ASKED}),
    )
    rows = _rows(one)
    before, after = rows["symptom-health"]["observed"].split("; after: ")
    assert re.fullmatch(r"before: /health ConnectError: no in \d\.\d\d s, the others were not asked", before)
    assert "not asked" not in after and after.count("HTTP 200 in 0.01 s") == 3
    assert rows["check-3"]["reason"] == "/metrics was not asked after the streams, because /health was not answered"


def test_the_processes_in_trouble_come_first_and_helpers_last():
    observed = _rows(real("worker-stopped"))["check-1"]["observed"]
    assert re.findall(r"(\w+) \d+: state", observed) == ["worker", "main", "engine_core", "other"]
    assert "0 restarts" not in observed
    assert "engine_core 132: gone" in _rows(real("engine-killed"))["check-1"]["observed"]


def test_outcomes_are_said_in_another_language():
    rows = _rows(bundle(refused(), stream("tools"), stalled("codex")))
    for id_, word in (("step-1", "unreachable"), ("step-3", "stalled")):
        observed = rows[id_]["observed"]
        assert word in observed
        assert word not in in_language(observed, lambda text, word=word: "X" if text == word else text)


def test_a_host_that_was_not_looked_at_afterwards_is_not_said_to_have_stopped_answering():
    row = _rows(bundle(machine=None))["check-3"]
    assert "stopped answering" not in row["reason"]
    assert "None" not in row["reason"]


def test_a_fix_for_a_limit_that_cannot_be_seen_does_not_pass():
    # The answer echoes the request: of a large one the end, where the limit is named, is cut by the probe.
    events = text_events()
    events[-1].update(data=events[-1]["data"][:20], data_bytes=40000)
    assert "codex: asked for 128, not cut" not in _rows(bundle(stream("codex", events)))["fix-4"]["observed"]
