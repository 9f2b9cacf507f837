"""compare.yml as a user runs it, on stored runs of simulators: what is printed, written, refused and kept."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamdiag.bundle import repeat_file
from streamdiag.host.probe import Server, run_case
from streamdiag.host.watch import Deadlines
from streamdiag.judge.assess import assess
from streamdiag.store import load, to_json, write_part, write_text
from tests.diagnosis import diagnose, simulator
from tests.documented import COMMANDS
from tests.play import Play, play

REPEATS = 5
(DOCUMENTED,) = (command for command, who in COMMANDS.items() if who == "compare")


def audited(folder: Path, logs: Path, *faults: str) -> None:
    """One arm of an audit: a diagnosis, the same case four times more, and its result."""
    with simulator(logs, *faults) as base_url:
        diagnose(base_url, folder, cases=("simple",))
        for repeat in range(2, REPEATS + 1):
            server = Server(base_url, load(folder).target["model"], "", [])
            write_part(folder, repeat_file(repeat, "simple"), run_case("simple", server, Deadlines(), ""))
    judge(folder)


def judge(folder: Path) -> None:
    write_text(folder / "result.json", to_json(assess(load(folder))))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``before`` has every stream of gpu43 cut short, ``after`` has none; gpu44 is in the first only."""
    reports = tmp_path_factory.mktemp("reports")
    audited(reports / "before/gpu43", tmp_path_factory.mktemp("log"), "--fault", "truncated=4")
    audited(reports / "after/gpu43", tmp_path_factory.mktemp("log"))
    shutil.copytree(reports / "before/gpu43", reports / "before/gpu44")
    return reports


@pytest.fixture
def reports(stored: Path, tmp_path: Path) -> Iterator[Path]:
    yield Path(shutil.copytree(stored, tmp_path / "reports"))


def compare(reports: Path, before: str = "before", after: str = "after", *more: str) -> Play:
    runs = ("-e", f"compare_before={before}", "-e", f"compare_after={after}")
    return play("playbooks/compare.yml", *runs, *more, reports=reports)


def test_the_documented_command_says_what_changed(reports: Path) -> None:
    _ansible, playbook, *arguments = DOCUMENTED.split()
    run = play(playbook, *arguments, reports=reports)
    assert run.rc == 0, run.output
    assert "gpu43: FIXED (test compared with test)" in run.output
    assert "5 of 5 streams failed before (48 to 100 %), 0 of 5 after (0 to 52 %), p = 0.0079" in run.output
    assert "gpu44 is in the run before only, so it is not compared" in run.output
    files = [reports / "after/gpu43" / name for name in ("audit.json", "audit.md")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600, 0o600]
    assert json.loads(files[0].read_text(encoding="utf-8"))["conclusion"]["word"] == "fixed"
    assert files[1].read_text(encoding="utf-8").startswith("# fixed: gpu43\n")
    assert not list((reports / "before").rglob("audit.*"))


def test_two_diagnoses_are_compared_as_they_are(tmp_path: Path) -> None:
    """Diagnose now, diagnose later: the plan sends other cases to a server that hangs, and that is no other kind."""
    for run, faults in (("before", ["--fault", "engine_stalled"]), ("after", [])):
        logs, folder = tmp_path / run, tmp_path / "elsewhere" / run / "gpu43"
        logs.mkdir()
        with simulator(logs, *faults) as base_url:
            diagnose(base_url, folder)
        judge(folder)
    run = compare(tmp_path / "reports", str(tmp_path / "elsewhere/before"), str(tmp_path / "elsewhere/after"))
    assert run.rc == 0, run.output
    assert "gpu43: NO DIFFERENCE SHOWN" in run.output
    assert "but: one stream per arm proves nothing" in run.output
    audit = json.loads((tmp_path / "elsewhere/after/gpu43/audit.json").read_text(encoding="utf-8"))
    changed = {(one["part"], one["id"]): (one["before"], one["after"]) for one in audit["changes"]}
    assert changed["verdict", "status"] == ("broken", "healthy")
    assert changed["verdict", "primary_cause"] == ("engine_stalled", "-")
    volatile = json.dumps(audit["changes"])
    assert not re.search(r"127\.0\.0\.1:\d|process \d|\d\.\d+ s\b|\bresp_\w", volatile), volatile


def test_bad_input_is_refused_and_nothing_is_lost(reports: Path) -> None:
    audit = reports / "after/gpu43/audit.md"
    audit.write_text("an older one", encoding="utf-8")
    missing = compare(reports, "before", "nosuch")
    assert missing.rc == 2
    assert "there is no run nosuch; the newest runs in" in missing.output
    slips = compare(reports, "before", "", "-e", "compare_forse=true", "-e", "compare_force=perhaps")
    assert slips.rc == 2
    assert "name both runs: -e compare_before=RUN -e compare_after=RUN" in slips.output
    assert "did you mean compare_force?" in slips.output
    assert "compare_force='perhaps' (compare runs of different models, " in slips.output
    assert audit.read_text(encoding="utf-8") == "an older one"


def test_a_host_that_cannot_be_compared_costs_only_itself(reports: Path) -> None:
    shutil.copytree(reports / "after/gpu43", reports / "after/gpu44")
    path = reports / "after/gpu43/result.json"
    path.write_text(path.read_text(encoding="utf-8")[:200], encoding="utf-8")
    run = compare(reports)
    assert run.rc == 2
    assert "gpu43/result.json is not whole JSON" in run.output
    assert "gpu43: FIXED" in run.output, "the copy keeps its name; its folder is gpu44"
    assert (reports / "after/gpu44/audit.json").exists()
    assert not (reports / "after/gpu43/audit.json").exists()


def test_other_models_are_compared_by_force_only(reports: Path) -> None:
    target = reports / "after/gpu43/evidence/target.json"
    other = {**json.loads(target.read_text(encoding="utf-8")), "model": "other"}
    target.write_text(json.dumps(other), encoding="utf-8")
    judge(target.parent.parent)
    run = compare(reports)
    assert run.rc == 2
    assert "model: tiny before, other after" in run.output
    assert "-e compare_force=true" in run.output
    forced = compare(reports, "before", "after", "-e", "compare_force=true")
    assert forced.rc == 0, forced.output
    assert "but: compared by force: model tiny before, other after" in forced.output
