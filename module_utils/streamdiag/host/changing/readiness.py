"""A unit that was told to restart: how far is it, does it answer, and if not, why not in the journal's own words."""

from __future__ import annotations

import re
import time
from typing import Callable, Dict, List, NamedTuple, Optional

from ...bundle import LogLine
from ..endpoints import get, post
from ..journal import read_unit_log
from ..redact import Redactor
from .change import Change, differences
from .service import Service, read_service

_LOG_LINES, _LOG_BYTES = 400, 128 * 1024
#: Exit status of argparse for a command line that it refuses: another start would not help.
_USAGE_ERROR = "2"
#: Restarts by systemd after which a start counts as failed: a port may still be taken the first time.
_RESTARTS = 2
_TELLING = re.compile(
    r"error:|\b\w*(?:Error|Exception)\b|out of memory|CUDA|No such file|not found|status=\d|Failed"
    r"|code=(?:killed|dumped)"
)
_OF_SYSTEMD = re.compile(r"Failed with result|Main process exited|Scheduled restart|Start request repeated")
#: systemd's words for what its jobs are at.
_DOING = {
    "deactivating": "is stopping; open requests are waited for, systemd ends it after {stop}",
    "activating": "is starting ({sub})",
    "reloading": "reloads",
}


class Progress(NamedTuple):
    """``state``: waiting | ready | failed. ``words``: for the operator."""

    state: str
    words: str


def read_progress(unit: str, invocation: str, base_url: str, api_key: str) -> Progress:
    """One look. ``invocation``: the unit's InvocationID before the restart; ``base_url`` empty: to be detected."""
    service = read_service(unit)
    return progress(service, invocation, lambda: _answers(service.base_url(base_url), api_key))


def progress(service: Service, invocation: str, answers: Callable[[], str]) -> Progress:
    """``answers``: asked only when the unit runs; returns ``""`` when the server answers, else what is missing."""
    active, sub = service.property("ActiveState"), service.property("SubState")
    restarts, stop = service.property("NRestarts"), service.property("TimeoutStopUSec") or "its TimeoutStopSec"
    fresh = service.property("InvocationID") != invocation
    if active == "deactivating":
        return Progress("waiting", f"{service.name} " + _DOING[active].format(stop=stop, sub=sub))
    if not fresh:
        return Progress("waiting", f"{service.name} is {active} ({sub}), the restart has not begun")
    if active == "failed":
        return Progress("failed", f"{service.name} has failed ({service.property('Result')})")
    if active == "inactive":
        return Progress("failed", f"{service.name} has ended (status {service.property('ExecMainStatus')})")
    if sub == "auto-restart":
        status = service.property("ExecMainStatus")
        if status == _USAGE_ERROR or int(restarts or 0) >= _RESTARTS:
            return Progress(
                "failed", f"{service.name} ended with status {status}, and systemd starts it again and again"
            )
    if int(restarts or 0) >= _RESTARTS:
        return Progress("failed", f"{service.name} was restarted {restarts} times by systemd")
    if active != "active":
        words = _DOING.get(active, "is {sub}").format(stop="", sub=sub)
        return Progress("waiting", f"{service.name} {words}")
    if service.server is None:
        return Progress("waiting", f"{service.name} runs, its server process has not appeared")
    missing = answers()
    if missing:
        return Progress("waiting", "{} runs as process {}, {}".format(service.name, service.server["pid"], missing))
    return Progress("ready", "{} answers, process {}".format(service.name, service.server["pid"]))


def _answers(base_url: str, api_key: str) -> str:
    """``""`` when the server serves its models, or refuses only us."""
    models = get(base_url, "/v1/models", api_key, timeout=2.0)
    if models["http_status"] in (200, 401, 403):
        return ""
    return f"{base_url} does not answer yet ({models['reason'] or 'HTTP {}'.format(models['http_status'])})"


def not_in_force(service: Service, change: Optional[Change], mark: str, digest: str) -> List[str]:
    """What the running process does not show of what it was restarted for; empty when all is as it should be.

    ``mark``: of the drop-in that should be in force, ``""``: none; ``digest``: of the arguments, where they should be
    as before, else ``""``.
    """
    found = differences(change, service.argv, service.environ) if change is not None else []
    if service.environ is None:
        found.append("the environment of the running process cannot be read")
    elif service.mark != mark:
        found.append("it was started {} our drop-in".format("without" if mark else "with"))
    if digest and service.argv_digest != digest:
        found.append("its arguments are not those from before")
    return found


def last_words(unit: str, since: float, service: Service, most: int = 3) -> str:
    """Why it did not start, by its journal since ``since`` (seconds since the epoch), redacted; on one line."""
    log = read_unit_log(unit, since, _LOG_LINES, _LOG_BYTES)
    if log["state"] != "ok":
        return log["reason"]
    redactor = Redactor()
    redactor.argv(service.unit.get("exec_start", []))
    redactor.environment(service.environ or {})
    return redactor.text(telling(log["lines"], most)) or "its journal has no line since then"


def telling(lines: List[LogLine], most: int) -> str:
    """The last ``most`` lines that name an error, the program's own before systemd's; else the last ones."""
    texts = [line["text"].strip() for line in lines if line["text"].strip()]
    errors = list(dict.fromkeys(text for text in texts if _TELLING.search(text) and not _OF_SYSTEMD.search(text)))
    return " | ".join(text[:300] for text in (errors or texts)[-most:])


def warm_up(base_url: str, model: str, api_key: str, patience: float) -> str:
    """One small request, since the first one compiles; ``""`` when it was answered, else what came instead."""
    body: Dict[str, object] = {"model": model, "input": "Hello", "max_output_tokens": 16, "store": False}
    answer = post(base_url, "/v1/responses", body, api_key, timeout=patience)
    if answer["http_status"] == 200 and answer["state"] == "ok":
        return ""
    return "the first request got {}".format(
        answer["reason"] or "HTTP {}: {}".format(answer["http_status"], answer["body"][:200])
    )


def seconds_since(since: float) -> float:
    """On the host's own clock."""
    return max(0.0, time.time() - since)
