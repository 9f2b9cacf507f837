"""The GPUs of a picture: each one of the server, none of another program, and what became of one that is lost."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from streamdiag.judge.assess import assess
from streamdiag.report.language import ENGLISH
from streamdiag.report.pictures.all import pictures_of
from streamdiag.report.pictures.gpu_lanes import MOST
from streamdiag.report.pictures.sketch import WIDTH
from streamdiag.report.report import render_report
from tests.unit.judge.bundles import PIDS, bundle, gpu, stalled
from tests.unit.report.test_pictures import ROLE, SVG, drawn, lane, russian, strip, texts

WORKER = PIDS[-1][0]
STRANGER = 999_999
TIMES = (0.0, 3.0, 6.0, 9.0)


def of(pid, index, load, **more):
    """A GPU on which the process ``pid`` works."""
    users = [{"pid": pid, "name": "python", "memory_used_bytes": 1}]
    return gpu(index, utilization_percent=load, processes=users, **more)


def ours(*loads):
    return [of(WORKER, index, load) for index, load in enumerate(loads)]


def sample(t, rows):
    return {"t": t, "state": "ok", "reason": "", "driver_version": "1", "gpus": rows}


def unanswered(t):
    return {"t": t, "state": "failed", "reason": "nvidia-smi did not answer within 5 s", "gpus": []}


def complaint(bus="0000:3B:00.0"):
    """What nvidia-smi only complains of, see host/gpu.py."""
    return {"index": -1, "name": bus, "uuid": "", "lost": "GPU is lost"}


def silent(*samples):
    """A stream of 12 s that fell silent."""
    one = stalled(seconds=12.0)
    one["samples"]["gpus"] = list(samples)
    return one


def silent_with(*rows):
    return silent(*(sample(t, list(rows)) for t in TIMES))


def lanes(picture):
    """Title -> words of every GPU's lane in the picture; that the sketch has the same is checked."""
    found = texts(picture)
    titles = [one for one in found if re.fullmatch(r"GPUs?( \d+)?", one)]
    said = {title: lane(picture, title) for title in titles}
    below = {line[:10].rstrip(): line[44:] for line in picture.text.splitlines() if line.startswith("GPU")}
    assert below == said
    return said


def test_one_idle_gpu_among_busy_ones_is_seen():
    picture = drawn(silent(sample(0.0, ours(97.0, 96.0)), *(sample(t, ours(100.0, 0.0)) for t in TIMES[1:])))
    assert lanes(picture) == {"GPU 0": "97 to 100 %", "GPU 1": "0 to 96 %"}
    assert strip(picture, "GPU 0") == "#" * 32
    assert strip(picture, "GPU 1") == "#" * 8 + "_" * 24


def test_the_only_gpu_needs_no_number():
    assert lanes(drawn(silent_with(*ours(50.0)))) == {"GPU": "50 %"}


def test_gpus_of_other_programs_are_not_drawn():
    stranger = of(STRANGER, 1, 100.0)
    assert lanes(drawn(silent_with(of(WORKER, 0, 5.0), stranger, of(WORKER, 2, 6.0), gpu(3)))) == {
        "GPU 0": "5 %",
        "GPU 2": "6 %",
    }
    assert lanes(drawn(silent_with(stranger))) == {"GPU": "the server uses none"}


def test_a_gpu_is_ours_when_it_was_so_once():
    """The process of a worker that died is not listed any more."""
    after = [of(WORKER, 0, 100.0), gpu(1, utilization_percent=0.0)]
    assert "GPU 1" in lanes(drawn(silent(sample(0.0, ours(90.0, 90.0)), sample(3.0, after))))


def test_where_nobody_lists_a_process_it_is_said_that_another_s_may_be_drawn():
    said = lanes(drawn(silent_with(gpu(0, utilization_percent=90.0), gpu(1, utilization_percent=0.0))))
    assert said == {"GPU 0": "90 %; maybe not the server's", "GPU 1": "0 %; maybe not the server's"}
    nobody = silent_with(of(STRANGER, 0, 90.0), of(STRANGER, 1, 0.0))
    nobody["samples"]["processes"] = []
    assert set(lanes(drawn(nobody)).values()) == {"90 %; maybe not the server's", "0 %; maybe not the server's"}


def test_a_gpu_that_is_lost_keeps_its_number():
    """nvidia-smi counts the others anew, and names the lost one by its bus id only."""
    left = [of(WORKER, 0, 100.0), of(WORKER, 1, 7.0, uuid="GPU-2"), complaint()]
    picture = drawn(silent(*(sample(t, ours(100.0, 98.0, 7.0)) for t in TIMES[:2]), *(sample(t, left) for t in (6, 9))))
    assert lanes(picture) == {"GPU 0": "100 %", "GPU 1": "98 %; lost from 6.0 s", "GPU 2": "7 %"}
    assert strip(picture, "GPU 1") == "#" * 16 + "L" * 16
    assert "lost" in texts(picture)


def test_a_gpu_that_is_lost_in_its_place():
    gone = gpu(1, utilization_percent=None, uuid="", lost="GPU is lost")
    picture = drawn(silent(sample(0.0, ours(9.0, 8.0)), sample(6.0, [of(WORKER, 0, 9.0), gone])))
    assert lanes(picture) == {"GPU 0": "9 %", "GPU 1": "8 %; lost from 6.0 s"}


def test_a_gpu_that_was_lost_before_is_named_by_its_bus():
    said = drawn(silent_with(*ours(100.0, 99.0), complaint()))
    assert lane(said, "GPU") == "0000:3B:00.0; lost"
    assert strip(said, "GPU  ") == "L" * 32


def test_gpus_that_vanish_without_a_word():
    picture = drawn(silent(sample(0.0, ours(9.0, 8.0, 7.0)), sample(6.0, ours(9.0))))
    assert lanes(picture) == {
        "GPU 0": "9 %",
        "GPU 1": "8 %; not listed from 6.0 s",
        "GPU 2": "7 %; not listed from 6.0 s",
    }
    assert strip(picture, "GPU 1").endswith("N" * 16)


def test_what_nvidia_smi_did_not_answer_is_not_filled_in():
    picture = drawn(silent(sample(0.0, ours(100.0, 0.0)), unanswered(3.0), unanswered(6.0), sample(9.0, ours(100, 0))))
    assert lanes(picture) == {"GPU 0": "100 %; not answered: 2", "GPU 1": "0 %; not answered: 2"}
    assert strip(picture, "GPU 0") == "#" * 8 + "x" + " " * 7 + "x" + " " * 7 + "#" * 8
    root = ElementTree.fromstring(picture.svg)
    loads = [
        one.get("d") for one in root.iter(SVG + "path") if "stroke: #009e73; stroke-width: 1.5" in one.get("style")
    ]
    lines = [[float(x) for x in re.findall(r"[ML] ([-.\d]+) ", one)] for d in loads for one in re.split(r"(?=M )", d)]
    ends = {(min(line), max(line)) for line in lines if line}
    assert (8.0, 129.0) in ends and (371.0, 492.0) in ends, "two outlines, with nothing between them"


def test_a_gpu_without_a_load_says_so():
    said = lanes(drawn(silent_with(of(WORKER, 0, 12.0), of(WORKER, 1, None))))
    assert said["GPU 1"] == "it does not say its load"


def test_so_many_as_a_host_has_are_all_drawn():
    loads = [100.0] * (MOST - 1) + [0.0]
    assert lanes(drawn(silent_with(*ours(*loads)))) == {f"GPU {n}": f"{load:.0f} %" for n, load in enumerate(loads)}


def test_of_more_the_ends_are_drawn_and_the_others_counted():
    loads = [90.0] * 16
    loads[4], loads[11], loads[12] = 0.0, 100.0, 70.0
    picture = drawn(silent_with(*ours(*loads)))
    assert lanes(picture) == {
        "GPU 4": "idlest of 16: 0 %",
        "GPU 11": "busiest of 16: 100 %",
        "GPUs": "14 more: 70 to 90 %; their mean",
    }
    assert strip(picture, "GPUs") == "#" * 32


def test_what_is_lost_is_drawn_of_many():
    lost = gpu(11, utilization_percent=None, lost="GPU is lost")
    picture = drawn(silent(sample(0.0, ours(*[90.0] * 12)), sample(6.0, [*ours(*[90.0] * 11), lost])))
    assert lanes(picture) == {
        "GPU 0": "busiest of 12: 90 %",
        "GPU 10": "idlest of 12: 90 %",
        "GPU 11": "90 %; lost from 6.0 s",
        "GPUs": "9 more: 90 %; their mean",
    }
    everything = [gpu(n, utilization_percent=None, lost="GPU is lost") for n in range(12)]
    said = lanes(drawn(silent_with(*everything)))
    assert list(said.values()) == ["lost; maybe not the server's"] * (MOST - 2) + ["6 more"]


def test_a_host_without_a_gpu_tool_has_no_lane():
    absent = {"t": 0.0, "state": "absent", "reason": "no nvidia-smi on this host", "gpus": []}
    assert lanes(drawn(silent(absent))) == {}


@pytest.mark.parametrize("language", [ENGLISH, russian()], ids=["en", "ru"])
def test_eight_gpus_fit_the_report_as_text(language):
    """The sketch is not cut, however narrow the report."""
    loads = [float(load) for load in (100, 99, 100, 0, 100, 100, 98, 100)]
    many = silent(sample(0.0, ours(*reversed(loads))), *(sample(t, ours(*loads)) for t in TIMES[1:]), unanswered(11.0))
    one = bundle(many)
    result = assess(one)
    pictures = pictures_of(one, result, language)
    sketch = pictures[0].text
    assert max(map(len, sketch.splitlines())) <= WIDTH and "…" not in sketch
    report = render_report(one, result, ROLE / "templates" / "report.md.j2", language, pictures)
    assert sketch in report
