"""Pages to look at in a browser: of stored runs, of hostile texts, and a sample of everything a report may hold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from streamdiag.judge.assess import assess
from streamdiag.report.html import page
from streamdiag.report.schemas import NotAsPublished
from streamdiag.report.stored import of_results
from streamdiag.report.summary import summarise
from streamdiag.report.write import style, write_audit, write_report, write_summary
from tests.unit.judge.bundles import EXPECTED, real
from tests.unit.report.test_audit_report import AUDITS, audit_of
from tests.unit.report.test_report import POISON, _poisoned

ROLE = Path(__file__).resolve().parents[2] / "roles" / "report"
FRAME = ROLE / "templates" / "page.html.j2"
DATA = Path(__file__).resolve().parents[1] / "data" / "page"
SAMPLE = (DATA / "sample.md").read_text(encoding="utf-8")
PICTURES = {"pictures/simple.svg": (DATA / "simple.svg").read_text(encoding="utf-8")}
#: What a page's title becomes when something in it was executed.
EXECUTED = "executed"
_RUN = f"document.title='{EXECUTED}'"
#: Every way into a page that needs no click, and one that does.
INTRUSION = (
    f'<script>{_RUN}</script><img src=x onerror="{_RUN}"><svg onload="{_RUN}"></svg><details ontoggle={_RUN} open>'
    f'</summary></table></main><iframe srcdoc="<script>parent.{_RUN}</script>"></iframe> [x](javascript:{_RUN}) '
    "![x](http://127.0.0.1:9/x.png) <link rel=stylesheet href=http://127.0.0.1:9/x.css><style>main{display:none}</style>"
)
HOSTILE = POISON + INTRUSION + "y" * 300


def _fits(text: str) -> contextlib.AbstractContextManager[None]:
    """What holds a hostile ``text`` fits no schema, and is written all the same."""
    return contextlib.suppress(*(NotAsPublished,) if text else ())


def _of_run(condition: str, folder: Path, text: str = "") -> Path:
    bundle = real(condition)
    result = assess(bundle)
    with _fits(text):
        write_report(folder, bundle, _poisoned(result, text) if text else result, style(str(ROLE), "en"))
    return folder / "report.md"


def _of_audit(folder: Path, text: str = "") -> Path:
    runs = [_poisoned(run, text) if text else run for run in AUDITS["fixed"]]
    with _fits(text):
        write_audit(folder, audit_of(*runs), style(str(ROLE), "en"))
    return folder / "audit.md"


def _of_summary(folder: Path, text: str = "") -> Path:
    results = [assess(real(condition)) for condition in EXPECTED]
    hosts = [_poisoned(result, text) if text else result for result in results]
    stored = of_results([{**host, "host": condition + text} for host, condition in zip(hosts, EXPECTED, strict=True)])
    with _fits(text):
        write_summary(folder, summarise(stored), stored, style(str(ROLE), "en"))
    return folder / "summary.md"


def _of_sample(folder: Path) -> Path:
    path = folder / "sample.md"
    path.with_suffix(".html").write_text(page(SAMPLE, "broken: gpu43", FRAME, pictures=PICTURES), encoding="utf-8")
    return path


def _of_markup(folder: Path) -> Path:
    """As if nothing of the Markdown had been escaped."""
    path = folder / "markup.md"
    text = SAMPLE.replace("Details are in", f"{INTRUSION}\n\n{INTRUSION}\n\nDetails are in")
    path.with_suffix(".html").write_text(page(text, INTRUSION, FRAME, pictures=PICTURES), encoding="utf-8")
    return path


#: Name -> writes that page into a folder; the path of its Markdown, beside which the page lies.
PAGES: dict[str, Callable[[Path], Path]] = {
    "healthy": lambda folder: _of_run("healthy", folder),
    "engine-stopped": lambda folder: _of_run("engine-stopped", folder),
    "crash-loop": lambda folder: _of_run("crash-loop", folder),
    "host-unreachable": lambda folder: _of_run("host-unreachable", folder),
    "audit": _of_audit,
    "summary": _of_summary,
    "sample": _of_sample,
    "hostile": lambda folder: _of_run("engine-stopped", folder, HOSTILE),
    "hostile audit": lambda folder: _of_audit(folder, HOSTILE),
    "hostile summary": lambda folder: _of_summary(folder, HOSTILE),
    "unescaped": _of_markup,
}


def written(name: str, folder: Path) -> Path:
    """The page ``name``, written into ``folder``."""
    return PAGES[name](folder).with_suffix(".html")
