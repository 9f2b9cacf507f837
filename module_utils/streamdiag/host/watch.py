"""The clocks of one stream: what is still waited for, for how long, and who may end it early.

Two clocks run once events flow: silence between events that a client acts on, and silence between
bytes. Keep-alives reset only the second; the first one decides.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Callable, Dict, List, NamedTuple, Optional

from ..bundle import Read
from ..words import say

#: How long a read blocks before it looks at the clocks and at the request to stop, in seconds. Short, because each
#: look that finds nothing proves that bytes which are read later came later, and did not wait for a probe without CPU.
TICK = 0.01
#: Seconds that a server gets to end an answer after its terminal event.
GRACE = 1.0
#: Reads that are kept one by one; a server that sends byte by byte must not fill the host's memory.
READ_LIMIT = 10_000


class Deadlines(NamedTuple):
    """Seconds. ``patience`` replaces ``silence`` while the server is seen working: slow is not hung."""

    connect: float = 5.0
    headers: float = 30.0
    first_event: float = 30.0
    silence: float = 30.0
    patience: float = 120.0
    total: float = 150.0

    def as_dict(self) -> Dict[str, float]:
        return dict(self._asdict())


class DeadlinePassed(Exception):
    """``name``: which deadline; ``waited``: seconds; ``reason``: in words."""

    def __init__(self, name: str, waited: float) -> None:
        self.reason = say("nothing for {seconds:.1f} s ({deadline})", seconds=waited, deadline=name)
        super().__init__(self.reason)
        self.name = name
        self.waited = waited


class Stopped(Exception):
    """Somebody saw that more waiting proves nothing. ``reason``: in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Watch:
    """Shared by the thread that reads the stream and by those that observe the server meanwhile.

    All times are seconds since the watch was made (monotonic). ``working`` answers whether the server
    was seen to make progress lately; it decides between ``silence`` and ``patience``.
    """

    def __init__(self, deadlines: Deadlines, working: Optional[Callable[[], bool]] = None) -> None:
        self.deadlines = deadlines
        self.reads: List[Read] = []
        self.t_connect: Optional[float] = None
        self.t_headers: Optional[float] = None
        self.last_event: Optional[float] = None
        self.working = working or (lambda: False)
        self._started = time.monotonic()
        self._over: Optional[float] = None
        self._nothing_until = 0.0
        self._stop_reason = ""
        self._lock = threading.Lock()

    def now(self) -> float:
        return time.monotonic() - self._started

    def stop(self, reason: str) -> None:
        """Ask the reading thread to end the stream. The first reason stands."""
        with self._lock:
            self._stop_reason = self._stop_reason or reason

    def connected(self) -> None:
        self.t_connect = self.now()

    def headers_arrived(self) -> None:
        self.t_headers = self.now()

    def nothing_came(self, until: float) -> None:
        """The socket was looked at, and was empty at ``until`` (seconds) at the earliest."""
        self._nothing_until = until

    def bytes_arrived(self, size: int) -> None:
        if len(self.reads) < READ_LIMIT:
            before = max(self._nothing_until, self.reads[-1]["t"] if self.reads else 0.0)
            self.reads.append(Read(t=round(self.now(), 6), size=size, not_before=round(before, 6)))
        else:
            self.reads[-1]["size"] += size  # the last one stands for all further ones

    def event_arrived(self) -> None:
        self.last_event = self.now()

    def terminal_event_arrived(self) -> None:
        """Nothing may follow but the end of the answer: a server that leaves the connection open is not waited for."""
        self._over = self.now()

    def silence(self) -> float:
        """Seconds without anything that a client acts on: since the last event, the headers, or the connection."""
        for mark in (self.last_event, self.t_headers, self.t_connect):
            if mark is not None:
                return self.now() - mark
        return self.now()

    def wait(self) -> float:
        """How long the next read may block, in seconds. Raises DeadlinePassed or Stopped."""
        if self._stop_reason:
            raise Stopped(self._stop_reason)
        now = self.now()
        if self._over is not None and now > self._over + GRACE:
            raise Stopped(say("the terminal event came, and the server left the connection open"))
        if now > self.deadlines.total:
            raise DeadlinePassed("total", now)
        name, allowed = self._waiting_for()
        silence = self.silence()
        if silence > allowed and (silence > self.deadlines.patience or not self.working()):
            raise DeadlinePassed(name, silence)
        return TICK

    def _waiting_for(self) -> tuple[str, float]:
        if self.t_headers is None:
            return "headers", self.deadlines.headers
        if self.last_event is None:
            return "first_event", self.deadlines.first_event
        return "silence", self.deadlines.silence


def parse_deadlines(given: Dict[str, object]) -> Deadlines:
    """The defaults with ``given`` over them. Raises ValueError, naming what is wrong with which."""
    seconds: Dict[str, float] = {}
    for name, value in given.items():
        if name not in Deadlines._fields:
            raise ValueError("no deadline is called {!r}; there are: {}".format(name, ", ".join(Deadlines._fields)))
        try:
            seconds[name] = float(str(value))
        except ValueError:
            raise ValueError(f"deadline {name}: {value!r} is not a number of seconds") from None
        if not 0 < seconds[name] < math.inf:
            raise ValueError(f"deadline {name}: {value!r} must be more than 0 seconds, and finite")
    return Deadlines(**seconds)
