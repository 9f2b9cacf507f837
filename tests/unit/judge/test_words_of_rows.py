"""What the judge says to a reader can be said in another language: it is made by ``say``, down to its last part.

An f-string in between would be English in every language. What a host, a server or a client said, ids and commands are
data: they are the same in every language.
"""

import json
import re

import pytest

from streamdiag.judge.assess import assess
from streamdiag.judge.facts import gather
from streamdiag.judge.protocol import read_protocol
from streamdiag.judge.streams import how_it_ended
from streamdiag.judge.witness import clock_words, engine_lives, steps_again
from streamdiag.said import put_together
from streamdiag.store import to_json
from streamdiag.words import Words
from tests.unit.judge.bundles import (
    EXPECTED,
    asked,
    bundle,
    call_events,
    chat,
    counters,
    denied,
    empty_events,
    endpoints,
    event,
    gpu,
    journal,
    log,
    machine,
    mute,
    no_answer,
    nonstream,
    nothing_sent,
    preamble,
    processes,
    public,
    real,
    reasoning_events,
    refused,
    rejected,
    run,
    samples,
    stalled,
    stream,
    target,
    text_events,
    truncated,
    unit,
    used,
)
from tests.unit.judge.protocol_streams import recorded
from tests.unit.judge.stream_rules import STREAM_RULES

OURS = {"state": "ok", "reason": "", "what": "compat_off", "by": "audit", "run_id": "earlier", "phase": "written"}
TRIED = {"change": "compat_off", "conclusion": "flaky", "summary": "flaky: 1 of 5", "fixed": [], "failing": []}


def broken_probe():
    return stream("simple", [], how="broken", http_status=None, t_headers=None)


def flowing():
    found = stream(events=text_events(deltas=60, end=""), how="deadline", t=6.3)
    found["end"]["deadline"] = "total"
    return found


def out_of_order():
    return stream("tools", [*text_events(), event(0.7, "response.output_text.delta", delta="late")])


def closer_look():
    stood = {"state": "D", "stacks": {"state": "ok", "reason": "", "threads": [{"frames": ["step (vllm/core.py:1)"]}]}}
    asleep = {"state": "S", "wait_channel": "futex_do_wait", "stacks": {"state": "denied", "reason": "not permitted"}}
    ways = {
        "same": (stood, True),
        "moved": (stood, False),
        "unread": (asleep, None),
        "missed": ({"state": "gone"}, None),
    }
    found = [
        {"pid": 7, "role": role, "looks": [look], "seconds": 3.0, "cpu_used": 0.0, "same_stack": same}
        for role, (look, same) in ways.items()
    ]
    return {"py_spy": {"state": "ok", "reason": ""}, "processes": found}


def bundles():
    lost = gpu(lost="GPU is lost", ecc_uncorrected=1)
    found = {condition: real(condition) for condition in EXPECTED}
    found |= {
        "healthy": bundle(),
        "every case": bundle(
            stream("simple"),
            stream("tools", call_events()),
            stream("reasoning", reasoning_events()),
            stream("codex", reasoning_events(**used(128, "max_output_tokens")), **asked(128)),
            chat(),
            nonstream(),
            stalled("tool_turn"),
            public(),
        ),
        "stalled": bundle(
            stalled(seconds=20.0), stream("tools"), machine=machine(gpus={"state": "ok", "gpus": [lost]})
        ),
        "mute": bundle(mute(), mute("tools")),
        "refused": bundle(refused(), target=target(unit=unit("failed", "failed"))),
        "rejected": bundle(rejected(401, "no key"), rejected(500, "oops", "tools")),
        "truncated": bundle(
            truncated(), stream("tools", empty_events()), journal=journal("Traceback (most recent call last)")
        ),
        "out of order": bundle(
            stream(), out_of_order(), stream("reasoning"), stream("codex", preamble(), how="closed")
        ),
        "broken probe": bundle(broken_probe()),
        "flowing": bundle(flowing()),
        "slow": bundle(stream(events=text_events(start=20.0, step=2.0, deltas=30), t=80.5, samples=samples(80))),
        "nothing sent": nothing_sent(),
        "nothing known": nothing_sent(
            target=None, machine=None, journal=None, run=run(skipped_cases={"simple": "no model"})
        ),
        "tool error": nothing_sent(run=run(errors=[{"step": "probe", "message": "no python on the host"}])),
        "ended early": bundle(run=run(errors=[{"step": "machine", "message": "ssh broke"}])),
        "logs denied": bundle(journal={"unit": denied(), "kernel": denied("not root")}),
        "kernel denied": bundle(journal={"unit": log("ERROR boom"), "kernel": denied("not root")}),
        "xid": bundle(journal=journal(kernel=["NVRM: Xid (PCI:0000:01:00): 79"])),
        "silent log": bundle(journal={"unit": log(dropped=3), "kernel": log()}),
        "stopped engine": bundle(stalled(), target=target(processes=processes(engine_core="T"))),
        "looked at": bundle(stalled(), stall=closer_look()),
        "others": bundle(target=target(metrics=counters(0.0, running=3.0, successes={"stop": 1.0}))),
        "left half-way": bundle(target=target(intent=OURS)),
        "in force": bundle(target=target(intent={**OURS, "kept": True, "phase": "in_force", "in_force": True})),
        "booted": bundle(target=target(intent={**OURS, "kept": True, "phase": "in_force", "in_force": False})),
        "tried": bundle(experiment=TRIED),
        "compatible": bundle(target=target(compat_mode="on")),
        "no health": bundle(
            target=target(endpoints=endpoints(no_answer())),
            machine=machine(metrics={"state": "failed", "reason": "timed out"}),
        ),
    }
    return found


BUNDLES = {**bundles(), **{name: one for name, (one, _cause, _state) in STREAM_RULES.items()}}


def sentences(one):
    """What the judge says of a bundle, by its place in the result. Causes have a test of their own."""
    result = assess(one)
    for check in result["checks"]:
        yield f"title of {check['id']}", check["title"]
        yield f"expected of {check['id']}", check["expected"]
        if not check["id"].startswith("cause-"):
            yield f"observed of {check['id']}", check["observed"]
            yield f"reason of {check['id']}", check["reason"]
    verdict = result["verdict"]
    if verdict["primary_cause"] is None:
        yield "summary", verdict["summary"]
        yield "next step", verdict["next_step"]
    yield from (("note", note) for note in result["notes"])
    yield "trigger", result["localisation"]["trigger"]
    yield "localisation", result["localisation"]["reason"]
    for row in result["streams"]:
        yield f"deviation of {row['case']}", row["first_deviation"]
        yield f"codex of {row['case']}", row["codex"]
    facts = gather(one)
    yield "traffic", facts.traffic
    yield from (("closer look", words) for words in [facts.stall.reason, *facts.stall.sentences])
    for sent in facts.everything_sent:
        yield f"arrival of {sent.name}", sent.arrival.words
        yield f"end of {sent.name}", how_it_ended(sent.stream)
        yield f"clocks beside {sent.name}", clock_words(sent.standing)
        yield f"engine beside {sent.name}", engine_lives(facts, sent)
        yield f"engine after {sent.name}", steps_again(facts, sent)


def data_in(text):
    """The plain parts of a sentence, down to the last one."""
    if not isinstance(text, Words):
        return [text] if isinstance(text, str) else []
    return [part for value in text.values.values() for part in data_in(value)]


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for one in pair for text in strings(one))
    elif isinstance(value, (list, tuple)):
        yield from (text for one in value for text in strings(one))


#: One id, number, name or separator, and ``active (running)``, ``function_call fc_1 (list_files)``.
ID = re.compile(r"\S*( \S+_\S+)?( \(\S+\))?")


def is_data(text, evidence):
    """An id, a number, a command, or what somebody else said."""
    if text.startswith(("ansible", "stream disconnected before completion: ", '"')):
        return True
    return all(ID.fullmatch(part.strip()) or " ".join(part.split()) in evidence for part in text.split(", "))


@pytest.mark.parametrize("name", BUNDLES)
def test_every_sentence_of_the_judge_is_words(name):
    one = BUNDLES[name]
    evidence = " ".join(" ".join(strings(tuple(one))).split())
    for place, text in sentences(one):
        english = [data for data in data_in(text) if not is_data(data, evidence)]
        assert not english, f"{place}: {english} is not made by say"


@pytest.mark.parametrize("name", BUNDLES)
def test_a_summary_can_be_made_again_from_what_is_stored(name):
    verdict = json.loads(to_json(assess(BUNDLES[name])))["verdict"]
    assert put_together(verdict["said"]) == verdict["summary"]
    if verdict["primary_cause"] in (None, "inconclusive"):
        assert "template" in verdict["said"]


@pytest.mark.parametrize("name", ["text", "tools_required", "reasoning_then_call", "chat"])
def test_every_deviation_is_words(name):
    """Of a real stream from which any one event is missing, or in which it came twice."""
    whole = recorded(name)
    events = whole["events"]
    evidence = " ".join(["data: [DONE]", *strings(events)])
    bent = [events[:n] + times * [events[n]] + events[n + 1 :] for n in range(len(events)) for times in (0, 2)]
    found = [one for changed in bent for one in read_protocol({**whole, "events": changed}).deviations]
    assert found
    for one in found:
        parts = [word for data in data_in(one.words) for word in re.sub(r'[()"…]', " ", data).split()]
        assert all(part in evidence for part in parts), one.words
