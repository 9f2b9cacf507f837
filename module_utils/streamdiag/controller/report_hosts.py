"""Judge and report the hosts of a run, several at a time: fifty of them should not cost a minute."""

from __future__ import annotations

import functools
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from .. import __version__
from ..bundle import BUNDLE_VERSION, RUN
from ..judge.assess import assess
from ..judge.result import Verdict
from ..report.altered import evidence_note, noted
from ..report.schemas import NotAsPublished
from ..report.terminal import announcement, failures
from ..report.write import REPORT, style, write_report
from ..store import NotABundle, load, skipped_parts, write_part
from ..words import NOTHING
from .folders import explain


class Order(NamedTuple):
    """How the hosts of a run are to be reported. ``role`` and ``language``: of ``write.style``."""

    role: str
    language: str
    fail_on: str  # never | degraded | broken


class Reported(NamedTuple):
    """What came of one host. ``damaged``: why its evidence could not be judged, and then there is no verdict; or what
    was written of it is not as published. ``altered``: how the evidence of a stored run is not as it was gathered."""

    folder: str
    damaged: str
    altered: str
    verdict: Optional[Verdict]
    failures: List[str]  # why the play should fail
    report: str
    announcement: str  # for the terminal


def report_hosts(folders: List[str], runs: Mapping[str, Dict[str, Any]], order: Order) -> List[Reported]:
    """One for each of ``folders``, in their order; a damaged one costs the others nothing.

    ``runs``: folder -> the controller's part of a fresh run, stored first. Raises OSError when the role is not whole.
    """
    style(order.role, order.language)
    work = [(folder, runs.get(folder), order) for folder in folders]
    if len(work) < 2:
        return [_report_host(one) for one in work]
    workers = min(len(work), os.cpu_count() or 1)
    # Forked, because a module runs out of a zip file that is gone for a process that starts anew.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        return list(pool.map(_report_host, work))


_style = functools.lru_cache(maxsize=None)(style)


def _report_host(work: tuple[str, Optional[Dict[str, Any]], Order]) -> Reported:
    name, run, order = work
    folder, unlike, look = Path(name), "", _style(order.role, order.language)
    language, altered = look.language, ""
    try:
        note = NOTHING if run else evidence_note(folder)
        altered = f"{folder.name}: {language.said(note)}" if note else ""
        if run:
            _end(folder, run)
        bundle = load(folder)
        result = noted(assess(bundle), note)
        try:
            write_report(folder, bundle, result, look, gathered=bool(run))
        except NotAsPublished as error:
            unlike = str(error)
    except NotABundle as error:
        return Reported(name, str(error), altered, None, [str(error)], "", "")
    except OSError as error:
        return Reported(name, explain(error, folder), altered, None, [explain(error, folder)], "", "")
    source = (bundle.target or {}).get("base_url_source", "")
    why = failures(result, order.fail_on, source, language) + ([unlike] if unlike else [])
    report = str(folder / REPORT)
    return Reported(name, unlike, altered, result["verdict"], why, report, announcement(result, report, language))


def _end(folder: Path, run: Dict[str, Any]) -> None:
    """The gathering is over."""
    finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ended = dict(
        run,
        **skipped_parts(run.get("skipped_cases", {})),
        bundle_version=BUNDLE_VERSION,
        finished_at=finished,
        tool_version=__version__,
    )
    write_part(folder, RUN, ended)
