"""One stored stream -> the chart of it."""

from __future__ import annotations

from typing import List

from ...bundle import Stream, stream_name
from ...judge.streams import ENDED, outcome
from ...words import say
from . import gpu_lanes, server_lanes, stream_lanes
from .chart import Chart, Lane, Mark
from .values import number, text

#: From so many seconds on a stream that was answered with an error is worth a look at what was waited for.
LONG_ERROR = 1.0
#: Marks that are closer than this part of the axis have one label.
_TOGETHER = 0.02


def worth_a_picture(stream: Stream) -> bool:
    """There is something to see on an axis of time: not without a connection, and not of a quick refusal."""
    end = number(stream["end"]["t"])
    if stream["t_connect"] is None or not end or end <= 0:
        return False
    return stream["http_status"] in (None, 200) or end >= LONG_ERROR


def read_chart(stream: Stream, brief: bool = False) -> Chart:
    """What is known of ``stream``; a lane without data is left out or says why. ``brief``: what a change may change."""
    found = [
        None if brief else stream_lanes.reads(stream),
        stream_lanes.pings(stream),
        server_lanes.tokens(stream),
        *server_lanes.clocks(stream),
        *([] if brief else gpu_lanes.gpus(stream)),
        server_lanes.canary(stream),
        None if brief else server_lanes.health(stream),
    ]
    others: List[Lane] = [lane for lane in found if lane is not None]
    return Chart(
        title=title(stream),
        seconds=number(stream["end"]["t"]) or 0.0,
        marks=_marks(stream, brief),
        bands=stream_lanes.bands(stream),
        events=stream_lanes.events(stream),
        others=others,
    )


def title(stream: Stream) -> str:
    """The stream's name and what became of it."""
    return say("{name} {outcome}", name=text(stream_name(stream), 24), outcome=outcome_words(stream))


def outcome_words(stream: Stream) -> str:
    found = outcome(stream)
    return say("came to its end") if found == "completed" else ENDED[found]


def _marks(stream: Stream, brief: bool) -> List[Mark]:
    connect, headers, end = number(stream["t_connect"]), number(stream["t_headers"]), number(stream["end"]["t"]) or 0.0
    marks: List[Mark] = []
    status = stream["http_status"]
    name = say("headers") if status == 200 else say("HTTP {status}", status=text(status))
    if connect is not None and headers is not None and headers - connect < _TOGETHER * end:
        marks.append(Mark(headers, say("connected, {headers}: {t:.2f} s", headers=name, t=headers)))
    else:
        if connect is not None and not (brief and headers is not None):
            marks.append(Mark(connect, say("connected: {t:.2f} s", t=connect)))
        if headers is not None:
            marks.append(Mark(headers, say("{headers}: {t:.2f} s", headers=name, t=headers)))
    marks.append(Mark(end, _end_words(stream, end)))
    return marks


def _end_words(stream: Stream, end: float) -> str:
    how = stream["end"]["how"]
    words = {
        "closed": say("the server ended it"),
        "error": say("the connection broke"),
        "stopped": say("ended by the probe"),
        "broken": say("the probe broke"),
        "deadline": say("deadline {name}", name=text(stream["end"].get("deadline", ""))),
    }
    return say("{t:.2f} s: {how}", t=end, how=words.get(how, text(how)))
