"""The published schemas fit what is written, forbid what is not, and name the ids that the code has."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import get_type_hints

import pytest
from jsonschema import Draft202012Validator

from streamdiag.compare import comparison, words
from streamdiag.compare.comparable import differences
from streamdiag.compare.compare import compare
from streamdiag.compare.comparison import Audit, Comparison
from streamdiag.compare.experiment import order
from streamdiag.compare.pace import MEASURES
from streamdiag.controller.report_hosts import Order, report_hosts
from streamdiag.judge import result as shapes
from streamdiag.judge.assess import assess
from streamdiag.judge.causes import ORDER
from streamdiag.judge.facts import STREAM_ORDER
from streamdiag.judge.streams import ENDED
from streamdiag.report import fleet, stored, summary
from streamdiag.report.schemas import AUDIT, MOST, RESULT, SUMMARY, NotAsPublished, _validator, problems
from streamdiag.report.stored import Damaged, Stored
from streamdiag.report.summary import STATUSES, summarise
from streamdiag.report.write import style, write_audit, write_both, write_report, write_summary
from streamdiag.store import load, to_json, write_part
from tests.unit.compare.results import result as arm
from tests.unit.compare.results import timed
from tests.unit.judge.bundles import (
    EXPECTED,
    REAL,
    bundle,
    chat,
    journal,
    mute,
    nonstream,
    nothing_sent,
    public,
    real,
    refused,
    rejected,
    run,
    stalled,
    stream,
    target,
    truncated,
)
from tests.unit.judge.test_assess import CAUSES
from tests.unit.report.fleets import host, names
from tests.unit.report.test_audit_report import AUDITS
from tests.unit.report.test_report import POISON, TEN

ROLE = Path(__file__).resolve().parents[3] / "roles" / "report"
SCHEMAS = ROLE / "schemas"
NAMES = (RESULT, SUMMARY, AUDIT)


def schema(name):
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))


def wrong(name, document):
    return problems(SCHEMAS, name, document)


# What is written fits


@pytest.mark.parametrize("condition", EXPECTED)
def test_the_result_of_a_real_run_fits(condition):
    assert wrong(RESULT, assess(real(condition))) == []


SYNTHETIC = {
    "healthy": bundle(),
    "stalled": bundle(stalled()),
    "refused": bundle(refused()),
    "mute": bundle(mute()),
    "rejected": bundle(rejected(422, POISON)),
    "truncated": bundle(truncated()),
    "every case": bundle(*[stream(case) if n % 2 else stalled(case) for n, case in enumerate(TEN)]),
    "other ways": bundle(stream(), chat(), nonstream(), public("gzip"), public("controller-gzip")),
    "hostile": bundle(stalled(), journal=journal(POISON), target=target(model=POISON, argv=[POISON] * 3)),
    "nothing": nothing_sent(target=None, machine=None, journal=None),
    "unreachable": nothing_sent(run=run(unreachable=POISON)),
    "errors": nothing_sent(run=run(errors=[{"step": "x", "message": POISON}], skipped_cases={"tools": "y"})),
    "undated": bundle(run=run(started_at="", finished_at="", tool_version="")),
    "repeats": bundle(stream())._replace(repeats=((2, stream()), (3, stalled()))),
    "surrogate": bundle(stalled(), target=target(model="a\ud800b")),
}


@pytest.mark.parametrize("made", SYNTHETIC.values(), ids=SYNTHETIC)
def test_the_result_of_a_synthetic_bundle_fits(made):
    assert wrong(RESULT, assess(made)) == []


def test_the_result_of_an_interrupted_run_fits(tmp_path):
    write_part(tmp_path, "target.json", target())
    assert wrong(RESULT, assess(load(tmp_path))) == []


@pytest.mark.parametrize("name", AUDITS)
def test_a_comparison_fits(name):
    assert wrong(AUDIT, compare(*AUDITS[name], force=True)) == []


def test_comparisons_of_every_kind_fit():
    for before, after in (("xx", "oo"), ("ooooo", "xxxxx"), ("xoxox", "oxoxo"), ("x", "x")):
        found = compare(arm("a", simple=before, tools="ooooo"), arm("b", simple=after, codex="xx"), force=True)
        assert wrong(AUDIT, found) == []
    slow = [arm("a", simple=timed("simple", [1.0, 1.1, 1.2, 1.3])), arm("b", simple=timed("simple", [5, 6, 7, 8]))]
    assert wrong(AUDIT, compare(*slow)) == []
    other = assess(bundle(stalled(), target=target(model="other")))
    found = compare(arm("a", simple="o"), {**other, "host": "else"}, force=True)
    assert found["differences"] and wrong(AUDIT, found) == []


def test_an_audit_fits():
    found = _audit()
    assert found["audit"]["order"] and wrong(AUDIT, found) == []


def _audit():
    before = bundle(stalled())._replace(repeats=((2, stalled()),))
    after = bundle(stream(), run=run(run_id="run/after"))._replace(repeats=((2, stream()),))
    found = compare(assess(before), assess(after), force=True)
    found["audit"] = Audit(change="compat_off", words="x", kept=False, restored=True, order=order(before, after))
    return found


def test_a_summary_fits():
    hosts = [host(name) for name in names(5)] + [host(n, "engine-stopped", vllm_version="1") for n in names(3, 50)]
    hosts += [host("bare", options=()), host("pair1", unit_state="a"), host("lost", "host-unreachable", options=None)]
    found = summarise(Stored(hosts, [one["host"] for one in hosts], [Damaged(host="x", reason=POISON)]))
    assert all(found["fleet"][part] for part in ("shared", "odd_ones_out", "failing_in_common"))
    assert wrong(SUMMARY, found) == []
    two = summarise([host("a"), host("b", vllm_version="1")])
    assert two["fleet"]["divided"] and wrong(SUMMARY, two) == []
    assert wrong(SUMMARY, summarise(Stored([], [], []), "run")) == []


# What does not fit is said


def changed(document, *path, value):
    found = json.loads(to_json(document))
    at = found
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return found


RESULT_FAULTS = [
    (("verdict", "status"), "fine"),
    (("verdict", "primary_cause"), "bad_luck"),
    (("verdict", "confidence"), None),
    (("causes", 0, "state"), "sure"),
    (("causes", 0, "id"), "bad_luck"),
    (("causes", 0, "checklist_cause"), 5),
    (("causes", 0, "evidence_for"), ["no row"]),
    (("checks", 3, "status"), "passed"),
    (("checks", 3, "id"), "row 3"),
    (("checks", 3, "evidence"), [{"path": "x", "sha256": "abc", "excerpt": ""}]),
    (("streams", 0, "outcome"), "hung"),
    (("streams", 0, "events"), -1),
    (("streams", 0, "events"), 1.5),
    (("streams", 0, "duration"), "1 s"),
    (("streams", 0, "http_status"), "200"),
    (("streams", 0, "arrival"), "slowly"),
    (("target", "compat_mode"), "maybe"),
    (("target", "argv"), "vllm serve"),
    (("target", "main_pid"), 0),
    (("schema_version",), 2),
    (("started_at",), "yesterday"),
    (("repeats",), [{}]),
    (("notes",), [1]),
]


@pytest.mark.parametrize(("path", "value"), RESULT_FAULTS, ids=lambda value: str(value)[:40])
def test_a_result_that_does_not_fit_is_named_with_its_place(path, value):
    found = wrong(RESULT, changed(assess(real("engine-stopped")), *path, value=value))
    place = "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    assert found and found[0].startswith(place), found


@pytest.mark.parametrize("name", NAMES)
def test_no_key_may_be_missing(name):
    document = {RESULT: assess(real("healthy")), SUMMARY: summarise([host("a")]), AUDIT: _audit()}[name]
    for key in schema(name)["required"]:
        left = {k: v for k, v in document.items() if k != key}
        assert wrong(name, left) == [f"$: '{key}' is a required property"]


@pytest.mark.parametrize("name", NAMES)
def test_a_key_may_be_added_anywhere(name):
    document = {RESULT: assess(real("healthy")), SUMMARY: summarise([host("a")]), AUDIT: _audit()}[name]

    def more(value, path=()):
        if isinstance(value, list):
            return [more(one, path) for one in value]
        if isinstance(value, dict):
            added = {} if path == ("totals",) else {"new_key": {"x": [1]}}  # its keys are statuses
            return {**{key: more(one, (*path, key)) for key, one in value.items()}, **added}
        return value

    assert wrong(name, more(document)) == []


def test_no_number_that_json_has_not():
    assert wrong(RESULT, changed(assess(bundle()), "streams", 0, "duration", value=float("nan"))) == [
        "it holds NaN, which is no number in JSON"
    ]


def test_what_is_wrong_is_said_shortly():
    huge = changed(assess(bundle()), "target", "argv", value=[7] * 1000)
    assert len(wrong(RESULT, huge)) == MOST
    (found,) = wrong(RESULT, changed(assess(bundle()), "verdict", "status", value="\x1b[2J" + "x" * 1_000_000))
    assert len(found) < 500 and "more characters" in found and "\x1b" not in found


# Writing


@pytest.fixture
def look():
    return style(str(ROLE), "en")


def test_what_does_not_fit_is_written_all_the_same(tmp_path, look):
    one, odd = bundle(stalled()), changed(assess(bundle(stalled())), "streams", 0, "arrival", value="slowly")
    with pytest.raises(NotAsPublished, match=r"result\.json is written, .*\$\.streams\[0\]\.arrival: 'slowly'"):
        write_report(tmp_path, one, odd, look)
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8")) == odd
    assert (tmp_path / "report.md").exists()
    audit = changed(_audit(), "conclusion", "word", value="better")
    with pytest.raises(NotAsPublished, match=r"\$\.conclusion\.word"):
        write_audit(tmp_path / "audit", audit, look)
    with pytest.raises(NotAsPublished, match=r"\$\.streams\[0\]\.arrival"):
        write_both(tmp_path / "both", one, odd, _audit(), look, (one, one))
    for folder in ("audit", "both"):
        assert {(tmp_path / folder / name).exists() for name in ("audit.json", "audit.md")} == {True}
    summed = changed(summarise([host("a")]), "hosts", 0, "confidence", value="sure")
    with pytest.raises(NotAsPublished, match=r"\$\.hosts\[0\]\.confidence"):
        write_summary(tmp_path / "run", summed, Stored([host("a")], ["a"], []), look)
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"summary.json", "summary.md", "junit.xml"}


def _faulty(one):
    found = assess(one)
    healthy = found["verdict"]["status"] == "healthy"
    return changed(found, "streams", 0, "arrival", value="slowly") if healthy else found


def test_a_run_whose_result_does_not_fit_fails_with_every_report_written(tmp_path, monkeypatch):
    for name in ("healthy", "engine-stopped"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "evidence").symlink_to(REAL / name / "evidence")
    monkeypatch.setattr("streamdiag.controller.report_hosts.assess", _faulty)
    found = report_hosts(
        [str(tmp_path / "healthy"), str(tmp_path / "engine-stopped")], {}, Order(str(ROLE), "en", "never")
    )
    assert "$.streams[0].arrival: 'slowly' is not one of" in found[0].damaged
    assert found[0].damaged in found[0].failures and found[0].verdict["status"] == "healthy"
    assert found[1].damaged == "" and found[1].failures == []
    assert all((tmp_path / name / "report.md").exists() for name in ("healthy", "engine-stopped"))


# The schemas themselves


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_and_forbids_no_key(name):
    found = schema(name)
    Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema" and found["additionalProperties"] is True
    text = json.dumps(found)
    assert '"additionalProperties": false' not in text and "unevaluatedProperties" not in text


def enum(name, *path):
    found = schema(name)
    for step in path:
        found = found[step]
    return set(found["enum"])


def test_the_ids_are_those_of_the_code():
    assert enum(RESULT, "$defs", "cause_id") == CAUSES == {*ORDER, "inconclusive"}
    outcomes = enum(RESULT, "$defs", "stream", "properties", "outcome")
    assert outcomes == set(ENDED)
    for place in ((RESULT, "$defs", "verdict", "properties", "status"), (SUMMARY, "$defs", "status")):
        assert enum(*place) == set(STATUSES)
    assert enum(AUDIT, "$defs", "run", "properties", "status") == set(STATUSES)
    case = {words.FIXED, words.BROKEN, words.FLAKY, words.NO_DIFFERENCE}
    assert enum(AUDIT, "properties", "cases", "items", "properties", "word") == case
    whole = case | {words.FIXED_IN_PART, words.BROKEN_IN_PART, words.MIXED}
    assert enum(AUDIT, "properties", "conclusion", "properties", "word") == whole
    assert enum(AUDIT, "$defs", "measure") == set(MEASURES)
    cases = schema(RESULT)["$defs"]["case"]["examples"]
    assert cases == list(dict.fromkeys(name.partition("-")[0] for name in STREAM_ORDER))
    options = schema(SUMMARY)["$defs"]["fact"]["description"]
    assert all(fact in options for fact in fleet.FACTS)


def test_the_ids_are_those_that_the_code_documents():
    """Of shapes that have no list of their ids the comment or the docstring is the list."""
    documented = {
        ("status", shapes.Check): enum(RESULT, "$defs", "check", "properties", "status"),
        ("state", shapes.Cause): enum(RESULT, "$defs", "cause", "properties", "state"),
    }
    for (key, shape), ids in documented.items():
        assert f"``{key}``: {' | '.join(schema_order(ids, shape))}" in shape.__doc__
    source = Path(shapes.__file__).read_text(encoding="utf-8") + Path(comparison.__file__).read_text(encoding="utf-8")
    for listed in (
        schema(RESULT)["$defs"]["stream"]["properties"]["outcome"]["enum"],
        schema(RESULT)["$defs"]["stream"]["properties"]["arrival"]["enum"],
        schema(AUDIT)["$defs"]["audit"]["properties"]["change"]["enum"],
        schema(AUDIT)["properties"]["differences"]["items"]["properties"]["what"]["enum"],
    ):
        assert " | ".join(listed) in source


def schema_order(ids, shape):
    return sorted(ids, key=lambda id_: shape.__doc__.index(id_))


SHAPES = [
    (RESULT, (), shapes.Result),
    (RESULT, ("$defs", "target"), shapes.TargetRow),
    (RESULT, ("$defs", "verdict"), shapes.Verdict),
    (RESULT, ("$defs", "cause"), shapes.Cause),
    (RESULT, ("$defs", "check"), shapes.Check),
    (RESULT, ("$defs", "quote"), shapes.Quote),
    (RESULT, ("$defs", "stream"), shapes.StreamRow),
    (RESULT, ("properties", "localisation"), shapes.Localisation),
    (SUMMARY, (), summary.Summary),
    (SUMMARY, ("properties", "hosts", "items"), summary.HostLine),
    (SUMMARY, ("properties", "damaged", "items"), stored.Damaged),
    (SUMMARY, ("properties", "fleet"), fleet.Fleet),
    (SUMMARY, ("properties", "fleet", "properties", "failing_in_common", "items"), fleet.InCommon),
    (SUMMARY, ("properties", "fleet", "properties", "divided", "items"), fleet.Divided),
    (SUMMARY, ("$defs", "shared"), fleet.Shared),
    (AUDIT, (), Comparison),
    (AUDIT, ("$defs", "run"), comparison.RunRow),
    (AUDIT, ("$defs", "rate"), comparison.Rate),
    (AUDIT, ("$defs", "audit"), comparison.Audit),
    (AUDIT, ("properties", "cases", "items"), comparison.CaseRow),
    (AUDIT, ("properties", "timings", "items"), comparison.Timing),
    (AUDIT, ("properties", "pace", "items"), comparison.Pace),
    (AUDIT, ("properties", "changes", "items"), comparison.Change),
    (AUDIT, ("properties", "not_compared", "items"), comparison.NotCompared),
]
#: Keys that older results have not, which may be judged and compared all the same.
OPTIONAL = {"said"}


@pytest.mark.parametrize(("name", "path", "shape"), SHAPES, ids=lambda value: getattr(value, "__name__", None))
def test_a_schema_has_the_keys_of_the_code(name, path, shape):
    found = schema(name)
    for step in path:
        found = found[step]
    keys = set(get_type_hints(shape))
    assert set(found["required"]) == keys - OPTIONAL
    assert set(found["properties"]) - OPTIONAL == keys - OPTIONAL


def test_the_reasons_not_to_compare_are_those_of_the_code():
    one, other = (
        assess(bundle()),
        assess(bundle(stalled(), target=target(model="x"), run=run(host="y", tool_version="z"))),
    )
    assert {found["what"] for found in differences(one, other)} <= enum(
        AUDIT, "properties", "differences", "items", "properties", "what"
    )


def test_a_validator_is_made_once_and_fifty_results_cost_little():
    _validator.cache_clear()
    results = [host(name, "engine-stopped") for name in names(50)]
    began = time.process_time()
    assert [wrong(RESULT, result) for result in results] == [[]] * 50
    assert time.process_time() - began < 4.0
    assert _validator.cache_info().misses == 1
