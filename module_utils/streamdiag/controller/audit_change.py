"""What ``audit_change`` and its variables ask for, as a change of a service. Strings of ``-e`` become words."""

from __future__ import annotations

import re
import shlex
from typing import Any, Dict, Iterable, List, Mapping

#: Variables that belong to a kind of change; ``compat_on`` and ``compat_off`` need none.
OF_ARGUMENTS = ("audit_set", "audit_remove")
OF_ENVIRONMENT = ("audit_environment", "audit_unset")
#: Options by which a build logs requests and answers; which of them it has is asked. Never
#: VLLM_DEBUG_LOG_API_SERVER_RESPONSE: it holds every stream back until its end (vllm#28134).
LOG_REQUESTS, LOG_OUTPUTS, OLD_LOG_REQUESTS = "--enable-log-requests", "--enable-log-outputs", "--disable-log-requests"
LOGGING_OPTIONS = (LOG_REQUESTS, LOG_OUTPUTS, OLD_LOG_REQUESTS)
_OPTION = re.compile(r"--?[A-Za-z]")


class Unclear(ValueError):
    """The variables ask for no change, or for two; the message says what to write."""


def wanted_change(kind: str, given: Mapping[str, Any], unknown: Iterable[str] = ()) -> Dict[str, Any]:
    """The parameter ``change`` of ``vllm_service_change``, ``{}`` for the kinds that need none.

    ``given``: the variables by name, strings as ``-e`` gives them or lists and mappings; empty ones are left out.
    ``unknown``: those of LOGGING_OPTIONS that the installed build does not know. Raises Unclear.
    """
    said = [name for name in (*OF_ARGUMENTS, *OF_ENVIRONMENT) if given.get(name)]
    fitting = {"args": OF_ARGUMENTS, "env": OF_ENVIRONMENT}.get(kind, ())
    strange = [name for name in said if name not in fitting]
    if strange:
        belongs = "args" if strange[0] in OF_ARGUMENTS else "env"
        raise Unclear(f"{strange[0]} does not belong to audit_change={kind}; it is for audit_change={belongs}")
    if kind == "debug_logging":
        return _debug_logging(frozenset(unknown))
    if not fitting:
        return {}
    if not said:
        raise Unclear(f"audit_change={kind} needs {' or '.join(fitting)}, such as {_EXAMPLES[kind]}")
    if kind == "args":
        removed = _words(given.get("audit_remove"), "audit_remove")
        return {"what": kind, "set": _options(given.get("audit_set")), "remove": removed}
    unset = _words(given.get("audit_unset"), "audit_unset")
    return {"what": kind, "environment": _variables(given.get("audit_environment")), "unset": unset}


_EXAMPLES = {"args": "-e audit_set=--max-num-seqs=4", "env": "-e audit_environment=VLLM_LOGGING_LEVEL=DEBUG"}


def _options(given: Any) -> List[str]:
    """``"--a 1 --b"`` -> ``["--a 1", "--b"]``: one option with its values each, as it would be typed."""
    if isinstance(given, (list, tuple)):
        return [str(item) for item in given]
    grouped: List[List[str]] = []
    for word in _words(given, "audit_set"):
        if _OPTION.match(word) or not grouped:
            grouped.append([])
        grouped[-1].append(word)
    return [shlex.join(words) for words in grouped]


def _variables(given: Any) -> Dict[str, str]:
    """``"A=1 B='two words'"`` or a mapping."""
    if isinstance(given, Mapping):
        return {str(name): str(value) for name, value in given.items()}
    pairs = [word.partition("=") for word in _words(given, "audit_environment")]
    for name, equals, _value in pairs:
        if not equals:
            raise Unclear(f"audit_environment: {name!r} is not NAME=VALUE; a variable is taken away with audit_unset")
    return {name: value for name, _equals, value in pairs}


def _words(given: Any, name: str) -> List[str]:
    if isinstance(given, (list, tuple)):
        return [str(item) for item in given]
    try:
        return shlex.split(str(given or ""))
    except ValueError as error:
        raise Unclear(f"{name}={given!r} cannot be split into words: {error}") from error


def _debug_logging(unknown: frozenset[str]) -> Dict[str, Any]:
    """Everything that this build can log of a stream's life without holding it back."""
    change: Dict[str, Any] = {"what": "debug_logging", "environment": {"VLLM_LOGGING_LEVEL": "DEBUG"}}
    if LOG_REQUESTS not in unknown:
        # Outputs are logged only together with requests.
        change["set"] = [option for option in (LOG_REQUESTS, LOG_OUTPUTS) if option not in unknown]
        change["switches"] = list(change["set"])
    elif OLD_LOG_REQUESTS not in unknown:
        change["remove"] = [OLD_LOG_REQUESTS]  # older builds log requests unless told otherwise
    return change
