"""Run a script inside a throw-away copy of a root folder, with this machine's network and package settings.

All mounts are made in a mount namespace that ends with the script, so an interrupted build leaves none.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from .cache import cache_dir
from .rootfs import proxy_environment
from .shell import sh

PASSED_ON = re.compile(r"(PIP_\w+|\w+_proxy|\w+_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE)")
# Of this machine, or made up by the builder itself.
NOT_PASSED_ON = {"PIP_CACHE_DIR", "PIP_CONFIG_FILE", "PIP_PYTHON", "PIP_REQUIRE_VIRTUALENV", "PIP_USER", "PIP_TARGET"}


def _pip(*argv: str) -> str:
    return sh(sys.executable, "-m", "pip", *argv, check=False)


def package_environment() -> dict[str, str]:
    """This machine's pip configuration, proxies and certificates, all as environment variables."""
    found = {}
    for row in _pip("config", "list").splitlines():
        if match := re.fullmatch(r"(?:global|install|user|site)\.([\w-]+)=('.*'|\".*\")", row):
            name, value = match.group(1).upper().replace("-", "_"), ast.literal_eval(match.group(2))
            found[f"PIP_{name}"] = " ".join(value.split())
    found |= proxy_environment()
    found |= {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
    return {name: value for name, value in found.items() if name not in NOT_PASSED_ON}


def _named_paths(values: Mapping[str, str]) -> list[Path]:
    """The local files and folders that the settings name."""
    paths = set()
    for word in " ".join(values.values()).split():
        # The pages of an index name their files relative to themselves, so its parent is needed too.
        path = Path(word.removeprefix("file://")).parent if word.startswith("file://") else Path(word)
        if path.is_absolute() and path.exists() and path != Path("/"):
            paths.add(path)
    return sorted(paths)


def _pip_cache() -> Path | None:
    where = _pip("cache", "dir").strip().splitlines()
    if not where or not where[-1].startswith("/"):
        return None
    with contextlib.suppress(OSError):
        Path(where[-1]).mkdir(parents=True, exist_ok=True)
    return Path(where[-1]) if Path(where[-1]).is_dir() else None


def run_in_copy(lower: Path, script: str, binds: Mapping[str, Path], timeout: float) -> None:
    """Run the shell `script` as root on a copy of `lower`; `binds` maps a place in it to a folder of this machine."""
    settings = package_environment()
    inside: dict[str, Path] = {str(path): path for path in _named_paths(settings)}
    if (pip_cache := _pip_cache()) is not None:
        inside["/root/.cache/pip"] = pip_cache
    inside |= {"/etc/resolv.conf": Path("/etc/resolv.conf"), "/etc/hosts": Path("/etc/hosts"), **binds}
    # In the cache folder: an overlay's upper layer cannot lie on another overlay, as /tmp may.
    folder = cache_dir() / f"builder-{hashlib.sha256(script.encode()).hexdigest()[:8]}"
    if folder.exists():  # of a build that was interrupted
        shutil.rmtree(folder)
    try:
        merged = folder / "merged"
        for name in ("upper", "work", "merged"):
            (folder / name).mkdir(parents=True)
        options = f"lowerdir={lower},upperdir={folder / 'upper'},workdir={folder / 'work'}"
        steps = [
            "set -e",
            f"mount -t overlay overlay -o {options} {merged}",
            f"mount -t proc proc {merged}/proc",
            f"mount --rbind /dev {merged}/dev",
            f"rm -f {merged}/etc/resolv.conf",
        ]
        for place, source in inside.items():
            target = shlex.quote(f"{merged}{place}")
            make = f"mkdir -p {target}" if source.is_dir() else f"mkdir -p $(dirname {target}) && touch {target}"
            steps += [make, f"mount --bind {shlex.quote(str(source))} {target}"]
        plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        plain["DEBIAN_FRONTEND"] = "noninteractive"
        variables = [f"{name}={value}" for name, value in {**settings, **plain}.items()]
        command = ["chroot", str(merged), "/usr/bin/env", "-i", *variables, "/bin/sh", "-ec", script]
        steps.append(f"exec {shlex.join(command)}")
        sh("unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(steps), timeout=timeout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
