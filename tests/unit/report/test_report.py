"""Whole reports: of real runs, and of a run in which every text is hostile."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from streamdiag.judge.assess import assess
from streamdiag.report.pictures.picture import Picture
from streamdiag.report.report import render_report
from streamdiag.report.terminal import announcement, failures
from tests.unit.judge.bundles import (
    EXPECTED,
    bundle,
    call_events,
    chat,
    denied,
    event,
    fresh,
    journal,
    log,
    mute,
    nothing_sent,
    preamble,
    real,
    refused,
    rejected,
    run,
    stalled,
    stream,
    target,
    truncated,
)
from tests.unit.judge.test_rows import CHECKLIST

markdown_it = pytest.importorskip("markdown_it", reason="needs markdown-it-py and linkify-it-py (requirements-dev.txt)")

TEMPLATES = Path(__file__).resolve().parents[3] / "roles" / "report" / "templates"
SIZE_LIMIT = 60 * 1024
POISON = (
    "` `` ``` <script>alert(1)</script> <!-- | \\| \\\\| || [x](http://evil.example/) ![](http://evil.example/i.png) "
    "http://evil.example www.evil.example ops@evil.example @oncall :boom: $x$ {{ 7*7 }} {% raw %} \u202eabc\u200b "
    "\x1b[31mred\x1b[0m \U0001f525 *b* _e_ ~~s~~ &lt; # h\n# h2\n---\n- item\n\n```\n"
)


#: The only tags of a report: the template's own, with plain text between them.
OWN_TAGS = re.compile(r"(<details><summary>[^<>]*</summary>|</details>)\n?")
#: The only places that a report links to: files of the run, rows of its own; a summary's are the reports of hosts.
OWN_LINKS = re.compile(r"evidence/[a-z0-9_-]+\.json|result\.json|#[a-z0-9-]+|\./\S+/report\.md")


def report_of(result, evidence=None, **more):
    return render_report(evidence or bundle(), result, TEMPLATES / "report.md.j2", **more)


def _tokens(text):
    parser = markdown_it.MarkdownIt("gfm-like")
    parser.linkify.set({"fuzzy_link": False})
    flat = []
    for token in parser.parse(text):
        flat += [token, *(token.children or [])]
    return flat


def is_well_formed(text):
    """No tags, links and pictures but our own, every table row as wide as its head, headings only the template's."""
    tokens = _tokens(text)
    kinds = {t.type for t in tokens}
    assert not kinds & {"html_inline", "hr", "code_block", "blockquote_open"}, kinds
    depth = 0
    for token in tokens:
        if token.type == "html_block":
            assert OWN_TAGS.fullmatch(token.content), token.content
            depth += 1 if token.content.startswith("<details>") else -1
            assert depth >= 0
        elif token.type == "link_open":
            assert OWN_LINKS.fullmatch(str(token.attrs["href"])), token.attrs
        elif token.type == "image":
            assert re.fullmatch(r"pictures/[a-z0-9_-]+\.svg", str(token.attrs["src"])), token.attrs
        elif token.type == "heading_open":
            assert token.tag == "h4" or depth == 0  # nothing but a row is hidden
    assert depth == 0
    width, cells = 0, 0
    for token in tokens:
        if token.type == "thead_open":
            width = 0
        elif token.type == "th_open":
            width += 1
        elif token.type == "tr_open":
            cells = 0
        elif token.type == "td_open":
            cells += 1
        elif token.type == "tr_close" and cells:
            assert cells == width
    # markdown-it fills and cuts rows to the width of the head, so the source is counted, too, as cmark-gfm scans it.
    for line in text.splitlines():
        if line.startswith("| "):
            assert line.endswith(" |")
    return tokens


def _headings(tokens):
    return [tokens[n + 1].content for n, t in enumerate(tokens) if t.type == "heading_open"]


@pytest.mark.parametrize("condition", EXPECTED)
def test_the_report_of_a_real_run(condition):
    result = assess(real(condition))
    text = report_of(result)
    tokens = is_well_formed(text)
    assert len(text.encode()) < SIZE_LIMIT
    assert EXPECTED[condition][0] in _headings(tokens)[0]
    rows = [heading for heading in _headings(tokens) if heading in CHECKLIST]
    assert rows == CHECKLIST
    for row in result["checks"]:
        line = next(ln for ln in text.splitlines() if re.search(rf"· {row['id']} ·|#### {row['id']}$", ln))
        assert line.startswith("####") == (row["status"] in ("fail", "warn", "error")), line
    signs = re.findall(r"(?:✅|⚠️|❌|⏭️|💥) \**(pass|warn|fail|skip|error)\** ·", text)
    assert signs == [row["status"] for row in result["checks"]]
    if EXPECTED[condition][1]:
        assert text.index(f"`{EXPECTED[condition][1]}`") < text.index("## Checklist")
    if condition != "healthy" and condition != "healthy-trixie":
        assert text.index("What to do now") < text.index("## Checklist")
    for literal in ("None", "nan", "{{", "{%"):
        assert literal not in text.replace("None of", ""), literal


@pytest.mark.parametrize("condition", ["healthy", "engine-stopped", "unit-stopped"])
def test_the_verdict_is_the_first_thing_read(condition):
    result = assess(real(condition))
    paragraphs = [t.content for t in _tokens(report_of(result)) if t.type == "inline"]
    assert result["verdict"]["status"] in paragraphs[0]
    first = result["verdict"]["summary"].split(":")[0]
    assert first in paragraphs[1].replace("\\", "")


def _poisoned(value, text):
    """``value`` with ``text`` behind every text that is not part of the contract's fixed words."""
    fixed = {
        "id",
        "status",
        "state",
        "outcome",
        "confidence",
        "primary_cause",
        "checklist_cause",
        "sha256",
        "compat_mode",
    }
    fixed |= {"evidence_for", "evidence_against"}
    if isinstance(value, dict):
        return {k: v if k in fixed else _poisoned(v, text) for k, v in value.items()}
    if isinstance(value, list):
        return [_poisoned(v, text) for v in value]
    return text + value + text if isinstance(value, str) else value


@pytest.mark.parametrize("condition", EXPECTED)
def test_a_report_of_hostile_texts_stays_well_formed(condition):
    result = assess(real(condition))
    expected = _headings(is_well_formed(report_of(result)))
    found = _headings(is_well_formed(report_of(_poisoned(result, POISON))))
    assert len(found) == len(expected)


def test_hostile_evidence_stays_text_to_the_report():
    one = fresh(real("engine-killed"))
    poisoned = one._replace(
        target=_poisoned_part(one.target),
        journal={
            k: {**v, "lines": [{**ln, "text": POISON + ln["text"]} for ln in v["lines"]]}
            for k, v in one.journal.items()
        },
    )
    text = report_of(assess(poisoned))
    is_well_formed(text)
    assert "<script>alert(1)</script>" not in "".join(t.content for t in _tokens(text) if t.type.startswith("html"))
    is_well_formed(report_of(assess(bundle(rejected(404, POISON * 50)))))


def _poisoned_part(part):
    return {**part, "model": POISON, "base_url": "http://x/" + POISON, "vllm_version": POISON, "argv": [POISON] * 3}


def test_a_line_of_a_megabyte_is_shortened_and_says_so():
    huge = "ERROR 11-22 19:53:03 [x.py:1] EngineDeadError " + "x" * 1_000_000
    result = assess(bundle(stalled(), journal=journal(huge)))
    text = report_of(result)
    is_well_formed(text)
    assert len(text.encode()) < SIZE_LIMIT
    assert "more characters" in text


TEN = ("simple", "tools", "reasoning", "codex", "padded", "chat", "nonstream", "tool_turn", "public", "canary")


def _ten_cases():
    sent = [stalled(case, seconds=40.0) if n % 2 else stream(case) for n, case in enumerate(TEN)]
    noise = [f"(APIServer pid=74) ERROR 11-22 19:53:03 [x.py:{n}] something long {'x' * 300}" for n in range(200)]
    return assess(bundle(*sent, journal=journal(*noise), target=target(argv=["--flag-with-a-name=value"] * 200)))


def test_the_report_of_ten_cases_is_small():
    result = _ten_cases()
    assert len(result["streams"]) == 10
    text = report_of(result)
    is_well_formed(text)
    assert len(text.encode()) <= SIZE_LIMIT


def test_the_report_of_ten_hostile_cases_is_small():
    result, evidence = _ten_cases(), _hostile_streams()
    pictures = [Picture(name, POISON, "<svg/>", (POISON * 40)[:6000]) for name in evidence.streams]
    text = report_of(_poisoned(result, POISON * 20), evidence, pictures=pictures)
    tokens = is_well_formed(text)
    assert len(text.encode()) <= SIZE_LIMIT
    assert [heading for heading in _headings(tokens) if heading in CHECKLIST] == CHECKLIST
    assert re.search(r"\[\d+ more characters\]\(result\.json\)", text)


def _hostile_streams():
    """Ten streams in which names, data and reasons are hostile, each event of a name of its own."""
    sent = []
    for case in TEN:
        events = [event(0.1 * n, f"{n}{POISON}", delta=POISON, item={"type": POISON}) for n in range(200)]
        one = stalled(case, seconds=40.0, events=[*preamble(), *events, *call_events(end="")], body=POISON)
        one["end"]["reason"] = POISON * 20
        one["response_headers"]["content-type"] = "text/event-stream; " + POISON
        sent.append(one)
    return bundle(*sent)


def test_hostile_events_stay_text():
    evidence = _hostile_streams()
    text = report_of(assess(evidence), evidence)
    tokens = is_well_formed(text)
    assert "<script>" not in "".join(t.content for t in tokens if t.type.startswith("html"))
    refused = bundle(rejected(404, POISON * 50, "tools"))
    is_well_formed(report_of(assess(refused), refused))


#: A silence without counters and without a canary: nothing shows why.
_NO_COUNTERS = stalled(seconds=20.0, canary=None)
_NO_COUNTERS["samples"]["metrics"] = []
_OPEN = bundle(_NO_COUNTERS)
#: Cause or condition -> evidence in which it is the verdict.
FIRST_SCREENS = {
    **{condition: real(condition) for condition in EXPECTED if not condition.startswith("healthy")},
    "awaiting nothing": bundle(stalled()),
    "mute": bundle(mute()),
    "truncated": bundle(truncated()),
    "refused": bundle(refused()),
    "out of memory": bundle(
        stalled(), journal=journal(kernel=("Out of memory: Killed process 132 (VLLM::EngineCor) total-vm:1kB",))
    ),
    "inconclusive": _OPEN,
}


def test_the_first_screens_show_ten_causes():
    assert len({assess(one)["verdict"]["primary_cause"] for one in FIRST_SCREENS.values()} - {None}) >= 10


@pytest.mark.parametrize("condition", FIRST_SCREENS)
def test_the_first_screen_names_cause_and_next_step(condition):
    evidence = FIRST_SCREENS[condition]
    result = assess(evidence)
    verdict = result["verdict"]
    text = report_of(result, evidence)
    tokens = is_well_formed(text)
    screen = "\n".join(text.splitlines()[:40])
    shown = _shown(screen)
    assert " ".join(verdict["summary"].split()) in shown
    assert f"Seen {result['started_at']} to {result['finished_at']}" in shown
    if verdict["primary_cause"]:
        assert f"`{verdict['primary_cause']}`" in screen
    lines = [re.sub(r"^([1-9]\. |\$ )", "", line) for line in verdict["next_step"].splitlines()]
    assert all(line in shown for line in lines), lines
    pasted = [t.content.strip() for t in tokens if t.info == "console"]
    assert pasted[: len(_commands(verdict["next_step"]))] == _commands(verdict["next_step"])
    assert "Why we believe it" in _headings(tokens) or verdict["status"] in ("inconclusive", "unreachable")
    assert text[: text.index("## Checklist")].count("\n") <= 60


def _commands(next_step):
    return [line.removeprefix("$ ") for line in next_step.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("condition", FIRST_SCREENS)
def test_steps_are_an_ordered_list_with_their_commands_in_it(condition):
    evidence = FIRST_SCREENS[condition]
    result = assess(evidence)
    tokens = is_well_formed(report_of(result, evidence))
    numbered = [line[3:] for line in result["verdict"]["next_step"].splitlines() if re.match(r"[1-9]\. ", line)]
    depth, items, inside = 0, [], []
    for place, token in enumerate(tokens):
        depth += {"ordered_list_open": 1, "ordered_list_close": -1}.get(token.type, 0)
        if depth and token.type == "list_item_open":
            items.append(tokens[place + 2].content.replace("\\", ""))
        if depth and token.info == "console":
            inside.append(token.content.strip())
    assert items == [line.replace("\\", "") for line in numbered]
    assert not numbered or inside == _commands(result["verdict"]["next_step"])
    assert len([t for t in tokens if t.type == "ordered_list_open"]) == bool(numbered)


def test_what_was_not_tested_is_not_among_what_was_found_to_speak_against_it():
    text = report_of(assess(real("engine-stopped")))
    against = text[text.index("## What speaks against it") : text.index("## Checklist")]
    tested, untested = against.split("Not tested:")
    assert "nothing in what was tested" in tested and "⏭️" not in tested
    assert "⏭️ [`step-3`](#step-3)" in untested
    everything = report_of(assess(real("engine-killed")))
    assert "Not tested:" not in everything[: everything.index("## Checklist")]


def test_what_an_audit_found_out_leads_to_its_file():
    tried = {"change": "compat_off", "summary": "5 of 5 before, 0 of 5 after", "conclusion": "fixed"}
    evidence = bundle(stalled(), chat(), experiment={**tried, "fixed": ["simple"], "failing": []})
    evidence = evidence._replace(digests={**evidence.digests, "evidence/experiment.json": "abcdef0123456789"})
    text = report_of(assess(evidence), evidence)
    reasons = text[text.index("## Why we believe it") : text.index("## What speaks against it")]
    first = next(line for line in reasons.splitlines() if line.startswith("- "))
    assert "[evidence/experiment.json](evidence/experiment.json) `abcdef012345`" in first


def _shown(text):
    return " ".join(
        " ".join(t.content for t in _tokens(text) if t.type in ("inline", "fence")).replace("\\", "").split()
    )


def test_what_is_missing_for_a_verdict_has_a_way_to_get_it():
    denied_log = {"unit": denied(), "kernel": log()}
    evidence = _OPEN._replace(journal=denied_log)
    result = assess(evidence)
    assert result["verdict"]["status"] == "inconclusive"
    text = report_of(result, evidence)
    assert "## Which evidence is missing" in text
    assert "ansible-playbook diagnose.yml -l gpu43 -K" in text and "vllm_public_url=" in text
    assert "not in group systemd-journal" in text
    assert "the counters beside the stream simple" in text


def test_every_row_for_and_against_leads_to_its_row():
    result = assess(real("engine-killed"))
    tokens = is_well_formed(report_of(result))
    rows = {str(t.attrs["href"])[1:] for t in tokens if t.type == "link_open" and str(t.attrs["href"])[0] == "#"}
    cause = next(c for c in result["causes"] if c["id"] == "engine_dead")
    assert rows >= set(cause["evidence_for"] + cause["evidence_against"]) and rows <= set(_headings(tokens))


def test_every_file_is_linked_with_its_checksum():
    evidence = real("engine-killed")
    text = report_of(assess(evidence), evidence)
    for path in ("evidence/stream-simple.json", "evidence/journal.json", "evidence/machine.json"):
        assert f"[{path}]({path}) (sha256 `{evidence.digests[path][:12]}`)" in text


def test_only_the_picture_of_the_telling_stream_is_open():
    evidence = bundle(stream("simple"), stalled("tools"))
    pictures = [Picture(name, f"Timeline of {name}", "<svg/>", f"{name} |--- - -|") for name in ("simple", "tools")]
    text = report_of(assess(evidence), evidence, pictures=pictures)
    tokens = is_well_formed(text)
    assert [str(t.attrs["src"]) for t in tokens if t.type == "image"] == ["pictures/tools.svg", "pictures/simple.svg"]
    depth = {}
    for token in tokens:
        if token.type == "html_block":
            depth["now"] = depth.get("now", 0) + (1 if token.content.startswith("<details>") else -1)
        if token.type == "image":
            depth[str(token.attrs["src"])] = depth.get("now", 0)
    assert depth["pictures/tools.svg"] == 0 and depth["pictures/simple.svg"] == 1
    assert [t.content for t in tokens if t.type == "fence" and "|---" in t.content] == [
        "tools |--- - -|\n",
        "simple |--- - -|\n",
    ]


def test_rendering_changes_nothing_and_gives_the_same_bytes():
    result = assess(real("engine-killed"))
    before = json.dumps(result)
    assert report_of(result) == report_of(json.loads(before))
    assert json.dumps(result) == before


def test_a_run_without_anything_has_a_report():
    for one in (nothing_sent(target=None, machine=None, journal=None), nothing_sent(run=run(unreachable=POISON))):
        is_well_formed(report_of(assess(one)))
        is_well_formed(report_of(assess(one._replace(target=None))))


def test_what_the_tool_could_not_do_is_in_the_report():
    one = nothing_sent(run=run(errors=[{"step": "Find the server", "message": "vllm.service: no such unit"}]))
    result = assess(one)
    assert "no such unit" in report_of(result)
    assert "no such unit" in announcement(result, "report.md")
    assert any("no such unit" in why for why in failures(result, "never", "argv"))


def test_what_was_not_sent_is_in_the_report_with_its_reason():
    one = bundle(stream(), run=run(skipped_cases={"tools": "the host was lost"}))
    assert "the host was lost" in report_of(assess(one))


# Terminal


def test_an_announcement_cannot_move_the_cursor_or_add_lines():
    result = _poisoned(assess(real("engine-stopped")), POISON + "\x1b[2J\r")
    # Of all texts only the next step may have several lines: it is this program's own.
    result["verdict"]["next_step"] = assess(real("engine-stopped"))["verdict"]["next_step"]
    found = announcement(result, "report.md")
    assert not [c for c in found if ord(c) < 32 and c != "\n"]
    assert len(found.splitlines()) == len(announcement(assess(real("engine-stopped")), "report.md").splitlines())


FAIL_ON = [
    ("healthy", "broken", False),
    ("healthy", "degraded", False),
    ("engine-stopped", "never", False),
    ("engine-stopped", "broken", True),
    ("engine-stopped", "degraded", True),
    ("host-unreachable", "never", True),
]


@pytest.mark.parametrize(("condition", "fail_on", "expected"), FAIL_ON)
def test_a_hang_is_a_finding_and_fails_only_on_request(condition, fail_on, expected):
    assert bool(failures(assess(real(condition)), fail_on, "argv")) == expected


def test_degraded_fails_only_on_degraded():
    result = assess(bundle())
    result["verdict"].update(status="degraded", primary_cause="slow_generation")
    assert failures(result, "degraded", "argv") and not failures(result, "broken", "argv")
