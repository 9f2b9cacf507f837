"""The results of a run as JUnit XML, as CI systems read it: a suite per host, a case for the verdict and per row.

A row that warns is no failure: it passes, and says what it warns of in its output.
"""

from __future__ import annotations

import calendar
import time
from typing import List, Optional
from xml.etree import ElementTree as ET

from ..judge.result import Check, Result
from .markdown import clean, shorten
from .stored import Damaged, Stored

#: Characters of one message (an attribute), and of one text.
MESSAGE_LIMIT, TEXT_LIMIT = 400, 4000
_KINDS = ("failure", "error", "skipped")
_TAGS = {"fail": "failure", "error": "error", "skip": "skipped"}


def junit(run_id: str, stored: Stored) -> str:
    """The XML of one run. Every host's texts are data: what XML cannot hold, or nobody can see, is replaced."""
    root = ET.Element("testsuites", name=_text(f"vLLM stream diagnostics {run_id}", MESSAGE_LIMIT))
    suites = [_of_host(result) for result in stored.results] + [_of_damaged(one) for one in stored.damaged]
    for place, suite in enumerate(suites):
        suite.set("id", str(place))
        _count(suite, [suite])
        root.append(suite)
    _count(root, suites)
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in suites):.3f}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _of_host(result: Result) -> ET.Element:
    suite = _suite(result["host"], _seconds(result))
    if _at(result["started_at"]) is not None:
        suite.set("timestamp", result["started_at"].rstrip("Z"))
    _verdict(suite, result)
    for check in result["checks"]:
        _row(suite, check)
    if result["tool_errors"]:
        words = [f"{error['step']}: {error['message']}" for error in result["tool_errors"]]
        ET.SubElement(suite, "system-err").text = _text("\n".join(words), TEXT_LIMIT)
    return suite


def _of_damaged(damaged: Damaged) -> ET.Element:
    suite = _suite(damaged["host"], 0.0)
    _outcome(_case(suite, "verdict"), "error", "damaged", damaged["reason"], "")
    return suite


def _suite(host: str, seconds: float) -> ET.Element:
    name = _text(host, MESSAGE_LIMIT)
    return ET.Element("testsuite", name=name, hostname=name, package="streamdiag", time=f"{seconds:.3f}")


def _case(suite: ET.Element, name: str) -> ET.Element:
    host = suite.get("name", "")
    return ET.SubElement(suite, "testcase", classname=host, name=_text(name, MESSAGE_LIMIT), time="0.000")


def _verdict(suite: ET.Element, result: Result) -> None:
    """Only a healthy host passes: a pipeline must not go on where nothing could be told."""
    verdict, case = result["verdict"], _case(suite, "verdict")
    if verdict["status"] == "healthy":
        return
    lines = [
        f"cause: {verdict['primary_cause']} (confidence {verdict['confidence']})" if verdict["primary_cause"] else "",
        *(f"but: {doubt}" for doubt in verdict["doubts"]),
        verdict["next_step"],
    ]
    _outcome(case, "failure", verdict["status"], verdict["summary"], "\n".join(line for line in lines if line))


def _row(suite: ET.Element, check: Check) -> None:
    case = _case(suite, f"{check['id']}: {check['title']}")
    message = check["reason"] or check["observed"]
    if check["status"] in _TAGS:
        text = "" if check["status"] == "skip" else _details(check)
        _outcome(case, _TAGS[check["status"]], check["status"], message, text)
    elif check["status"] == "warn":
        ET.SubElement(case, "system-out").text = _text(f"warn: {message}\n{_details(check)}", TEXT_LIMIT)


def _details(check: Check) -> str:
    lines = [f"observed: {check['observed']}", f"expected: {check['expected']}"]
    lines += [f"{quote['path']}: {quote['excerpt']}" for quote in check["evidence"]]
    return "\n".join(lines)


def _outcome(case: ET.Element, tag: str, kind: str, message: str, text: str) -> None:
    words = " ".join(_text(message, MESSAGE_LIMIT).split())
    found = ET.SubElement(case, tag, message=words)
    if tag != "skipped":
        found.set("type", kind)
    found.text = _text(text, TEXT_LIMIT) or None


def _count(element: ET.Element, suites: List[ET.Element]) -> None:
    cases = [case for suite in suites for case in suite.iter("testcase")]
    element.set("tests", str(len(cases)))
    for kind, attribute in zip(_KINDS, ("failures", "errors", "skipped")):
        element.set(attribute, str(sum(case.find(kind) is not None for case in cases)))


def _seconds(result: Result) -> float:
    """How long the run took; 0 where that is not known."""
    begun, ended = _at(result["started_at"]), _at(result["finished_at"])
    return float(max(0, ended - begun)) if begun is not None and ended is not None else 0.0


def _at(text: str) -> Optional[int]:
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return None


def _text(text: str, limit: int) -> str:
    """What is no character of XML is among what ``clean`` replaces."""
    return clean(shorten(text, limit))
