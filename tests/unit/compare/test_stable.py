"""What is another one in every run is left out; what is a setting stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdiag.compare.stable import stable, stable_arguments
from streamdiag.words import in_language, joined, say

SAME = [
    ("main 74: state S, 9.7 s CPU, 658 MB", "main 2609: state S, 10.7 s CPU, 661 MB"),
    ("pid 7747 + 3", "pid 12 + 3"),
    ("PID=7747 died", "PID=8 died"),
    ("process 7777 (engine_core) is stopped", "process 9 (engine_core) is stopped"),
    (
        "there, but executing nothing: 132 (engine_core) in state T",
        "there, but executing nothing: 9 (engine_core) in state T",
    ),
    ("processes 12, 13 are gone", "processes 99, 101 are gone"),
    ("listens at http://127.0.0.1:8000", "listens at http://127.0.0.1:38123"),
    ("listens at http://[::1]:8000/", "listens at http://[::1]:9/"),
    ("nothing on port 8000", "nothing on port 8001"),
    ("0 tokens in 5 s", "3 tokens in 12.25 s"),
    ("event 9 at 0.275 s", "event 11 at 0.3 s"),
    ('expected JSON, saw "false"', 'expected JSON, saw "3248"'),
    ("item fc_0a1b2c3d4e5f of resp_9", "item fc_ffff0000aaaa of resp_3f"),
    ("request cmpl-1f0e3dad99908345f7439f8ffabdffc4", "request cmpl-8f14e45fceea167a5a36dedd4bea2543"),
    ("GPU 3f2504e0-4f89-41d3-9a0c-0305e82c3301", "GPU 3f2504e0-4f89-41d3-9a0c-0305e82c3302"),
    ("since 2026-11-22T19:50:40Z", "since 2026-11-24T13:37:11.5Z"),
    ("at 19:50:40 it said", "at 03:00:01 it said"),
    ("run 20261124T133711Z", "run 20261124T133712Z-2"),
    ("GPU 0: 3 % busy, 78 of 86 GB", "GPU 0: 99 % busy, 12 of 86 GB"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_volatile_facts_make_no_difference(one, other):
    assert stable(one) == stable(other)


OTHER = [
    ("--max-model-len: 32768", "--max-model-len: 8192"),
    ("state T", "state S"),
    ("vLLM 0.32.0", "vLLM 0.33.0"),
    ("HTTP 200", "HTTP 503"),
    ("awake=1", "awake=0"),
    ("3 restarts", "4 restarts"),
    ("listens at http://127.0.0.1:8000", "listens at http://10.0.0.1:8000"),
    ("Xid 79", "Xid 48"),
    ("gpt-oss-120b", "gpt-oss-20b"),
    ("response.created", "response.completed"),
]


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other_numbers_are_facts(one, other):
    assert stable(one) != stable(other)


@given(st.text(alphabet='0123456789:. sMBeventpid-_resp"T', max_size=60))
def test_what_is_stable_stays_so(text):
    assert stable(stable(text)) == stable(text)


ARGUMENTS = [
    (["vllm", "serve", "--port", "8000"], ["vllm", "serve", "--port", "9000"], True),
    (["vllm", "--port=8000", "m"], ["vllm", "--port=9000", "m"], True),
    (["vllm", "--port", "8000", "m"], ["vllm", "--port", "8000", "other"], False),
    (["vllm", "--max-model-len", "8192"], ["vllm", "--max-model-len", "4096"], False),
    (["vllm", "--responses-compatibility-mode"], ["vllm", "--no-responses-compatibility-mode"], False),
]


@pytest.mark.parametrize(("one", "other", "same"), ARGUMENTS)
def test_a_port_is_no_change_of_the_command_line(one, other, same):
    assert (stable_arguments(one) == stable_arguments(other)) == same


def test_an_option_and_its_value_are_one_word():
    argv = [
        "vllm",
        "serve",
        "m",
        "--port",
        "8000",
        "--enforce-eager",
        "--host",
        "0.0.0.0",
        "--data-parallel-rpc-port=1",
    ]
    expected = ["vllm", "serve", "m", "--port …", "--enforce-eager", "--host 0.0.0.0", "--data-parallel-rpc-port …"]
    assert stable_arguments(argv) == expected


# In another language


RUSSIAN = {
    "{role} {pid}: state {state}, {cpu:.1f} s CPU": "{role} {pid}: состояние {state}, CPU {cpu:.1f} сек",
    "processes {pids} are gone": "нет процессов {pids}",
    "{count} restarts": "перезапусков: {count}",
    'expected JSON, saw "{seen}"': "ожидался JSON, пришло «{seen}»",
    "got {shown} of {resource}": "получено {shown}, {resource}",
    "{tokens} tokens in {seconds:+.2f} s": "токенов {tokens}, {seconds:+.2f} сек",
}
SAID = [
    (
        say("{role} {pid}: state {state}, {cpu:.1f} s CPU", role="main", pid=74, state="S", cpu=9.7),
        "main …: состояние S, CPU … сек",
    ),
    (say("processes {pids} are gone", pids=joined(", ", ["12", "13"])), "нет процессов …, …"),
    (say("{count} restarts", count=3), "перезапусков: 3"),
    (say('expected JSON, saw "{seen}"', seen="false"), "ожидался JSON, пришло «…»"),
    (say("got {shown} of {resource}", shown="2", resource="resp_9"), "получено …, resp_…"),
    (say("{tokens} tokens in {seconds:+.2f} s", tokens=0, seconds=-5.1), "токенов …, -… сек"),
]


@pytest.mark.parametrize(("words", "russian"), SAID, ids=[russian for _words, russian in SAID])
def test_what_is_left_out_in_english_is_left_out_in_every_language(words, russian):
    found = stable(words)
    assert found == stable(str(words))
    assert in_language(found, lambda template: RUSSIAN.get(template, template)) == russian
