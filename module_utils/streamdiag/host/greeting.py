"""What listens on a port when it does not speak HTTP: the first bytes it says, unasked."""

from __future__ import annotations

import socket
from typing import Optional
from urllib.parse import urlsplit


def read_greeting(base_url: str, timeout: float = 1.0) -> Optional[str]:
    """The first bytes (at most 80) that a server sends before it was asked anything, or None when it waits.

    An ssh, SMTP or database server greets; an HTTP server never does (RFC 9112, section 2: requests come first).
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=timeout) as connection:
            greeting = connection.recv(80)
    except (OSError, ValueError):
        return None
    return greeting.decode("ascii", "backslashreplace").strip() or None
