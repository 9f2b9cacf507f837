"""What an operator's words for an audit turn into."""

from __future__ import annotations

import pytest

from streamdiag.controller.audit_change import LOGGING_OPTIONS, Unclear, wanted_change
from streamdiag.host.changing.change import read_change


@pytest.mark.parametrize(
    ("kind", "given", "change"),
    [
        ("compat_off", {}, {}),
        ("compat_on", {"audit_set": ""}, {}),
        (
            "args",
            {"audit_set": "--max-num-seqs 4 --enforce-eager --seed -1"},
            {"what": "args", "set": ["--max-num-seqs 4", "--enforce-eager", "--seed -1"], "remove": []},
        ),
        (
            "args",
            {"audit_set": """--chat-template '/a b.jinja' -tp=2""", "audit_remove": "--enforce-eager --seed"},
            {"what": "args", "set": ["--chat-template '/a b.jinja'", "-tp=2"], "remove": ["--enforce-eager", "--seed"]},
        ),
        (
            "args",
            {"audit_set": ["--max-num-seqs 4"], "audit_remove": ["--seed"]},
            {"what": "args", "set": ["--max-num-seqs 4"], "remove": ["--seed"]},
        ),
        (
            "env",
            {"audit_environment": "A=1 B='two words' C=", "audit_unset": "D E"},
            {"what": "env", "environment": {"A": "1", "B": "two words", "C": ""}, "unset": ["D", "E"]},
        ),
        ("env", {"audit_environment": {"A": 1}}, {"what": "env", "environment": {"A": "1"}, "unset": []}),
    ],
)
def test_what_is_meant(kind, given, change):
    assert wanted_change(kind, given) == change
    if change:
        assert not read_change(change).empty  # the host understands it


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("args", {}, "needs audit_set or audit_remove"),
        ("env", {}, "needs audit_environment or audit_unset"),
        ("env", {"audit_set": "--a"}, "audit_set does not belong to audit_change=env; it is for audit_change=args"),
        ("compat_off", {"audit_unset": "A"}, "audit_unset does not belong to audit_change=compat_off"),
        ("debug_logging", {"audit_environment": "A=1"}, "does not belong"),
        ("args", {"audit_set": "--a 'open"}, 'audit_set="--a \'open" cannot be split into words'),
        ("env", {"audit_environment": "A"}, "'A' is not NAME=VALUE"),
    ],
)
def test_what_is_not_clear(kind, given, words):
    with pytest.raises(Unclear) as refused:
        wanted_change(kind, given)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("unknown", "set_", "remove"),
    [
        ((), ["--enable-log-requests", "--enable-log-outputs"], None),
        (("--disable-log-requests",), ["--enable-log-requests", "--enable-log-outputs"], None),
        (("--enable-log-outputs",), ["--enable-log-requests"], None),
        (("--enable-log-requests", "--enable-log-outputs"), None, ["--disable-log-requests"]),
        (LOGGING_OPTIONS, None, None),
    ],
)
def test_logging_in_the_terms_of_the_build(unknown, set_, remove):
    change = wanted_change("debug_logging", {}, unknown)
    assert (change.get("set"), change.get("remove")) == (set_, remove)
    assert change["environment"] == {"VLLM_LOGGING_LEVEL": "DEBUG"}
    assert not read_change(change).empty
