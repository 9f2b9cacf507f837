"""What to do about a cause: steps to follow one by one, on a phone at night, each that changes something checked.

A remedy is a text of lines. One that begins with ``$ `` is a command to paste; one that begins with ``1. ``, ``2. `` …
begins a step. A remedy of one step has no number.
"""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, Optional, Sequence, Union

from ...bundle import Process
from ...clocks import serving
from ...words import Words, joined, say
from ..commands import diagnose_command, host_command, plain, unit_of
from ..facts import UP, Facts
from ..starting import starting
from ..witness import cpu_limit, starved

#: A step, or a function that knows which ones the facts ask for, if any.
Step = Union[Words, Callable[[Facts], Sequence[Words]]]

_STOPPED = ("T", "t")
#: States of a process that has stacks no more.
_GONE = ("Z", "X", "gone")


def remedy(steps: Iterable[Step], facts: Facts) -> Words:
    """The text of ``steps``, in the order in which they are to be taken."""
    found: List[Words] = []
    for step in steps:
        found += [step] if isinstance(step, Words) else step(facts)
    if len(found) == 1:
        return found[0]
    return joined("\n", [joined("", (f"{number}. ", words)) for number, words in enumerate(found, 1)])


def check(facts: Facts) -> List[Words]:
    """Whether it helped: the same diagnosis again."""
    return [say("Check{key} (seconds on a healthy server):\n$ {command}", **_again(facts))]


def check_loaded(facts: Facts) -> List[Words]:
    """The same after a start: a server that loads its model does not listen yet."""
    return [say("Check{key}, once the model is loaded (broken until then):\n$ {command}", **_again(facts))]


def start(facts: Facts) -> List[Words]:
    if not facts.unit.known:
        return [say("Start the server by the means it was started with (this host shows no systemd unit for it).")]
    return [say("Start it:\n$ {command}", command=_service(facts, "started"))]


def bring_up(facts: Facts) -> List[Words]:
    """Start what is down; what is up and does not listen yet is waited for, unless it was seen to stand."""
    seen = starting(facts)
    if seen is None or not facts.unit.known:
        return start(facts)
    log = host_command(facts, "command", f"journalctl -u {unit_of(facts)} -n 20 --no-pager")
    if not seen.stands:
        return [
            say(
                "Wait: a big model loads for minutes. Its log shows how far it is, and says {line} when it listens:\n"
                "$ {command}",
                line="Application startup complete.",
                command=log,
            )
        ]
    waits = say(
        "See what it waits for (a disk, another host, a download). Go on only if its log has said nothing new for "
        "minutes:\n$ {command}",
        command=log,
    )
    return [waits, *restart_with_stacks("engine_core", "main")(facts)]


def restart(facts: Facts) -> List[Words]:
    if not facts.unit.known:
        return [_restart_by_hand()]
    return [say("Restart it{cuts}:\n$ {command}", cuts=_cuts(facts), command=_service(facts, "restarted"))]


def restart_edited(facts: Facts) -> List[Words]:
    """After a change of the unit's files, which systemd has to read again."""
    if not facts.unit.known:
        return [_restart_by_hand()]
    return [
        say(
            "Once that is corrected, restart it{cuts}:\n$ {command}",
            cuts=_cuts(facts),
            command=_service(facts, "restarted daemon_reload=true"),
        )
    ]


def feed(facts: Facts) -> List[Words]:
    """Give the server the CPU that it wants and does not get; nothing where it gets some."""
    steps = _feed(facts)
    return steps + check(facts) if steps else []


def _feed(facts: Facts) -> List[Words]:
    if not any(starved(sent.standing) for sent in facts.sent):
        return []
    # What ps shows is an average over the life of a process, and so is the first screen of top: the second one is now.
    top = host_command(facts, "shell", "top -b -n 2 -d 2 | grep -A 16 ^top | tail -n 17")
    found = [say("See who uses the CPU of the host now, and give the server its part of it:\n$ {command}", command=top)]
    if cpu_limit(facts):
        lift = host_command(facts, "command", f"systemctl set-property --runtime {unit_of(facts)} CPUQuota=")
        found.append(
            say(
                "Where that is nobody, the limit of the unit keeps it; lift it until the next boot:\n$ {command}",
                command=lift,
            )
        )
    return found


def resume(facts: Facts) -> List[Words]:
    """What may save a restart: let processes go on that a signal stopped, or that get no CPU; nothing where none is."""
    stopped = " ".join(str(process["pid"]) for process in facts.last_seen if process["state"] in _STOPPED)
    if stopped:
        command = host_command(facts, "command", f"kill -CONT {stopped}")
        steps = [say("Let what is stopped go on:\n$ {command}", command=command)]
    else:
        steps = _feed(facts)
    going_on = say(
        "Check{key} (seconds on a healthy server). Go on only if it is still broken:\n$ {command}", **_again(facts)
    )
    return [*steps, going_on] if steps else []


def restart_with_stacks(*roles: str) -> Callable[[Facts], List[Words]]:
    """Restart what stands, one of ``roles``, but not without its stacks: they are gone then."""

    def steps(facts: Facts) -> List[Words]:
        one = _standing(facts, roles)
        if one is None:
            return restart(facts)
        if any(seen.pid == one["pid"] and seen.top_frames for seen in facts.stall.processes):
            if not facts.unit.known:
                return [_restart_by_hand()]
            return [
                say(
                    "Restart it{cuts}; its stacks are kept in {file}:\n$ {command}",
                    cuts=_cuts(facts),
                    file="evidence/stall.json",
                    command=_service(facts, "restarted"),
                )
            ]
        dump = host_command(facts, "command", "py-spy dump --nonblocking --pid {}".format(one["pid"]))
        keep = say(
            "Keep the stacks of process {pid} ({role}), which a restart destroys; skip this where the host has no "
            "py-spy:\n$ {command}",
            pid=one["pid"],
            role=one["role"],
            command="{} | tee stacks-{}.txt".format(dump, one["pid"]),
        )
        return [keep, *restart(facts)]

    return steps


def where_written(advice: Words) -> Callable[[Facts], List[Words]]:
    """``advice`` about the command line or the environment of the server, with the files that these are in."""

    def steps(facts: Facts) -> List[Words]:
        if not facts.unit.known:
            return [advice]
        command = host_command(facts, "command", f"systemctl cat {unit_of(facts)}")
        return [
            say(
                "{advice} Edit the unit's files, which this shows with their paths:\n$ {command}",
                advice=advice,
                command=command,
            )
        ]

    return steps


def read_log(facts: Facts) -> List[Words]:
    """Why it exits, where the report does not quote that already."""
    if "usage_error" in facts.logs.unit or "engine_dead" in facts.logs.unit:
        return []
    command = host_command(facts, "command", f"journalctl -u {unit_of(facts)} -n 50 --no-pager")
    return [say("Read why it exits:\n$ {command}", command=command)]


def give_key(facts: Facts) -> List[Words]:
    """Not on a command line: histories of shells and lists of processes keep what stands there."""
    command = diagnose_command(facts)
    return [
        say(
            "Put the key that clients use into an encrypted file, as one line, {line}:\n$ {command}",
            line='vllm_api_key: "KEY"',
            command="ansible-vault create vllm-key.yml",
        ),
        say("Check with it:\n$ {command}", command=f"{command} -e @vllm-key.yml --ask-vault-pass"),
    ]


def ask_what_is_served(facts: Facts) -> List[Words]:
    """A model that the server does not serve is asked for in vain, whatever else is right."""
    served = facts.target.get("served_models", [])
    asked = facts.target.get("model", "")
    if served and asked not in served:
        model = plain(served[0], "MODEL")
        return [
            say(
                "Ask{key} for a model that it serves ({models}):\n$ {command}",
                models=_on_one_line(", ".join(served[:5])),
                **_again(facts, vllm_model=model),
            ),
            say(
                "If that is healthy, only the name {asked} is wrong: clients have to ask for {model}, or the server "
                "gets that name, too (--served-model-name).",
                model=model,
                asked=_on_one_line(asked),
            ),
        ]
    found = [say("Correct what the server's message names."), *check(facts)]
    if not served:
        url = plain(facts.target.get("base_url", ""), "BASE_URL")
        command = host_command(facts, "uri", f"url={url}/v1/models return_content=true", become=False)
        found.insert(0, say("See which models it serves:\n$ {command}", command=command))
    return found


def ask_where_it_listens(facts: Facts) -> List[Words]:
    if facts.target.get("base_url_source") == "given":
        command = diagnose_command(facts, vllm_base_url=None)
        return [say("Let the address be taken from the running server:\n$ {command}", command=command)]
    command = diagnose_command(facts, vllm_base_url="http://127.0.0.1:PORT")
    return [say("Say at which address it listens:\n$ {command}", command=command)]


def wake_up(facts: Facts) -> List[Words]:
    url = plain(facts.target.get("base_url", ""), "BASE_URL")
    command = host_command(facts, "uri", f"url={url}/wake_up method=POST", become=False)
    return [say("Wake it:\n$ {command}", command=command)]


def see_clients(facts: Facts) -> List[Words]:
    port = facts.target.get("base_url", "").rsplit(":", 1)[-1]
    if not port.isdigit():
        return []
    command = host_command(facts, "command", f"ss --numeric --tcp state established sport = :{port}")
    return [say("See whose requests run, by the addresses of its clients:\n$ {command}", command=command)]


def _cuts(facts: Facts) -> str:
    """What a restart costs, while anything answers."""
    up = facts.unit.now("ActiveState") in UP and not facts.all_unreachable
    return say(" (this cuts every open stream)") if up else ""


def _service(facts: Facts, state: str) -> str:
    return host_command(facts, "systemd_service", f"name={unit_of(facts)} state={state}")


def _again(facts: Facts, **changed: str) -> Dict[str, str]:
    """The fields of a check: its command cannot hold the key that this run was given."""
    key = say(" with the key of this run") if facts.target.get("api_key_given", False) else ""
    return {"key": key, "command": diagnose_command(facts, **changed)}


def _on_one_line(text: str) -> str:
    """What a host said: a line of its own would be a step or a command."""
    return " ".join(text.split())


def _restart_by_hand() -> Words:
    return say("Restart the server by the means it was started with (this host shows no systemd unit for it).")


def _standing(facts: Facts, roles: Sequence[str]) -> Optional[Process]:
    """The process whose stacks tell: one that is stopped, else the first of ``roles`` that is there."""
    there = [p for p in serving(facts.last_seen) if p["role"] in roles and p["state"] not in _GONE]
    return next((p for p in there if p["state"] in _STOPPED), there[0] if there else None)
