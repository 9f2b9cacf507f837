"""What an operator may set, and what is said when that went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.splitter import parse_kv

from streamdiag.controller.settings import NAMES, problems, role_parameters, slips

ROLES = Path(__file__).resolve().parents[3] / "roles"

MISSPELT = {
    "vllm_units": "vllm_unit",
    "vlm_unit": "vllm_unit",
    "vllm_baseurl": "vllm_base_url",
    "report_dir": "reports_dir",
    "reports_dirs": "reports_dir",
    "vllm_apikey": "vllm_api_key",
    "diagnose_failon": "diagnose_fail_on",
    "runid": "run_id",
    "probe_case": "probe_cases",
    "compare_forced": "compare_force",
}


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("audit_set=--max-num-seqs 4", "audit_set='--max-num-seqs 4'"),
        ("audit_environment=A=1 B=2", "B apart from audit_environment"),
    ],
)
def test_a_value_that_ansible_has_split_is_refused(given, advice):
    """What a shell makes of ``-e audit_set='--max-num-seqs 4'``."""
    (found,) = problems({}, parse_kv(given), [])
    assert advice in found and "quotes inside" in found
    name, _, value = given.partition("=")
    assert problems({}, parse_kv(f"{name}='{value}'"), []) == []


@pytest.mark.parametrize(("given", "meant"), MISSPELT.items())
def test_a_slip_is_answered_with_what_was_meant(given, meant):
    found = problems({}, [given], role_parameters(ROLES))
    assert found == [f"{given} is not a variable of this project; did you mean {meant}?"]


def test_a_slip_in_the_inventory_is_found_too():
    assert "is vllm_unit meant?" in slips(["vllm_unti"], [])[0]


def test_a_name_that_starts_like_ours_and_is_none_lists_what_there_is():
    (found,) = problems({}, ["vllm_frobnicate_everything"], [])
    assert all(name in found for name in NAMES)


def test_what_is_not_ours_is_nobody_s_business():
    foreign = ["ansible_user", "http_port", "my_app_version", "vllm_frobnicate_everything"]
    assert problems({}, foreign[:3], role_parameters(ROLES)) == []
    assert slips(foreign, role_parameters(ROLES)) == []


def test_every_setting_and_every_role_parameter_is_known():
    roles = role_parameters(ROLES)
    assert len(roles) > 10
    assert problems({}, sorted(NAMES | roles), roles) == []


GOOD = [
    *[("vllm_base_url", url) for url in ("http://127.0.0.1:8000", "https://gpu43/prefix", "http://[::1]:8000", "")],
    *[("run_id", name) for name in ("before", "20261122T195222Z-2", "a.b_c-d", "")],
    *[("diagnose_fail_on", level) for level in ("never", "degraded", "broken")],
    *[("vllm_ping_interval", seconds) for seconds in ("15", 15, 0, 0.5, "7.5")],
    *[
        ("vllm_unit", "vllm@gpu0.service"),
        ("reports_dir", "/srv/reports with a space"),
        ("vllm_api_key", "$ecret{{ }}"),
    ],
    ("vllm_unit", None),
    *[("compare_force", value) for value in (True, False, "true", "no", "")],
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_good_value(name, value):
    assert problems({name: value}, [name], []) == []


BAD = [
    *[
        ("vllm_base_url", url)
        for url in ("127.0.0.1:8000", "gpu43", "ftp://x", "http://", "http://x:port", "http://[::1")
    ],
    *[("vllm_base_url", url) for url in ("http://x:99999", "http://x:0", 8000)],
    ("vllm_public_url", "www.example.org"),
    *[("run_id", name) for name in ("../x", "a/b", ".hidden", "a b", "x" * 101, "-rf", "a\nb", "\u00e4")],
    *[("diagnose_fail_on", level) for level in ("always", "Broken", "broken ", True)],
    *[("vllm_ping_interval", seconds) for seconds in ("15s", "-1", "inf", "1e3", [15])],
    *[("compare_force", value) for value in ("perhaps", 2, "force")],
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_named_with_what_it_must_be(name, value):
    (found,) = problems({name: value}, [name], [])
    assert found.startswith(f"{name}={str(value)!r}")
    assert " must be " in found


def test_latest_is_the_link_s_own_name():
    # reports/latest points to the newest run: a run of that name would take its place.
    assert problems({"run_id": "latest"}, ["run_id"], [])


def test_everything_that_is_wrong_is_said_at_once():
    found = problems({"run_id": "a b", "vllm_base_url": "x"}, ["vllm_units", "run_id"], [])
    assert len(found) == 3


def test_a_key_is_never_in_a_message():
    given = {"vllm_api_key": "sk-very-secret", "run_id": "a b"}
    assert "secret" not in " ".join(problems(given, list(given), []))
