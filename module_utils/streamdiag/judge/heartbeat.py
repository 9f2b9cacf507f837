"""How often a server should give a sign of life: its own flag, else what the operator says."""

from __future__ import annotations

from typing import Optional

from .facts import PING_INTERVAL, Facts


def ping_flag(facts: Facts) -> Optional[str]:
    """The value of the fork's ``--responses-ping-interval-seconds`` on the server's command line."""
    return facts.target.get("flags", {}).get("responses-ping-interval-seconds")


def ping_interval(facts: Facts) -> float:
    """Seconds between two pings; 0 when the server's heartbeat is switched off."""
    try:
        return float(ping_flag(facts) or "")
    except ValueError:
        return facts.setting("ping_interval", PING_INTERVAL)
