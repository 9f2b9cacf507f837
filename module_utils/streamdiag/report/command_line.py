"""A server's command line -> its options, for comparing one server with another.

Which options take a value is not told here: words behind an option are its value, for every host in the same way.
"""

from __future__ import annotations

import re
import shlex
from typing import Dict, List, Sequence

_SCRIPT = re.compile(r"-[a-z]*c\Z")
_NUMBER = re.compile(r"-\d+(?:\.\d+)?\Z")


def options(argv: Sequence[str]) -> Dict[str, str]:
    """Option with its dashes -> its value, ``""`` for none. As vLLM reads them: ``_`` is ``-``, the last one wins.

    The model of ``vllm serve MODEL`` comes as ``--model``.
    """
    found: Dict[str, str] = {}
    name = ""  # the option that the next word belongs to
    for word in _server_words(list(argv)):
        if word.startswith("-") and len(word) > 1 and not _NUMBER.match(word):
            option, given, value = word.partition("=")
            head, dot, rest = option.partition(".")
            option = head.replace("_", "-") + dot + rest
            found.pop(option, None)
            found[option], name = value, "" if given else option
        elif name:
            found[name] = f"{found[name]} {word}".strip()
        else:
            found.setdefault("--model", word)
    return found


def _server_words(words: List[str]) -> List[str]:
    """What stands behind ``vllm serve`` or the server's module, in a shell's script too; else all but the first."""
    for at, word in enumerate(words[:-1]):
        if _SCRIPT.match(word) and "vllm" in words[at + 1] and " " in words[at + 1]:
            words = _split(words[at + 1])
            break
    for at, word in enumerate(words):
        if word == "serve" or word.startswith("vllm.entrypoints.") or word.endswith("/api_server.py"):
            return words[at + 1 :]
    return words[1:]


def _split(script: str) -> List[str]:
    try:
        return shlex.split(script)
    except ValueError:
        return script.split()
