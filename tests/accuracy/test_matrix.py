"""What counts as wrong, and what records add up to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.accuracy.catalogue import ROWS, Entry
from tests.accuracy.matrix import HEALTHY, Matrix, Outcome, broke, record

STALLED = Entry(
    name="stalled",
    where="simulator",
    note="a note",
    status="broken",
    cause="engine_stalled",
    confidence="medium",
    rows={"fail": ("step-1",), "pass": ("symptom-health",)},
    not_blamed=("server_buffering",),
)
SOUND = Entry("sound", "simulator", "a note", "healthy")


def result(status: str, cause: str | None, confidence: str = "high", **more: Any) -> dict[str, Any]:
    """A result in which ``rows`` have other statuses than ``pass`` and ``blamed`` causes are confirmed."""
    rows, blamed = more.get("rows", {}), more.get("blamed", [])
    return {
        "verdict": {"status": status, "primary_cause": cause, "confidence": confidence, "summary": "a summary"},
        "checks": [{"id": id_, "status": rows.get(id_, "pass"), "reason": "a reason"} for id_ in ROWS],
        "causes": [{"id": id_, "state": "confirmed"} for id_ in blamed] + [{"id": "gpu_fault", "state": "ruled_out"}],
    }


RIGHT = result("broken", "engine_stalled", rows={"step-1": "fail"}, blamed=["engine_stalled"])
#: Entry, result, words of what is wrong with it.
CASES = [
    (STALLED, RIGHT, []),
    (STALLED, result("broken", "engine_stalled", "low", rows={"step-1": "fail"}), ["confidence low, less than medium"]),
    (STALLED, result("broken", "engine_dead", rows={"step-1": "fail"}), ["instead of broken / engine_stalled"]),
    (STALLED, result("degraded", "engine_stalled", rows={"step-1": "fail"}), ["instead of broken / engine_stalled"]),
    (STALLED, result("broken", "engine_stalled"), ["row step-1 is pass instead of fail"]),
    (
        STALLED,
        result("broken", "engine_stalled", rows={"step-1": "fail"}, blamed=["server_buffering"]),
        ["server_buffering is blamed, too"],
    ),
    (
        STALLED,
        result("broken", "engine_stalled", rows={"step-1": "fail", "step-2": "error"}),
        ["the check itself broke: step-2"],
    ),
    (SOUND, result("healthy", None), []),
    (SOUND, result("healthy", None, rows={"step-4": "warn", "check-2": "skip"}), []),
    (SOUND, result("healthy", None, rows={"step-3": "fail"}), ["fails the row step-3"]),
    (SOUND, result("healthy", None, blamed=["no_heartbeat"]), ["is blamed for no_heartbeat"]),
    (SOUND, result("degraded", "slow_generation"), ["instead of healthy / None"]),
]


@pytest.mark.parametrize(("entry", "got", "words"), CASES)
def test_what_is_wrong_is_said(entry: Entry, got: dict[str, Any], words: list[str]) -> None:
    found = record(entry, Outcome(got, 1.25))
    assert len(found.wrong) == len(words)
    assert all(word in wrong for word, wrong in zip(words, found.wrong, strict=True))
    assert found.right == (not words)


def test_a_secret_that_was_stored_is_wrong() -> None:
    assert record(STALLED, Outcome(RIGHT, 1.0, ["k"])).wrong == ("a secret was stored",)


def matrix(folder: Path) -> Matrix:
    made = Matrix(["stalled", "sound", "never"], folder)
    made.keep(record(STALLED, Outcome(RIGHT, 6.0)))
    made.keep(record(STALLED, Outcome(result("healthy", None), 8.0)))
    made.keep(record(SOUND, Outcome(result("healthy", None), 2.0)))
    made.keep(record(SOUND, Outcome(result("broken", "engine_stalled"), 2.0), HEALTHY))
    made.keep(broke(SOUND, RuntimeError("no | server\nat all"), HEALTHY))
    return made


def test_totals(tmp_path: Path) -> None:
    made = matrix(tmp_path)
    assert made.totals() == {
        "runs": 3,
        "right": 2,
        "right_verdicts": 2,
        "entries": 2,
        "of_entries": 3,
        "flips": 1,
        "missed": 1,
        "healthy_runs": 3,
        "false_alarms": 2,
    }
    assert made.flips() == ["stalled"]
    assert made.not_run() == ["never"]
    assert made.confusion() == {"engine_stalled": {"engine_stalled": 1, "healthy": 1}, "healthy": {"healthy": 1}}
    assert any("2 false alarms in 3 runs" in line for line in made.lines())
    assert any("flipped: stalled" in line for line in made.lines())


def test_it_is_written_whole_after_every_record(tmp_path: Path) -> None:
    matrix(tmp_path / "new")
    stored = json.loads((tmp_path / "new" / "matrix.json").read_text(encoding="utf-8"))
    assert len(stored["records"]) == 5
    assert stored["records"][0]["rows"] == {"fail": ["step-1"]}
    assert stored["not_run"] == ["never"]
    page = (tmp_path / "new" / "matrix.md").read_text(encoding="utf-8")
    assert "| engine_stalled | 2 | 1 | healthy 1 | 7 |" in page
    assert "| stalled | simulator | engine_stalled | healthy | high | 8.0 | wrong |" in page
    assert "no \\| server" in page
    assert "RuntimeError" in page
