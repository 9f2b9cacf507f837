"""Pictures of streams: what stands in them, that they are well-formed whatever a host says, and how long they take."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import streamdiag.report.pictures.all as all_pictures
from streamdiag.compare.compare import compare
from streamdiag.judge.assess import assess
from streamdiag.judge.streams import row
from streamdiag.report.language import ENGLISH, load_language
from streamdiag.report.pictures.all import picture_of_pair, pictures_of
from streamdiag.report.pictures.pair import draw_pair, telling_pair
from streamdiag.report.pictures.read import read_chart, worth_a_picture
from streamdiag.report.pictures.sketch import WIDTH as COLUMNS
from streamdiag.report.pictures.theme import FLOW, INK
from streamdiag.report.pictures.timeline import draw_timeline
from streamdiag.report.write import style, write_audit, write_report
from streamdiag.words import Words
from tests.unit.judge.bundles import (
    EXPECTED,
    bundle,
    call_events,
    canary,
    chat,
    clocks,
    counters,
    event,
    fresh,
    gpu,
    mute,
    nonstream,
    preamble,
    public,
    real,
    refused,
    rejected,
    stalled,
    stream,
    text_events,
    truncated,
)
from tests.unit.report.test_report import POISON, _tokens

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "report"
SVG = "{http://www.w3.org/2000/svg}"


def russian():
    return load_language("ru", ROLE / "texts")


def drawn(one, language=ENGLISH):
    return draw_timeline(one, row(one), language)


def texts(picture):
    """The texts of a picture, in their order, its description first."""
    root = ElementTree.fromstring(picture.svg)
    return [found.text for found in root.iter() if found.tag in (SVG + "title", SVG + "text")]


def lane(picture, title):
    """The words of a lane in the picture."""
    found = texts(picture)
    return found[found.index(title) + 1]


def strip(picture, title):
    """The marks of a lane in the sketch."""
    line = next(line for line in picture.text.splitlines() if line.startswith(title))
    return line[11:43]


def gpus(*loads, t=(0.0, 3.0), **more):
    rows = [gpu(number, utilization_percent=load, **more) for number, load in enumerate(loads)]
    return [{"t": at, "state": "ok", "reason": "", "driver_version": "1", "gpus": rows} for at in t]


# Which streams have one


SHOWN = {
    "healthy": ["simple", "tools", "codex"],
    "healthy-trixie": ["simple", "tools", "codex"],
    "engine-stopped": ["simple"],
    "worker-stopped": ["simple"],
    "engine-killed": ["simple"],
    "api-server-stopped": ["simple"],
}


@pytest.mark.parametrize("condition", EXPECTED)
def test_the_pictures_of_a_real_run(condition):
    errors = []
    one = real(condition)
    found = pictures_of(one, assess(one), ENGLISH, errors)
    assert [picture.name for picture in found] == SHOWN.get(condition, [])
    assert errors == []
    for picture in found:
        assert isinstance(picture.alt, Words)
        assert texts(picture)[0] == picture.alt
        assert picture.path == f"pictures/{picture.name}.svg"


@pytest.mark.parametrize(
    ("one", "shown"),
    [
        (stream(), True),
        (stalled(), True),
        (mute(), True),
        (nonstream(), True),
        (chat(), True),
        (refused(), False),
        (rejected(404), False),
        ({**rejected(504), "end": {"t": 60.0, "how": "closed", "deadline": "", "reason": ""}}, True),
        (stream(end={"t": 0.0, "how": "closed", "deadline": "", "reason": ""}), False),
    ],
)
def test_a_picture_needs_a_connection_and_something_to_see(one, shown):
    assert worth_a_picture(one) == shown


def test_repeats_have_no_picture_and_streams_keep_their_order():
    one = bundle(stream("codex"), public("gzip"), stream("simple"))._replace(repeats=((2, stream("simple")),))
    assert [p.name for p in pictures_of(one, assess(one), ENGLISH)] == ["simple", "codex", "public-gzip"]


# What stands in them


def test_a_worker_that_is_stopped():
    picture = drawn(real("worker-stopped").streams["simple"])
    assert "simple fell silent" in texts(picture)
    assert "6.2 s of silence" in texts(picture)
    assert lane(picture, "events") == "9, the last: response.output_text.delta; deltas: 5"
    assert lane(picture, "tokens") == "+6 in the whole server"
    assert lane(picture, "CPU worker") == "state T from 1.0 s; max 3 % CPU"
    assert lane(picture, "CPU engine") == "max 99 % CPU"
    assert lane(picture, "canary") == "sent at 3.8 s; no answer in 3.6 s"
    assert lane(picture, "/health") == "HTTP 200: 5"
    assert "connected, headers: 0.09 s" in texts(picture)
    assert "7.37 s: ended by the probe" in texts(picture)
    assert strip(picture, "CPU worker") == "____" + 28 * "T"
    assert strip(picture, "events").startswith("||:::---- 6.2 s of silence ----")
    assert strip(picture, "canary").rstrip()[-1] == "x"
    assert strip(picture, "tokens").count("/") == 2


def test_a_server_that_answers_nothing_says_why_there_is_no_data():
    picture = drawn(real("api-server-stopped").streams["simple"])
    assert lane(picture, "events") == "none"
    assert lane(picture, "tokens") == "no data: ReadTimeout: timed out"
    assert lane(picture, "/health") == "no answer: 2"
    assert strip(picture, "/health").count("x") == 2
    assert "reads" not in texts(picture) and "pings" not in texts(picture)


def test_a_canary_that_is_answered():
    sent = canary([*preamble(0.02), event(0.4, "response.output_text.delta", delta="one")])
    picture = drawn(stalled(canary=sent))
    assert lane(picture, "canary") == "sent at 2.5 s; answered after 0.40 s"
    assert "o" in strip(picture, "canary") and "x" not in strip(picture, "canary")


def test_pings_are_shown_and_missed():
    pinged = stalled(seconds=40.0, comments=[{"t": 15.0, "text": "ping"}, {"t": 30.0, "text": "ping"}])
    assert lane(drawn(pinged), "pings") == "2"
    assert strip(drawn(pinged), "pings").count("o") == 2
    assert lane(drawn(stalled(seconds=40.0)), "pings") == "none"
    assert "pings" not in texts(drawn(stalled(seconds=7.0)))


@pytest.mark.parametrize(
    ("end", "mark", "legend"),
    [("response.completed", "*", "terminal event"), ("response.failed", "X", "error event")],
)
def test_the_end_and_an_error_have_their_own_shapes(end, mark, legend):
    picture = drawn(stream(events=text_events(step=0.5, end=end)))
    assert strip(picture, "events").rstrip()[-1] == mark
    assert legend in texts(picture) and f"{mark} {legend}" in picture.text
    assert {"delta", "other event"} <= set(texts(picture))


def test_how_it_ended():
    assert "30.00 s: deadline headers" in texts(drawn(mute()))
    assert any(found.endswith(": the connection broke") for found in texts(drawn(truncated())))
    assert "0.61 s: the server ended it" in texts(drawn(stream()))
    late = {**rejected(504), "t_headers": 60.0, "end": {"t": 60.0, "how": "closed", "deadline": "", "reason": ""}}
    assert "HTTP 504: 60.00 s" in texts(drawn(late))


def test_the_load_of_a_gpu():
    busy = stream()
    busy["samples"]["gpus"] = [*gpus(97.0), *gpus(3.0, t=[6.0])]
    assert lane(drawn(busy), "GPU") == "3 to 97 %"
    busy["samples"]["gpus"] = gpus(None, t=[0.0], lost="GPU is lost")
    assert lane(drawn(busy), "GPU") == "lost"
    busy["samples"]["gpus"] = [{"t": 0.0, "state": "denied", "reason": "no permission", "gpus": []}]
    assert lane(drawn(busy), "GPU") == "no data: no permission"
    busy["samples"]["gpus"] = [{"t": 0.0, "state": "absent", "reason": "no nvidia-smi"}]
    assert "GPU" not in texts(drawn(busy))


def test_a_counter_that_begins_anew():
    one = stream()
    one["samples"]["metrics"] = [counters(0.0, 500.0), counters(0.3, 0.0), counters(0.6, 3.0)]
    assert lane(drawn(one), "tokens") == "the counter began anew"


def test_processes_that_come_back():
    one = stalled(seconds=8.0)
    one["samples"]["processes"] = [clocks(float(t), 0.0, "D" if t in (2, 3) else "S") for t in range(9)]
    assert lane(drawn(one), "CPU engine").startswith("state D from 2.0 s")
    assert strip(drawn(one), "CPU engine").count("D") in (8, 9)


def test_the_longest_silences_are_shaded_and_not_those_of_an_answer_in_one_piece():
    gaps = [0.1, 2.0, 2.3, 5.0, 5.2, 9.0, 9.1, 9.3, 10.6, 10.7]
    one = stream(events=[event(t, "response.output_text.delta", delta="a") for t in gaps], t=10.8)
    bands = read_chart(one).bands
    assert [round(band.seconds, 1) for band in bands] == [1.9, 2.7, 3.8, 1.3]
    assert {"3.8 s of silence", "2.7 s"} <= set(texts(drawn(one)))
    assert not read_chart(nonstream()).bands
    assert not read_chart(stream()).bands


# Before over after


def _arms():
    before = bundle(stalled("simple", seconds=12.0), stream("tools"), stalled("codex"))
    after = bundle(stream("simple"), stream("tools"), stalled("codex"))
    before = before._replace(repeats=tuple((n, stalled("simple")) for n in range(2, 6)))
    after = after._replace(repeats=tuple((n, stream("simple")) for n in range(2, 6)))
    return before, after, compare(assess(before), assess(after), force=True)


def test_the_pair_is_of_the_case_that_tells_most():
    before, after, comparison = _arms()
    first, second = telling_pair(comparison, before, after)
    assert (first["case"], first["end"]["t"], second["end"]["how"]) == ("simple", 12.0, "closed")
    picture = picture_of_pair(comparison, before, after, ENGLISH)
    assert picture.name == "before-after-simple"
    said = texts(picture)
    assert said.index("before: simple fell silent") < said.index("after: simple came to its end")
    assert picture.alt == "Before, the stream simple fell silent (12.0 s); after, it came to its end (0.6 s)"
    # One axis: what took 0.61 of 12 seconds takes two columns of 32.
    after_events = [line for line in picture.text.splitlines() if line.startswith("events")][1]
    assert after_events[11:43].rstrip()[-1] == "*" and len(after_events[11:43].rstrip()) <= 2


def test_a_pair_takes_a_typical_stream_of_each_run():
    before, after, _comparison = _arms()
    flaky = after._replace(streams={"simple": stalled("simple", seconds=9.0)})
    found = compare(assess(before), assess(flaky), force=True)
    _first, second = telling_pair(found, before, flaky)
    assert second["end"]["how"] == "closed"


def test_nothing_to_compare_has_no_pair():
    before, after = bundle(refused()), bundle(rejected(404))
    errors = []
    comparison = compare(assess(before), assess(after), force=True)
    assert picture_of_pair(comparison, before, after, ENGLISH, errors) is None and errors == []


def test_an_audit_shows_its_pair(tmp_path):
    before, after, comparison = _arms()
    report = write_audit(tmp_path, comparison, style(str(ROLE), "en"), (before, after)).read_text(encoding="utf-8")
    images = [token for token in _tokens(report) if token.type == "image"]
    assert [image.attrs["src"] for image in images] == ["pictures/before-after-simple.svg"]
    assert images[0].content.startswith("Before, the stream simple fell silent")
    assert (tmp_path / images[0].attrs["src"]).stat().st_mode & 0o777 == 0o600
    assert report.index("](pictures/") < report.index("## ")
    bare = write_audit(tmp_path, comparison, style(str(ROLE), "en")).read_text(encoding="utf-8")
    assert not [token for token in _tokens(bare) if token.type == "image"]


# Written beside the report


def test_pictures_are_written_beside_the_report(tmp_path):
    one = real("healthy")
    write_report(tmp_path, one, assess(one), style(str(ROLE), "en"))
    found = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert found == ["codex.svg", "simple.svg", "tools.svg"]
    ElementTree.parse(tmp_path / "pictures" / "simple.svg")


def test_a_picture_that_cannot_be_drawn_costs_no_report_and_is_told(tmp_path, monkeypatch):
    def broken(stream, row, language):
        if stream["case"] == "tools":
            raise ValueError("odd")
        return draw_timeline(stream, row, language)

    monkeypatch.setattr(all_pictures, "draw_timeline", broken)
    one = bundle()
    result = assess(one)
    report = write_report(tmp_path, one, result, style(str(ROLE), "en")).read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["codex.svg", "simple.svg"]
    assert "tools: ValueError: odd" in report and "tools: ValueError: odd" in (tmp_path / "result.json").read_text()
    assert result["tool_errors"] == []


def test_a_pair_that_cannot_be_drawn_is_told(tmp_path, monkeypatch):
    def broken(*_given):
        raise ValueError("odd")

    monkeypatch.setattr(all_pictures, "draw_pair", broken)
    before, after, comparison = _arms()
    report = write_audit(tmp_path, comparison, style(str(ROLE), "en"), (before, after)).read_text(encoding="utf-8")
    assert "The picture could not be drawn: ValueError: odd" in report


# Form


VARIETY = {
    "healthy": lambda: stream(events=text_events(step=0.5)),
    "stalled": stalled,
    "mute": mute,
    "truncated": truncated,
    "failed": lambda: stream(events=text_events(end="response.failed")),
    "chat": chat,
    "nonstream": nonstream,
    "call": lambda: stream(events=call_events()),
    "real": lambda: real("worker-stopped").streams["simple"],
    "real mute": lambda: real("api-server-stopped").streams["simple"],
}


@pytest.mark.parametrize("language", [ENGLISH, russian()], ids=["en", "ru"])
@pytest.mark.parametrize("name", VARIETY)
def test_the_sketch_fits_a_terminal_and_a_report(name, language):
    picture = drawn(VARIETY[name](), language)
    lines = picture.text.splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert lines == [line.rstrip() for line in lines] and len(picture.text) <= 1200
    for line in lines[2:-2]:
        marks = re.sub(" тишина [0-9.]+ \N{CYRILLIC SMALL LETTER ES} ", "", line[11:43])
        assert marks.isascii()


@pytest.mark.parametrize("language", [ENGLISH, russian()], ids=["en", "ru"])
@pytest.mark.parametrize("name", VARIETY)
def test_no_text_is_wider_than_the_picture(name, language):
    root = ElementTree.fromstring(drawn(VARIETY[name](), language).svg)
    width = float(root.get("width"))
    for found in root.iter(SVG + "text"):
        anchor = re.search(r"text-anchor: (\w+)", found.get("style")).group(1)
        x, wide = float(found.get("x")), len(found.text) * 14 * 0.58
        left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
        assert left >= 0 and left + wide <= width, found.text


def test_the_same_stream_gives_the_same_bytes():
    one = real("worker-stopped").streams["simple"]
    first = drawn(one)
    drawn(stream())
    assert drawn(fresh(real("worker-stopped")).streams["simple"]) == first
    assert not re.search(r"matplotlib|<metadata|<!DOCTYPE|\b20\d\d-", first.svg)


def test_it_is_readable_on_dark_and_needs_nothing_else():
    svg = drawn(stalled()).svg
    dark = re.search(r"<style>@media \(prefers-color-scheme: dark\)\{(.*)\}</style>", svg).group(1)
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg.split("</style>")[1]))
    assert {INK.light, FLOW.light} <= used
    for colour in used:
        assert f'[style*="fill: {colour}"]{{fill:#' in dark and f'[style*="stroke: {colour}"]{{stroke:#' in dark
    assert _contrast(INK.light, "#ffffff") > 7 and _contrast(INK.dark, "#0d1117") > 7
    root = ElementTree.fromstring(svg)
    background = root.find(f"{SVG}g/{SVG}g/{SVG}path")
    assert "fill: none" in background.get("style")
    assert not re.findall(r'(?:href|src)="(?!#)', svg) and "url(" not in svg
    assert "sans-serif" in svg and "DejaVu" not in svg


def _contrast(one, other):
    """WCAG 2.2, 1.4.3."""
    lighter, darker = sorted(map(_luminance, (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_lane_of_many_marks_stays_small():
    many = [event(0.1 + n * 0.01, "response.output_text.delta", delta="a") for n in range(5000)]
    comments = [{"t": n * 0.01, "text": ""} for n in range(5000)]
    svg = drawn(stream(events=[*preamble(0.01), *many], comments=comments)).svg
    assert len(svg) < 300_000


# What a host says is data


HOSTILE = POISON + "\x00\x08\x1b\ufffe\ud800 ]]> --> & \" ' $\\frac{1}{0}$ " + "W" * 300


def test_hostile_texts_stay_text():
    sent = stalled()
    sent["events"] = [*preamble(), event(0.3, HOSTILE), event(0.4, "message", type=HOSTILE)]
    sent["end"].update(how=HOSTILE)
    sent["samples"]["metrics"] = [{"t": 1.0, "state": "failed", "reason": HOSTILE}]
    sent["samples"]["gpus"] = [{"t": 0.0, "state": "failed", "reason": HOSTILE}]
    for health in sent["samples"]["health"]:
        health["http_status"] = HOSTILE
    sent["canary"] = canary([], http_status=HOSTILE)
    sent["variant"] = HOSTILE
    picture = drawn({**sent, "case": "public"})
    root = ElementTree.fromstring(picture.svg)
    assert {found.tag for found in root.iter()} <= {SVG + t for t in ("svg", "title", "style", "g", "path", "text")} | {
        SVG + "use",
        SVG + "defs",
    }
    assert not re.search("[\x00-\x08\x1b\ufffe\u202e\ud800-\udfff]", picture.svg + picture.text)
    assert max(len(found) for found in texts(picture)[1:]) < 80
    assert any("<script>" in found or "`" in found for found in texts(picture))
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}", picture.name)
    assert max(map(len, picture.text.splitlines())) <= COLUMNS


def test_dollars_are_no_mathematics():
    one = stream(events=[*preamble(), event(0.3, "$x^2$ and $\\frac{")])
    assert any("$x^2$ and $\\frac{" in found for found in texts(drawn(one)))


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.text(max_size=20),
    st.just([]),
    st.just({}),
    st.lists(st.none() | st.text(max_size=3), max_size=3),
)


def _places(value, path=()):
    """Where in ``value`` something stands."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def _odd_sample(data):
    """A stalled stream in whose samples, canary, comments and reads some values are others, or missing."""
    one = stalled(seconds=20.0, comments=[{"t": 3.0, "text": ":"}])
    one["samples"]["gpus"] = gpus(1.0, 2.0)
    for _number in range(data.draw(st.integers(1, 4))):
        part = data.draw(st.sampled_from(["samples", "canary", "comments", "reads"]))
        places = list(_places(one[part], (part,)))
        *path, last = data.draw(st.sampled_from(places))
        inner = one
        for key in path:
            inner = inner[key]
        if data.draw(st.booleans()) and isinstance(inner, dict):
            del inner[last]
        else:
            inner[last] = data.draw(odd)
        if part in one and not isinstance(one[part], (dict, list)):
            break
        if part not in one:
            break
    return one


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_odd_samples_are_drawn_as_far_as_they_go(data):
    """Odder than what can be judged; this looks behind what keeps a report from being lost."""
    one = _odd_sample(data)
    picture = draw_timeline(one, row(stalled()), ENGLISH)
    ElementTree.fromstring(picture.svg)
    assert max(map(len, picture.text.splitlines())) <= COLUMNS
    pair = draw_pair(one, stream(), ENGLISH)
    ElementTree.fromstring(pair.svg)


# Languages, and time


def test_a_picture_in_russian():
    picture = drawn(real("worker-stopped").streams["simple"], russian())
    silence = "тишина 6.2 \N{CYRILLIC SMALL LETTER ES}"
    assert silence in texts(picture) and silence in picture.text
    english = {"events", "reads", "tokens", "delta", "no answer", "answer"}
    assert not english & set(texts(picture))


def test_a_hundred_pictures_take_seconds():
    streams = [real(condition).streams["simple"] for condition in SHOWN]
    drawn(streams[0])  # matplotlib is imported once
    started = time.process_time()
    for number in range(100):
        drawn(streams[number % len(streams)])
    assert time.process_time() - started < 20.0
