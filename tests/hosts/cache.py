"""Where things are kept, and how something costly is made once: whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path


def cache_dir() -> Path:
    """The folder for root folders, the virtual environment, the model and the hosts' state."""
    if chosen := os.environ.get("STREAMDIAG_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vllm-stream-diagnostics"


def hosts_dir() -> Path:
    """The folder with one subfolder per host, and the inventory of all that run."""
    return cache_dir() / "hosts"


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock file `name`; it is let go by the kernel even when this process dies."""
    folder = cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def cached(name: str, recipe: str, build: Callable[[Path], None]) -> Path:
    """Return the folder made by `build` from `recipe` (any text that changes when the result would).

    Made under another name and renamed when whole, so that an interrupted build is never taken for a good one.
    Each recipe has a folder of its own: hosts that run on an older one must not lose it under their feet.
    """
    version = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    target = cache_dir() / f"{name}-{version}"
    with locked(name):
        if target.is_dir():
            return target
        unfinished = cache_dir() / f"{name}.unfinished"
        stale = [unfinished] if unfinished.exists() else []
        if not any(hosts_dir().glob("*/host.json")):
            stale += [path for path in cache_dir().glob(f"{name}-*") if path.is_dir()]
        for folder in stale:
            shutil.rmtree(folder)
        unfinished.mkdir(parents=True)
        build(unfinished)
        unfinished.rename(target)
    return target
