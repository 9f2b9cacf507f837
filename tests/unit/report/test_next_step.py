"""The steps of a verdict: what begins one, and how a terminal shows them."""

from __future__ import annotations

import re

import pytest

from streamdiag.judge.assess import assess
from streamdiag.report.next_step import Line, Step, steps
from streamdiag.report.terminal import announcement
from tests.play import ROOT
from tests.unit.judge.bundles import fresh, real
from tests.unit.judge.test_stall_facts import process, stall


def said(text):
    return Line(text, False)


def pasted(text):
    return Line(text, True)


TEXTS = {
    "one step": ("Do this.", [Step(0, [said("Do this.")])]),
    "one step with its command": ("Do this:\n$ x", [Step(0, [said("Do this:"), pasted("x")])]),
    "steps": (
        "1. Do this:\n$ x -y\n2. Then that.",
        [Step(1, [said("Do this:"), pasted("x -y")]), Step(2, [said("Then that.")])],
    ),
    "a number out of turn is text": ("1. Do this\n7. of 9", [Step(1, [said("Do this"), said("7. of 9")])]),
    "a number without a blank is text": ("1.5 times", [Step(0, [said("1.5 times")])]),
    "a number behind other text is text": ("So:\n2. Do that", [Step(0, [said("So:"), said("2. Do that")])]),
    "blank lines": ("\nDo this\n\n", [Step(0, [said("Do this")])]),
    "nothing": ("", []),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_steps(text, expected):
    assert steps(text) == expected


def announced(next_step):
    result = assess(real("engine-stopped"))
    result["verdict"]["next_step"] = next_step
    lines = announcement(result, "report.md").splitlines()
    return lines[2 : lines.index("  report: report.md")]


def test_a_terminal_shows_each_step_with_its_command_below():
    assert announced("1. Do this:\n$ x\n2. Then that.") == [
        "  next:",
        "    1. Do this:",
        "       $ x",
        "    2. Then that.",
    ]


def test_a_terminal_shows_one_step_behind_its_mark():
    assert announced("Do this:\n$ x") == ["  next: Do this:", "    $ x"]


def test_the_readme_shows_what_is_said_today():
    one = fresh(real("engine-stopped"))._replace(stall=stall(process("engine_core", pid=132)))
    one.run["host"] = "gpu44"
    lines = announcement(assess(one), "report.md").splitlines()
    said_today = "\n".join(lines[lines.index("  next:") : -1]).replace("132", "148")
    shown = re.search(r"^  next:\n.*?(?=\n  report:)", (ROOT / "README.md").read_text(encoding="utf-8"), re.S | re.M)
    assert shown and shown[0] == said_today
