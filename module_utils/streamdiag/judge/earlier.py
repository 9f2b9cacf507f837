"""Which lines of the log are about an earlier server, and not about the one that the streams met."""

from __future__ import annotations

from .facts import Facts


def old_until(facts: Facts) -> float:
    """Up to when lines are about a server that was stopped in order, or replaced before the streams; epoch seconds.

    A server reports a dead engine while it is being stopped, so the lines of the stop itself are old, too. "Stopped"
    without "Stopping" is no order: systemd 252 says it when it restarts what has crashed.
    """
    until, stopping = float("-inf"), False
    for line in facts.logs.unit["stop"].lines if "stop" in facts.logs.unit else []:
        if line["text"].startswith("Stopping"):
            until, stopping = float("inf"), True
        elif stopping:
            until, stopping = line["at"], False
    main = [p["started_at"] for p in facts.target.get("processes", {}).get("processes", []) if p["role"] == "main"]
    answered = any(sent.stream["http_status"] is not None for sent in facts.sent)
    return max(until, *main) if main and answered else until
