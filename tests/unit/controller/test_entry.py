"""What the modules start with that an operator's variables go to: one message on all that is wrong, and the folders."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from streamdiag.controller.entry import places, refuse_slips
from tests.play import ROOT


class Refused(Exception):
    """With the message."""


def module(**params):
    """What is used of an AnsibleModule."""

    def fail_json(msg):
        raise Refused(msg)

    given = {"reports_dir": "reports", "root": ".", "extra_names": [], "roles_path": str(ROOT / "roles")}
    return SimpleNamespace(params={**given, **params}, fail_json=fail_json)


def test_what_is_right_goes_on():
    refuse_slips(
        module(extra_names=["pack_run", "report_language", "ansible_user", "probe_cases"]), {"reports_keep": "7"}
    )


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(Refused) as refused:
        refuse_slips(module(extra_names=["pack_runs"]), {"reports_keep": "many"}, "name the run")
    slip, value, missing = str(refused.value).splitlines()
    assert slip == "pack_runs is not a variable of this project; did you mean pack_run?"
    assert value.startswith("reports_keep='many'") and missing == "name the run"


def test_what_is_missing_is_reason_enough():
    with pytest.raises(Refused, match="name the run"):
        refuse_slips(module(), {}, "name the run")


def test_reports_are_below_the_project_or_where_they_are_said_to_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project").mkdir()
    os.symlink("project", tmp_path / "link")
    root = tmp_path.resolve() / "project"
    assert places(module(root="link")) == (root, root / "reports")
    assert places(module(root="link", reports_dir="/srv/reports")) == (root, Path("/srv/reports"))
