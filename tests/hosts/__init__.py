"""Real systemd hosts on this machine, reached over real ssh, with a real vLLM and real faults.

    if (reason := cannot()) is not None: ...      # skip, with the reason
    host = boot("gpu43", "bookworm", vllm=True)
    host.run(["uptime"], user="guest")            # over ssh
    with faults.inject(host, "engine_stopped"): ...
    shutdown("gpu43")

By hand: python -m tests.hosts --help
"""

from . import faults
from .host import Host, known, load
from .machine import CannotBoot, boot, power_cycle, running, shutdown, shutdown_all
from .needs import cannot
from .server import NotReady, Server
from .snapshot import Snapshot, snapshot

__all__ = [
    "CannotBoot",
    "Host",
    "NotReady",
    "Server",
    "Snapshot",
    "boot",
    "cannot",
    "faults",
    "known",
    "load",
    "power_cycle",
    "running",
    "shutdown",
    "shutdown_all",
    "snapshot",
]
