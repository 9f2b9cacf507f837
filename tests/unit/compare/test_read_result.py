"""A stored result that is damaged, too new or missing is named with what to do; nothing of it is believed."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamdiag.compare.compare import compare
from streamdiag.compare.read import NotAResult, read_result
from streamdiag.judge.assess import assess
from streamdiag.judge.result import Result
from streamdiag.said import put_together
from streamdiag.store import to_json
from tests.unit.compare.results import result
from tests.unit.judge.bundles import EXPECTED, real


def stored(folder, found):
    (folder / "result.json").write_text(found if isinstance(found, str) else to_json(found), encoding="utf-8")
    return folder


@pytest.mark.parametrize("condition", EXPECTED)
def test_what_assess_writes_is_read_as_it_was(tmp_path, condition):
    written = assess(real(condition))
    assert read_result(stored(tmp_path, written)) == written
    assert set(written) == set(Result.__annotations__)


def test_a_result_from_before_repeats_has_none(tmp_path):
    written = result(simple="o")
    del written["repeats"]
    assert read_result(stored(tmp_path, written))["repeats"] == []


def test_a_result_from_before_summaries_were_said_has_its_english_words(tmp_path):
    written = result(simple="o")
    del written["verdict"]["said"]
    assert put_together(read_result(stored(tmp_path, written))["verdict"]["said"]) == written["verdict"]["summary"]


WHOLE = json.dumps(result(simple="oo"))
DAMAGED = [
    ("", "is not whole JSON"),
    (WHOLE[:500], "is not whole JSON"),
    ("[" * 100_000, "is not whole JSON"),
    ("[]", "it has no schema_version"),
    ("{}", "it has no schema_version"),
    ('{"schema_version": "1"}', "it has no schema_version"),
    (WHOLE.replace('"schema_version": 1', '"schema_version": 2'), "has schema version 2 and this program compares"),
    (WHOLE.replace('"duration": ', '"duration": NaN, "was": ', 1), "NaN is no number in JSON"),
    (WHOLE.replace('"duration": ', '"duration": "long", "was": ', 1), "streams[0].duration is 'long'"),
    (WHOLE.replace('"repeat": 2', '"repeat": true'), "repeats[0].repeat is 'True'"),
    (WHOLE.replace('"streams": [', '"streams": [7, '), "streams[0] is no object"),
    (WHOLE.replace('"said": {', '"said": [], "was": {'), "verdict.said is no object"),
    (WHOLE.replace('"model": ', '"was": '), "target.model is missing"),
    (WHOLE.replace('"argv": [', '"argv": [null, '), "target.argv[0] is 'None'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), DAMAGED)
def test_what_is_damaged_is_named(tmp_path, text, words):
    with pytest.raises(NotAResult) as found:
        read_result(stored(tmp_path, text))
    assert words in str(found.value)
    assert str(tmp_path / "result.json") in str(found.value)
    assert "playbooks/assess.yml" in str(found.value)


def test_a_missing_result_is_named(tmp_path):
    with pytest.raises(NotAResult, match=r"result\.json is not there; judge the run again"):
        read_result(tmp_path)


def test_a_folder_or_other_bytes_in_its_place_are_named(tmp_path):
    (tmp_path / "result.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(NotAResult, match="is not whole JSON"):
        read_result(tmp_path)
    (tmp_path / "result.json").unlink()
    (tmp_path / "result.json").mkdir()
    with pytest.raises(NotAResult, match="is not whole JSON"):
        read_result(tmp_path)


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from _places(one, (*path, key))


PLACES = [path for path in _places(json.loads(WHOLE)) if path]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLACES), st.sampled_from([None, True, 7, -1.5, "text", [], {}, ["x"]]))
def test_whatever_is_put_into_it_is_refused_or_compared(tmp_path, path, put):
    """Never another error than the two that say what to do."""
    damaged = copy.deepcopy(json.loads(WHOLE))
    at = damaged
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = put
    try:
        found = read_result(stored(tmp_path, damaged))
    except NotAResult:
        return
    assert compare(result("other", simple="xx"), found, force=True)["cases"] is not None
