"""A sentence is English text, and can be said in another language all the same."""

import json

import pytest

from streamdiag.words import NOTHING, Words, as_words, in_language, joined, say, template

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
