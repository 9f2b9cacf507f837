"""The steps of a change on the host. Each says first, in the intent file, what it is about to do.

A controller that dies between two steps leaves an intent behind, by which the next one puts things right.
"""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ...bundle import Intent
from .. import command
from ..redact import Redactor
from .change import BadChange, Change, compat_change, describe, read_change, to_json
from .drop_in import NAME, mark_in
from .intent import is_half_way, new_intent, remove_intent, write_intent
from .our_files import put
from .readiness import not_in_force
from .service import Plan, Service, before_change, describe_plan, plan, read_service

_SYSTEMCTL_SECONDS = 60.0


class Refused(RuntimeError):
    """It cannot be done; the message says why and what to do."""


class Done(NamedTuple):
    changed: bool
    restart: bool
    diff: List[Dict[str, str]]
    words: str
    stopped: bool = False  # the unit did not run before, so it does not now


def wanted_change(given: Mapping[str, Any]) -> Optional[Change]:
    """The change that a module's parameters ask for, None for ``default``. Raises Refused."""
    try:
        if given["compat"] == "default":
            return None
        if given["compat"]:
            return compat_change(given["compat"], given["compat_flag_on"], given["compat_flag_off"])
        change = read_change(given["change"])
    except BadChange as error:
        raise Refused(str(error)) from error
    if change.empty:
        raise Refused("nothing to change: say on, off or default, or give a change that sets or removes something")
    return change


def look(given: Mapping[str, Any]) -> Tuple[Dict[str, Any], str]:
    """The plan for a module's parameters, and one line for the operator; redacted. Raises Refused."""
    change = wanted_change(given)
    service = read_service(given["unit"])
    made = plan(service, change, given["persist"])
    found = {
        "refused": made.refused,
        "what": describe(change) if change is not None else "default",
        "write": made.write,
        "restart": made.restart,
        "ask": made.ask,
        # An earlier change may have stopped before anybody saw the server answer.
        "wait": not made.restart and is_half_way(service.intent),
        "at": time.time(),
        "unit": service.unit.get("name", ""),
        "active_state": service.property("ActiveState"),
        "intent": {k: v for k, v in service.intent.items() if k not in ("change", "before")},
    }
    clean = _redactor(service).tree({"plan": found, "words": describe_plan(service, change, made)})
    return clean["plan"], clean["words"]


def make(given: Mapping[str, Any], check: bool) -> Done:
    """Write what is meant, then the drop-in (for ``default``: remove it). Raises Refused, OSError."""
    change = wanted_change(given)
    service = read_service(given["unit"])
    made = plan(service, change, given["persist"])
    if made.refused:
        raise Refused(made.refused)
    diff = _diff(service, made)
    if check or not (made.write or made.restart):
        return Done(made.write or made.restart, made.restart, diff, "")
    intent = _intent(service, given, change, made)
    write_intent(intent)
    if made.write:
        put(service.name, made.files)
        reload()
    intent["phase"] = "written"
    write_intent(intent)
    done = "wrote {}".format(", ".join(made.files)) if made.files else "removed {}".format(", ".join(service.ours))
    return Done(True, made.restart, diff, f"{service.name}: {done}" if made.write else "")


def go_back(given: Mapping[str, Any], check: bool) -> Done:
    """Our files as they were before the last change. Raises Refused, OSError."""
    service = read_service(given["unit"])
    intent = service.intent
    if intent["state"] == "absent" or intent.get("kept"):
        return Done(False, False, [], f"{service.name}: no change is under way")
    if intent["state"] != "ok":
        raise Refused(intent["reason"])
    before = intent.get("before", {})
    files = dict(before.get("files", {}))
    write = files != service.ours
    restart = service.mark != before.get("mark", "") or service.property("ActiveState") != "active"
    restart = restart or intent.get("phase") == "restarting"
    stopped = restart and before.get("active_state") in ("inactive", "failed")
    if not check:
        intent["phase"] = "rolling_back"
        write_intent(intent)
        put(service.name, files)
        reload()
        if stopped:
            _systemctl("--no-block", "stop", "--", service.name)
    words = f"{service.name}: back to {'the drop-in from before' if files else 'its own configuration'}"
    return Done(write or restart, restart and not stopped, [], words, stopped)


def settle(given: Mapping[str, Any], check: bool) -> Done:
    """The end of a change: the intent says that it is in force, or goes when nothing of it is. Raises OSError."""
    service = read_service(given["unit"])
    intent = service.intent
    if intent["state"] != "ok":
        return Done(False, False, [], "")
    earlier = intent.get("before", {}).get("intent") if intent.get("phase") == "rolling_back" else None
    if service.ours and earlier:
        fresh = Intent(state="ok", reason="")
        fresh.update(earlier)
        _write_unless(check, fresh)
        return Done(True, False, [], "")
    if not service.ours:
        if not check:
            remove_intent(service.name)
        left = is_half_way(intent) and intent.get("phase") != "rolling_back" and intent.get("what") != "default"
        words = f"{service.name}: what an earlier run left half-way ({intent.get('what')}) is put right" if left else ""
        return Done(True, False, [], words)
    fresh = Intent(**{**intent, "phase": "in_force", "kept": given["kept"]})
    if fresh == intent:
        return Done(False, False, [], "")
    _write_unless(check, fresh)
    return Done(True, False, [], "")


def restart(service: Service) -> None:
    """Hand the restart to systemd. Raises Refused, OSError."""
    if service.unit["state"] != "ok":
        raise Refused(service.unit["reason"])
    intent = service.intent
    if intent["state"] == "ok" and intent.get("phase") == "written":
        intent["phase"] = "restarting"
        write_intent(intent)
    # Failed before, or started too often: neither may stop what the operator asked for.
    command.run(["systemctl", "reset-failed", "--", service.name], _SYSTEMCTL_SECONDS)
    _systemctl("--no-block", "restart", "--", service.name)


def reload() -> None:
    """Have systemd read its unit files again. Raises Refused."""
    _systemctl("daemon-reload")


def shortfall(service: Service, expect: str) -> List[str]:
    """What the running process lacks of the intent's ``change``, or of what was ``before`` it. Raises Refused."""
    intent = service.intent
    if intent["state"] != "ok":
        return not_in_force(service, None, _mark(service), "")
    before = intent.get("before", {})
    if expect == "before":
        return not_in_force(service, None, before.get("mark", ""), before.get("argv_digest", ""))
    try:
        change = read_change(intent["change"]) if intent.get("change") else None
    except BadChange as error:
        raise Refused(f"the intent file of {service.name} holds a change that is none: {error}") from error
    return not_in_force(service, change, _mark(service), "")


def _mark(service: Service) -> str:
    return next((mark_in(text) for path, text in service.ours.items() if path.endswith(NAME)), "")


def _intent(service: Service, given: Mapping[str, Any], change: Optional[Change], made: Plan) -> Intent:
    """What is written first. After a change that stopped half-way, going back means to what was there before it."""
    earlier = service.intent
    half_way = is_half_way(earlier) and earlier.get("before")
    before = earlier["before"] if half_way else before_change(service)
    what = change.what if change is not None else "default"
    intent = new_intent(
        service.name, what, given["run_id"], given["by"], to_json(change) if change is not None else {}, before
    )
    intent["persist"] = bool(given["persist"])
    intent["drop_in"] = next((path for path in made.files if path.endswith(NAME)), "")
    return intent


def _diff(service: Service, made: Plan) -> List[Dict[str, str]]:
    """What ``--diff`` shows, redacted."""
    redactor = _redactor(service)
    shown = []
    for path in sorted({*service.ours, *made.files}):
        before, after = service.ours.get(path, ""), made.files.get(path, "")
        if before != after:
            texts = [redactor.command_line(text) for text in (before, after)]
            shown.append({"before_header": path, "after_header": path, "before": texts[0], "after": texts[1]})
    return shown


def _redactor(service: Service) -> Redactor:
    redactor = Redactor()
    redactor.argv(service.argv or service.unit.get("exec_start", []))
    redactor.environment(service.environ or {})
    return redactor


def _write_unless(check: bool, intent: Intent) -> None:
    if not check:
        write_intent(intent)


def _systemctl(*words: str) -> None:
    result = command.run(["systemctl", *words], _SYSTEMCTL_SECONDS)
    if result.rc != 0:
        raise Refused("systemctl {} failed: {}".format(" ".join(words), result.words() or "no words"))
