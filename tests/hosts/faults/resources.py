"""Memory runs out, the CPU is somebody else's, or the GPU is gone, which the kernel log says.

All hosts share this machine's kernel log: a line that one of these faults leaves is in every host's journal.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from .. import gpu
from ..groups import ROOT
from ..host import Host
from ..processes import gone
from ..server import Server
from ..server_files import MODEL
from .midstream import after_first_request
from .registry import fault, fault_once, inject

MEMORY = ROOT / "memory"
CPU = ROOT / "cpu"
#: Microseconds in which a group's share of a CPU is counted, the longest there is.
PERIOD = 1_000_000
#: What the worker may touch beyond what it has: less than one long prompt needs.
SPARE_BYTES = 1024 * 1024
#: "kernel:" is what journald calls a line of the kernel itself; without it, "NVRM" would be taken for a program.
XID = (
    "NVRM: Xid (PCI:0000:2a:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
    "NVRM: GPU 0000:2a:00.0: GPU has fallen off the bus.",
)


@contextlib.contextmanager
def _group(tree: Path, host: Host, limit: str, value: int) -> Iterator[Path]:
    """A group with next to nothing to give. What a process has when it moves in counts for its old group."""
    group = tree / f"streamdiag-{host.name}-spare"
    group.mkdir(exist_ok=True)
    try:
        (group / limit).write_text(str(value))
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (tree / "cgroup.procs").write_text(pid)
        group.rmdir()


def forget_kernel_log(host: Host) -> None:
    """Empty the host's journal: what the kernel said in one test must not be evidence in the next."""
    host.enter("journalctl", "--quiet", "--rotate", "--vacuum-size=1")


@fault_once
def out_of_memory(host: Host) -> Iterator[str]:
    """The kernel kills the worker in the middle of the first stream, when another client's prompt needs memory."""
    server = Server(host)
    worker = server.worker()
    with _group(MEMORY, host, "memory.limit_in_bytes", SPARE_BYTES) as group:

        def starve() -> None:
            (group / "cgroup.procs").write_text(str(worker.pid))
            threading.Thread(target=_long_prompt, args=(server,), daemon=True).start()
            worker.signal(signal.SIGCONT)

        try:
            with after_first_request(host, worker, starve):
                yield f"waiting for a request to starve {worker.inner_pid} (VLLM::Worker)"
        finally:
            if gone([worker], patience=0):
                server.restart()
                forget_kernel_log(host)


def _long_prompt(server: Server) -> None:
    body = {"model": MODEL, "prompt": "memory " * 6000, "max_tokens": 8}
    with contextlib.suppress(OSError):  # the server dies of it
        server.request("/v1/completions", body, timeout=60)


@fault
def no_cpu(host: Host, value: float = 0.1) -> Iterator[str]:
    """The server gets VALUE per cent of a CPU (0.1 at least), and wants all of it."""
    server = Server(host)
    processes = [server.main(), server.engine_core(), server.worker()]
    with _group(CPU, host, "cpu.cfs_period_us", PERIOD) as group:
        (group / "cpu.cfs_quota_us").write_text(str(round(PERIOD * value / 100)))
        for process in processes:
            (group / "cgroup.procs").write_text(str(process.pid))
        yield f"{value:g} per cent of a CPU for {len(processes)} processes"


@fault_once
def gpu_fault(host: Host) -> Iterator[str]:
    """The GPU has fallen off the bus: Xid 79 in the kernel log, nvidia-smi cannot reach it, the engine hangs."""
    with inject(host, "engine_stopped") as what:
        gpu.set_state(host, "fallen_off_bus")
        try:
            for line in XID:
                Path("/dev/kmsg").write_text(f"<3>kernel: {line}\n")
            yield f"Xid 79; {what}"
        finally:
            gpu.set_state(host, "idle")
            forget_kernel_log(host)
