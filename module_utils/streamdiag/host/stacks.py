"""The Python stacks of a process that may hang: py-spy, run from a memory file, without a pause of the process.

``py-spy dump --nonblocking`` only reads the memory of the process (process_vm_readv(2)): it sends no
signal, attaches no debugger, and works on a process that is stopped. It needs root, or the process's own user
where the host allows that.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from typing import Any, Dict, List, Mapping, Optional

from ..bundle import Source, Stacks, ThreadStack
from ..words import say, template
from . import command
from .process import ThreadClock, user_name

MAIN_THREAD = "MainThread"
#: What is kept of one dump.
THREAD_LIMIT = 24
FRAME_LIMIT = 40
NAME_LIMIT = 100
FRAME_LENGTH = 200
ATTEMPTS = 3
_BINARY_BYTES = 64 * 1024 * 1024
_DUMP_BYTES = 8 * 1024 * 1024
_VERSION_SECONDS = 2.0
# linux/memfd.h; needed where vm.memfd_noexec is 1, unknown before Linux 6.3.
_MFD_CLOEXEC, _MFD_EXEC = 0x1, 0x10
# ELF header, e_machine -> what uname calls a machine that runs it.
_ELF_MACHINES = {
    3: ("i386", "i486", "i586", "i686", "x86_64"),
    21: ("ppc64le",),
    22: ("s390x",),
    40: ("armv6l", "armv7l", "armv8l"),
    62: ("x86_64",),
    183: ("aarch64",),
    243: ("riscv64",),
}


class PySpy:
    """py-spy in a memory file that is gone when this process ends.

    ``source`` says whether it can be used (``ok``) and why not; ``version`` is its own word.
    """

    def __init__(self, archive_base64: str) -> None:
        """``archive_base64``: the program, compressed by xz, in base64. Raises nothing."""
        self.version = ""
        self._handle: Optional[int] = None
        self.source = self._load(archive_base64)

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def dump(self, pid: int, timeout: float) -> Stacks:
        """The stacks of all threads, not yet cut (see ``cut``). ``timeout`` in seconds. Raises nothing.

        A process that runs meanwhile can change under py-spy's hands: then it is tried again.
        """
        stacks = Stacks(state=self.source["state"], reason=self.source["reason"], threads=[])
        deadline = time.monotonic() + timeout
        for _attempt in range(ATTEMPTS):
            left = deadline - time.monotonic()
            if self._handle is None or left < 0.05:
                break
            stacks = _read(self._run(["dump", "--nonblocking", "--json", "--pid", str(pid)], left), pid, timeout)
            if stacks["state"] != "failed":
                break
        return stacks

    def _load(self, archive_base64: str) -> Source:
        if not archive_base64:
            return Source(state="absent", reason=say("py-spy did not travel: the controller's environment has none"))
        try:
            program = unpack(archive_base64)
        except ImportError as error:
            reason = say("this host's Python cannot unpack py-spy: {error}", error=str(error))
            return Source(state="absent", reason=reason)
        except ValueError as error:
            return Source(state="failed", reason=say("py-spy did not arrive whole: {error}", error=str(error)))
        foreign = wrong_machine(program, os.uname().machine)
        if foreign:
            return Source(state="absent", reason=foreign)
        if not hasattr(os, "memfd_create"):
            old = say("this host's C library is older than glibc 2.27: no memory files")
            return Source(state="absent", reason=old)
        try:
            self._handle = _memory_file(program)
        except OSError as error:
            state = "denied" if isinstance(error, PermissionError) else "failed"
            return Source(state=state, reason=say("no memory file for py-spy: {error}", error=error.strerror))
        return self._try_out()

    def _try_out(self) -> Source:
        result = self._run(["--version"], _VERSION_SECONDS)
        if result.rc == 0:
            self.version = result.stdout.strip()[:NAME_LIMIT]
            return Source(state="ok", reason="")
        self.close()
        denied = result.rc is None and "Permission denied" in result.stderr
        why = say("it did not start in time") if result.timed_out else result.words(200)
        reason = say("py-spy cannot be run from memory: {why}", why=why)
        return Source(state="denied" if denied else "failed", reason=reason)

    def _run(self, arguments: List[str], timeout: float) -> command.Result:
        # Our own number instead of "self": the child need not inherit the descriptor.
        program = f"/proc/{os.getpid()}/fd/{self._handle}"
        return command.run([program, *arguments], timeout, _DUMP_BYTES, env={"RUST_BACKTRACE": "0"})


def unpack(archive_base64: str) -> bytes:
    """The program. Raises ValueError when it is not whole, ImportError when this Python was built without lzma."""
    import lzma

    decompressor = lzma.LZMADecompressor()
    try:
        program = decompressor.decompress(base64.b64decode(archive_base64), max_length=_BINARY_BYTES)
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from error
    if not decompressor.eof:
        raise ValueError("it ends too early, or is too large")
    return program


def wrong_machine(program: bytes, machine: str) -> str:
    """Why ``program`` cannot run on ``machine`` (uname's word), else ``""``."""
    if program[:4] != b"\x7fELF" or len(program) < 20:
        return say("the controller's py-spy is no program for Linux")
    number = int.from_bytes(program[18:20], "little" if program[5] == 1 else "big")
    machines = _ELF_MACHINES.get(number, (f"machine {number}",))
    if machine in machines:
        return ""
    return say("the controller's py-spy is for {its}, this host is {machine}", its=machines[0], machine=machine)


def parse_dump(text: str) -> Stacks:
    """py-spy's JSON -> stacks, the main thread first; ``failed`` when it is no such JSON."""
    try:
        threads = [_thread(one) for one in json.loads(text)]
    except (ValueError, TypeError, AttributeError) as error:
        return Stacks(state="failed", reason=say("py-spy printed no stacks: {error}", error=str(error)), threads=[])
    threads.sort(key=lambda thread: (thread["name"] != MAIN_THREAD, thread["name"]))
    if not threads:
        return Stacks(state="failed", reason=say("py-spy found no Python thread"), threads=[])
    return Stacks(state="ok", reason="", threads=threads)


def add_clocks(stacks: Stacks, clocks: Mapping[int, ThreadClock]) -> None:
    """Give each thread the kernel's view of it, from the same moment."""
    for thread in stacks["threads"]:
        clock = clocks.get(thread["thread_id"] or 0)
        thread["state"] = clock.state if clock is not None else ""
        thread["cpu"] = clock.cpu if clock is not None else None


def cut(stacks: Stacks) -> Stacks:
    """As much of ``stacks`` as is kept: THREAD_LIMIT threads, of each the FRAME_LIMIT innermost frames."""
    kept = []
    for thread in stacks["threads"][:THREAD_LIMIT]:
        frames = thread["frames"]
        thread = ThreadStack(**thread)
        thread["frames"] = frames[:FRAME_LIMIT]
        thread["dropped_frames"] = max(0, len(frames) - FRAME_LIMIT)
        kept.append(thread)
    dropped = max(0, len(stacks["threads"]) - THREAD_LIMIT)
    return Stacks(state=stacks["state"], reason=stacks["reason"], threads=kept, dropped_threads=dropped)


def same_main_thread(first: Stacks, second: Stacks) -> Optional[bool]:
    """Whether the main thread was at the same line, called by the same lines; None when a dump lacks it."""
    frames = [
        next((thread["frames"] for thread in stacks["threads"] if thread["name"] == MAIN_THREAD), None)
        for stacks in (first, second)
    ]
    return None if None in frames or not all(frames) else frames[0] == frames[1]


def moved_threads(first: Stacks, second: Stacks) -> List[str]:
    """Names of threads other than the main one whose stack changed, that came or that went."""
    if first["state"] != "ok" or second["state"] != "ok":
        return []
    before, after = _by_id(first), _by_id(second)
    moved = [
        (after.get(key) or before[key])["name"]
        for key in {**before, **after}
        if key not in before or key not in after or before[key]["frames"] != after[key]["frames"]
    ]
    return sorted(name for name in moved if name != MAIN_THREAD)[:THREAD_LIMIT]


def _by_id(stacks: Stacks) -> Dict[Any, ThreadStack]:
    return {thread["thread_id"] or thread["name"]: thread for thread in stacks["threads"]}


def _thread(given: Dict[str, Any]) -> ThreadStack:
    number = given.get("os_thread_id")
    return ThreadStack(
        name=str(given.get("thread_name") or "")[:NAME_LIMIT],
        thread_id=number if isinstance(number, int) else None,
        frames=[_frame(one) for one in given.get("frames") or []],
    )


def _frame(given: Dict[str, Any]) -> str:
    file = given.get("short_filename") or given.get("filename") or "?"
    line = given.get("line") or 0
    return "{} ({}{})".format(given.get("name") or "?", file, f":{line}" if line else "")[:FRAME_LENGTH]


def _memory_file(program: bytes) -> int:
    try:
        handle = os.memfd_create("py-spy", _MFD_CLOEXEC | _MFD_EXEC)
    except PermissionError:
        raise
    except OSError:  # a kernel that does not know the flag
        handle = os.memfd_create("py-spy", _MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(program)
    except OSError:
        os.close(handle)
        raise
    return handle


def _read(result: command.Result, pid: int, timeout: float) -> Stacks:
    if result.rc == 0:
        return parse_dump(result.stdout)
    refusal = _refusal(result, pid, timeout)
    return Stacks(state=refusal["state"], reason=refusal["reason"], threads=[])


def _refusal(result: command.Result, pid: int, timeout: float) -> Source:
    if result.timed_out:
        late = say("py-spy did not read process {pid} within {seconds:.1f} s", pid=pid, seconds=timeout)
        return Source(state="failed", reason=say("{late} and cannot be killed", late=late) if result.stuck else late)
    words = " ".join(re.split(r"Stack backtrace:", result.words(1000))[0].split())[:300]
    if re.search(r"permission denied|operation not permitted", words, re.IGNORECASE):
        return Source(state="denied", reason=_not_readable(pid))
    if re.search(r"no such (?:file|process)", words, re.IGNORECASE):
        return Source(state="absent", reason=say("process {pid} is gone ({why})", pid=pid, why=words))
    why = words or say("it ended with code {code}", code=result.rc)
    return Source(state="failed", reason=say("py-spy could not read process {pid}: {why}", pid=pid, why=why))


def _not_readable(pid: int) -> str:
    """As whom the stacks of ``pid`` could not be read, and what these eyes lack."""
    name = user_name()
    if os.geteuid() == 0:
        return say("stacks of process {pid} not readable as {user}, who lacks CAP_SYS_PTRACE here", pid=pid, user=name)
    try:
        owner = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        owner = -1
    if owner == os.geteuid():
        yama = template("stacks of process {pid} not readable as {user}: its owner, but only root may here ({setting})")
        return say(yama, pid=pid, user=name, setting="kernel.yama.ptrace_scope")
    return say("stacks of process {pid} not readable as {user}: neither root nor its owner", pid=pid, user=name)
