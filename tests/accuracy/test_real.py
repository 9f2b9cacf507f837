"""How entries are spread over real hosts, without any."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.accuracy import real, run
from tests.accuracy.catalogue import Entry
from tests.accuracy.matrix import Outcome

HOST = SimpleNamespace(name="gpu43", inventory=Path("inventory"), address="198.18.0.2")


def entry(name: str, *faults: str, around: tuple[str, ...] = ()) -> Entry:
    return Entry(name, "vllm", "a note", "healthy", faults=faults, around=around)


def test_entries_that_share_settings_stand_together_and_come_first() -> None:
    entries = [entry("a"), entry("b", around=("x",)), entry("c"), entry("d", around=("x",))]
    assert [[e.name for _n, e in row] for row in real.rows((e.name, e) for e in entries)] == [["b", "d"], ["a"], ["c"]]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in order; nothing is done in fact."""
    found: list[str] = []

    @contextlib.contextmanager
    def inject(_host: object, spec: str, _when: str | None = None) -> Iterator[str]:
        found.append(f"+{spec}")
        yield ""
        found.append(f"-{spec}")

    def play(*_words: str, **_more: object) -> Any:
        found.append("diagnose")
        return SimpleNamespace(result=lambda _host: {}, seconds=1.0)

    server = SimpleNamespace(wait_ready=lambda: found.append("wait"))
    monkeypatch.setattr(run, "play", play)
    monkeypatch.setattr(run.faults, "inject", inject)
    monkeypatch.setattr(real.hosts, "Server", lambda _host: server)
    monkeypatch.setattr(real, "forget_kernel_log", lambda host: found.append(f"forget {host.name}"))
    return found


def test_a_fault_that_lasts_is_held_and_one_that_is_used_up_is_made_anew(done: list[str], tmp_path: Path) -> None:
    list(run.on_vllm(entry("a", "engine_stopped"), HOST, tmp_path, 2))  # type: ignore[arg-type]
    assert done == ["+engine_stopped", "diagnose", "diagnose", "-engine_stopped"]
    done.clear()
    list(run.on_vllm(entry("a", "cold"), HOST, tmp_path, 2))  # type: ignore[arg-type]
    assert done == ["+cold", "diagnose", "-cold", "wait", "+cold", "diagnose", "-cold"]


def test_what_writes_to_the_kernel_log_comes_last_and_alone(done: list[str], tmp_path: Path) -> None:
    entries = [("1", entry("a", "gpu_fault")), ("2", entry("b", "api_key", around=("x",))), ("3", entry("c"))]
    other = SimpleNamespace(**{**vars(HOST), "name": "gpu44"})
    with real.begun(entries, [HOST, other], tmp_path, 1) as outcomes:  # type: ignore[list-item]
        assert [outcomes[name].result(timeout=10) for name in "321"] == [[Outcome({}, 1.0, [])]] * 3
    assert done[-5:] == ["+gpu_fault", "diagnose", "-gpu_fault", "forget gpu43", "forget gpu44"]
    assert done.index("-x") < done.index("+gpu_fault")


def test_an_entry_that_breaks_costs_no_other(done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_words: str, **_more: object) -> Any:
        raise RuntimeError("no such playbook")

    monkeypatch.setattr(run, "play", breaks)
    with real.begun([("1", entry("a")), ("2", entry("b"))], [HOST], tmp_path, 3) as outcomes:  # type: ignore[list-item]
        found = [outcomes[name].result(timeout=10) for name in "12"]
    assert [[str(error) for error in one] for one in found] == [["no such playbook"]] * 2
