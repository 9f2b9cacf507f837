"""A sentence is English text, and can be said in another language all the same."""

import json

import pytest

from streamdiag.words import (
    MOST,
    MOST_OF_TEMPLATE,
    NOTHING,
    SAID,
    Words,
    as_said,
    as_words,
    in_language,
    joined,
    made_of,
    put_together,
    say,
    taken_apart,
    template,
    truly_said,
    with_said,
)

RUSSIAN = {
    "{case} fell silent for {seconds:.1f} s": "тишина в {case}: {seconds:.1f} сек",
    "nothing moves": "ничего не движется",
    " and ": " и ",
}


def russian(template: str) -> str:
    return RUSSIAN.get(template, template)


def test_it_is_the_english_sentence():
    said = say("{case} fell silent for {seconds:.1f} s", case="simple", seconds=6.24)
    assert said == "simple fell silent for 6.2 s"
    assert json.dumps({"said": said}) == '{"said": "simple fell silent for 6.2 s"}'


def test_another_language_may_change_the_order():
    said = say("{case} fell silent for {seconds:.1f} s", case="simple", seconds=6.24)
    assert in_language(said, russian) == "тишина в simple: 6.2 сек"


def test_parts_are_translated_with_the_whole_and_data_is_not():
    said = (
        joined("; ", [say("nothing moves"), "nothing moves"]) + say(" and ") + say("{what}!", what=say("nothing moves"))
    )
    assert said == "nothing moves; nothing moves and nothing moves!"
    assert in_language(said, russian) == "ничего не движется; nothing moves и ничего не движется!"
    assert in_language("before: " + say("nothing moves"), russian) == "before: ничего не движется"


@pytest.mark.parametrize("data", ["{0}", "{case.__class__}", "100 % {}", "{{ x }}"])
def test_data_is_never_a_template(data):
    for said in (say("{case}", case=data), joined("; ", [data, say("nothing moves")]), say("nothing moves") + data):
        assert data in said
        assert data in in_language(said, russian)
    assert in_language(data, russian) == data


def test_joining_nothing_and_one():
    assert joined(", ", []) == ""
    assert in_language(joined(say(" and "), [say("nothing moves")]), russian) == "ничего не движется"
    assert in_language(joined(say(" and "), ["a", "b"]), russian) == "a и b"


def test_it_survives_a_file():
    said = joined("; ", [say("{case} fell silent for {seconds:.1f} s", case="simple", seconds=6.24), "{data}"])
    again = put_together(json.loads(json.dumps(taken_apart(said))))
    assert isinstance(again, Words)
    assert again == said
    assert in_language(again, russian) == "тишина в simple: 6.2 сек; {data}"
    assert put_together(taken_apart("plain {text}")) == "plain {text}"


def test_data_alone_is_a_sentence_that_stays_as_it_is():
    said = as_words("nothing moves {0}")
    assert isinstance(said, Words)
    assert in_language(said, russian) == "nothing moves {0}"
    assert in_language(as_words(say("nothing moves")), russian) == "ничего не движется"


def test_where_no_sentence_is_none_is_in_any_language():
    assert not NOTHING and isinstance(NOTHING, Words)
    catalogue = {"": "its header, as gettext has it"}
    assert in_language(NOTHING, lambda one: catalogue.get(one, one)) == ""


def test_a_marked_template_is_said_later():
    marked = template("{case} fell silent for {seconds:.1f} s")
    assert in_language(say(marked, case="simple", seconds=6.24), russian) == "тишина в simple: 6.2 сек"


# In evidence

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
