"""The server's small ``GET``s, each bounded as a whole: ``/health``, ``/v1/models``, ``/metrics`` and their like."""

from __future__ import annotations

from typing import Dict, List, Optional

import httpx

from ..bundle import Endpoint, Metrics
from ..words import joined, say
from .client import trust_store
from .greeting import read_greeting
from .metrics import parse_metrics
from .watch import DeadlinePassed, Deadlines, Watch
from .wire import WIRE_ERRORS, WatchedTransport

#: What is asked beside the streams. ``/load`` counts only with ``--enable-server-load-tracking``.
PATHS = ("/health", "/version", "/v1/models", "/load")
#: Bytes of an answer that are read; a ``/metrics`` of many engines has about 200 KB.
BODY_LIMIT = 1024 * 1024


def authorization(api_key: str) -> Dict[str, str]:
    """``{"authorization": "Bearer …"}``, or nothing without a key."""
    return {"authorization": "Bearer " + api_key} if api_key else {}


def get(base_url: str, path: str, api_key: str = "", timeout: float = 3.0) -> Endpoint:
    """One ``GET`` within ``timeout`` seconds in all. Never raises for what the server does."""
    return _ask("GET", base_url, path, api_key, timeout, None)


def post(base_url: str, path: str, body: Dict[str, object], api_key: str = "", timeout: float = 3.0) -> Endpoint:
    """One ``POST`` of JSON, as ``get``."""
    return _ask("POST", base_url, path, api_key, timeout, body)


def _ask(
    method: str, base_url: str, path: str, api_key: str, timeout: float, body: Optional[Dict[str, object]]
) -> Endpoint:
    watch = Watch(Deadlines(timeout, timeout, timeout, timeout, timeout, timeout))
    status: Optional[int] = None
    chunks: List[bytes] = []
    try:
        with httpx.Client(transport=WatchedTransport(watch), verify=trust_store(), trust_env=False) as client:
            request = httpx.Request(
                method,
                base_url.rstrip("/") + path,
                headers=authorization(api_key),
                json=body,
                extensions={"timeout": {"connect": timeout, "pool": timeout}},
            )
            response = client.send(request, stream=True)
            try:
                status = response.status_code
                for chunk in response.iter_bytes():
                    chunks.append(chunk)
                    if sum(map(len, chunks)) > BODY_LIMIT:
                        break
            finally:
                response.close()
    except (*WIRE_ERRORS, DeadlinePassed, UnicodeError) as error:  # the last: a key that no header can carry
        reason, seconds = describe(error), round(watch.now(), 4)
        return Endpoint(state="failed", reason=reason, path=path, http_status=status, seconds=seconds, body="")
    text = b"".join(chunks).decode("utf-8", "replace")
    return Endpoint(state="ok", reason="", path=path, http_status=status, seconds=round(watch.now(), 4), body=text)


def get_all(base_url: str, api_key: str = "") -> Dict[str, Endpoint]:
    """All of PATHS. A server that leaves ``/health`` unanswered is not asked again for each of the others."""
    health = get(base_url, PATHS[0], api_key)
    if health["state"] != "ok" and not health["reason"].startswith("Connect"):
        greeting = read_greeting(base_url)
        if greeting:
            greets = say("it greets with {greeting!r}, so it is no HTTP server", greeting=greeting)
            health["reason"] = joined("; ", (health["reason"], greets))
    found = {PATHS[0]: health}
    for path in PATHS[1:]:
        if health["state"] == "ok":
            found[path] = get(base_url, path, api_key)
        else:
            reason = say("not asked, because {path} failed: {reason}", path=PATHS[0], reason=health["reason"])
            found[path] = Endpoint(state="failed", reason=reason, path=path, http_status=None, seconds=0.0, body="")
    return found


def get_metrics(base_url: str, t: float, api_key: str = "", timeout: float = 3.0) -> Metrics:
    """``/metrics``, parsed. ``t``: seconds on the caller's clock when it was asked for."""
    answer = get(base_url, "/metrics", api_key, timeout)
    if answer["state"] != "ok" or answer["http_status"] != 200:
        reason = answer["reason"] or "HTTP {}".format(answer["http_status"])
        return Metrics(t=t, state="failed", reason=reason)
    return parse_metrics(answer["body"], t)


def metrics_after(endpoints: Dict[str, Endpoint], base_url: str, api_key: str) -> Metrics:
    """``/metrics``, unless ``/health`` has just been asked in vain."""
    health = endpoints[PATHS[0]]
    if health["state"] != "ok":
        return Metrics(t=0.0, state="failed", reason=say("not asked, because {path} failed", path=PATHS[0]))
    return get_metrics(base_url, 0.0, api_key)


def describe(error: Exception) -> str:
    """An exception in the words of its class and its own: ``ConnectError: [Errno 111] Connection refused``.

    A deadline of ours has a sentence instead.
    """
    if isinstance(error, DeadlinePassed):
        return error.reason
    text = str(error).strip()[:300]  # a parser quotes what it could not read, however long that is
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
