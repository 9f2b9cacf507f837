"""Two whole results -> one conclusion: what an operator asks a comparison, and what must not fool it."""

from __future__ import annotations

import copy
import json
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamdiag.compare.comparable import NotComparable
from streamdiag.compare.compare import compare
from streamdiag.compare.pace import compare_pace
from streamdiag.judge.assess import assess
from tests.unit.compare.results import result, row, timed
from tests.unit.judge.bundles import bundle, real, stalled, stream

HANGS, WORKS, HALF = "xxxxx", "ooooo", "xoxox"
PUBLIC = ("public", "public_gzip", "public_controller", "public_controller-gzip")
NONE = "no difference shown"


def each(names, arm):
    """The same arm for every case."""
    return dict.fromkeys(names, arm)


# Arms before and after -> the word for all cases, and those of some.
CONCLUSIONS = {
    "a compatibility mode that dropped events": (
        *({"simple": HANGS}, {"simple": WORKS}),
        *("fixed", {"simple": "fixed"}),
    ),
    "every case of it": (
        *(each(["simple", "chat", "nonstream", *PUBLIC], HANGS), each(["simple", "chat", "nonstream", *PUBLIC], WORKS)),
        *("fixed", {"chat": "fixed", "public-gzip": "fixed"}),
    ),
    "the mirror image": (
        *({"simple": WORKS}, {"simple": HANGS}),
        *("broken by the change", {"simple": "broken by the change"}),
    ),
    "half of the streams hang at random": (
        *({"simple": HALF, "tools": "ooxxo"}, {"simple": "oxxoo", "tools": HALF}),
        *("flaky", {"simple": "flaky", "tools": "flaky"}),
    ),
    "a lucky second half": ({"simple": HALF}, {"simple": WORKS}, "flaky", {"simple": "flaky"}),
    "without effect on what works": (each(["simple", "tools"], WORKS), each(["simple", "tools"], WORKS), NONE, {}),
    "without effect on what hangs": ({"simple": HANGS}, {"simple": HANGS}, NONE, {"simple": NONE}),
    "two diagnoses": ({"simple": "x"}, {"simple": "o"}, NONE, {"simple": NONE}),
    "one of two": (
        *({"simple": HANGS, "public": HANGS}, {"simple": WORKS, "public": HANGS}),
        *("fixed in part", {"simple": "fixed", "public": NONE}),
    ),
    "one for another": (
        *({"simple": HANGS, "tools": WORKS}, {"simple": WORKS, "tools": HANGS}),
        *("mixed", {"simple": "fixed", "tools": "broken by the change"}),
    ),
    "one more broken": (
        *({"simple": WORKS, "public": HANGS}, {"simple": HANGS, "public": HANGS}),
        *("broken in part", {"simple": "broken by the change"}),
    ),
    "now and then in every case, then never": (
        *(
            each(["simple", "tools", "reasoning", "codex"], HALF),
            each(["simple", "tools", "reasoning", "codex"], WORKS),
        ),
        *("fixed", {"simple": "flaky"}),
    ),
    "what failed was not tried again": (
        *({"simple": HANGS, "public": HANGS}, {"simple": WORKS}),
        *("fixed in part", {"simple": "fixed"}),
    ),
    "what is sent only because simple fails": ({"simple": HANGS, "chat": HANGS}, {"simple": WORKS}, "fixed", {}),
    "what could not be tried before fails now": (
        *({"simple": HANGS}, {"simple": WORKS, "tools": HANGS}),
        *("fixed in part", {"simple": "fixed"}),
    ),
    "nothing in common": ({"simple": HANGS}, {"tools": WORKS}, NONE, {}),
    "nothing sent": ({}, {}, NONE, {}),
}


@pytest.mark.parametrize("name", CONCLUSIONS)
def test_the_conclusion(name):
    before, after, word, cases = CONCLUSIONS[name]
    found = compare(result("before", **before), result("after", **after), force=True)
    assert found["conclusion"]["word"] == word
    words = {one["name"]: one["word"] for one in found["cases"]}
    assert {case: words[case] for case in cases} == cases


SWAPPED = {"fixed": "broken by the change", "fixed in part": "broken in part"}
SWAPPED |= {broken: fixed for fixed, broken in SWAPPED.items()}
arms = st.dictionaries(
    st.sampled_from(["simple", "tools", "codex", "chat"]), st.text("xo", min_size=1, max_size=5), max_size=3
)


@settings(deadline=None, max_examples=60)
@given(arms, arms)
@example({"simple": "o", "tools": "ox"}, {"simple": "o", "tools": "ooooo"})  # what is missing shows no difference
@example({"simple": "xo", "tools": "ox"}, {"simple": "xo", "tools": "oooooxxxxx"})
def test_swapped_runs_swap_the_conclusion(before, after):
    old, new = result("one", **before), result("other", **after)
    there, back = compare(old, new, force=True), compare(new, old, force=True)
    word = there["conclusion"]["word"]
    assert back["conclusion"]["word"] == SWAPPED.get(word, word)
    assert [one["p_value"] for one in there["cases"]] == pytest.approx(
        [next(o["p_value"] for o in back["cases"] if o["name"] == one["name"]) for one in there["cases"]]
    )
    assert {(c["part"], c["id"], c["before"], c["after"]) for c in there["changes"]} == {
        (c["part"], c["id"], c["after"], c["before"]) for c in back["changes"]
    }


def test_a_comparison_is_a_function_of_its_arguments():
    old, new = result("before", simple=HANGS), result("after", simple=WORKS)
    kept = copy.deepcopy((old, new))
    assert compare(old, new) == compare(old, new)
    assert (old, new) == kept


# What failed means: it did not come to its end.
ENDS = [
    ({"outcome": "completed"}, 0),
    ({"outcome": "incomplete", "terminal_event": "response.incomplete"}, 0),
    ({"outcome": "incomplete", "terminal_event": None}, 1),
    *[({"outcome": outcome}, 1) for outcome in ("stalled", "truncated", "failed", "rejected", "unreachable")],
]


@pytest.mark.parametrize(("more", "failed"), ENDS)
def test_what_counts_as_a_failure(more, failed):
    found = compare(result("before", simple=[{**row("simple"), **more}]), result("after", simple="o"))
    assert found["cases"][0]["before"]["failed"] == failed


# Times


def test_slower_in_every_case_is_said_with_its_interval():
    fast = [1.0, 1.01, 1.02, 1.03, 1.04]
    slow = [2.0, 2.02, 2.04, 2.06, 2.08]
    before = result("before", simple=timed("simple", fast), tools=timed("tools", fast))
    after = result("after", simple=timed("simple", slow), tools=timed("tools", slow))
    found = compare(before, after)
    assert found["conclusion"]["word"] == "no difference shown"
    pace = {one["measure"]: one for one in found["pace"]}
    assert pace["duration"]["word"] == "slower"
    assert pace["t_first_event"]["word"] == "no difference shown"
    (simple,) = (one for one in found["timings"] if (one["measure"], one["name"]) == ("duration", "simple"))
    assert simple["word"] == "slower"
    assert simple["difference"] == pytest.approx(1.02)
    assert 0 < simple["low"] <= simple["difference"] <= simple["high"]
    assert simple["level"] == pytest.approx(0.968, abs=1e-3)
    assert "slower: +1.020 s (96.8 % interval +0.980 to +1.060 s, 5 and 5 times)" in simple["words"]
    back = compare(after, before)
    assert {one["word"] for one in back["timings"] if one["measure"] == "duration"} == {"faster"}


def test_how_long_a_stream_hung_is_no_duration():
    found = compare(result("before", simple=HANGS), result("after", simple=WORKS))
    (duration,) = (one for one in found["timings"] if one["measure"] == "duration")
    assert (duration["before_count"], duration["after_count"]) == (0, 5)
    assert duration["difference"] is None
    (first,) = (one for one in found["timings"] if one["measure"] == "t_first_event")
    assert (first["before_count"], first["after_count"]) == (5, 5)


def test_chance_is_hardly_ever_called_slower_or_faster():
    """Two hundred audits of a server whose times only scatter: four measures of four cases each."""
    dice = random.Random(2)
    names = ("simple", "tools", "reasoning", "codex")
    wrong = 0
    for _audit in range(200):
        before, after = ({name: [_scattered(dice, name) for _n in range(5)] for name in names} for _arm in range(2))
        pace, timings = compare_pace(names, before, after)
        said = {one["measure"] for one in pace if one["word"] != NONE}
        assert {one["measure"] for one in timings if one["word"] != NONE} <= said
        wrong += bool(said)
    assert wrong <= 10


def _scattered(dice, name):
    keys = ("t_first_event", "max_event_gap", "max_byte_gap", "duration")
    return row(name, **{key: round(dice.lognormvariate(0, 1), 3) for key in keys})


# Doubts


def test_one_stream_per_arm_is_a_doubt():
    found = compare(result("before", simple="x"), result("after", simple="o"))
    assert any(doubt.startswith("one stream per arm proves nothing") for doubt in found["conclusion"]["doubts"])


def test_a_run_that_was_ended_early_is_a_doubt():
    after = result("after", simple=WORKS, tools="ooo")
    after["tool_errors"] = [{"step": "Send the streams", "message": "the host was lost"}]
    found = compare(result("before", simple=WORKS, tools=HANGS), after)
    doubts = found["conclusion"]["doubts"]
    assert any("tools was sent 3 times after, other cases 5 times" in doubt for doubt in doubts)
    assert "the run after could not do all of its work: Send the streams: the host was lost" in doubts
    assert found["conclusion"]["word"] == "no difference shown"


def test_what_only_one_run_sent_is_named_with_the_reason():
    before = result("before", skipped={"tools": "simple fails without it"}, simple=HANGS)
    found = compare(before, result("after", simple=WORKS, tools="oxooo"))
    assert found["not_compared"] == [
        {"name": "tools", "sent_in": "after", "failed": 1, "sent": 5, "reason": "simple fails without it"}
    ]
    assert any("tools failed in 1 of 5 streams after" in doubt for doubt in found["conclusion"]["doubts"])


# May they be compared?


OTHER = {
    "model": lambda one: {**one, "target": {**one["target"], "model": "other"}},
    "tool version": lambda one: {**one, "tool_version": "9.9.9"},
    "host": lambda one: {**one, "host": "gpu99"},
    "cases": lambda one: {**one, "streams": [*one["streams"], row("tools")]},
}


@pytest.mark.parametrize("what", OTHER)
def test_runs_of_another_kind_are_refused_unless_by_force(what):
    before, after = result("before", simple=WORKS), OTHER[what](result("after", simple=WORKS))
    with pytest.raises(NotComparable) as refused:
        compare(before, after)
    assert f"{what}: " in str(refused.value)
    assert "-e compare_force=true" in str(refused.value)
    forced = compare(before, after, force=True)
    assert forced["forced"]
    assert [one["what"] for one in forced["differences"]] == [what]
    assert f"compared by force: {what} " in forced["conclusion"]["doubts"][0]


def test_everything_that_differs_is_said_at_once():
    before, after = result("before", simple=WORKS), result("after", simple=WORKS)
    for change in OTHER.values():
        after = change(after)
    with pytest.raises(NotComparable) as refused:
        compare(before, after)
    assert all(f"{what}: " in str(refused.value) for what in OTHER)


def test_a_model_that_neither_knows_is_no_model_in_common():
    before, after = (result(run, simple=HANGS) for run in ("before", "after"))
    for one in (before, after):
        one["target"]["model"] = ""
    with pytest.raises(NotComparable, match="model: not known before, not known after"):
        compare(before, after)


def test_a_case_that_the_plan_left_out_is_no_other_case():
    before = result("before", skipped={"tools": "simple fails without it"}, simple=HANGS)
    after = result("after", skipped={"chat": "simple came whole"}, simple=WORKS, tools=WORKS)
    with pytest.raises(NotComparable, match="cases: simple, tools before, chat, simple, tools after"):
        compare(before, after)
    before["skipped_cases"].append({"case": "chat", "reason": "it stalled"})
    assert compare(before, after)["conclusion"]["word"] == "fixed"


def test_a_run_is_not_compared_with_itself():
    with pytest.raises(NotComparable, match="both are the result of the run before"):
        compare(result("before", simple=WORKS), result("before", simple=WORKS), force=True)


# Rows


def test_two_healthy_runs_of_one_kind_say_the_same():
    found = compare(assess(real("healthy")), assess(real("healthy-trixie")), force=True)
    assert found["changes"] == []


def test_volatile_facts_are_no_changes():
    """The same stall on a server with other process ids, at another time, on another port."""
    before = bundle(stalled())
    after = _elsewhere(before)
    old, new = assess(before), assess(after)
    assert old != new
    assert compare(old, new)["changes"] == []


def _elsewhere(one):
    text = json.dumps(one._asdict())
    for old, new in (("132", "90132"), ("161", "90161"), ('"MainPID": "74"', '"MainPID": "9074"'), (":8000", ":8123")):
        assert old in text
        text = text.replace(old, new)
    return type(one)(**json.loads(text))


def test_a_case_that_neither_sent_is_a_change_when_its_reason_is_another():
    asked = {"tools": "simple fails", "padded": "tools fails"}
    before = result("before", skipped=asked, simple=HANGS)
    after = result("after", skipped={"padded": "it came whole"}, simple=WORKS, tools=WORKS)
    skipped = [one for one in compare(before, after)["changes"] if one["part"] == "skipped case"]
    assert skipped == [{"part": "skipped case", "id": "padded", "before": "tools fails", "after": "it came whole"}]


def test_changes_are_named_row_by_row():
    before, after = assess(bundle(stalled())), assess(bundle(stream()))
    after["target"].update(compat_mode="off", argv=[*after["target"]["argv"], "--no-responses-compatibility-mode"])
    changed = {(one["part"], one["id"]): (one["before"], one["after"]) for one in compare(before, after)["changes"]}
    assert changed["verdict", "status"] == ("broken", "healthy")
    assert changed["verdict", "primary_cause"] == ("engine_stalled", "-")
    assert changed["cause", "engine_stalled"] == ("confirmed", "ruled_out")
    assert changed["target", "compat_mode"][1] == "off"
    assert changed["target", "argv"] == ("-", "--no-responses-compatibility-mode")
    assert changed["check", "step-1"][0].startswith("fail: ")
    assert changed["check", "step-1"][1].startswith("pass: ")
    assert changed["stream", "simple outcome"] == ("stalled", "completed")
