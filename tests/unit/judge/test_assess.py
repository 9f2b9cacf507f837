"""assess() as a function: pure, the same bytes everywhere, in the contract's form, not felled by bad evidence."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamdiag.bundle import repeat_file
from streamdiag.judge.assess import assess
from streamdiag.judge.causes import ORDER
from streamdiag.store import Bundle, NotABundle, load, to_json, write_part
from tests.unit.judge.bundles import EXPECTED, REAL, bundle, fresh, nothing_sent, real, refused, run, stalled, truncated
from tests.unit.judge.test_causes import RULES

STATUSES = {"healthy", "degraded", "broken", "unreachable", "inconclusive"}
CAUSES = {
    *("service_down", "crash_loop", "endpoint_unreachable", "auth_rejected", "request_rejected"),
    *("api_server_stalled", "engine_stalled", "engine_dead", "engine_asleep", "gpu_fault", "out_of_memory"),
    *("queue_saturated", "kv_cache_exhausted", "runaway_reasoning", "slow_generation", "client_timeout"),
    *("output_limit", "tool_call_withheld", "awaiting_tool_output", "no_heartbeat", "server_buffering"),
    *("proxy_buffering", "proxy_interference", "reasoning_hidden", "compat_mode_filtering", "stream_truncated"),
    *("protocol_violation", "network_stall", "inconclusive"),
}
KEYS = {
    "": "schema_version run_id host started_at finished_at tool_version target verdict causes checks streams",
    "target": "base_url public_url model vllm_version unit unit_state main_pid compat_mode argv",
    "verdict": "status primary_cause confidence summary",
    "causes": "id checklist_cause state evidence_for evidence_against fix",
    "checks": "id title status observed expected reason evidence",
    "repeats": "case outcome http_status events repeat",
    "streams": "case outcome http_status events bytes reads t_headers t_first_event t_last_event duration "
    "max_event_gap max_byte_gap pings terminal_event tokens_advanced stop_reason",
}


def the_contract_holds(result):
    assert set(KEYS[""].split()) <= set(result)
    for part in ("target", "verdict"):
        assert set(KEYS[part].split()) <= set(result[part])
    for part in ("causes", "checks", "streams", "repeats"):
        for row in result[part]:
            assert set(KEYS[part].split()) <= set(row)
    assert result["schema_version"] == 1
    assert result["verdict"]["status"] in STATUSES
    assert result["verdict"]["confidence"] in ("high", "medium", "low")
    assert result["verdict"]["primary_cause"] in CAUSES | {None}
    assert (result["verdict"]["status"] in ("healthy", "unreachable")) <= (result["verdict"]["primary_cause"] is None)
    blamed = result["verdict"]["primary_cause"] is not None
    empty = "nothing was streamed" in result["verdict"]["summary"]  # wrong by itself, whatever made it so
    assert (result["verdict"]["status"] == "broken") <= blamed
    assert (result["verdict"]["status"] == "degraded") <= (blamed or empty)
    assert result["verdict"]["summary"] and result["verdict"]["next_step"]
    assert result["target"]["compat_mode"] in ("on", "off", "unsupported", "unknown")
    for cause in result["causes"]:
        assert cause["state"] in ("confirmed", "likely", "possible", "ruled_out", "not_tested")
        assert cause["checklist_cause"] in (None, 1, 2, 3, 4)
    for check in result["checks"]:
        assert check["status"] in ("pass", "warn", "fail", "skip", "error")
        for quote in check["evidence"]:
            assert set(quote) == {"path", "sha256", "excerpt"}
    for row in result["streams"]:
        outcomes = ("completed", "incomplete", "stalled", "truncated", "failed", "rejected", "unreachable")
        assert row["outcome"] in outcomes


def test_the_causes_are_those_of_the_contract():
    ids = list(ORDER)
    assert len(ids) == len(set(ids))
    assert set(ids) == CAUSES - {"inconclusive"}
    assert [c["id"] for c in assess(bundle())["causes"]] == ids


@pytest.mark.parametrize("condition", EXPECTED)
def test_a_real_run_gives_the_contract_s_form(condition):
    the_contract_holds(assess(real(condition)))


def test_made_bundles_give_the_contract_s_form():
    for one, _cause, _state in RULES.values():
        the_contract_holds(assess(one))


def test_the_bundle_is_not_changed():
    for condition in EXPECTED:
        one = real(condition)
        before = copy.deepcopy(one)
        assess(one)
        assert one == before


def test_the_order_of_files_makes_no_difference(tmp_path):
    expected = to_json(assess(real("engine-killed")))
    for names in (sorted, lambda n: sorted(n, reverse=True)):
        folder = tmp_path / names([("a"), ("b")])[0]
        (folder / "evidence").mkdir(parents=True)
        for name in names(os.listdir(REAL / "engine-killed" / "evidence")):
            shutil.copy(REAL / "engine-killed" / "evidence" / name, folder / "evidence" / name)
        assert to_json(assess(load(folder))) == expected
    one = real("engine-killed")
    backwards = one._replace(streams=dict(reversed(one.streams.items())), digests=dict(reversed(one.digests.items())))
    assert to_json(assess(backwards)) == expected


def _with_repeats(folder, *numbers):
    """The bundle ``healthy`` as an audit leaves it, with hanging repeats of ``simple`` and ``tools``."""
    shutil.copytree(REAL / "healthy", folder)
    for number in numbers:
        for case in ("tools", "simple"):
            write_part(folder, repeat_file(number, case), stalled(case))
    return load(folder)


def test_repeats_are_listed_in_order_and_change_nothing_else(tmp_path):
    found, alone = assess(_with_repeats(tmp_path / "run", 10, 2, 3)), assess(real("healthy"))
    listed = [(row["repeat"], row["case"], row["outcome"]) for row in found["repeats"]]
    assert listed == [(n, case, "stalled") for n in (2, 3, 10) for case in ("simple", "tools")]
    the_contract_holds(found)
    assert {**found, "repeats": []} == alone
    assert alone["repeats"] == []


def test_what_is_sent_first_is_no_repeat(tmp_path):
    assert assess(_with_repeats(tmp_path / "run", 1))["repeats"] == []


def test_a_broken_repeat_is_named(tmp_path):
    _with_repeats(tmp_path / "run", 2)
    write_part(tmp_path / "run", repeat_file(2, "simple"), {"case": "simple"})
    with pytest.raises(NotABundle, match="has not the form of a bundle"):
        assess(load(tmp_path / "run"))


def test_place_time_and_hash_seed_make_no_difference():
    program = (
        "import sys; from pathlib import Path; from streamdiag.store import load, to_json;"
        "from streamdiag.judge.assess import assess;"
        "[sys.stdout.buffer.write(to_json(assess(load(Path(p)))).encode()) for p in sys.argv[1:]]"
    )
    conditions = ["healthy", "engine-killed", "crash-loop"]
    expected = "".join(to_json(assess(real(condition))) for condition in conditions).encode()
    import streamdiag

    home = os.path.dirname(os.path.dirname(streamdiag.__file__))
    for seed, zone, locale in (("1", "Asia/Kamchatka", "C"), ("2", "America/New_York", "C.UTF-8")):
        environment = {
            "PYTHONPATH": home,
            "PYTHONHASHSEED": seed,
            "TZ": zone,
            "LC_ALL": locale,
            "PATH": "/usr/bin:/bin",
        }
        arguments = [sys.executable, "-c", program, *(str(REAL / condition) for condition in conditions)]
        assert subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, check=True).stdout == expected


def test_the_result_is_json_that_any_program_reads():
    def no_constant(name):
        raise AssertionError(name)

    one = stalled()
    for sample in one["samples"]["metrics"]:
        sample.update(generation_tokens=float("nan"), kv_cache_usage=float("inf"))
    for text in (to_json(assess(bundle(one))), to_json(assess(real("healthy")))):
        json.loads(text, parse_constant=no_constant)


# Mutilated bundles

_BASES = {condition: real(condition) for condition in EXPECTED}
_BASES.update(stalled=bundle(stalled()), truncated=bundle(truncated()), refused=bundle(refused()))
_ODD = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "²",
        "\ud800",
        "a" * 5000,
        [],
        {},
        [None],
        {"x": 1},
    ]
)


def _places(value, path=()):
    """All paths into nested JSON."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        found += _places(one, (*path, key))
    return found


def _change(parts, path, odd, drop):
    at = parts
    for key in path[:-1]:
        if not isinstance(at, (dict, list)):
            return
        try:
            at = at[key]
        except (KeyError, IndexError, TypeError):
            return
    try:
        if drop:
            del at[path[-1]]
        else:
            at[path[-1]] = odd
    except (KeyError, IndexError, TypeError):
        pass


@st.composite
def mutilated(draw, names):
    name = draw(st.sampled_from(names))
    parts = fresh(_BASES[name])._asdict()
    for _ in range(draw(st.integers(1, 3))):
        places = _PLACES[name]
        _change(parts, draw(st.sampled_from(places)), copy.deepcopy(draw(_ODD)), draw(st.booleans()))
    return Bundle(**{key: parts.get(key) for key in Bundle._fields})


_PLACES = {name: [p for p in _places(one._asdict()) if p[0] != "digests"] for name, one in _BASES.items()}
_SICK = sorted(set(_BASES) - {"healthy", "healthy-trixie"})
_QUICK = settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def _judged(one):
    """The result, or None when assess() refused in clear words."""
    try:
        return assess(one)
    except NotABundle as refusal:
        assert len(str(refusal)) > 20
        return None


@_QUICK
@given(mutilated(_SICK))
def test_bad_evidence_of_a_sick_host_never_makes_it_healthy(one):
    result = _judged(one)
    if result is not None:
        assert result["verdict"]["status"] != "healthy"
        to_json(result)


@_QUICK
@given(mutilated(["healthy", "healthy-trixie"]))
def test_bad_evidence_of_a_healthy_host_fells_nothing(one):
    result = _judged(one)
    if result is not None and result["verdict"]["status"] == "healthy":
        assert {row["outcome"] for row in result["streams"]} <= {"completed", "incomplete"}
        assert all(row["terminal_event"] for row in result["streams"])


@pytest.mark.parametrize("part", ["run", "target", "machine", "journal", "streams"])
@pytest.mark.parametrize("odd", [None, [], "text", 7], ids=repr)
def test_a_part_that_is_no_part_is_refused_or_judged(part, odd):
    result = _judged(real("engine-stopped")._replace(**{part: odd}))
    assert result is None or result["verdict"]["status"] != "healthy"


def test_a_folder_without_a_bundle_is_refused_in_clear_words(tmp_path):
    with pytest.raises(NotABundle, match="holds no evidence"):
        load(tmp_path)
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (evidence / "run.json").write_text('{"host": "gpu43"', encoding="utf-8")
    with pytest.raises(NotABundle, match="not whole JSON"):
        load(tmp_path)
    (evidence / "run.json").write_bytes(b"\xff\xfe")
    with pytest.raises(NotABundle, match="not whole JSON"):
        load(tmp_path)
    for version in (99, "99", None, [1]):
        (evidence / "run.json").write_text(json.dumps({"bundle_version": version}), encoding="utf-8")
        with pytest.raises(NotABundle, match="version"):
            load(tmp_path)
    (evidence / "run.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(NotABundle):
        load(tmp_path)


@pytest.mark.parametrize(
    ("reason", "ping"),
    [
        ("Timeout (12s) waiting for privilege escalation prompt", "-b -m ansible.builtin.ping"),
        ("ssh: connect to host gpu43 port 22: No route to host", "gpu43 -m ansible.builtin.ping"),
    ],
)
def test_who_was_not_reached_is_tried_in_the_same_way(reason, ping):
    """Where sudo did not answer, a ping without it would succeed and say nothing."""
    verdict = assess(nothing_sent(run=run(unreachable=reason, host="gpu43")))["verdict"]
    assert verdict["status"] == "unreachable" and f"{ping}\n" in verdict["next_step"]
    assert verdict["next_step"].endswith("$ ansible-playbook diagnose.yml -l gpu43")
