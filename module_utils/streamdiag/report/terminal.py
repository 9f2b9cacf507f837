"""The end of a run on the terminal: per host the verdict, what to do, and where the report lies."""

from __future__ import annotations

from typing import List

from ..compare.comparison import Comparison
from ..judge.result import Result
from .markdown import clean


def announcement(result: Result, report: str) -> str:
    """A few lines of plain text; ``report``: path of the report. Text of the host cannot move the cursor or hide."""
    verdict = result["verdict"]
    lines = ["{}: {}".format(result["host"], verdict["status"].upper())]
    if verdict["primary_cause"]:
        lines[0] += ", cause {} (confidence {})".format(verdict["primary_cause"], verdict["confidence"])
    lines.append("  " + verdict["summary"])
    steps = verdict["next_step"].splitlines()
    if verdict["status"] != "healthy":
        lines += ["  next: " + line if number == 0 else "    " + line for number, line in enumerate(steps)]
    for error in result["tool_errors"]:
        if verdict["status"] == "unreachable" or error["message"] in verdict["summary"]:
            continue
        lines.append("  this tool could not: {}: {}".format(error["step"], error["message"]))
    lines += ["  note: " + note for note in result["notes"]]
    lines.append("  report: " + report)
    return "\n".join(_one_line(line) for line in lines)


def conclusion(comparison: Comparison, report: str) -> str:
    """The same for a comparison: the word first, each case that failed, what became slower, what weakens it."""
    found, runs = comparison["conclusion"], (comparison["before"]["run_id"], comparison["after"]["run_id"])
    lines = ["{}: {} ({} compared with {})".format(comparison["host"], found["word"].upper(), runs[1], runs[0])]
    lines.append("  " + found["summary"])
    failing = [row for row in comparison["cases"] if row["before"]["failed"] or row["after"]["failed"]]
    lines += ["  {}: {}".format(row["name"], row["words"]) for row in failing]
    lines += ["  " + timing["words"] for timing in comparison["timings"] if timing["word"] in ("slower", "faster")]
    lines += ["  but: " + doubt for doubt in found["doubts"]]
    lines.append("  report: " + report)
    return "\n".join(_one_line(line) for line in lines)


def failures(result: Result, fail_on: str, base_url_source: str) -> List[str]:
    """Why the play should fail, now that the report is written; empty when it should not.

    ``fail_on``: never | degraded | broken. A hang is a finding; a tool that could not do its work is a failure.
    """
    verdict, found = result["verdict"], []
    if verdict["status"] == "unreachable":
        found.append(verdict["summary"])
    else:
        found += ["{}: {}".format(error["step"], error["message"]) for error in result["tool_errors"]]
    if verdict["primary_cause"] == "endpoint_unreachable" and base_url_source == "given":
        found.append(f"{verdict['summary']}. {verdict['next_step']}")
    if fail_on in ("degraded", "broken") and verdict["status"] in ("broken", fail_on):
        found.append("the verdict is {} and diagnose_fail_on={}".format(verdict["status"], fail_on))
    return [_one_line(text) for text in found]


def _one_line(text: str) -> str:
    indent = text[: len(text) - len(text.lstrip(" "))]
    return indent + " ".join(clean(text).split())
