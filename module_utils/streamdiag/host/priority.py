"""The thread that times a stream goes first: on a busy host it would else get its CPU when the answer is over.

Seen on a host whose two cores generate tokens: an ordinary thread waited for up to 1.4 s, then found headers and all
events in one read, and could not tell that from a proxy that holds a stream back. A real-time policy would do more; it
is not used, because what goes wrong under it takes a whole host along.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Iterator

#: As -20 (first) to 19 (last), setpriority(2); what is lower than the present one is permitted to root only.
NICE = -15


@contextlib.contextmanager
def going_first() -> Iterator[None]:
    """Prefer this thread to ordinary ones where that is permitted (root). Linux calls per thread, despite the name."""
    thread = threading.get_native_id()
    ordinary = os.getpriority(os.PRIO_PROCESS, thread)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, NICE)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, ordinary)
