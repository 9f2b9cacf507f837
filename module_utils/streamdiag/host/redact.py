"""Take secrets out of evidence before it leaves the host.

Three ways to know a secret: by the name it is given to (``--api-key``, ``HF_TOKEN``, ``authorization``),
by its form (``sk-…``, ``hf_…``, a JWT), and by having met it before under such a name. What a verdict
needs stays: PIDs, request ids, model names, and all the names with "token" that only count or name
tokens (``max_tokens``, ``tokenizer``, ``--max-num-batched-tokens``).
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Callable, Dict, List, Mapping, Match, Optional, Sequence, Set
from urllib.parse import quote

from ..said import truly_said, with_said

PLACEHOLDER = "«redacted»"

#: A learnt value shorter than this is not searched for: it would blank ordinary text.
MIN_LEARNT = 6

# Values that name no secret: not set, or the dummies that clients of a server without a key send.
_NO_SECRET = {"", "none", "null", "true", "false", "0", "1", "[]", "{}", "''", '""', PLACEHOLDER}
_ORDINARY = {
    "bearer",
    "changeme",
    "default",
    "disabled",
    "enabled",
    "example",
    "localhost",
    "openai",
    "password",
    "placeholder",
    "random",
    "required",
    "secret",
    "string",
    "tokens",
    "unused",
    "no-key",
    "no_key",
    "nokey",
    "not-needed",
    "not-required",
    "no-key-required",
    "no-key-needed",
    "no-api-key",
    "api-key",
    "api_key",
    "apikey",
    "your-api-key",
    "fake-key",
    "dummy-key",
    "test-key",
}

_SECRET_WORDS = {
    "secret", "secrets", "password", "passwords", "passwd", "passphrase", "credential", "credentials",
    "authorization", "cookie", "apikey", "apikeys", "authtoken", "accesstoken", "accesskey", "secretkey",
    "privatekey", "signature",
}  # fmt: skip
_PLACE_WORDS = {
    "file", "path", "dir", "name", "type", "ids", "count", "counts", "length", "len", "limit", "size", "enabled",
    "required", "parser", "url", "uri", "policy", "mode", "format",
}  # fmt: skip
# "key" and "token" after one of these name no secret: sampling, caching, vocabularies, counting.
_HARMLESS_KEY = {
    "cache", "public", "primary", "foreign", "sort", "partition", "routing", "idempotency", "hash", "prefix",
    "group", "session", "shard", "map", "dict", "config", "metric", "label", "kv", "query",
}  # fmt: skip
_HARMLESS_TOKEN = {
    "eos", "bos", "pad", "unk", "sep", "cls", "mask", "stop", "start", "end", "special", "image", "audio", "video",
    "max", "min", "num", "per", "first", "last", "next", "prev", "new", "output", "input", "prompt", "generated",
    "draft", "think", "reasoning", "tool", "implicit", "added", "single", "each", "inter", "sampled", "to",
    "unexpected", "unknown", "invalid", "of", "by", "the", "a",
}  # fmt: skip
_CREDENTIAL_PREFIX = {"api", "auth", "access", "bearer", "refresh", "hf", "secret", "private"}
_HEADERS = {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "x-auth-token"}

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"
# Bounded, so that a line of brackets and quotes that never end takes no quadratic time.
_QUOTED = r"\"(?:[^\"\\]|\\.){0,4096}\"|'(?:[^'\\]|\\.){0,4096}'"
_BARE = r"[^\s,;&'\"\])}]{1,4096}"

# Forms of well-known credentials. "hf_overrides" and "task-…" are none.
_FORMS = re.compile(
    r"(?<![A-Za-z0-9_])hf_(?=[A-Za-z0-9]*[A-Z0-9])[A-Za-z0-9]{8,}"
    r"|(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{8,}"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*"
    r"|(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|nvapi-[\w-]{16,})"
    r"|(?<![A-Za-z0-9])(?:xox[abprs]-[\w-]{10,}|AIza[\w-]{30,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_USERINFO = re.compile(r"(?<=://)[^/\s@'\"<>]{1,256}(?=@)")
_QUERY = re.compile(r"([?&])([A-Za-z0-9_.-]{1,64})=([^&\s'\"#<>]+)")
_SCHEME = re.compile(r"\b(Bearer|Basic)(\s+)([A-Za-z0-9._~+/=-]{6,})", re.IGNORECASE)
_HEADER = re.compile(
    r"(?P<head>(?<![A-Za-z0-9-])(?:proxy-authorization|authorization|set-cookie|cookie|x-api-key|x-auth-token)"
    r"['\"]?\s*[:=,]\s*)(?:b?(?P<quoted>" + _QUOTED + r")|(?P<bare>[^\r\n'\"]+))",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"(?P<head>(?P<name>(?<![A-Za-z0-9-])--?[A-Za-z][A-Za-z0-9_.-]{1,63})(?:=|\s+))(?P<value>"
    + _QUOTED
    + r"|[^\s'\"]+)"
)
_SEVERAL = re.compile(r"(--api[-_]keys?(?:=|\s+))((?:[^\s;|&<>-]\S*)(?:\s+[^\s;|&<>-]\S*)*)")
_ASSIGNED = re.compile(
    r"(?P<head>(?<![A-Za-z0-9_.-])(?P<open>\\?['\"]?)(?P<name>" + _NAME + r")\\?['\"]?(?P<sep>\s*[=:]\s*))"
    r"(?P<value>\[[^\]]{0,4096}\]|\\\"[^\"\\]{0,4096}\\\"|"
    + _QUOTED
    + "|"
    + _BARE
    + r")(?P<after>\s*,\s*\\?['\"]?logprob)?"
)
# What follows an option in a usage message: "[--api-key API_KEY [API_KEY ...]] [--allow-credentials | …". A
# server that restarts for ever writes one for every start.
_METAVARIABLE = re.compile(r"\[?[A-Z]+(?:_[A-Z]+)+\]*\Z|[\W_]+\Z")
# Words after "--api-key" in prose ("--api-key is required").
_PROSE = {"to", "is", "or", "and", "was", "for", "not", "with", "option", "flag", "argument", "must", "requires", "in"}


class Redactor:
    """Holds the secrets it has met, so that one seen in the environment is also found in a log line.

    ``tree`` is the one to call with a whole bundle: it learns first and then removes.
    """

    def __init__(self) -> None:
        self._learnt: Set[str] = set()
        self._pattern: Optional[re.Pattern[str]] = None

    def learn(self, value: str) -> None:
        """Remember a secret; ignored when it is short, a dummy or an ordinary word."""
        value = value.strip().strip("'\"")
        if len(value) < MIN_LEARNT or value.lower() in _ORDINARY or value.lower() in _NO_SECRET:
            return
        if value.isdigit() and len(value) < 10:
            return  # a PID, a port or a count looks the same
        if _METAVARIABLE.match(value):
            return
        self._learnt.update({value, json.dumps(value)[1:-1], quote(value, safe="")})
        self._pattern = None

    def argv(self, words: Sequence[str]) -> List[str]:
        """A command line: the values of secret options, in scripts of a shell (``-c '…'``), too."""
        kept: List[str] = []
        secret = several = script = False
        for word in words:
            is_option = word.startswith("-") and len(word) > 1
            if is_option:
                name, equals, value = word.partition("=")
                secret = is_secret_name(name, sole=True)
                several = secret and bool(re.match(r"--api[-_]keys?\Z", name))
                if secret and equals:
                    self.learn(value)
                    word = name + "=" + PLACEHOLDER
                    secret = several
                kept.append(self.text(word))
            elif secret:
                self.learn(word)
                kept.append(PLACEHOLDER)
                secret = several
            elif script:
                kept.append(self.command_line(word))
            else:
                kept.append(self.text(word))
            script = bool(re.match(r"-[a-z]*c\Z", word))
        return kept

    def command_line(self, text: str) -> str:
        """A command line in one string, as a shell or systemd has it: ``--api-key`` may have several values."""

        def hide(match: Match[str]) -> str:
            for word in match.group(2).split():
                self.learn(word)
            return match.group(1) + PLACEHOLDER

        return self.text(_SEVERAL.sub(hide, text))

    def environment(self, variables: Mapping[str, str]) -> Dict[str, str]:
        """Variables, by name; the values of the others like free text."""
        return {name: self._named(name, value, sole=True) for name, value in variables.items()}

    def environment_property(self, text: str) -> str:
        """systemd's ``Environment=`` property: assignments with spaces between, quoted where needed."""
        try:
            words = shlex.split(text)
        except ValueError:
            words = text.split()
        kept = []
        for word in words:
            name, equals, value = word.partition("=")
            word = name + equals + self._named(name, value, sole=True) if equals else self.text(word)
            kept.append(word if re.match(r"[^\s'\"\\$]*\Z", word) else shlex.quote(word))
        return " ".join(kept)

    def headers(self, headers: Mapping[str, str]) -> Dict[str, str]:
        """HTTP headers, by name."""
        return {name: self._named(name, value, sole=True) for name, value in headers.items()}

    def url(self, url: str) -> str:
        """A URL without its user, password and secret query parameters."""

        def hide(match: Match[str]) -> str:
            if not is_secret_name(match.group(2), sole=True) and match.group(2).lower() != "sig":
                return match.group()
            self.learn(match.group(3))
            return match.group(1) + match.group(2) + "=" + PLACEHOLDER

        return self._known(_QUERY.sub(hide, _USERINFO.sub(PLACEHOLDER, url)))

    def text(self, text: str) -> str:
        """Free text: a log line, a body, the data of an event."""
        text = _FORMS.sub(PLACEHOLDER, text)
        if "://" in text or "?" in text:
            text = self.url(text)
        text = _replace(_HEADER, self._hide_header, text)
        text = _SCHEME.sub(self._hide_scheme, text)
        if "-" in text:
            text = _replace(_OPTION, self._hide_option, text)
        if "=" in text or ":" in text:
            text = _replace(_ASSIGNED, self._hide_assigned, text)
        return self._known(text)

    def tree(self, value: Any) -> Any:
        """A copy of JSON data without secrets. Keys decide, then lists called ``argv`` and the like, then text.

        Its sentences tell how they were made (``said.with_said``), unless that would tell more than they do.
        """
        value = with_said(value)
        self._walk(value)  # learn, so that a secret is found where it stands before the place that names it
        return self._walk(value)

    def _walk(self, value: Any, key: str = "", beside: Sequence[str] = ()) -> Any:
        if isinstance(value, dict):
            named = {self._known(str(name)): self._walk(one, str(name), list(value)) for name, one in value.items()}
            return truly_said(named)
        if isinstance(value, (list, tuple)):
            if key in ("argv", "exec_start") and all(isinstance(word, str) for word in value):
                return self.argv(value)
            if _is_secret_key(key, beside):
                return [self._named(key, one) if isinstance(one, str) else self._walk(one) for one in value]
            return [self._walk(one) for one in value]
        if not isinstance(value, str):
            return value
        if key == "Environment":
            return self.environment_property(value)
        if key.startswith("ExecStart"):
            return self.command_line(value)
        return self._named(key, value) if _is_secret_key(key, beside) else self.text(value)

    def _named(self, name: str, value: str, sole: bool = False) -> str:
        if not is_secret_name(name, sole) and name.lower() not in _HEADERS:
            return self.text(value)
        if value.strip().lower() in _NO_SECRET:
            return value
        if name.lower().endswith("authorization"):
            scheme, _, credential = value.partition(" ")
            self.learn(credential or value)
            return scheme + " " + PLACEHOLDER if credential else PLACEHOLDER
        self.learn(value)
        return PLACEHOLDER

    def _hide_header(self, match: Match[str]) -> Optional[str]:
        value = match.group("quoted") or match.group("bare")
        bare = value.strip("'\"")
        if bare.strip().lower() in _NO_SECRET or PLACEHOLDER in bare:
            return None
        scheme = re.match(r"(?:Bearer|Basic|Digest|Token|Negotiate)\s+", bare, re.IGNORECASE)
        prefix = scheme.group() if scheme is not None else ""
        rest = bare[len(prefix) :]
        if match.group("quoted"):
            self.learn(rest)
            whole = match.group()
            return whole[: len(whole) - len(value)] + value[0] + prefix + PLACEHOLDER + value[-1]
        if "cookie" in match.group("head").lower():
            return match.group("head") + PLACEHOLDER
        secret, space, tail = rest.partition(" ")
        if scheme is None and space and secret.isalpha() and secret.islower():
            return None  # "authorization: missing or wrong": prose
        self.learn(secret)
        return match.group("head") + prefix + PLACEHOLDER + space + tail

    def _hide_scheme(self, match: Match[str]) -> str:
        if re.match(r"[A-Za-z]?[a-z]+\Z", match.group(3)):
            return match.group()  # "Bearer authentication": prose
        self.learn(match.group(3))
        return match.group(1) + match.group(2) + PLACEHOLDER

    def _hide_option(self, match: Match[str]) -> Optional[str]:
        value = match.group("value")
        if not is_secret_name(match.group("name")) or value.startswith("-") or value.lower() in _PROSE:
            return None
        if _METAVARIABLE.match(value):
            return None
        self.learn(value)
        return match.group("head") + PLACEHOLDER

    def _hide_assigned(self, match: Match[str]) -> Optional[str]:
        name, value = match.group("name"), match.group("value")
        bare = value.strip("\\").strip("'\"").strip("\\")
        quoted_name = bool(match.group("open"))
        sole = "=" in match.group("sep") or quoted_name
        if match.group("after") or not is_secret_name(name, sole and name.lower() != "key"):
            return None
        if bare.strip().lower() in _NO_SECRET or PLACEHOLDER in bare or bare.startswith(("<|", "{")):
            return None  # "token='<|start|>'" is one of the model's
        if re.match(r"-?\d+(?:\.\d+)?\Z", value) and not is_secret_name(name.replace("token", "")):
            return None  # "token=200005": a token's number
        if value.startswith("["):
            for one in re.findall(_QUOTED, value):
                self.learn(one)
            return match.group("head") + "[" + PLACEHOLDER + "]"
        self.learn(bare)
        quotes = re.match(r"\\?['\"]", value)
        mark = quotes.group() if quotes is not None else ""
        return match.group("head") + mark + PLACEHOLDER + mark

    def _known(self, text: str) -> str:
        """Without the values learnt so far. At a letter or digit one must end, unless it is too long for chance."""
        if not self._learnt:
            return text
        if self._pattern is None:
            parts = []
            for value in sorted(self._learnt, key=len, reverse=True):
                long = len(value) >= 16
                before = "(?<![A-Za-z0-9])" if value[0].isalnum() and not long else ""
                after = "(?![A-Za-z0-9])" if value[-1].isalnum() and not long else ""
                parts.append(before + re.escape(value) + after)
            self._pattern = re.compile("|".join(parts))
        return self._pattern.sub(PLACEHOLDER, text)


def _replace(pattern: re.Pattern[str], hide: Callable[[Match[str]], Optional[str]], text: str) -> str:
    """Like ``pattern.sub``, but where ``hide`` gives ``None`` the search goes on inside the value: after ``head``."""
    kept: List[str] = []
    done = at = 0
    while True:
        match = pattern.search(text, at)
        if match is None:
            return "".join(kept) + text[done:]
        hidden = hide(match)
        if hidden is None:
            at = match.end("head")
        else:
            kept += [text[done : match.start()], hidden]
            done = at = match.end()


def is_secret_name(name: str, sole: bool = False) -> bool:
    """Whether what is given to ``name`` is a secret. ``sole``: a bare ``key`` or ``token`` counts, too.

    >>> is_secret_name("--hf-token"), is_secret_name("max_tokens"), is_secret_name("prompt_cache_key")
    (True, False, False)
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if words[-3:] == ["access", "key", "id"]:
        return True
    if last in _PLACE_WORDS or words[0] in ("allow", "enable", "disable", "no"):
        return False
    if _SECRET_WORDS & set(words) or last.endswith(("password", "passwd")):
        return True
    if last == "token":
        return before not in _HARMLESS_TOKEN if before else sole
    if last == "key":
        return before not in _HARMLESS_KEY if before else sole
    if last in ("tokens", "keys"):
        return before in _CREDENTIAL_PREFIX
    return last == "pass" and bool(before)


def _is_secret_key(key: str, beside: Sequence[str]) -> bool:
    """A key of a JSON object. ``token`` beside ``logprob`` is a piece of generated text."""
    if key.lower() in _HEADERS:
        return True
    return is_secret_name(key, sole=key.lower() == "token") and "logprob" not in beside
