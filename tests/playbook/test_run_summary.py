"""assess.yml on a stored run of which one host is damaged: the others have their summary, and the run fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.play import ROOT, play

BUNDLES = ROOT / "tests" / "data" / "bundles"


def test_a_damaged_host_costs_the_others_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for name in ("healthy", "engine-stopped", "unit-stopped"):
        shutil.copytree(BUNDLES / name, run / name)
    (run / "unit-stopped" / "evidence" / "target.json").write_text("{", encoding="utf-8")
    found = play("playbooks/assess.yml", "-e", f"assess_run={run}", reports=tmp_path)
    assert found.rc == 2
    last = next(line for _t, line in reversed(found.lines) if "Fail where evidence could not be judged" in line)
    assert "target.json is not whole JSON" in last and "unit-stopped: " in last and "result.json is not there" in last
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert summary["totals"] == {"broken": 1, "healthy": 1}
    assert [one["host"] for one in summary["damaged"]] == ["unit-stopped"]
    text = (run / "summary.md").read_text(encoding="utf-8")
    assert "](./healthy/report.md) | healthy |" in text and "- unit-stopped: " in text
    suites = ET.parse(run / "junit.xml").getroot().findall("testsuite")
    assert [suite.attrib["errors"] for suite in suites if suite.attrib["name"] == "unit-stopped"] == ["1"]
