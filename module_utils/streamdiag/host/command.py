"""Run a program of the host, bounded in time and in output.

A program that talks to a broken driver can sleep uninterruptibly: it does not die even of SIGKILL.
So nothing here waits for a process without a limit; such a child is left behind and said to be stuck.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from typing import IO, Callable, Dict, List, NamedTuple, Optional, Sequence

from ..words import say

#: A login without a profile (ssh, sudo) can lack these, and nvidia-smi or journalctl with them.
_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: Stands for the words of a program that said nothing.
SILENT = say("no words")
_POLL_SECONDS = 0.2
_KILL_WAIT_SECONDS = 0.5


class Result(NamedTuple):
    """What a program did. ``rc`` is ``None`` when it did not end by itself, negative for a signal."""

    rc: Optional[int]
    stdout: str
    stderr: str
    timed_out: bool = False
    missing: bool = False
    truncated: bool = False  # it was stopped because it wrote more than the limit
    stuck: bool = False  # it did not even die when killed: uninterruptible sleep in the kernel

    def words(self, limit: int = 400) -> str:
        """The program's own words for what went wrong, on one line: stderr, else stdout."""
        return " ".join((self.stderr.strip() or self.stdout.strip()).split())[:limit]


def run(
    argv: Sequence[str],
    timeout: float,
    max_bytes: int = 4 * 1024 * 1024,
    env: Optional[Dict[str, str]] = None,
    only_env: bool = False,
    cwd: Optional[str] = None,
    become: Optional[Callable[[], None]] = None,
) -> Result:
    """Run ``argv`` with closed stdin in the C locale and UTC; ``env`` is added to the environment.

    ``only_env``: it has no environment but ``env``. ``become``: called in the child before the program, to be somebody
    else.

    ``timeout`` in seconds; ``max_bytes`` of stdout, and as much of stderr. Raises nothing for a
    program that is missing, fails, hangs or talks for ever.
    """
    environment = dict(os.environ, LC_ALL="C", LANGUAGE="C", TZ="UTC")
    environment["PATH"] = ":".join(part for part in (os.environ.get("PATH"), _USUAL_PATH) if part)
    environment = dict(env or {}) if only_env else dict(environment, **(env or {}))
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=cwd,
            preexec_fn=become,
            start_new_session=True,
        )
    except subprocess.SubprocessError as error:  # of ``become``
        return Result(None, "", f"{argv[0]}: {error}")
    except OSError as error:
        # Not told by the error: a folder in the path that we may not enter makes it "Permission denied".
        if shutil.which(argv[0], path=environment.get("PATH")) is None and not os.path.exists(argv[0]):
            return Result(None, "", f"{argv[0]}: no such program", missing=True)
        return Result(None, "", f"{argv[0]}: {error.strerror or error}")
    return _watch(child, time.monotonic() + timeout, max_bytes)


def _watch(child: subprocess.Popen[bytes], deadline: float, max_bytes: int) -> Result:
    assert child.stdout is not None and child.stderr is not None
    pipes: List[IO[bytes]] = [child.stdout, child.stderr]
    taken: Dict[IO[bytes], bytearray] = {pipe: bytearray() for pipe in pipes}
    truncated = timed_out = False
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                timed_out = True
                break
            # A daemon started by the program can hold the pipes open: look at the program, too.
            ended = child.poll() is not None
            ready = selector.select(0 if ended else min(left, _POLL_SECONDS))
            if ended and not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                pipe = next(one for one in pipes if one.fileno() == key.fd)
                taken[pipe] += chunk
                truncated = truncated or len(taken[pipe]) > max_bytes
                if not chunk:
                    selector.unregister(pipe)
            if truncated:
                break
    stuck = False
    if timed_out or truncated or not _ended(child, deadline - time.monotonic()):
        timed_out = not truncated
        stuck = not _kill(child)
    for pipe in pipes:
        pipe.close()
    out, err = (bytes(taken[pipe][:max_bytes]).decode("utf-8", "replace") for pipe in pipes)
    own_end = not (timed_out or truncated)
    return Result(child.returncode if own_end else None, out, err, timed_out, False, truncated, stuck)


def _ended(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(child: subprocess.Popen[bytes]) -> bool:
    """Kill our own child and what it started; ``False`` when the kernel does not let it die."""
    if child.poll() is None:  # not reaped yet, so the process group is still ours
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    return _ended(child, _KILL_WAIT_SECONDS)
