"""The server is not there, or does not take the request: not a hang, but it looks like one to a client."""

from __future__ import annotations

import json
from typing import List

from ...words import as_words, joined, say, template
from ..facts import UP, Facts, StreamFacts
from ..starting import starting
from .remedy import (
    ask_what_is_served,
    ask_where_it_listens,
    bring_up,
    check_loaded,
    give_key,
    read_log,
    restart_edited,
    where_written,
)
from .rule import CONFIRMED, LIKELY, Claim, Rule, names, not_tested, ruled_out

#: Restarts within minutes, with no answer in between, that make a loop.
LOOP_RESTARTS = 2


def crash_loop(facts: Facts) -> Claim:
    """systemd starts the server again and again, and it never comes to answer."""
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    if not facts.all_unreachable:
        return ruled_out(say("the server answers"))
    unit = facts.unit
    if not unit.known:
        return not_tested(as_words(unit.reason))
    restarts, seen = unit.number("NRestarts"), facts.logs.unit.get("restart")
    looping = (
        unit.now("Result") == "start-limit-hit"
        or unit.restarts_during_run > 0
        or (unit.now("SubState") == "auto-restart" and restarts >= LOOP_RESTARTS)
        or (restarts > 0 and seen is not None and len(seen.lines) >= LOOP_RESTARTS)
    )
    # A count alone may be months old: the server may just be loading.
    perhaps = unit.now("ActiveState") in ("activating", "active") and restarts >= LOOP_RESTARTS
    if not (looping or perhaps):
        return ruled_out(say("{state}, {restarts} restarts", state=unit.state, restarts=restarts))
    exits = facts.logs.unit.get("usage_error") or facts.logs.unit.get("engine_dead") or facts.logs.unit.get("exit")
    if exits:
        last_words = exits.lines[-1]["text"].strip()
    else:
        last_words = say("exit status {status}", status=unit.now("ExecMainStatus"))
    reason = say(
        "{restarts} restarts, {state}; {last_words}", restarts=restarts, state=unit.state, last_words=last_words
    )
    summary = say(
        "{server} on {host} is started again and again and never comes up ({restarts} restarts so far): {last_words}",
        server=facts.server_name,
        host=facts.run["host"],
        restarts=restarts,
        last_words=last_words,
    )
    return Claim(CONFIRMED, reason, summary) if looping else Claim(LIKELY, reason, summary, "medium")


def service_down(facts: Facts) -> Claim:
    """Nothing listens: the unit is not active, or active and not (yet) listening."""
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    if not facts.all_unreachable:
        return ruled_out(say("the server answers"))
    server, host, base_url = facts.server_name, facts.run["host"], facts.target.get("base_url", "")
    refused = facts.sent[0].stream["end"]["reason"]
    if not facts.unit.known:
        summary = say("Nothing answers at {base_url} on {host}: {why}", base_url=base_url, host=host, why=refused)
        return Claim(CONFIRMED, joined("; ", [refused, facts.unit.reason]), summary, "medium")
    state = facts.unit.state
    looping = crash_loop(facts)
    if looping.state == CONFIRMED:
        return ruled_out(say("it is started again and again: {reason}", reason=looping.reason))
    if facts.unit.now("ActiveState") == "active" and other_addresses(facts):
        return ruled_out(say("it listens elsewhere: {places}", places=", ".join(other_addresses(facts))))
    if facts.unit.now("ActiveState") not in UP:
        summary = say("{server} on {host} is not running: it is {state}", server=server, host=host, state=state)
        return Claim(CONFIRMED, joined("; ", [state, refused]), summary)
    reason = say("{state}, and nothing listens: {why}", state=state, why=refused)
    seen = starting(facts)
    if seen is not None:
        summary = say("{server} on {host} is {doing}", server=server, host=host, doing=seen.words)
        return Claim(LIKELY, joined("; ", [reason, seen.words]), summary, "medium")
    summary = say(
        "{server} on {host} is {state} and does not listen at {base_url} (yet?): {why}",
        server=server,
        host=host,
        state=state,
        base_url=base_url,
        why=refused,
    )
    return Claim(LIKELY, reason, summary, "medium")


def endpoint_unreachable(facts: Facts) -> Claim:
    """The server runs and listens, but not at the address that was asked; or what listens there is no HTTP server."""
    if not facts.sent:
        return not_tested(say("no stream was sent"))
    if facts.ever_http:
        return ruled_out(say("the address answers"))
    first = facts.sent[0].stream
    base_url, host = facts.target.get("base_url", ""), facts.run["host"]
    elsewhere = other_addresses(facts)
    if facts.unit.now("ActiveState") == "active" and elsewhere:
        places = ", ".join(elsewhere)
        reason = say("{why}; the unit's server listens at {places}", why=first["end"]["reason"], places=places)
        summary = say(
            "No server answers at {base_url} on {host}, while {server} listens at {places}",
            base_url=base_url,
            host=host,
            server=facts.server_name,
            places=places,
        )
        return Claim(CONFIRMED, reason, summary)
    if first["t_connect"] is not None and first["end"]["how"] == "error" and not facts.vanished:
        health = [endpoint["reason"] for _file, endpoint in facts.endpoints("/health")]
        why = health[0] if health else first["end"]["reason"]
        reason = say("what listens at {base_url} does not speak HTTP: {why}", base_url=base_url, why=why)
        summary = say("{base_url} on {host} is no HTTP server: {why}", base_url=base_url, host=host, why=why)
        return Claim(LIKELY, reason, summary, "medium")
    return ruled_out(say("the unit's server is not seen to listen elsewhere"))


def other_addresses(facts: Facts) -> List[str]:
    """Where the API server of the unit listens, when that is not the address that was asked. Empty when not known."""
    main = {p["pid"] for p in facts.target.get("processes", {}).get("processes", []) if p["role"] == "main"}
    asked = ":" + facts.target.get("base_url", "").rsplit(":", 1)[-1]
    listening = facts.target.get("sockets", {}).get("listening", [])
    places = [socket["local"] for socket in listening if socket["pid"] in main]
    return [] if any(place.endswith(asked) for place in places) else places


def auth_rejected(facts: Facts) -> Claim:
    """HTTP 401 or 403: the server wants a key that we do not have. Not a hang."""
    refuses = template(
        "The server on {host} refuses the API key that was given: HTTP {status} to the case {case}: {message}{unknown}"
    )
    wants = template(
        "The server on {host} wants an API key, and this run has none: HTTP {status} to the case {case}: "
        "{message}{unknown}"
    )
    return _rejected(facts, (401, 403), refuses if facts.target.get("api_key_given", False) else wants)


def request_rejected(facts: Facts) -> Claim:
    """Any other 4xx: the request is refused at once. Not a hang."""
    others = tuple(code for code in range(400, 500) if code not in (401, 403))
    rejects = template("The server on {host} rejects the request: HTTP {status} to the case {case}: {message}{unknown}")
    served = facts.target.get("served_models", [])
    if served and facts.target.get("model", "") not in served:
        rejects = template(
            "This run asked the server on {host} for the model {model}, which it does not serve: HTTP {status} to the "
            "case {case}: {message}{unknown}"
        )
    return _rejected(facts, others, rejects)


def _rejected(facts: Facts, statuses: tuple[int, ...], summary: str) -> Claim:
    """``summary``: the template of the verdict, with ``host``, ``status``, ``case``, ``message`` and ``unknown``."""
    answered = [s for s in facts.sent if s.stream["http_status"] is not None]
    if not answered:
        return not_tested(say("no request was answered"))
    # What was refused after another stream had failed already is not what is wrong.
    first_bad = facts.first_bad
    refused = [first_bad] if first_bad is not None and first_bad.stream["http_status"] in statuses else []
    if not refused:
        codes = joined(say(" or "), map(str, statuses)) if len(statuses) < 3 else say("another 4xx")
        return ruled_out(say("no request was refused with {codes}", codes=codes))
    about = names(s for s in answered if s.stream["http_status"] in statuses)
    said = {
        "case": refused[0].name,
        "status": refused[0].stream["http_status"],
        "message": _server_words(refused[0]) or say("without a word"),
        "model": " ".join(facts.target.get("model", "").split()),
    }
    reason = say("{case}: HTTP {status}: {message}", **said)
    accepted = any(sent.stream["http_status"] == 200 for sent in facts.sent)
    said["unknown"] = "" if accepted else say(". Whether its streams work was not tested")
    return Claim(CONFIRMED, reason, say(summary, host=facts.run["host"], **said), about=about)


def _server_words(sent: StreamFacts) -> str:
    """The message of an OpenAI error body, else the start of the body."""
    body = sent.stream["body"]
    try:
        error = json.loads(body).get("error", {})
        words = error.get("message", body) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError):
        words = body
    return " ".join(str(words).split())[:300]


_UNREACHED = ("symptom-health", "symptom-accepted", "step-1", "check-1")

RULES = (
    Rule(
        "crash_loop",
        None,
        crash_loop,
        (*_UNREACHED, "step-2"),
        ("symptom-health", "check-1"),
        (read_log, where_written(say("Correct what the message names.")), restart_edited, check_loaded),
    ),
    Rule(
        "endpoint_unreachable",
        None,
        endpoint_unreachable,
        ("symptom-health", "symptom-accepted", "step-1"),
        ("symptom-health",),
        (ask_where_it_listens,),
    ),
    Rule(
        "service_down",
        None,
        service_down,
        _UNREACHED,
        ("symptom-health", "check-1"),
        (bring_up, check_loaded),
    ),
    Rule(
        "auth_rejected",
        None,
        auth_rejected,
        ("symptom-accepted", "step-1"),
        ("symptom-accepted",),
        (give_key,),
    ),
    Rule(
        "request_rejected",
        None,
        request_rejected,
        ("symptom-accepted", "step-1", "step-3"),
        ("symptom-accepted",),
        (ask_what_is_served,),
    ),
)
