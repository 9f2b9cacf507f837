"""Evidence tells how its sentences were made, and a host that lies about it is not believed."""

import json

import pytest

from streamdiag.said import (
    MOST,
    MOST_OF_TEMPLATE,
    SAID,
    as_said,
    made_of,
    put_together,
    taken_apart,
    truly_said,
    with_said,
)
from streamdiag.words import Words, in_language, joined, say
from tests.unit.test_sentences import russian


def test_it_survives_a_file():
    said = joined("; ", [say("{case} fell silent for {seconds:.1f} s", case="simple", seconds=6.24), "{data}"])
    again = put_together(json.loads(json.dumps(taken_apart(said))))
    assert isinstance(again, Words)
    assert again == said
    assert in_language(again, russian) == "тишина в simple: 6.2 сек; {data}"
    assert put_together(taken_apart("plain {text}")) == "plain {text}"


EVIDENCE = {
    "state": "failed",
    "reason": say("{case} fell silent for {seconds:.1f} s", case="simple", seconds=6.24),
    "parts": [{"reason": joined("; ", [say("nothing moves"), "data"]), "count": 2}, {"reason": "plain"}],
}


def stored(evidence):
    return json.loads(json.dumps(with_said(evidence)))


def test_evidence_says_the_same_in_plain_text_and_tells_how_it_was_made():
    found = stored(EVIDENCE)
    assert found["reason"] == "simple fell silent for 6.2 s"
    assert set(found[SAID]) == {"reason"} and SAID not in found["parts"][1]
    again = as_said(found)
    assert in_language(again["reason"], russian) == "тишина в simple: 6.2 сек"
    assert in_language(again["parts"][0]["reason"], russian) == "ничего не движется; data"
    assert again["parts"][1] == {"reason": "plain"} and not isinstance(again["parts"][1]["reason"], Words)


def test_evidence_without_sentences_is_left_alone():
    plain = {"state": "ok", "headers": {"said": "what a server sent"}, "lines": [1, None, "x"]}
    assert with_said(plain) == plain == as_said(plain) == truly_said(plain)


def test_what_was_changed_by_hand_counts_as_it_stands():
    found = {**stored(EVIDENCE), "reason": "simple fell silent for 9.9 s"}
    assert not isinstance(as_said(found)["reason"], Words)
    assert as_said(found)["reason"] == "simple fell silent for 9.9 s"
    assert truly_said(found)[SAID] == {}


def lies(depth, text="x" * 100):
    """A sentence that doubles with each level: the memory of the reader is the aim."""
    parts = {"text": text}
    for _level in range(depth):
        parts = {"template": "{a}{a}{a}{a}{a}{a}{a}{a}{a}{a}", "values": {"a": parts}}
    return parts


HOSTILE = {
    "looks into values": {"template": "{a.__class__}", "values": {"a": {"text": "x"}}},
    "looks into values by index": {"template": "{a[0]}", "values": {"a": {"text": "x"}}},
    "gigabytes of blanks": {"template": "{a:>9999999999}", "values": {"a": {"text": "x"}}},
    "gigabytes of digits": {"template": "{a:.9999999999f}", "values": {"a": {"value": 1.5}}},
    "doubles and doubles": lies(12),
    "a long template": {"template": "x" * (MOST_OF_TEMPLATE + 1), "values": {}},
    "a field without value": {"template": "{a}", "values": {}},
    "a broken template": {"template": "{a", "values": {"a": {"text": "x"}}},
    "no values": {"template": "x"},
    "a value that is not said": {"template": "x", "values": {"key": {"text": "a secret"}}},
    "values that are none": {"template": "x", "values": "abc"},
    "a template that is none": {"template": 5, "values": {}},
    "nothing": {},
    "not even an object": ["template"],
    "a number": 7,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_host_makes_up_is_no_sentence(name):
    parts = HOSTILE[name]
    for text in ("x", "x" * (MOST + 1), "x" * (MOST_OF_TEMPLATE + 1)):
        assert not isinstance(made_of(parts, text), Words)
        found = as_said({"reason": text, SAID: {"reason": parts}})
        assert found["reason"] == text and not isinstance(found["reason"], Words)


def test_the_fields_that_our_own_templates_have_are_no_lies():
    for form in ("{a:.1f}", "{a:g}", "{a:.0%}", "{a:+.3f}", "{a:,}", "{a}", "{a!r}"):
        said = say(form, a=1234)
        assert isinstance(made_of(taken_apart(said), str(said)), Words)
