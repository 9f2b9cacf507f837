"""What a host is like at one moment: its files, its processes, its server's load. Two of them show what changed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .host import Host
from .server import Server

# Places that change by themselves, or because somebody logged in.
VOLATILE = (
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/opt/vllm",
    "/var/log/journal",
    "/var/log/wtmp",
    "/var/log/btmp",
    "/var/log/lastlog",
    "/var/log/wtmp.db",
    "/var/lib/wtmpdb",
    "/var/lib/lastlog",
)


@dataclass(frozen=True)
class Snapshot:
    """A host at one moment."""

    files: dict[str, tuple[int, float]]  # path -> (bytes, modified, seconds since 1970)
    processes: frozenset[tuple[int, str]]  # (process id in the host, title)
    running_requests: float | None  # what vLLM counts as running; None when it does not answer

    def changed_files(self, later: Snapshot) -> list[str]:
        """The paths that appeared, went or changed until `later`."""
        paths = self.files.keys() | later.files.keys()
        return sorted(path for path in paths if self.files.get(path) != later.files.get(path))

    def new_processes(self, later: Snapshot) -> list[str]:
        """The titles of processes that are in `later` only."""
        return sorted(title for _, title in later.processes - self.processes)


def snapshot(host: Host) -> Snapshot:
    """Look at the host from outside: the look itself logs nobody in and leaves nothing."""
    return Snapshot(_files(host), _processes(host), _running_requests(host))


def _files(host: Host) -> dict[str, tuple[int, float]]:
    prune = " -o ".join(f"-path {path}" for path in VOLATILE)
    script = f"find / \\( {prune} \\) -prune -o -printf '%y %s %T@ %p\\0'"
    found = {}
    for row in host.enter("sh", "-c", script, timeout=120).split("\0"):
        if row:
            kind, size, modified, path = row.split(" ", 3)
            # A folder's size and time change with what is in it, which is listed itself.
            found[path] = (0, 0.0) if kind == "d" else (int(size), float(modified))
    return found


def _processes(host: Host) -> frozenset[tuple[int, str]]:
    return frozenset((process.inner_pid, process.title) for process in host.processes())


def _running_requests(host: Host) -> float | None:
    if not host.vllm:
        return None
    try:
        status, text = Server(host).request("/metrics", timeout=5)
    except OSError:
        return None
    match = re.search(r"^vllm:num_requests_running\{[^}]*\} (\S+)$", text, re.MULTILINE)
    return float(match.group(1)) if status == 200 and match else None
