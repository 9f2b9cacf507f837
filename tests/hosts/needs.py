"""What this machine must have to boot hosts: installed when it can be, named with the reason when it cannot."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from pathlib import Path

from .shell import CommandFailed, sh

PROGRAMS = {  # program -> the Debian package that brings it
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
    "mount": "mount",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def missing_programs() -> dict[str, str]:
    """The programs that are not on this machine, each with its package."""
    return {program: package for program, package in PROGRAMS.items() if shutil.which(program) is None}


def install_missing() -> None:
    """Install what is missing, when there is an apt-get to do it with."""
    packages = set(missing_programs().values())
    if not KEYRING.exists():
        packages.add("debian-archive-keyring")
    if not packages or shutil.which("apt-get") is None:
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with_lock = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120")
    sh(*with_lock, "update", timeout=300, env=quiet)
    sh(*with_lock, "install", "--yes", "--no-install-recommends", *sorted(packages), timeout=600, env=quiet)


def _namespaces() -> str | None:
    try:
        sh("unshare", "--mount", "--net", "--pid", "--fork", "--uts", "--ipc", "true")
    except (CommandFailed, OSError) as error:
        return f"no namespaces: {error}"
    return None


def _overlay() -> str | None:
    if "overlay" not in Path("/proc/filesystems").read_text() and shutil.which("modprobe"):
        sh("modprobe", "overlay", check=False)
    with tempfile.TemporaryDirectory() as folder:
        parts = {name: Path(folder) / name for name in ("lower", "upper", "work", "merged")}
        for part in parts.values():
            part.mkdir()
        options = f"lowerdir={parts['lower']},upperdir={parts['upper']},workdir={parts['work']}"
        command = f"mount -t overlay overlay -o {options} {parts['merged']}"
        try:  # in a mount namespace of its own, so that nothing has to be undone
            sh("unshare", "--mount", "sh", "-c", command)
        except (CommandFailed, OSError) as error:
            return f"no overlay mounts in {folder}: {error}"
    return None


@functools.cache
def cannot() -> str | None:
    """Why this machine cannot boot hosts, or None when it can. Installs what is missing; asks only once."""
    if os.uname().sysname != "Linux" or os.uname().machine != "x86_64":
        return f"hosts are booted on Linux x86_64 only, this is {os.uname().sysname} {os.uname().machine}"
    if os.geteuid() != 0:
        return "not root: network namespaces, overlay mounts and systemd-nspawn need it"
    try:
        install_missing()
    except CommandFailed as error:
        return f"could not install {', '.join(sorted(missing_programs()))}: {error}"
    if missing := missing_programs():
        return "missing: " + ", ".join(f"{program} (package {package})" for program, package in missing.items())
    if not Path("/sys/fs/cgroup").is_mount() and not Path("/sys/fs/cgroup/systemd").exists():
        return "no control groups are mounted at /sys/fs/cgroup"
    return _namespaces() or _overlay()
