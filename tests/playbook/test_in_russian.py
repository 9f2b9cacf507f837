"""A report in Russian from the host to the page: what the host wing says of its evidence is Russian there, too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamdiag.store import load
from tests.diagnosis import simulator
from tests.english import english_in, flat
from tests.play import play

DEMO = ("-i", "inventory/demo.yml", "-l", "demo")
#: How the server fails -> words of the host wing that the report must say.
CONDITIONS = {
    "engine_stalled": "canary тоже стоит",
    "api_server_stalled": "/metrics не ответил; canary тоже стоит",
    "queue_saturated": "ждёт в очереди",
    "closed": "нет ответа на simple",
}


@contextlib.contextmanager
def failing(condition: str, folder: Path) -> Iterator[str]:
    """The address of a server that fails in this way."""
    if condition == "closed":
        yield "http://127.0.0.1:9"
        return
    with simulator(folder, "--fault", condition) as base_url:
        yield base_url


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_russian_report_is_russian_to_the_end(condition: str, tmp_path: Path) -> None:
    with failing(condition, tmp_path) as base_url:
        words = ("-e", f"vllm_base_url={base_url}", "-e", "report_language=ru")
        run = play("diagnose.yml", *DEMO, *words, reports=tmp_path / "reports")
    report = (run.folder("demo") / "report.md").read_text(encoding="utf-8")
    assert CONDITIONS[condition] in report
    assert english_in(report, flat(load(run.folder("demo")))) == []
