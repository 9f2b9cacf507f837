"""Real faults for a host and its server. Each is in force inside its `with` block and undone after it, always.

    with faults.inject(host, "engine_stopped"): ...
    with faults.inject(host, "silent_after=4", when="tools"): ...

A fault that changes the server's settings or broke it restarts it afterwards and waits until it answers (40 to
60 s). Those that bend streams share one setting: made once around many, it costs two restarts in all.

    with faults.bendable(host):
        with faults.inject(host, "burst"): ...
        with faults.inject(host, "lost_deltas"): ...
"""

from . import engine, network, proxy, resources, service, settings, traffic
from .bending import REASONING, bendable
from .registry import FAULTS, USED_UP, Fault, inject
from .service import API_KEY

__all__ = [
    "API_KEY",
    "FAULTS",
    "REASONING",
    "USED_UP",
    "Fault",
    "bendable",
    "engine",
    "inject",
    "network",
    "proxy",
    "resources",
    "service",
    "settings",
    "traffic",
]
