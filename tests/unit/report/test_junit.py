"""junit.xml: of the usual shape, well-formed whatever hosts say, and failing where a pipeline has to stop."""

from __future__ import annotations

import re
import time
from xml.etree import ElementTree as ET

import pytest

from streamdiag.judge.assess import assess
from streamdiag.report.junit import MESSAGE_LIMIT, TEXT_LIMIT, junit
from streamdiag.report.stored import Damaged, Stored, of_results
from tests.unit.judge.bundles import EXPECTED, bundle, nothing_sent, real, run, stalled
from tests.unit.judge.test_rows import CHECKLIST
from tests.unit.report.fleets import host, names
from tests.unit.report.test_report import POISON, _poisoned

#: What CI systems read, as the schemas in use have it (Jenkins' junit-10.xsd, the one of Apache Ant): attributes by
#: element, those that are required, and children in their order.
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "skipped"},
    "testsuite": {
        *("name", "tests", "failures", "errors", "skipped", "time", "timestamp"),
        "hostname",
        "id",
        "package",
    },
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "system-out": set(),
    "system-err": set(),
}
OPTIONAL = {"timestamp"}
CHILDREN = {
    "testsuites": r"(testsuite )*",
    "testsuite": r"(testcase )*(system-out )?(system-err )?",
    "testcase": r"(skipped |error |failure )?(system-out )?(system-err )?",
}
#: XML 1.0, 2.2: every character that a document may hold.
LEGAL = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


def parsed(text):
    """The root, once the document is of the usual shape."""
    assert LEGAL.fullmatch(text)
    root = ET.fromstring(text.encode("utf-8"))
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) - OPTIONAL == ATTRIBUTES[element.tag] - OPTIONAL, element.tag
        assert re.fullmatch(CHILDREN.get(element.tag, ""), "".join(f"{child.tag} " for child in element))
        if element.tag.startswith("testsuite"):
            assert counts(element) == {key: int(element.attrib[key]) for key in counts(element)}
        if "time" in element.attrib:
            assert re.fullmatch(r"\d+\.\d{3}", element.attrib["time"])
        if "timestamp" in element.attrib:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", element.attrib["timestamp"])
    for suite in root:
        cases = [case.attrib["name"] for case in suite.findall("testcase")]
        assert len(set(cases)) == len(cases)
        assert {case.attrib["classname"] for case in suite.findall("testcase")} == {suite.attrib["name"]}
    return root


def counts(element):
    cases = list(element.iter("testcase"))
    found = {"tests": len(cases)}
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        found[key] = sum(1 for case in cases if case.find(tag) is not None)
    return found


def suite_of(result):
    (suite,) = parsed(junit("run", of_results([result])))
    return suite


def cases_of(suite):
    return {case.attrib["name"].partition(":")[0]: case for case in suite.findall("testcase")}


@pytest.mark.parametrize("condition", EXPECTED)
def test_the_checks_of_a_real_run(condition):
    result = assess(real(condition))
    suite = suite_of(result)
    cases = cases_of(suite)
    assert list(cases) == ["verdict", *CHECKLIST]
    assert (cases["verdict"].find("failure") is None) == (result["verdict"]["status"] == "healthy")
    tags = {"pass": None, "warn": "system-out", "fail": "failure", "skip": "skipped", "error": "error"}
    for check in result["checks"]:
        children = [child.tag for child in cases[check["id"]]]
        assert children == [tag for tag in [tags[check["status"]]] if tag], check["id"]
    assert suite.attrib["hostname"] == result["host"]
    assert suite.attrib["timestamp"] + "Z" == result["started_at"]
    assert float(suite.attrib["time"]) > 0


@pytest.mark.parametrize("status", ["healthy", "degraded", "broken", "unreachable", "inconclusive"])
def test_only_a_healthy_host_passes(status):
    result = host("gpu43")
    result["verdict"].update(status=status, summary="In a sentence", doubts=["a doubt"], next_step="Do\n$ this")
    failure = cases_of(suite_of(result))["verdict"].find("failure")
    if status == "healthy":
        assert failure is None
    else:
        assert (failure.attrib["type"], failure.attrib["message"]) == (status, "In a sentence")
        assert "a doubt" in failure.text and "$ this" in failure.text


def test_a_failure_says_what_was_seen_and_where():
    result = host("gpu43", "engine-stopped")
    result["checks"][0].update(status="fail", reason="why", observed="seen", expected="wanted")
    result["checks"][0]["evidence"] = [{"path": "evidence/x.json", "sha256": "", "excerpt": "its words"}]
    failure = cases_of(suite_of(result))[result["checks"][0]["id"]].find("failure")
    assert failure.attrib == {"message": "why", "type": "fail"}
    assert failure.text == "observed: seen\nexpected: wanted\nevidence/x.json: its words"


def test_a_skip_has_its_reason_a_warning_passes_and_a_broken_check_is_an_error():
    result = host("gpu43")
    for check, status in zip(result["checks"], ("skip", "warn", "error"), strict=False):
        check.update(status=status, reason=f"why {status}")
    cases = list(cases_of(suite_of(result)).values())[1:4]
    assert cases[0].find("skipped").attrib == {"message": "why skip"}
    assert [child.tag for child in cases[1]] == ["system-out"] and "warn: why warn" in cases[1][0].text
    assert cases[2].find("error").attrib == {"message": "why error", "type": "error"}


def test_a_damaged_result_is_an_error_and_the_others_are_there():
    root = parsed(junit("run", Stored([host("a"), host("b")], ["a", "b"], [Damaged(host="c", reason="cut\nshort")])))
    assert [suite.attrib["name"] for suite in root] == ["a", "b", "c"]
    assert [suite.attrib["id"] for suite in root] == ["0", "1", "2"]
    (case,) = root[2]
    assert case.find("error").attrib == {"message": "cut short", "type": "damaged"}
    assert root.attrib["errors"] == "1"


def test_what_the_tool_could_not_do_is_said():
    result = assess(nothing_sent(run=run(errors=[{"step": "Find the server", "message": "no such unit"}])))
    suite = suite_of(result)
    assert suite.find("system-err").text == "Find the server: no such unit"
    assert cases_of(suite)["verdict"].find("failure").attrib["type"] == "inconclusive"


def test_a_run_without_times_has_no_timestamp():
    suite = suite_of(assess(bundle(run=run(started_at="", finished_at=""))))
    assert "timestamp" not in suite.attrib and suite.attrib["time"] == "0.000"


def test_an_empty_run():
    assert parsed(junit("run", Stored([], [], []))).attrib["tests"] == "0"


ILLEGAL = {
    "poison": POISON,
    "control": "".join(map(chr, range(32))) + "\x7f\x80\x9f",
    "surrogates": "\ud800 \udfff \udc80",
    "noncharacters": "\ufffe\uffff\U0001ffff",
    "markup": "]]> <!-- --> <?x?> </testcase><testcase/> & &amp; &#0; \" '",
    "lines": "a\r\nb\n\nc\td",
}


@pytest.mark.parametrize("text", ILLEGAL.values(), ids=ILLEGAL)
def test_hostile_texts_stay_text(text):
    result = host("gpu43", "engine-stopped")
    result["tool_errors"] = [{"step": "x", "message": "y"}]
    bad = _poisoned(result, text)
    bad["started_at"], bad["finished_at"] = result["started_at"], text
    for check in bad["checks"]:
        check["title"] = text
    found = parsed(junit(text, Stored([bad], [text], [Damaged(host=text, reason=text)])))
    assert counts(found) == {**counts(suite_of(result)), "tests": len(CHECKLIST) + 2, "errors": 1}


def test_words_of_a_host_come_out_as_they_went_in():
    result = host("gpu43")
    result["checks"][0].update(status="fail", reason='<b> & "x" \' ]]>', observed="привет", evidence=[])
    failure = cases_of(suite_of(result))[result["checks"][0]["id"]].find("failure")
    assert failure.attrib["message"] == '<b> & "x" \' ]]>' and "observed: привет\n" in failure.text


def test_a_line_of_a_megabyte_is_shortened_and_says_so():
    result = assess(bundle(stalled()))
    for check in result["checks"]:
        check.update(status="fail", reason="x" * 1_000_000, observed="y" * 1_000_000)
    suite = suite_of(result)
    failure = cases_of(suite)[CHECKLIST[0]].find("failure")
    assert len(failure.attrib["message"]) < MESSAGE_LIMIT + 50 and "more characters" in failure.attrib["message"]
    assert len(failure.text) < TEXT_LIMIT + 50 and "more characters" in failure.text


def test_fifty_hosts_cost_little():
    stored = of_results([host(name, "engine-stopped") for name in names(50)])
    began = time.process_time()
    assert len(parsed(junit("run", stored))) == 50
    assert time.process_time() - began < 3.0
