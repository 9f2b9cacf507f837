"""What an audit found out by switching compatibility mode off, in the judgement of what was seen before."""

from __future__ import annotations

import pytest

from streamdiag.compare.compare import compare
from streamdiag.compare.experiment import experiment, order
from streamdiag.judge.assess import assess
from tests.unit.compare.results import result
from tests.unit.judge.bundles import bundle, chat, stalled, stream, target

ON = {"target": target(compat_mode="on")}


def tried(before, after, change="compat_off"):
    """The experiment of an audit. Arms as in ``result``: one letter per stream, ``x`` hangs."""
    found = compare(result("r", simple=before), result("r/after", simple=after))
    audit = {"change": change, "words": "a change", "kept": False, "restored": True, "order": []}
    return experiment(found, audit)


def judged(one):
    """State of the cause, verdict and the row of the fix."""
    found = assess(bundle(stalled(), chat(), **ON)._replace(experiment=one))
    (cause,) = (c for c in found["causes"] if c["id"] == "compat_mode_filtering")
    (row,) = (c for c in found["checks"] if c["id"] == "fix-2")
    return cause, found["verdict"], row


def test_a_mode_that_is_shown_to_filter_is_confirmed():
    one = tried("xxxxx", "ooooo")
    assert (one["conclusion"], one["fixed"], one["failing"]) == ("fixed", ["simple"], [])
    cause, verdict, row = judged(one)
    assert cause["state"] == "confirmed"
    assert (verdict["primary_cause"], verdict["confidence"], verdict["status"]) == (
        "compat_mode_filtering",
        "high",
        "broken",
    )
    assert "5 of 5" in verdict["summary"] and "0 of 5" in verdict["summary"]
    assert row["status"] == "fail" and "restart_compat=off" in row["reason"]
    assert row["evidence"][0]["path"] == "evidence/experiment.json"
    assert "fix-2" in cause["evidence_for"]


@pytest.mark.parametrize(
    ("before", "after", "state", "row_status"),
    [
        ("xxxxx", "xxxxx", "ruled_out", "pass"),  # it fails all the same
        ("xoxox", "oxoxo", "possible", "warn"),  # flaky is not fixed
        ("xxxoo", "ooooo", "likely", "warn"),  # fewer failures, and not shown: as without an experiment
    ],
)
def test_what_is_not_shown_is_not_confirmed(before, after, state, row_status):
    cause, _verdict, row = judged(tried(before, after))
    assert (cause["state"], row["status"]) == (state, row_status)


def test_without_an_audit_or_with_another_one_nothing_changes():
    plain = judged(None)
    assert plain[0]["state"] != "confirmed" and plain[2]["status"] == "skip"
    assert judged(tried("xxxxx", "ooooo", change="env")) == plain


def test_the_order_is_that_of_the_clock():
    late = stream("tools", at=300.0)
    before = bundle(stream(at=200.0), late)._replace(repeats=((2, stream(at=400.0)),))
    after = bundle(stream(at=500.0))
    assert [(one["arm"], one["name"], one["repeat"]) for one in order(before, after)] == [
        ("before", "simple", 1),
        ("before", "tools", 1),
        ("before", "simple", 2),
        ("after", "simple", 1),
    ]
