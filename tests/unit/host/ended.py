"""Streams as the probe returns them, with the few keys that outcome and plan look at."""

from __future__ import annotations

CREATED = (1.0, "response.created", "{}1")
PING = (5.0, "response.ping", "{}")
FAILED = (2.0, "response.failed", "{}1")
COMPLETED = (2.0, "response.completed", "{}1")
UNNAMED = (2.0, "message", '{"type":"response.completed"}')


def ended(
    *events,
    case="simple",
    variant="",
    status=200,
    how="closed",
    deadline="",
    reason="why",
    body="",
    t_connect=0.01,
    streaming=True,
    canary=None,
    metrics=(),
):
    """``events``: (t, name, data). ``metrics``: (t, generation tokens)."""
    return {
        "case": case,
        "variant": variant,
        "url": "http://127.0.0.1:8000/v1/" + ("chat/completions" if case == "chat" else "responses"),
        "request_body": {"stream": streaming},
        "http_status": status,
        "t_connect": t_connect,
        "t_headers": None if status is None else 0.5,
        "body": body,
        "bytes": len(body),
        "events": [{"t": t, "name": name, "data": data} for t, name, data in events],
        "end": {"t": 9.0, "how": how, "deadline": deadline, "reason": reason},
        "canary": canary,
        "samples": {"metrics": [{"t": t, "state": "ok", "generation_tokens": tokens} for t, tokens in metrics]},
    }


REFUSED = ended(status=None, t_connect=None, how="refused")
