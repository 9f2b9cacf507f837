"""A stand-in `nvidia-smi` for hosts without a GPU, with real-format output for the states that matter."""

from __future__ import annotations

import shutil
from pathlib import Path

from .host import Host

STATES = ("idle", "busy", "memory_full", "ecc_error", "fallen_off_bus", "missing_driver", "hang")
DATA = Path(__file__).parent.parent / "data" / "nvidia-smi"
STATE_FILE = "/run/nvidia-smi.state"


def install(root: Path) -> None:
    """Put the program and its data on a host's root folder."""
    program = root / "usr/local/bin/nvidia-smi"
    shutil.copyfile(Path(__file__).parent / "files" / "nvidia-smi", program)
    program.chmod(0o755)
    shutil.copytree(DATA, root / "usr/local/share/nvidia-smi")


def set_state(host: Host, state: str) -> None:
    """Choose what the host's nvidia-smi says from now on."""
    if state not in STATES:
        raise ValueError(f"GPU state {state!r}: known are {', '.join(STATES)}")
    # From inside: the host's /run is a file system of its own, not to be seen in its root folder.
    host.enter("sh", "-c", f"echo {state} > {STATE_FILE}")
