"""The simulator's faults through the host wing and the judge, in one process: what is named, and what must not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamdiag.host.watch import Deadlines
from tests.diagnosis import diagnose, simulator

#: Fault and further arguments of the simulator -> status, primary cause.
VERDICTS = [
    (("none",), "healthy", None),
    (("answers_without_tool",), "healthy", None),
    (("long_answer=120",), "healthy", None),
    (("other_traffic=2",), "healthy", None),
    (("metrics_off",), "healthy", None),
    (("engine_stalled",), "broken", "engine_stalled"),
    (("engine_blocked",), "broken", "engine_stalled"),
    (("engine_stalled_midstream=12",), "broken", "engine_stalled"),
    (("engine_dead_midstream=12",), "broken", "engine_dead"),
    (("api_server_stalled_on_request",), "broken", "api_server_stalled"),
    (("api_server_stalled_midstream=8",), "broken", "api_server_stalled"),
    (("truncated=8",), "broken", "stream_truncated"),
    (("missing_terminal",), "broken", "stream_truncated"),
    (("engine_asleep",), "broken", "engine_asleep"),
    (("first_request_slow=5",), "healthy", None),
    (("http_error=404",), "broken", "request_rejected"),
]
#: Nothing in this version names these causes, so they must be said to be open, and no other cause blamed.
OPEN = [
    ("silent_after=4",),
    ("http_error=503",),
]


def _arguments(faults: tuple[str, ...]) -> list[str]:
    return [word for fault in faults for word in ("--fault", fault)]


@pytest.mark.parametrize(("faults", "status", "cause"), VERDICTS, ids=[v[0][0] for v in VERDICTS])
def test_verdict(tmp_path: Path, faults: tuple[str, ...], status: str, cause: str | None) -> None:
    with simulator(tmp_path, *_arguments(faults)) as base_url:
        result = diagnose(base_url, tmp_path / "gpu43")
    verdict = result["verdict"]
    assert (verdict["status"], verdict["primary_cause"]) == (status, cause), verdict


@pytest.mark.parametrize("faults", OPEN, ids=[f[0] for f in OPEN])
def test_no_cause_is_guessed(tmp_path: Path, faults: tuple[str, ...]) -> None:
    short = Deadlines(silence=8, patience=10, total=30)
    with simulator(tmp_path, *_arguments(faults)) as base_url:
        result = diagnose(base_url, tmp_path / "gpu43", deadlines=short)
    assert result["verdict"]["status"] == "inconclusive", result["verdict"]


def test_slow_first_request_is_waited_for(tmp_path: Path) -> None:
    """Compilation: tokens stand, the canary stands too, and the engine burns CPU time. Not a stall."""
    with simulator(tmp_path, "--fault", "first_request_slow=14") as base_url:
        result = diagnose(base_url, tmp_path / "gpu43", cases=("simple",))
    assert result["verdict"]["status"] == "degraded", result["verdict"]
    assert result["verdict"]["primary_cause"] == "slow_generation"


def test_wrong_key(tmp_path: Path) -> None:
    with simulator(tmp_path, "--api-key", "sekret-key-123456") as base_url:
        refused = diagnose(base_url, tmp_path / "a")
        accepted = diagnose(base_url, tmp_path / "b", cases=("simple",), api_key="sekret-key-123456")
    assert refused["verdict"]["primary_cause"] == "auth_rejected"
    assert accepted["verdict"]["status"] == "healthy"
    stored = "".join(p.read_text(encoding="utf-8") for p in tmp_path.rglob("*.json"))
    assert "sekret-key-123456" not in stored


def test_wrong_model(tmp_path: Path) -> None:
    with simulator(tmp_path) as base_url:
        result = diagnose(base_url, tmp_path / "gpu43", model="nosuch")
    assert result["verdict"]["primary_cause"] == "request_rejected"
    assert "nosuch" in result["verdict"]["summary"]


def test_nothing_listens(tmp_path: Path) -> None:
    result = diagnose("http://127.0.0.1:9", tmp_path / "gpu43")
    assert result["verdict"]["primary_cause"] == "service_down"
    assert [skipped["case"] for skipped in result["skipped_cases"]] == ["tools", "codex"]
