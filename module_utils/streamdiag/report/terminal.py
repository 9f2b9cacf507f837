"""The end of a run on the terminal: per host the verdict, what to do, and where the report lies."""

from __future__ import annotations

from typing import Any, Iterable, List

from ..compare.comparison import Comparison
from ..judge.result import Result
from ..words import joined, say
from .language import ENGLISH, Language
from .markdown import clean
from .next_step import steps
from .terms import term


def announcement(result: Result, report: str, language: Language = ENGLISH) -> str:
    """A few lines of plain text; ``report``: path of the report. Text of the host cannot move the cursor or hide."""
    verdict = result["verdict"]
    first = f"{result['host']}: {_said(term(verdict['status']), language).upper()}"
    if verdict["primary_cause"]:
        cause = say(
            "cause {cause} (confidence {confidence})",
            cause=verdict["primary_cause"],
            confidence=term(verdict["confidence"]),
        )
        first += ", " + _said(cause, language)
    lines: List[str] = [verdict["summary"]]
    if verdict["status"] != "healthy":
        lines += _what_to_do(_said(verdict["next_step"], language))
    for error in result["tool_errors"]:
        if verdict["status"] == "unreachable" or error["message"] in verdict["summary"]:
            continue
        lines.append(say("this tool could not: {step}: {why}", step=error["step"], why=error["message"]))
    lines += [say("note: {note}", note=note) for note in result["notes"]]
    lines.append(_where(report))
    return _text(first, lines, language)


def conclusion(comparison: Comparison, report: str, language: Language = ENGLISH) -> str:
    """The same for a comparison: the word first, each case that failed, what became slower, what weakens it."""
    found = comparison["conclusion"]
    runs = say(
        "({after} compared with {before})",
        after=comparison["after"]["run_id"],
        before=comparison["before"]["run_id"],
    )
    first = f"{comparison['host']}: {_said(term(found['word']), language).upper()} {_said(runs, language)}"
    lines: List[str] = [found["summary"]]
    failing = [row for row in comparison["cases"] if row["before"]["failed"] or row["after"]["failed"]]
    lines += [joined(": ", (row["name"], row["words"])) for row in failing]
    lines += [timing["words"] for timing in comparison["timings"] if timing["word"] in ("slower", "faster")]
    lines += [say("but: {doubt}", doubt=doubt) for doubt in found["doubts"]]
    lines.append(_where(report))
    return _text(first, lines, language)


def failures(result: Result, fail_on: str, base_url_source: str, language: Language = ENGLISH) -> List[str]:
    """Why the play should fail, now that the report is written; empty when it should not.

    ``fail_on``: never | degraded | broken. A hang is a finding; a tool that could not do its work is a failure.
    """
    verdict = result["verdict"]
    found: List[str] = []
    if verdict["status"] == "unreachable":
        found.append(verdict["summary"])
    else:
        found += [joined(": ", (error["step"], error["message"])) for error in result["tool_errors"]]
    if verdict["primary_cause"] == "endpoint_unreachable" and base_url_source == "given":
        found.append(joined(". ", (verdict["summary"], verdict["next_step"])))
    if fail_on in ("degraded", "broken") and verdict["status"] in ("broken", fail_on):
        status, option = term(verdict["status"]), f"diagnose_fail_on={fail_on}"
        found.append(say("the verdict is {status} and {option}", status=status, option=option))
    return [_one_line(_said(text, language)) for text in found]


def _what_to_do(next_step: str) -> List[str]:
    """Each step with its commands below it; what is to be done in one step begins on the line that announces it."""
    found = steps(next_step)
    lines: List[str] = [say("next:")] if found and found[0].number else []
    for step in found:
        for place, line in enumerate(step.lines):
            text = f"$ {line.text}" if line.command else line.text
            if not step.number:
                lines.append("  " + text if place else say("next: {step}", step=text))
            else:
                mark = f"{step.number}. "
                lines.append("  " + (" " * len(mark) if place else mark) + text)
    return lines


def _where(report: str) -> str:
    return say("report: {path}", path=report)


def _said(text: Any, language: Language) -> str:
    return str(language.said(text))


def _text(first: str, lines: Iterable[str], language: Language) -> str:
    """``first``, and ``lines`` indented below it."""
    return "\n".join([_one_line(first), *(_one_line("  " + _said(line, language)) for line in lines)])


def _one_line(text: str) -> str:
    indent = text[: len(text) - len(text.lstrip(" "))]
    return indent + " ".join(clean(text).split())
