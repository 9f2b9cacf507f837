"""A server's command line -> its options.

Rules of vLLM's FlexibleArgumentParser: underscores and dashes in an option's name are the same, up
to the first dot (``--json-arg.key value``); of a repeated option the last one wins. Which options
take a value is not known here (forks add their own), so it is told from what follows.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

DEFAULT_PORT = 8000

_SHELLS = {"sh", "bash", "dash", "zsh", "ksh"}
_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}
_SHELL_ENDS = {"|", "||", "&&", ";", "&"}
_REDIRECTION = re.compile(r"\d*[<>]|&>")

# Options that take no value, and those that take several, of vLLM 0.8 to 0.33 (its parser's actions).
# Older releases let a switch be followed by the word true or false.
_SWITCH = re.compile(
    r"(?:no|enable|skip|use|exclude|trust)-.*|disable-(?!access-log-for-endpoints).*"
    r"|return-.*|allow-(?:credentials|deprecated-quantization)|headless|grpc|log-error-stack|tokens-only|enforce-eager"
    r"|sleep-mode-offload-cudagraph|numa-bind|data-parallel-(?:hybrid|external|multi-port-external)-lb"
    r"|ray-workers-use-nsight|kv-sharing-fast-prefill|kv-cache-metrics|cudagraph-metrics|language-model-only"
    r"|mm-encoder-only|interleave-mm-strings|fully-sharded-loras|scheduler-reserve-full-isl|async-scheduling"
    r"|aggregate-engine-logging|fail-on-environ-validation|calculate-kv-scales|multi-step-stream-outputs"
)
_SEVERAL = {
    "allowed-media-domains",
    "api-key",
    "collect-detailed-traces",
    "cpu-offload-params",
    "cuda-graph-sizes",
    "cudagraph-capture-sizes",
    "ignore-patterns",
    "kv-cache-dtype-skip-layers",
    "logits-processors",
    "lora-modules",
    "lora-target-modules",
    "numa-bind-cpus",
    "numa-bind-nodes",
    "offload-params",
    "prompt-adapters",
    "served-model-name",
    "sleep-preserve-parameter-names",
}
_SHORT_WITH_VALUE = re.compile(r"-(?:q|n|r|O|asc|pp|tp|dcp|pcp|dp|dpn|dpr|dpl|dpa|dpp|dpb|sc|dc|cc|ac)\Z")
_NUMBER = re.compile(r"-\d+(?:\.\d+)?\Z")


class Listen(NamedTuple):
    """Where a server listens. ``host`` ``None``: not given, all interfaces. ``port`` ``None``: not to be told."""

    host: Optional[str]
    port: Optional[int]
    uds: Optional[str]  # path of a Unix socket, instead of the port


def is_server(argv: Sequence[str]) -> bool:
    """Whether ``argv`` itself (not a shell around it) starts a vLLM API server."""
    return _server_start(argv) is not None


def server_words(argv: Sequence[str]) -> List[str]:
    """The words after ``vllm serve`` or ``… api_server``, through ``bash -c '…'``; else all words after the first."""
    words, script = _unwrapped(list(argv))
    start = _server_start(words)
    words = words[start if start is not None else 1 :]
    return _until_shell_syntax(words) if script else words


def parse_flags(argv: Sequence[str]) -> Dict[str, Optional[str]]:
    """The long options of a server, without dashes: ``{"port": "8000", "enforce-eager": None}``.

    Several values of one option are joined by a space. The positional model of ``vllm serve`` comes
    as ``model``. The order is that of the last occurrences, which ``compat_mode`` relies on.
    """
    flags: Dict[str, Optional[str]] = {}
    positional: List[str] = []
    name: Optional[str] = None  # the long option that the next word may belong to
    short = False  # the next word belongs to a short option
    for word in server_words(argv):
        if word.startswith("--") and len(word) > 2:
            name, value = _split(word)
            flags.pop(name, None)
            flags[name] = value
            name = name if value is None else None
            short = False
        elif word.startswith("-") and len(word) > 1 and not _NUMBER.match(word):
            name, short = None, bool(_SHORT_WITH_VALUE.match(word))
        elif name is not None and takes(name, flags[name], word):
            earlier = flags[name]
            flags[name] = word if earlier is None else earlier + " " + word
        elif short:
            short = False
        else:
            positional.append(word)
            name = None
    if positional and "model" not in flags and _server_start(_unwrapped(list(argv))[0]) is not None:
        flags["model"] = positional[0]  # of a program that is not known to be vLLM a bare word may be anything
    return flags


def host_and_port(flags: Dict[str, Optional[str]]) -> Listen:
    """Where the server listens, with vLLM's defaults: every interface, port 8000."""
    text = flags.get("port")
    port: Optional[int] = DEFAULT_PORT
    if text is not None:
        port = int(text) if text.isdigit() and int(text) < 65536 else None  # "$PORT" in a unit file
    return Listen(flags.get("host") or None, port, flags.get("uds") or None)


def model_name(flags: Dict[str, Optional[str]]) -> Optional[str]:
    """The name clients use: the first ``--served-model-name``, else the model itself."""
    served = (flags.get("served-model-name") or "").split()
    return served[0] if served else flags.get("model")


def compat_mode(flags: Dict[str, Optional[str]], on_flag: str, off_flag: str) -> str:
    """``on``, ``off`` or ``unknown`` (neither flag is given). The last one given wins.

    ``on_flag`` and ``off_flag`` are command-line words, with or without dashes, that may carry a
    value: ``--responses-compatibility-mode``, ``--compat=false``.
    """
    meanings = [(_split(flag), mode) for flag, mode in ((on_flag, "on"), (off_flag, "off")) if flag.strip("-")]
    found = "unknown"
    for name, value in flags.items():
        for (wanted, wanted_value), mode in meanings:
            if name != wanted:
                continue
            if wanted_value is not None:
                if value is not None and _same(value, wanted_value):
                    found = mode
            elif value is None or value.lower() in _TRUE:
                found = mode
            elif value.lower() in _FALSE:
                found = "off" if mode == "on" else "on"
    return found


def option_name(word: str) -> str:
    """``--Max_x=1`` -> ``Max-x``: the name by which ``parse_flags`` knows an option."""
    return _split(word)[0]


def option_value(words: Sequence[str]) -> Optional[str]:
    """The value of one option's words, as ``parse_flags`` joins them: ``("--x", "1", "2")`` -> ``"1 2"``."""
    value = _split(words[0])[1]
    return value if value is not None else " ".join(words[1:]) or None


def is_number(word: str) -> bool:
    """``-1`` and its like: a value, though it begins like an option."""
    return bool(_NUMBER.match(word))


def server_start(words: Sequence[str]) -> Optional[int]:
    """The index of the first word that is an argument of the server; ``None``: no server here."""
    return _server_start(words)


def unwrapped(argv: Sequence[str]) -> List[str]:
    """The words of a command, those of the script in ``bash -c '…'`` where the server is started there."""
    return _unwrapped(list(argv))[0]


def _split(word: str) -> Tuple[str, Optional[str]]:
    name, equals, value = word.lstrip("-").partition("=")
    head, dot, rest = name.partition(".")
    return head.replace("_", "-") + dot + rest, value if equals else None


def _same(value: str, wanted: str) -> bool:
    value, wanted = value.lower(), wanted.lower()
    return value == wanted or {value, wanted} <= _TRUE or {value, wanted} <= _FALSE


def takes(name: str, earlier: Optional[str], word: str) -> bool:
    """Whether ``word`` is a (further) value of the option ``name``."""
    if _SWITCH.fullmatch(name):
        return earlier is None and word.lower() in _TRUE | _FALSE
    return earlier is None or name in _SEVERAL


def _server_start(words: Sequence[str]) -> Optional[int]:
    """The index of the first word that is an argument of the server; ``None``: no server here."""
    for at, word in enumerate(words):
        if at > 0 and words[at - 1] == "-c" and " " in word:
            continue  # a script for a shell or for Python, not a word of this command
        base = os.path.basename(word)
        if word.startswith("vllm.entrypoints.") and words[at - 1] == "-m":
            cli = word.startswith("vllm.entrypoints.cli")
            return at + 2 if cli and list(words[at + 1 : at + 2]) == ["serve"] else at + 1
        if base == "vllm" and list(words[at + 1 : at + 2]) == ["serve"]:
            return at + 2
        if word.endswith(("vllm/entrypoints/openai/api_server.py", "vllm/entrypoints/api_server.py")):
            return at + 1
    return None


def _unwrapped(words: List[str]) -> Tuple[List[str], bool]:
    """The words of the script in ``bash -c '…'``, shell in shell, too; and whether there was one."""
    script = False
    for _ in range(3):
        inner = _script_words(words)
        if inner is None or (_server_start(inner) is None and _server_start(words) is not None):
            break  # the second: systemctl's unquoted form, the script's words stand in the open
        words, script = inner, True
    return words, script


def _script_words(words: List[str]) -> Optional[List[str]]:
    """What a shell in ``words`` is told to run; ``None``: there is no shell before the server."""
    shell = next((at for at, word in enumerate(words) if os.path.basename(word) in _SHELLS), None)
    if shell is None or _server_start(words[:shell]) is not None:
        return None
    for at in range(shell + 1, len(words) - 1):
        if re.match(r"-[a-z]*c\Z", words[at]):
            try:
                return shlex.split(words[at + 1], comments=True)
            except ValueError:
                return words[at + 1].split()
    return None


def _until_shell_syntax(words: List[str]) -> List[str]:
    """Without the tail that a shell keeps for itself: a pipe, a redirection, the next command."""
    kept: List[str] = []
    for word in words:
        if word in _SHELL_ENDS or _REDIRECTION.match(word):
            break
        if word.endswith(";"):
            kept.append(word[:-1])
            break
        kept.append(word)
    return kept
