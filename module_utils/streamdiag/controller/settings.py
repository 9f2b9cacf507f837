"""What an operator may set: names, kinds, and what is wrong with what was given, in words that say what to do."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Set
from urllib.parse import urlsplit

import yaml


def _url(value: str) -> Optional[str]:
    try:
        parts = urlsplit(value)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if fine and parts.path.rstrip("/").endswith("/v1"):
        return "must be the server's root, without /v1, such as http://127.0.0.1:8000"
    return None if fine else "must be a URL such as http://127.0.0.1:8000"


def _id(value: str) -> Optional[str]:
    if value == "latest":
        return "must be another name: latest is the link to the newest run"
    fine = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value)
    return None if fine else "must be letters, digits, '.', '_' and '-', because it names a folder"


def _one_of(*choices: str) -> Callable[[str], Optional[str]]:
    return lambda value: None if value in choices else "must be one of: {}".format(", ".join(choices))


def _text(value: str) -> Optional[str]:
    return None


def _seconds(value: str) -> Optional[str]:
    return None if re.fullmatch(r"\d+(\.\d+)?", value) else "must be a number of seconds"


def _switch(value: str) -> Optional[str]:
    return None if value.lower() in ("true", "false", "yes", "no") else "must be true or false"


def _keep(value: str) -> Optional[str]:
    return None if re.fullmatch(r"\d{1,6}", value) else "must be a whole number of runs, 0 to keep all"


def _count(value: str) -> Optional[str]:
    fine = re.fullmatch(r"[1-9]\d?", value)
    return None if fine else "must be a whole number from 1 to 99"


#: What an audit can change.
CHANGES = ("compat_on", "compat_off", "args", "env", "debug_logging")


class Setting(NamedTuple):
    """``check``: value as text -> what is wrong with it, or None. Empty values mean the default and are not checked."""

    name: str
    check: Callable[[str], Optional[str]]
    about: str


SETTINGS = (
    Setting("vllm_unit", _text, "the systemd unit of the server"),
    Setting("vllm_base_url", _url, "the server's address as the host sees it"),
    Setting("vllm_public_url", _url, "the server's address as clients see it"),
    Setting("vllm_model", _text, "the model to ask"),
    Setting("vllm_api_key", _text, "the key that clients send"),
    Setting("vllm_compat_flag_on", _text, "the option that switches compatibility mode on"),
    Setting("vllm_compat_flag_off", _text, "the option that switches compatibility mode off"),
    Setting("vllm_ping_interval", _seconds, "seconds between two heartbeats of the server"),
    Setting("vllm_client_timeout", _seconds, "seconds of silence after which clients of this server give up"),
    Setting("reports_dir", _text, "where reports are kept on the controller"),
    Setting("reports_keep", _keep, "how many runs are kept in the reports folder"),
    Setting("report_language", _one_of("en", "ru"), "the language of the report"),
    Setting("run_id", _id, "the name of this run"),
    Setting("restart_compat", _one_of("on", "off", "default"), "the compatibility mode that should be in force"),
    Setting("diagnose_fail_on", _one_of("never", "degraded", "broken"), "from which verdict on the play fails"),
    Setting(
        "audit_change",
        _one_of(*CHANGES),
        "what to change between the two halves of an audit",
    ),
    Setting("audit_repeats", _count, "how often each case is sent in each half of an audit"),
    Setting("audit_keep", _switch, "keep the change when the audit is over"),
    Setting("audit_set", _text, "options of the server to set, for audit_change=args"),
    Setting("audit_remove", _text, "options of the server to take away, for audit_change=args"),
    Setting("audit_environment", _text, "variables of the server to set, for audit_change=env"),
    Setting("audit_unset", _text, "variables of the server to take away, for audit_change=env"),
    Setting("assess_run", _text, "the stored run to judge again"),
    Setting("assess_to", _text, "the folder for a copy of the run, which is judged in its place"),
    Setting("pack_run", _text, "the stored run to pack"),
    Setting("pack_host", _text, "the one host of it to pack"),
    Setting("pack_to", _text, "the folder for the packed run"),
    Setting("compare_before", _text, "the run before a change"),
    Setting("compare_after", _text, "the run after it"),
    Setting("compare_force", _switch, "compare runs of different models, cases or versions of this tool"),
)
NAMES = frozenset(setting.name for setting in SETTINGS)
#: An extra variable that starts like ours and is none of ours is a slip.
_OURS = re.compile(
    r"^(vllm|reports?|run|diagnose|restart|audit|assess|pack|compare|service|target|probe|evidence|stall)_"
)
_SIMILAR = 0.84
#: A variable of the server's environment; Ansible's own are written small.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def role_parameters(roles: Path) -> Set[str]:
    """The parameters of all roles below ``roles``, from their argument specifications."""
    names: Set[str] = set()
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        for entry in specs.values():
            names.update(entry.get("options", {}))
    return names


def slips(inventory: Iterable[str], roles: Iterable[str]) -> List[str]:
    """To warn of: variables of the inventory that look like ours and are none, by a slip or for another's use."""
    known = NAMES | set(roles)
    found = []
    for name in sorted(set(inventory) - known):
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=_SIMILAR)
        if near:
            found.append(f"the inventory sets {name}, which is not a variable of this project; is {near[0]} meant?")
    return found


def _torn_apart(extra: Set[str]) -> List[str]:
    """Values with blanks that ``-e`` has split: the shell takes one pair of quotes away, and Ansible needs another."""
    whole = "a value with blanks needs quotes inside the shell's: "
    found = []
    if "_raw_params" in extra:  # where Ansible keeps the words that are no NAME=VALUE
        found.append(f"-e holds words that belong to no variable; {whole}-e \"audit_set='--max-num-seqs 4'\"")
    strays = sorted(name for name in extra if _VARIABLE.fullmatch(name))
    if strays and "audit_environment" in extra:
        found.append(
            f"-e sets {', '.join(strays)} apart from audit_environment; {whole}-e \"audit_environment='A=1 B=2'\""
        )
    return found


def problems(values: Dict[str, Any], extra: Iterable[str], roles: Iterable[str]) -> List[str]:
    """What is wrong with the variables of a run, one sentence each; empty when nothing is.

    ``values``: the operator's settings by name. ``extra``: names given with ``-e``. ``roles``: names of the roles'
    own parameters.
    """
    known = NAMES | set(roles)
    found: List[str] = _torn_apart(set(extra))
    for name in sorted(set(extra)):
        if name in known or name.startswith("ansible_"):
            continue
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=_SIMILAR)
        if near:
            found.append(f"{name} is not a variable of this project; did you mean {near[0]}?")
        elif _OURS.match(name):
            found.append("{} is not a variable of this project; there are: {}".format(name, ", ".join(sorted(NAMES))))
    for setting in SETTINGS:
        value = values.get(setting.name)
        wrong = setting.check(str(value)) if value not in (None, "") else None
        if wrong:
            found.append(f"{setting.name}={str(value)!r} ({setting.about}) {wrong}")
    return found
