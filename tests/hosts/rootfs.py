"""The root folder that all hosts of one Debian release share, made once by debootstrap."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from .cache import cached
from .needs import KEYRING
from .shell import sh

RELEASES = ("bookworm", "trixie")
PACKAGES = (
    "systemd,systemd-sysv,dbus,openssh-server,python3,sudo,iproute2,procps,ca-certificates,libnuma1,nginx-light,curl"
)
# Three kinds of operator: with sudo, with nothing, and with the journal only. vllm is the service's own.
# Group users, for Debian has a group named operator already.
# A locked password ("!") would make sshd refuse the key where PAM is off; "*" never does.
SETUP = """
set -e
for user in operator guest reader; do useradd --create-home --gid users --shell /bin/bash --password '*' $user; done
useradd --system --create-home --home-dir /var/lib/vllm --shell /usr/sbin/nologin vllm
usermod --append --groups systemd-journal reader
echo 'operator ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/operator
chmod 0440 /etc/sudoers.d/operator
rm -f /etc/ssh/ssh_host_*_key* /etc/machine-id /var/lib/dbus/machine-id
rm -f /var/cache/apt/archives/*.deb /var/lib/apt/lists/*_*
mkdir -p /var/log/journal /etc/systemd/journald.conf.d /opt/vllm /opt/models/tiny
printf '[Journal]\\nReadKMsg=yes\\nStorage=persistent\\n' > /etc/systemd/journald.conf.d/test-host.conf
printf 'UseDNS no\\nPasswordAuthentication no\\n' > /etc/ssh/sshd_config.d/test-host.conf
# Idle hosts must stay as they are: a test compares all files before and after a diagnosis.
systemctl -q disable nginx.service
systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    e2scrub_reap.service systemd-networkd-wait-online.service
"""


def debian_mirror() -> str | None:
    """The Debian mirror that this machine's apt uses; None leaves the choice to debootstrap."""
    rows = sh("apt-get", "indextargets", "--format", "$(REPO_URI)|$(LABEL)", "Created-By: Packages", check=False)
    for row in rows.splitlines():
        uri, _, label = row.partition("|")
        if label == "Debian":
            return uri
    return None


def proxy_environment() -> dict[str, str]:
    """apt's proxy as the variables that debootstrap's download program reads."""
    found = {}
    for scheme in ("http", "https"):
        setting = sh("apt-config", "dump", f"Acquire::{scheme}::Proxy", check=False)
        if (match := re.search(r'"(\w+://[^"]+)"', setting)) and f"{scheme}_proxy" not in os.environ:
            found[f"{scheme}_proxy"] = match.group(1)
    return found


def _script(release: str) -> list[str]:
    # An older debootstrap knows no newer release, but one script serves them all.
    scripts = Path("/usr/share/debootstrap/scripts")
    return [] if (scripts / release).exists() else [str(scripts / "sid")]


def _debootstrap(release: str, target: Path) -> None:
    mirror = debian_mirror()
    # It mounts /proc and /sys below the target: in a mount namespace of its own, so that none outlives it.
    command = ["unshare", "--mount", "--propagation", "private", "debootstrap"]
    command += ["--variant=minbase", f"--include={PACKAGES}"]
    if KEYRING.exists():
        command.append(f"--keyring={KEYRING}")
    script = _script(release)
    if script and mirror is None:
        raise RuntimeError(f"debootstrap does not know {release}, and apt names no Debian mirror")
    sh(*command, release, str(target), *([mirror] if mirror else []), *script, timeout=1200, env=proxy_environment())
    # A fixed PATH: the caller's may lead to programs that the new root does not have.
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    sh("chroot", str(target), "/usr/bin/env", "-i", path, "/bin/sh", "-c", SETUP, timeout=120)


def root_folder(release: str) -> Path:
    """The root folder of `release`; takes one to two minutes and 350 MB the first time."""
    if release not in RELEASES:
        raise ValueError(f"release {shlex.quote(release)}: known are {', '.join(RELEASES)}")
    return cached(f"root-{release}", PACKAGES + SETUP, lambda target: _debootstrap(release, target))
