"""What most hosts share, who differs, and what failing hosts have in common: with counts, and never by chance words."""

from __future__ import annotations

import pytest

from streamdiag.report.command_line import options
from streamdiag.report.fleet import compare_hosts
from tests.unit.report.fleets import VLLM, host, names


def shared(fleet):
    return {one["fact"]: (one["value"], one["hosts"], one["known"]) for one in fleet["shared"]}


def odd(fleet):
    return {
        (one["host"], one["fact"]): (one["value"], one["others"], one["hosts"], one["known"]) for one in found(fleet)
    }


def found(fleet):
    return fleet["odd_ones_out"]


def divided(fleet):
    return {one["fact"]: {part["value"]: tuple(part["hosts"]) for part in one["values"]} for one in fleet["divided"]}


def test_seven_of_eight():
    """The issue's own example."""
    hosts = [host(name) for name in names(7)]
    hosts.append(host("gpu47", vllm_version="0.31.1", options=("--max-model-len", "8192")))
    fleet = compare_hosts(hosts)
    assert shared(fleet)["vllm_version"] == ("0.32.0", 7, 8)
    assert shared(fleet)["compat_mode"] == ("on", 8, 8)
    assert shared(fleet)["--enforce-eager"] == ("", 8, 8)
    assert odd(fleet) == {
        ("gpu47", "vllm_version"): ("0.31.1", "0.32.0", 7, 8),
        ("gpu47", "--max-model-len"): ("8192", "32768", 7, 8),
    }
    assert fleet["divided"] == fleet["failing_in_common"] == []


def test_every_fact_of_a_host_can_be_the_odd_one():
    hosts = [host(name) for name in names(3)]
    other = {"vllm_version": "0.1", "compat_mode": "off", "model": "big", "unit_state": "failed (failed)"}
    hosts.append(host("x", "engine-stopped", **other))
    assert {fact for _host, fact in odd(compare_hosts(hosts))} == {*other, "status"}
    causes = [host(f"e{n}", "engine-stopped") for n in range(3)] + [host("k", "engine-killed"), host("well")]
    assert odd(compare_hosts(causes))["k", "primary_cause"] == ("engine_dead", "engine_stalled", 3, 4)


def test_an_option_that_is_missing_or_that_only_one_has():
    hosts = [host(name) for name in names(3)]
    hosts += [host("bare", options=()), host("more", options=("--max-model-len", "32768", "--max_num_seqs=4"))]
    assert odd(compare_hosts(hosts)) == {
        ("bare", "--max-model-len"): (None, "32768", 4, 5),
        ("more", "--max-num-seqs"): ("4", None, 4, 5),
    }
    assert "--max-num-seqs" not in shared(compare_hosts(hosts)), "what is not set is nothing to share"


def test_what_is_not_known_of_a_host_does_not_count():
    down = {"vllm_version": "", "compat_mode": "unknown", "model": "", "unit_state": "unknown", "options": None}
    hosts = [host(name) for name in names(3)] + [host("down", **down), host("down2", **down)]
    fleet = compare_hosts(hosts)
    assert shared(fleet)["vllm_version"] == ("0.32.0", 3, 3)
    assert shared(fleet)["--max-model-len"] == ("32768", 3, 3)
    assert odd(fleet) == {}


@pytest.mark.parametrize(("same", "other", "majority"), [(2, 1, True), (2, 2, False), (3, 2, True), (1, 1, False)])
def test_a_majority_is_more_than_half_and_two(same, other, majority):
    hosts = [host(f"a{n}") for n in range(same)] + [host(f"b{n}", vllm_version="0.31.1") for n in range(other)]
    fleet = compare_hosts(hosts)
    assert ("vllm_version" in shared(fleet)) == majority
    assert len(odd(fleet)) == (other if majority else 0)
    assert ("vllm_version" in divided(fleet)) != majority


def test_one_host_and_none_are_no_fleet():
    for hosts in ([], [host("gpu40")]):
        assert not any(compare_hosts(hosts).values())


def test_two_hosts_are_told_apart():
    fleet = compare_hosts([host("a"), host("b", "engine-stopped", vllm_version="0.31.1", options=("--seed", "7"))])
    assert divided(fleet) == {
        "vllm_version": {"0.32.0": ("a",), "0.31.1": ("b",)},
        "--max-model-len": {"32768": ("a",), None: ("b",)},
        "--seed": {None: ("a",), "7": ("b",)},
    }


OWN = {
    "a port": lambda n, name: ("--port", str(8000 + n)),
    "another port": lambda n, name: (f"--data-parallel-rpc-port={9000 + n}",),
    "a port in a URL": lambda n, name: ("--otlp-traces-endpoint", f"http://collector:{4000 + n}/x"),
    "a rank": lambda n, name: ("--node-rank", str(n)),
    "a name": lambda n, name: ("--log-dir", f"/logs/{name}/x"),
    "a long name": lambda n, name: ("--url", f"https://{name}.example.org:8000"),
    "a name in capitals": lambda n, name: ("--tag", name.upper()),
    "a short name": lambda n, name: ("--tag", name.partition(".")[0]),
    "a process id": lambda n, name: ("--pid-file", f"/run/vllm-{700 + n}.pid"),
    "a value of its own": lambda n, name: ("--seed", str(n * 17)),
}


@pytest.mark.parametrize("made", OWN.values(), ids=OWN)
@pytest.mark.parametrize("suffix", ["", ".example.org"])
def test_what_is_a_host_s_own_is_no_oddity(made, suffix):
    hosts = [
        host(name, options=made(n, name), main_pid=700 + n)
        for n, name in enumerate(f"gpu{i}{suffix}" for i in range(8))
    ]
    fleet = compare_hosts(hosts)
    assert fleet["odd_ones_out"] == fleet["divided"] == []


def test_a_name_that_is_part_of_everybody_s_value_is_left_alone():
    hosts = [host(name, options=("--download-dir", "/srv/tiny/x")) for name in ("tiny", "srv", "x", "gpu1")]
    assert shared(compare_hosts(hosts))["--download-dir"] == ("/srv/tiny/x", 4, 4)
    assert odd(compare_hosts(hosts)) == {}


def test_a_host_that_has_the_value_of_another_one_is_odd():
    hosts = [host(name, options=("--log-dir", f"/logs/{name}")) for name in names(5)]
    hosts.append(host("gpu99", options=("--log-dir", "/logs/gpu40")))
    assert odd(compare_hosts(hosts))["gpu99", "--log-dir"] == ("/logs/gpu40", "/logs/…", 4, 6)


def test_another_model_is_said_once():
    hosts = [host(name) for name in names(3)]
    other = host("big", model="big")
    other["target"]["argv"] = [
        word.replace("tiny", "big") if word == "tiny" else word for word in other["target"]["argv"]
    ]
    assert set(odd(compare_hosts([*hosts, other]))) == {("big", "model")}


def test_what_failing_hosts_have_and_no_healthy_one():
    old = {"vllm_version": "0.31.1", "options": ("--max-model-len", "32768", "--async-scheduling")}
    hosts = [host(name, "engine-stopped", **old) for name in names(3)]
    hosts += [host("new", "engine-killed"), host("lost", "host-unreachable", vllm_version="", options=None)]
    hosts += [host(name) for name in names(4, 50)]
    fleet = compare_hosts(hosts)
    assert fleet["failing_in_common"] == [
        {"fact": fact, "value": value, "failing": 3, "failing_known": 4, "healthy": 0, "healthy_known": 4}
        for fact, value in (("vllm_version", "0.31.1"), ("--async-scheduling", ""))
    ]
    hosts[-1]["target"]["vllm_version"] = "0.31.1"
    assert [one["fact"] for one in compare_hosts(hosts)["failing_in_common"]] == ["--async-scheduling"]


@pytest.mark.parametrize("healthy", [0, 3])
def test_one_failing_host_has_nothing_in_common_with_another(healthy):
    hosts = [host("bad", "engine-stopped", vllm_version="0.31.1")] + [host(name) for name in names(healthy)]
    assert compare_hosts(hosts)["failing_in_common"] == []


def test_what_all_failing_hosts_lack():
    hosts = [host(name, "engine-stopped", options=()) for name in names(2)] + [host(name) for name in names(3, 50)]
    found = compare_hosts(hosts)["failing_in_common"]
    assert [(one["fact"], one["value"], one["failing"]) for one in found] == [("--max-model-len", None, 2)]


LINES = {
    "serve": (VLLM, {"--model": "/opt/models/tiny", "--served-model-name": "tiny", "--enforce-eager": ""}),
    "module": (["python", "-u", "-m", "vllm.entrypoints.openai.api_server", "--model", "m"], {"--model": "m"}),
    "shell": (["bash", "-lc", "exec vllm serve m --port 1"], {"--model": "m", "--port": "1"}),
    "unfinished shell": (["sh", "-c", "vllm serve m --x 'a"], {"--model": "m", "--x": "'a"}),
    "equals": (["vllm", "serve", "--a=b=c", "--e="], {"--a": "b=c", "--e": ""}),
    "last wins": (["vllm", "serve", "--a", "1", "--a", "2"], {"--a": "2"}),
    "underscores": (
        ["vllm", "serve", "--max_model_len", "1", "--x_y.a_b", "2"],
        {"--max-model-len": "1", "--x-y.a_b": "2"},
    ),
    "several": (["vllm", "serve", "--a", "1", "2", "-tp", "4", "--n", "-1"], {"--a": "1 2", "-tp": "4", "--n": "-1"}),
    "another program": (["/usr/bin/llm", "--a", "1"], {"--a": "1"}),
    "nothing": ([], {}),
    "odd words": (["vllm", "serve", "--", "-", ""], {"--": "-"}),
}


@pytest.mark.parametrize(("argv", "expected"), LINES.values(), ids=LINES)
def test_a_command_line(argv, expected):
    assert options(argv) == expected
