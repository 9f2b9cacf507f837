"""summary.json and summary.md: of real runs, of many hosts, of hostile ones, of damaged ones, in both languages."""

from __future__ import annotations

import json
import re
import stat
import time
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from streamdiag.judge.assess import assess
from streamdiag.report.language import Language
from streamdiag.report.stored import Damaged, Stored, of_results, read_results
from streamdiag.report.summary import STATUSES, summarise
from streamdiag.report.summary_report import GROUPS, HOSTS, ROWS, render_summary
from streamdiag.report.write import style, write_summary
from streamdiag.said import taken_apart
from streamdiag.store import to_json, write_text
from streamdiag.words import Words, say
from tests.unit.judge.bundles import EXPECTED, real
from tests.unit.report.fleets import host, names
from tests.unit.report.test_report import POISON, _headings, _poisoned, is_well_formed

ROLE = Path(__file__).resolve().parents[3] / "roles" / "report"
TEMPLATE = ROLE / "templates" / "summary.md.j2"


def real_results():
    return [{**assess(real(condition)), "host": condition} for condition in EXPECTED]


def page(stored, **more):
    return render_summary(summarise(stored), TEMPLATE, **more)


def mixed(count=8):
    """One host differs, and fails."""
    last = host("gpu47", "engine-stopped", vllm_version="0.31.1", options=("--max-model-len", "8192"))
    return [host(name) for name in names(count - 1)] + [last]


# summary.json


def test_the_worst_come_first():
    found = summarise(real_results())
    order = [STATUSES.index(line["status"]) for line in found["hosts"]]
    assert order == sorted(order) and len(order) == len(EXPECTED)
    assert found["totals"] == {"unreachable": 1, "broken": 8, "healthy": 2}
    assert [line["host"] for line in found["hosts"] if line["status"] == "healthy"] == ["healthy", "healthy-trixie"]


def test_the_keys_that_were_there_are_there():
    found = summarise([host("gpu43")])
    assert {"schema_version", "run_id", "totals", "hosts"} <= set(found)
    assert {"host", "status", "primary_cause", "confidence", "summary", "notes"} <= set(found["hosts"][0])
    assert found["hosts"][0]["report"] == "gpu43/report.md"


def test_a_sentence_keeps_what_it_was_made_of():
    result = host("gpu43")
    said = say("Streams on {host} work", host="gpu43")
    result["verdict"].update(summary=str(said), said=taken_apart(said))
    found = summarise([result])["hosts"][0]["summary"]
    assert isinstance(found, Words) and found.template == "Streams on {host} work"


FORGED = [
    {"template": "All is well on {host}", "values": {"host": {"text": "gpu43"}}},
    {"template": "{host.__class__}", "values": {"host": {"text": "x"}}},
    {"template": "{", "values": {}},
    {"template": "{missing}", "values": {}},
    {"template": 7, "values": {}},
    {"template": "x", "values": ["y"]},
    {},
    "text",
    None,
    [1],
]


@pytest.mark.parametrize("said", FORGED, ids=str)
def test_a_sentence_that_is_not_the_summary_is_not_said(said):
    result = host("gpu43")
    result["verdict"].update(summary="As it is", said=said)
    found = summarise([result])["hosts"][0]["summary"]
    assert found == "As it is" and not isinstance(found, Words)


# summary.md


def test_the_page_says_who_differs_in_what():
    text = page(mixed())
    is_well_formed(text)
    assert "Hosts: 8 (broken: 1, healthy: 7)." in text
    assert "vLLM `0.32.0` (7 of 8); compatibility mode on (8 of 8); model `tiny` (8 of 8)" in text
    assert (
        "- [gpu47](./gpu47/report.md): vLLM `0.31.1` (7 of 8: `0.32.0`); verdict broken (7 of 8: healthy); "
        "`--max-model-len 8192` (7 of 8: `32768`)\n"
    ) in text
    assert text.index("| [gpu47]") < text.index("| [gpu40]")


def test_options_that_are_missing_or_have_no_value_are_words():
    text = page(
        [
            *[host(name) for name in names(3)],
            host("bare", options=()),
            host("more", options=("--max-model-len", "32768", "--x")),
        ]
    )
    assert "[bare](./bare/report.md): `--max-model-len` not set (4 of 5: `32768`)" in text
    assert "[more](./more/report.md): `--x` (4 of 5: not set)" in text
    text = page([*[host(name, options=("--x",)) for name in names(2)], host("bare", options=())])
    assert "[bare](./bare/report.md): `--x` not set (2 of 3: set)" in text


def test_hosts_that_differ_in_the_same_way_are_named_together():
    hosts = [host(name) for name in names(30)] + [host(name, vllm_version="0.31.1") for name in names(20, 70)]
    lines = [line for line in page(hosts).splitlines() if "`0.31.1` (30 of 50" in line]
    assert len(lines) == 1
    assert lines[0].count("report.md") == HOSTS and f"(and more: {20 - HOSTS})" in lines[0]


def test_long_lists_are_shortened_and_say_so():
    every = [f"--option-{n}" for n in range(ROWS + 5)]
    hosts = [host(name, options=()) for name in names(60)]
    hosts += [host(f"odd{n}", options=[*every, f"--only-{n}"]) for n in range(GROUPS + 7)]
    text = page(hosts)
    assert text.count("; and more: 6") == GROUPS
    assert "More hosts that differ: 7; summary.json names them." in text
    long = page([*[host(name) for name in names(3)], host("long", options=("--max-model-len", "9" * 5000))])
    assert re.search(r"`--max-model-len 9{80} … \(4920 more characters\)`", long)
    failing = [host(name, "engine-stopped", options=every) for name in names(2)] + [host("well"), host("fine")]
    assert "- and more: 6" in page(failing)


def test_nothing_differs():
    text = page([host(name) for name in names(3)])
    assert "No host differs from the others" in text and "No majority" not in text and "failing hosts" not in text


def test_one_host_is_compared_with_nobody():
    text = page([host("gpu43")])
    assert "Hosts: 1 (healthy: 1)." in text and "Odd ones out" not in text


def test_two_hosts_are_compared():
    text = page([host("a"), host("b", "engine-stopped", vllm_version="0.31.1")])
    assert "- vLLM `0.32.0`: [a](./a/report.md); vLLM `0.31.1`: [b](./b/report.md)" in text
    assert "No host differs" not in text


def test_what_failing_hosts_share_has_its_counts():
    hosts = [host(name, "engine-stopped", vllm_version="0.31.1") for name in names(2)] + [host(n) for n in names(3, 50)]
    text = page(hosts)
    assert "- vLLM `0.31.1`: failing hosts: 2 of 2, healthy hosts: 0 of 3" in text
    assert "does not make it the reason" in text


def test_a_link_leads_to_the_report_of_any_folder():
    stored = Stored([host("a:b"), host("c d")], ["http:x", "c d#]("], [])
    text = page(stored)
    assert "](./http%3Ax/report.md)" in text and "](./c%20d%23%5D%28/report.md)" in text
    is_well_formed(text)


@pytest.mark.parametrize(
    "poison", [POISON, POISON * 20, "\n\n## x\n", "](http://evil.example/)"], ids=["all", "long", "heading", "link"]
)
def test_hostile_texts_stay_text(poison):
    hosts = mixed()
    plain = page(Stored(hosts, [one["host"] for one in hosts], [Damaged(host="x", reason="y")]))
    bad = [_poisoned(one, poison) for one in hosts]
    for n, one in enumerate(bad):
        one["target"]["argv"] = [*hosts[n]["target"]["argv"], "--" + poison, poison]
        one["host"] += str(n)
    hostile = page(Stored(bad, [one["host"] for one in bad], [Damaged(host=poison, reason=poison)]))
    tokens = is_well_formed(hostile)
    assert len(_headings(tokens)) == len(_headings(is_well_formed(plain)))
    assert sum(1 for token in tokens if token.type == "tr_open") == len(hosts) + 1
    assert {str(t.attrs["href"])[:2] for t in tokens if t.type == "link_open"} == {"./"}


def russian():
    """Its texts, wherever they lie: in files of their own or in the one catalogue."""
    known = {}
    for path in (ROLE / "texts").glob("ru*.po"):
        with open(path, "rb") as file:
            known.update({message.id: message.string for message in read_po(file, locale="ru") if message.string})
    return Language("ru", lambda text: known.get(text, text))


def test_everything_is_said_in_russian():
    hosts = [
        *mixed(12),
        host("x", vllm_version="1"),
        host("y", "engine-stopped", options=("--x",), vllm_version="0.31.1"),
    ]
    hosts += [
        host("z", options=(), compat_mode="off", model="big", unit_state="failed (failed)"),
        host("k", "engine-killed"),
    ]
    stored = Stored(hosts, [one["host"] for one in hosts], [Damaged(host="gpu99", reason="7")])
    text = page(stored, language=russian())
    assert "## Чем хосты отличаются" in text and "compatibility mode включён" in text
    assert "вердикт «сломан»" in text and "`--max-model-len` не задан" in text
    is_well_formed(text)
    # Only the sentences of the judge are English here: they are translated with its own texts.
    prose = re.sub(r"`[^`]*`|\[[^]]*\]\([^)]*\)|^\|.*$", "", text, flags=re.MULTILINE)
    left = set(re.findall(r"[A-Za-z][A-Za-z.-]+", prose)) - {"vLLM", "summary.json", "gpu", "compatibility", "mode"}
    assert not {word for word in left if not re.match(r"gpu\d+|\d{8}T\d+Z", word)}, left


# Results in a folder


@pytest.fixture
def run(tmp_path):
    """A run of four hosts."""
    for result in mixed(4):
        write_text(tmp_path / "run" / result["host"] / "result.json", to_json(result))
        (tmp_path / "run" / result["host"] / "evidence").mkdir()
    return tmp_path / "run"


DAMAGE = {
    "cut": lambda path: path.write_text(path.read_text(encoding="utf-8")[:500], encoding="utf-8"),
    "empty": lambda path: path.write_text("", encoding="utf-8"),
    "gone": lambda path: path.unlink(),
    "binary": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "list": lambda path: path.write_text("[]", encoding="utf-8"),
    "deep": lambda path: path.write_text("[" * 100_000, encoding="utf-8"),
    "no verdict": lambda path: path.write_text('{"schema_version": 1}', encoding="utf-8"),
    "newer": lambda path: path.write_text('{"schema_version": 99}', encoding="utf-8"),
    "status": lambda path: path.write_text(
        path.read_text(encoding="utf-8").replace('"healthy"', '"fine"'), encoding="utf-8"
    ),
    "NaN": lambda path: path.write_text('{"schema_version": NaN}', encoding="utf-8"),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_result_costs_the_others_nothing(run, damage):
    damage(run / "gpu41" / "result.json")
    stored = read_results(run)
    assert [result["host"] for result in stored.results] == ["gpu40", "gpu42", "gpu47"]
    (damaged,) = stored.damaged
    assert damaged["host"] == "gpu41" and str(run / "gpu41" / "result.json") in damaged["reason"]
    summary = summarise(stored)
    assert summary["totals"] == {"broken": 1, "healthy": 2} and summary["damaged"] == [damaged]
    text = render_summary(summary, TEMPLATE)
    is_well_formed(text)
    assert "- gpu41: " in text and "cannot be read: 1." in text


def test_when_every_result_is_damaged_there_is_a_summary(run):
    for path in run.glob("*/result.json"):
        path.write_text("{", encoding="utf-8")
    summary = summarise(read_results(run), "run")
    assert (summary["run_id"], summary["totals"], len(summary["damaged"])) == ("run", {}, 4)
    is_well_formed(render_summary(summary, TEMPLATE))


def test_what_is_no_host_is_not_counted(run):
    (run / "notes").mkdir()
    (run / "summary.md").write_text("x", encoding="utf-8")
    (run / "gpu40" / "after").mkdir()
    assert len(read_results(run).results) == 4 and read_results(run).damaged == []


def test_everything_of_a_run_is_written_and_private(run):
    stored = read_results(run)
    path = write_summary(run, summarise(stored), stored, style(str(ROLE), "en"))
    assert path == run / "summary.md"
    files = [run / name for name in ("summary.json", "summary.md", "junit.xml")]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert json.loads(files[0].read_text(encoding="utf-8")) == json.loads(to_json(summarise(stored)))


def test_fifty_hosts_cost_little(tmp_path):
    """Processor time, because other work may share this machine. The whole promise is 20 s for reports and summary."""
    hosts = [host(name, "engine-stopped" if n % 7 == 0 else "healthy") for n, name in enumerate(names(50))]
    for n, result in enumerate(hosts):
        result["target"]["argv"] += [f"--option-{m}={m if n % 9 else n}" for m in range(60)]
        write_text(tmp_path / result["host"] / "result.json", to_json(result))
    began = time.process_time()
    stored = read_results(tmp_path)
    write_summary(tmp_path, summarise(stored), stored, style(str(ROLE), "en"))
    assert len(stored.results) == 50
    assert time.process_time() - began < 3.0
    assert len((tmp_path / "summary.md").read_bytes()) < 60 * 1024
    assert of_results(hosts).folders == stored.folders
