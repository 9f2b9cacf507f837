"""What a rule says can be said in another language: reasons, verdicts, doubts and fixes are ``Words``, no f-strings."""

from __future__ import annotations

import pytest

from streamdiag.judge.assess import assess
from streamdiag.judge.causes import weigh
from streamdiag.judge.facts import gather
from streamdiag.words import Words, in_language
from tests.unit.judge.bundles import (
    CUT,
    EXPECTED,
    asked,
    bundle,
    chat,
    machine,
    no_answer,
    nothing_sent,
    real,
    reasoning_events,
    rejected,
    stalled,
    stream,
    target,
    used,
)
from tests.unit.judge.stream_rules import HELD_TO_THE_END, ON, kept
from tests.unit.judge.test_causes import FIRST, RULES
from tests.unit.judge.test_masked import ENGINE_LIVES, ENGINE_STANDS

TRIED = {"change": "compat_off", "summary": "fixed: 5 of 5 before, 0 of 5 after", "failing": []}
BROKEN = {"how": "broken", "t": 0.1, "reason": "KeyError: 'x'", "deadline": ""}
NOT_HTTP = stream("simple", [], how="error", t=0.1, t_headers=None, http_status=None, response_headers={})
MUTE = {"endpoints": {"/health": no_answer("RemoteProtocolError: illegal status line")}}
JUDGED = {
    **{f"real: {condition}": real(condition) for condition in EXPECTED},
    **{f"rule: {name}": one for name, (one, _cause, _state) in RULES.items()},
    **{f"first: {name}": one for name, (one, _cause) in FIRST.items()},
    **{f"stands: {name}": bundle(*streams, **parts) for name, (streams, parts) in ENGINE_STANDS.items()},
    **{f"lives: {name}": bundle(*streams, **parts) for name, (streams, parts, _cause) in ENGINE_LIVES.items()},
    "nothing sent": nothing_sent(),
    "the probe broke": bundle(stalled(end=BROKEN)),
    "an audit: fixed": bundle(stalled(), experiment={**TRIED, "conclusion": "fixed", "fixed": ["simple"]}),
    "an audit: flaky": bundle(
        stalled(), chat(), experiment={**TRIED, "conclusion": "flaky", "fixed": [], "failing": ["simple"]}
    ),
    "a key that is refused": bundle(rejected(401, "no"), target=target(api_key_given=True)),
    "no HTTP server": bundle(NOT_HTTP, target=target(**MUTE), machine=machine(**MUTE)),
    "response logging": bundle(HELD_TO_THE_END, target=target(environment={"VLLM_DEBUG_LOG_API_SERVER_RESPONSE": "1"})),
    "not one event": bundle(kept(events=[]), **ON),
    "a thought without a limit": bundle(
        stream("codex", reasoning_events(deltas=600, **used(600, CUT)), **asked(None)),
    ),
    "no systemd": bundle(stalled(), target=target(unit={"state": "absent", "reason": "no systemd"})),
}


def foreign(template: str) -> str:
    """A language in which every template says the same, behind a mark."""
    return "\N{SECTION SIGN}" + template


@pytest.mark.parametrize("one", JUDGED.values(), ids=JUDGED)
def test_a_claim_is_said_in_words(one):
    for rule, claim in weigh(gather(one)):
        assert isinstance(claim.reason, Words) and claim.reason, rule.id
        for said in (claim.summary, *claim.doubts):
            assert isinstance(said, Words), (rule.id, said)


@pytest.mark.parametrize("one", JUDGED.values(), ids=JUDGED)
def test_a_fix_is_said_in_words_and_its_commands_are_those_of_the_template(one):
    for cause in assess(one)["causes"]:
        fix = cause["fix"]
        assert isinstance(fix, Words) and fix, cause["id"]
        assert _commands(in_language(fix, foreign)) == _commands(fix)


def _commands(fix):
    return [line for line in fix.splitlines() if line.startswith("$ ")]


def test_a_verdict_with_a_cause_is_said_in_words():
    verdict = assess(JUDGED["real: engine-stopped"])["verdict"]
    assert all(isinstance(said, Words) for said in (verdict["summary"], verdict["next_step"], *verdict["doubts"]))
    assert in_language(verdict["next_step"], foreign).count("\N{SECTION SIGN}") >= 2  # the step within it, too
