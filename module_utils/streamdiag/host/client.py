"""The HTTP client that travelled here: httpx, imported from an archive that never touches the host's disk."""

from __future__ import annotations

import base64
import functools
import os
import ssl
import sys


class ClientMissing(RuntimeError):
    """httpx neither travelled with the module nor is installed on this host."""


def use_archive(archive_base64: str) -> None:
    """Make ``import httpx`` work from ``archive_base64`` (a zip of pure Python packages, in base64).

    The archive lives in an anonymous memory file, so nothing is left behind even when this process is killed.
    Raises ClientMissing when the archive is empty and the host has no httpx of its own.
    """
    if archive_base64:
        if not hasattr(os, "memfd_create"):
            raise ClientMissing("this host's C library is older than glibc 2.27: memory files are missing")
        handle = os.memfd_create("httpx")
        with os.fdopen(os.dup(handle), "wb") as archive:
            archive.write(base64.b64decode(archive_base64))
        # zipimport opens its archive by path, again for each module: the descriptor stays open for good.
        sys.path.insert(0, f"/proc/self/fd/{handle}")
    try:
        import httpx  # noqa: F401  (the test is that it can be imported)
    except ImportError as error:
        raise ClientMissing(f"httpx cannot be imported on this host: {error}") from error


@functools.lru_cache(maxsize=None)
def trust_store() -> ssl.SSLContext:
    """The host's own trust store, as its clients use it. Loading it takes 20 ms and more, so once per process."""
    return ssl.create_default_context()
