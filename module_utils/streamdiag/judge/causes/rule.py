"""A cause: the claim a rule makes about it, and the rows of the checklist that bear on the claim."""

from __future__ import annotations

import re
import shlex
from typing import Callable, Dict, Iterable, NamedTuple, Optional, Tuple

from ...words import NOTHING, Words, say
from ..facts import Facts, StreamFacts
from ..witness import starved

CONFIRMED, LIKELY, POSSIBLE, RULED_OUT, NOT_TESTED = "confirmed", "likely", "possible", "ruled_out", "not_tested"


#: Confidence from high to low; each doubt takes one step down.
LEVELS = ("high", "medium", "low")


class Claim(NamedTuple):
    """``state``: one of the five above. ``reason``: what was observed, with its numbers.

    ``summary``: the verdict in one sentence, for a claim that may become one. ``strength``: high | medium | low, what
    the observation itself is worth; ``doubts``: what makes it worth less in this run, each in words. ``about``: the
    streams that it explains, empty for a cause that explains whatever fails.
    """

    state: str
    reason: Words
    summary: Words = NOTHING
    strength: str = "high"
    doubts: Tuple[Words, ...] = ()
    about: Tuple[str, ...] = ()

    @property
    def confidence(self) -> str:
        """``strength``, one step lower for each doubt."""
        return LEVELS[min(LEVELS.index(self.strength) + len(self.doubts), len(LEVELS) - 1)]


class Rule(NamedTuple):
    """``for_``: rows that speak for the cause where they fail or warn; ``against``: against it where they pass.

    ``fix``: what to do, a ``template`` with the fields of ``fix_fields``. ``contributing``: it makes a hang worse and
    is named as the cause only when nothing else is.
    """

    id: str
    checklist_cause: Optional[int]
    judge: Callable[[Facts], Claim]
    for_: Tuple[str, ...]
    against: Tuple[str, ...]
    fix: str
    contributing: bool = False


_START_BY_HAND = say("Start the server by the means it was started with (this host shows no systemd unit for it).")
_RESTART_BY_HAND = say("Restart the server by the means it was started with (this host shows no systemd unit for it).")


def fix_fields(facts: Facts) -> Dict[str, str]:
    """What a fix may name: host, unit, base_url, inventory (``-i PATH `` or nothing), and as whole steps ``start``,
    ``restart``, ``resume``, ``cpu``, ``compat_proof``, ``compat_off`` and ``compat_default``.

    A line of a fix that begins with ``$ `` is a command to paste. ``resume`` is what may save a restart: it is empty
    when no process of the server is stopped by a signal or without CPU. ``cpu`` is empty when none is without CPU,
    ``compat_proof`` once it was tried.
    """
    tried = facts.experiment is not None and facts.experiment["change"] == "compat_off"
    proof = audit_command(facts, "compat_off")
    host = facts.run["host"]
    unit = _plain(facts.target.get("unit", {}).get("name", ""), "UNIT")
    inventory = inventory_options(facts)
    as_root = f"$ ansible {inventory}{shlex.quote(host)} -b -m ansible.builtin"
    start = f"{as_root}.systemd_service -a 'name={unit} state=started'"
    restart = f"{as_root}.systemd_service -a 'name={unit} state=restarted'"
    stopped = " ".join(str(process["pid"]) for process in facts.last_seen if process["state"] in ("T", "t"))
    going_on = say(
        "Let what is stopped go on:\n{command}\nOnly if the streams stay silent then: ",
        command=f"{as_root}.command -a 'kill -CONT {stopped}'",
    )
    cpu = _cpu(facts, as_root, unit)
    fed_first = say("{cpu}Only if the streams stay silent then: ", cpu=cpu)
    return {
        "host": shlex.quote(host),
        "inventory": inventory,
        "unit": unit,
        "base_url": _plain(facts.target.get("base_url", ""), "BASE_URL"),
        "start": say("Start it:\n{command}", command=start) if facts.unit.known else _START_BY_HAND,
        "restart": say("Restart it:\n{command}", command=restart) if facts.unit.known else _RESTART_BY_HAND,
        "compat_proof": "" if tried else say("Prove it: before, without it, and back:\n$ {command}\n", command=proof),
        "compat_off": f"$ {restart_command(facts, 'off')}",
        "compat_default": f"$ {restart_command(facts, 'default')}",
        "resume": going_on if stopped else fed_first if cpu else "",
        "cpu": cpu,
    }


def _cpu(facts: Facts, as_root: str, unit: str) -> str:
    """How to find out who uses the CPU that the server does not get, and to lift a limit; ``""`` when it gets some."""
    if not any(starved(sent.standing) for sent in facts.sent):
        return ""
    # What ps shows is an average over the life of a process, and the first screen of top, too: the second one is now.
    top = f"{as_root}.shell -a 'top -b -n 2 -d 2 | grep -A 16 ^top | tail -n 17'"
    steps = say("See who uses the CPU of the host now, and give the server its part of it:\n{command}\n", command=top)
    if not cpu_limit(facts):
        return steps
    lift = f"{as_root}.command -a 'systemctl set-property --runtime {unit} CPUQuota='"
    return steps + say(
        "Where that is nobody, the limit of the unit keeps it; lift it until the next boot:\n{command}\n", command=lift
    )


def cpu_limit(facts: Facts) -> str:
    """In words when systemd limits the CPU time of the unit, else ``""``."""
    quota = facts.unit.now("CPUQuotaPerSecUSec")
    if quota in ("", "infinity"):
        return ""
    return say("systemd gives the unit {quota} of CPU time per second at most (CPUQuota=)", quota=quota)


def restart_command(facts: Facts, mode: str) -> str:
    """The command that puts the host's compatibility mode to ``mode`` (on, off, default)."""
    return _playbook(facts, "restart.yml", f"restart_compat={mode}")


def audit_command(facts: Facts, change: str) -> str:
    """The command that shows what ``change`` does (compat_off, …), and takes it back."""
    return _playbook(facts, "audit.yml", f"audit_change={change}")


def _playbook(facts: Facts, playbook: str, variable: str) -> str:
    unit = _plain(facts.target.get("unit", {}).get("name", ""), "UNIT")
    named = "" if unit in ("UNIT", "vllm.service") else f" -e vllm_unit={unit}"
    host = shlex.quote(facts.run["host"])
    return f"ansible-playbook {inventory_options(facts)}{playbook} -l {host}{named} -e {variable}"


def inventory_options(facts: Facts) -> str:
    """``-i PATH `` for each inventory that was not the project's own, which needs no naming."""
    given = [str(path) for path in facts.run.get("inventories", [])]
    return "".join(f"-i {shlex.quote(path)} " for path in given if not path.endswith("/inventory/hosts.yml"))


def _plain(text: str, placeholder: str) -> str:
    """``text`` for a command that people paste; what a host named in a way that a shell could read is not put there."""
    return text if re.fullmatch(r"[A-Za-z0-9@:/._\[\]-]+", text) else placeholder


def shared_counters(facts: Facts) -> Tuple[Words, ...]:
    """The doubt of a claim about one request that rests on server-wide counters while others use them too."""
    return (say("the counters are server-wide, and {traffic}", traffic=facts.traffic),) if facts.traffic else ()


def names(streams: Iterable[StreamFacts]) -> Tuple[str, ...]:
    """Of the streams that a claim is about."""
    return tuple(sent.name for sent in streams)


def ruled_out(reason: Words) -> Claim:
    return Claim(RULED_OUT, reason)


def not_tested(reason: Words) -> Claim:
    return Claim(NOT_TESTED, reason)
