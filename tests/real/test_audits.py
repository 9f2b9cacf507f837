"""audit.yml on a real vLLM of a real host: what is fixed, what is flaky, what makes no difference; and always back."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import hosts
from tests.hosts import faults
from tests.play import Play, play
from tests.real.service import OFF, ON, SILENT, killed_at, main_process, ours, restart, unit_files

pytestmark = [pytest.mark.vllm, pytest.mark.changes]

#: One case says it all where all cases behave alike, and takes a fifth of the time.
SIMPLE = ("-e", '{"probe_cases": ["simple"]}')


def audit(host: hosts.Host, reports: Path, change: str, *arguments: str) -> Play:
    where = ("-i", str(host.inventory), "-l", host.name)
    return play("audit.yml", *where, "-e", f"audit_change={change}", *arguments, reports=reports, timeout=1800)


def audited(run: Play, host: hosts.Host) -> dict[str, Any]:
    path = run.folder(host.name) / "audit.json"
    assert path.exists(), run.output
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def incident(fork_host: hosts.Host) -> Iterator[hosts.Host]:
    """The incident: compatibility mode is on by the unit's command, and only response.created passes."""
    with faults.inject(fork_host, "compat_mode_on"):
        yield fork_host


@contextlib.contextmanager
def as_before(host: hosts.Host) -> Iterator[None]:
    """Nothing of ours stays, and the server runs with the arguments that it had."""
    files, argv = unit_files(host), main_process(host)[1]
    yield
    assert unit_files(host) == files and ours(host) == []
    assert main_process(host)[1] == argv and hosts.Server(host).request("/health")[0] == 200


@pytest.mark.short
def test_a_mode_that_filters_is_shown_to(incident: hosts.Host, tmp_path: Path) -> None:
    with as_before(incident):
        run = audit(incident, tmp_path, "compat_off")
    found, result = audited(run, incident), run.result(incident.name)
    assert run.rc == 0 and run.longest_silence <= SILENT, run.output
    assert found["conclusion"]["word"] == "fixed", found["conclusion"]
    (case,) = (row for row in found["cases"] if row["name"] == "simple")
    assert (case["before"]["failed"], case["before"]["sent"]) == (5, 5)
    assert (case["after"]["failed"], case["after"]["sent"]) == (0, 5)
    assert case["p_value"] < 0.05 and case["before"]["low"] > 0.4 and case["after"]["high"] < 0.6
    assert found["audit"]["restored"] and OFF in found["audit"]["words"]
    assert [one["arm"] for one in found["audit"]["order"]] == sorted(
        (one["arm"] for one in found["audit"]["order"]), reverse=True
    )
    assert (found["before"]["compat_mode"], found["after"]["compat_mode"]) == ("on", "off")
    verdict = result["verdict"]
    assert (verdict["primary_cause"], verdict["confidence"]) == ("compat_mode_filtering", "high")
    (cause,) = (one for one in result["causes"] if one["id"] == "compat_mode_filtering")
    (fix,) = (one for one in result["checks"] if one["id"] == "fix-2")
    assert cause["state"] == "confirmed" and fix["status"] == "fail" and "restart_compat=off" in fix["reason"]
    assert "FIXED" in run.output and (run.folder(incident.name) / "after" / "report.md").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("simple: 200",),  # nothing was changed yet
        ("wrote /run",),
        ("restarts (it was",),
        ("answers, process", "simple: 200"),
        ("answers, process", "back to its own"),
    ],
    ids=["before", "written", "restarting", "after", "restoring"],
)
def test_the_controller_is_killed(incident: hosts.Host, tmp_path: Path, words: tuple[str, ...]) -> None:
    """In every phase: restart_compat=default puts it right, and until then each diagnosis says so."""
    command = ("audit.yml", "-e", "audit_change=compat_off", "-e", "audit_repeats=1", "-e", f"reports_dir={tmp_path}")
    with as_before(incident):
        assert killed_at(incident, (*command, *SIMPLE), *words)
        if words[-1] == "simple: 200" and len(words) == 2:
            seen = play("diagnose.yml", "-i", str(incident.inventory), "-l", incident.name, reports=tmp_path / "next")
            assert "was left half-way: compat_off" in seen.output and "restart_compat=default" in seen.output
        run = restart(incident, "default")
        assert run.rc == 0, run.output


@pytest.mark.parametrize("with_", [pytest.param(signal.SIGINT, marks=pytest.mark.short), signal.SIGTERM])
def test_an_interrupted_audit_takes_its_change_back(
    incident: hosts.Host, tmp_path: Path, with_: signal.Signals
) -> None:
    command = ("audit.yml", "-e", "audit_change=compat_off", "-e", "audit_repeats=3", "-e", f"reports_dir={tmp_path}")
    with as_before(incident):
        assert killed_at(incident, (*command, *SIMPLE), "answers, process", "simple: 200", with_=with_)


def test_a_server_that_hangs_at_random_is_flaky(fork_host: hosts.Host, tmp_path: Path) -> None:
    with faults.inject(fork_host, "silent_after=4", "half"), as_before(fork_host):
        run = audit(fork_host, tmp_path, "compat_off", *SIMPLE)
    found = audited(run, fork_host)
    assert found["conclusion"]["word"] == "flaky", found["conclusion"]
    state = {one["id"]: one["state"] for one in run.result(fork_host.name)["causes"]}["compat_mode_filtering"]
    assert state != "confirmed"


def test_a_change_without_effect_shows_no_difference(fork_host: hosts.Host, tmp_path: Path) -> None:
    with as_before(fork_host):
        run = audit(fork_host, tmp_path, "env", "-e", "audit_environment=VLLM_LOGGING_PREFIX=x", *SIMPLE)
    found = audited(run, fork_host)
    assert run.rc == 0 and found["conclusion"]["word"] == "no difference shown", found["conclusion"]


def test_debug_logging_in_the_terms_of_the_build(fork_host: hosts.Host, tmp_path: Path) -> None:
    """Requests are in the log after the change, and streams are not held back."""
    with as_before(fork_host):
        run = audit(fork_host, tmp_path, "debug_logging", "-e", "audit_repeats=1", *SIMPLE)
    assert run.rc == 0, run.output
    log = json.loads((run.folder(fork_host.name) / "after" / "evidence" / "journal.json").read_text(encoding="utf-8"))
    assert any("Received request" in line["text"] for line in log["unit"]["lines"])
    assert audited(run, fork_host)["conclusion"]["word"] == "no difference shown"


def test_a_change_that_is_kept(fork_host: hosts.Host, tmp_path: Path) -> None:
    run = audit(
        fork_host, tmp_path, "args", "-e", "audit_set='--max-num-seqs 4'", "-e", "audit_keep=true", *SIMPLE, "-e",
        "audit_repeats=1",
    )  # fmt: skip
    assert run.rc == 0 and "--max-num-seqs 4" in main_process(fork_host)[1], run.output
    assert audited(run, fork_host)["audit"]["kept"]
    seen = play("diagnose.yml", "-i", str(fork_host.inventory), "-l", fork_host.name, reports=tmp_path / "next")
    assert "half-way" not in seen.output, seen.output
    assert restart(fork_host, "default").rc == 0 and ours(fork_host) == []


def test_a_change_that_does_not_come_up_is_rolled_back(fork_host: hosts.Host, tmp_path: Path) -> None:
    with as_before(fork_host):
        run = audit(
            fork_host, tmp_path, "args", "-e", "audit_set=--max-model-len=one", "-e", "audit_repeats=1", *SIMPLE
        )
    assert run.rc == 2 and "rolled back" in run.output and "max-model-len" in run.output, run.output
    assert not (run.folder(fork_host.name) / "audit.json").exists()
    assert run.result(fork_host.name)["verdict"]["status"] == "healthy", "what was seen before is kept, and judged"


def test_upstream_is_refused_before_the_first_stream(vllm_host: hosts.Host, tmp_path: Path) -> None:
    before = main_process(vllm_host)
    run = audit(vllm_host, tmp_path, "compat_off")
    assert run.rc == 2 and f"does not know {OFF}" in run.output and ON not in before[1], run.output
    assert main_process(vllm_host) == before and ours(vllm_host) == []
