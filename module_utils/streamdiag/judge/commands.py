"""Commands to paste: with the inventory and the host of this run, and with what it was told about its server.

What a host named in a way that a shell could read is never put into one: a placeholder stands there.
"""

from __future__ import annotations

import re
import shlex
from typing import Dict, Optional

from .facts import CLIENT_TIMEOUT, PING_INTERVAL, Facts

UNIT = "vllm.service"


def diagnose_command(facts: Facts, **changed: Optional[str]) -> str:
    """The same diagnosis again. ``changed``: variables in place of this run's own; None leaves one away."""
    variables: Dict[str, Optional[str]] = {**_given(facts), **changed}
    options = [f"-e {shlex.quote(f'{name}={value}')}" for name, value in variables.items() if value is not None]
    return " ".join([_playbook(facts, "diagnose.yml"), *options])


def restart_command(facts: Facts, mode: str) -> str:
    """Puts the host's compatibility mode to ``mode`` (on, off, default)."""
    return f"{_playbook(facts, 'restart.yml')} -e restart_compat={mode}"


def audit_command(facts: Facts, change: str) -> str:
    """Shows what ``change`` does (compat_off, …), and takes it back."""
    return f"{_playbook(facts, 'audit.yml')} -e audit_change={change}"


def host_command(facts: Facts, module: str, arguments: str = "", become: bool = True) -> str:
    """One module of Ansible on the host, as root where ``become``. ``arguments`` without single quotes."""
    as_root = "-b " if become else ""
    given = f" -a '{arguments}'" if arguments else ""
    return f"ansible {inventory_options(facts)}{_host(facts)} {as_root}-m ansible.builtin.{module}{given}"


def inventory_options(facts: Facts) -> str:
    """``-i PATH `` for each inventory that was not the project's own, which needs no naming."""
    given = [str(path) for path in facts.run.get("inventories", [])]
    return "".join(f"-i {shlex.quote(path)} " for path in given if not path.endswith("/inventory/hosts.yml"))


def plain(text: str, placeholder: str) -> str:
    """``text`` where it is safe in a command, else ``placeholder``."""
    return text if re.fullmatch(r"[A-Za-z0-9@:/._\[\]-]+", text) else placeholder


def unit_of(facts: Facts) -> str:
    """The unit's name, for a command."""
    return plain(facts.target.get("unit", {}).get("name", ""), "UNIT")


def _playbook(facts: Facts, playbook: str) -> str:
    unit = unit_of(facts)
    named = "" if unit in ("UNIT", UNIT) else f" -e vllm_unit={unit}"
    return f"ansible-playbook {inventory_options(facts)}{playbook} -l {_host(facts)}{named}"


def _given(facts: Facts) -> Dict[str, str]:
    """The variables that this run was given and that matter to the next one; never the key."""
    target = facts.target
    found = {}
    if target.get("base_url_source") == "given":
        found["vllm_base_url"] = plain(target.get("base_url", ""), "URL")
    if target.get("model_source") == "given":
        found["vllm_model"] = plain(target.get("model", ""), "MODEL")
    if target.get("public_url"):
        found["vllm_public_url"] = plain(target["public_url"], "URL")
    for name, default in (("client_timeout", CLIENT_TIMEOUT), ("ping_interval", PING_INTERVAL)):
        value = facts.setting(name, default)
        if value != default:
            found[f"vllm_{name}"] = f"{value:g}"
    return found


def _host(facts: Facts) -> str:
    return shlex.quote(facts.run["host"])
