"""All hosts of a run at once: one that is damaged costs the others nothing, and fifty cost seconds."""

import os
import resource
import shutil

import pytest

from streamdiag.controller.report_hosts import Order, report_hosts
from tests.play import ROOT
from tests.unit.judge.bundles import EXPECTED, REAL

ROLE = str(ROOT / "roles" / "report")
ENGLISH = Order(ROLE, "en", "broken")
#: Seconds, for fifty hosts on two cores.
LIMIT = 20.0


@pytest.fixture
def hosts(tmp_path):
    """Makes ``count`` folders of hosts, of the stored real runs in turn."""

    def made(count):
        for number, condition in zip(range(count), [*EXPECTED] * count, strict=False):
            shutil.copytree(REAL / condition / "evidence", tmp_path / f"gpu{number}" / "evidence")
        return [str(tmp_path / f"gpu{number}") for number in range(count)]

    return made


def used():
    """Seconds of CPU time of this process and of those that it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def test_each_has_its_verdict_its_report_and_its_reasons_to_fail(hosts):
    folders = hosts(len(EXPECTED))
    reported = report_hosts(folders, {}, ENGLISH)
    assert [one.folder for one in reported] == folders
    for one, (status, cause, _confidence) in zip(reported, EXPECTED.values(), strict=True):
        assert one.verdict is not None and (one.verdict["status"], one.verdict["primary_cause"]) == (status, cause)
        assert bool(one.failures) == (status in ("broken", "unreachable"))
        assert one.report == f"{one.folder}/report.md" and one.announcement.endswith(one.report)


def test_a_damaged_one_costs_the_others_nothing(hosts, tmp_path):
    folders = hosts(3)
    (tmp_path / "gpu1" / "evidence" / "run.json").write_text("{", encoding="utf-8")
    reported = report_hosts(folders, {}, ENGLISH)
    assert [bool(one.damaged) for one in reported] == [False, True, False]
    assert reported[1].failures == [reported[1].damaged] and "run.json" in reported[1].damaged
    assert (tmp_path / "gpu2" / "report.html").exists()


def test_a_fresh_run_is_ended_first(hosts):
    (folder,) = hosts(1)
    run = {"run_id": "r", "host": "gpu7", "started_at": "2026-11-25T00:00:00Z", "skipped_cases": {}, "errors": []}
    (one,) = report_hosts([folder], {folder: {**run, "unreachable": ""}}, ENGLISH)
    assert one.announcement.startswith("gpu7: ")


def test_fifty_hosts_take_seconds(hosts):
    """CPU time, because a machine that does other things meanwhile has less of the wall clock for us."""
    folders, before = hosts(50), used()
    assert len(report_hosts(folders, {}, ENGLISH)) == 50
    assert (used() - before) / min(2, os.cpu_count() or 1) < LIMIT
