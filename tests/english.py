"""English that is left in a text of another language: what a translation forgot."""

from __future__ import annotations

import re
from typing import Any

from streamdiag.said import SAID
from streamdiag.store import Bundle
from streamdiag.words import Words

#: Words of protocols and programs that are the same in every language: what stands between them is looked at.
TECHNICAL = re.compile(
    "ansible|api|canary|cli|codex|compatibility|completions|core|cpu|curl|delta|ecc|engine|gpu|heartbeat|host|http|id|"
    "journal|json|keepalive|kernel|kv|log|loopback|mode|nginx|nvidia|pid|ping|proxy|reasoning|responses|sha|simple|sse|"
    "systemctl|systemd|tcp|thinking|tokens?|tools?|unit|url|uvicorn|vllm|worker|xid",
    re.IGNORECASE,
)
#: What the Codex CLI prints, which the judge quotes as it is.
OF_CODEX = (
    "stream disconnected before completion; idle timeout waiting for SSE; stream closed before response.completed; "
    "Transport error; network error; error decoding response body"
)
_NO_PROSE = re.compile(r"^```.*?^```|(`+).+?\1|\]\([^)]*\)|<[^>]*>", re.MULTILINE | re.DOTALL)
_BREAK = "\N{BULLET}"


def english_in(text: str, said_by_others: str = OF_CODEX) -> list[str]:
    """Runs of three English words in Markdown that are neither code nor a part of what somebody else said."""
    found: list[str] = []
    for line in _NO_PROSE.sub(f" {_BREAK} ", text).splitlines():
        run: list[str] = []
        for token in [*re.sub(r"([()\[\]|:])", rf" {_BREAK} ", line.replace("\\", "")).split(), _BREAK]:
            word = token.strip(".,;!?\"'*«»")
            if re.fullmatch(r"[A-Za-z]+(?:['-][A-Za-z]+)*", word) and not TECHNICAL.fullmatch(word):
                run.append(word)
                continue
            if len(run) > 2 and " ".join(run) not in said_by_others:
                found.append(" ".join(run))
            run = []
    return found


def flat(bundle: Bundle) -> str:
    """What a host said, its words with one space between them. Sentences that this tool made there are not among it."""
    return " ".join(re.sub(r"[^A-Za-z'-]+", " ", " ".join([OF_CODEX, *_data(bundle)])).split())


def _data(value: Any) -> list[str]:
    if isinstance(value, Words):
        return [text for name, one in value.values.items() if name != "_between" for text in _data(one)]
    if isinstance(value, dict):
        return [text for key, one in value.items() if key not in (SAID, "skipped_said") for text in (key, *_data(one))]
    if isinstance(value, (list, tuple)):
        return [text for one in value for text in _data(one)]
    return [str(value)]
