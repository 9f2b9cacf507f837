"""Runs that an older version of this tool has left (tests/data/older), unpacked."""

from __future__ import annotations

import tarfile
from pathlib import Path

PACKED = Path(__file__).resolve().parent / "data" / "older" / "first-runs.tar.gz"
STALLED, HEALTHY = "20261125T225531Z", "healthy"
HOST = "demo"


def unpack_older(folder: Path) -> Path:
    """``STALLED`` and ``HEALTHY`` in ``folder``, each with the host ``HOST``."""
    with tarfile.open(PACKED) as archive:
        archive.extractall(folder, filter="data")
    return folder
