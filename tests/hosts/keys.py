"""The operators' key, the hosts' own keys, and the files that make ssh trust exactly these."""

from __future__ import annotations

from pathlib import Path

from .cache import hosts_dir, locked
from .shell import sh

USERS = ("operator", "guest", "reader")


def key_file() -> Path:
    """The private key that opens every host; made on first use."""
    path = hosts_dir() / "id_ed25519"
    with locked("key"):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test-hosts", "-f", str(path))
    return path


def install(root: Path, address: str, known_hosts: Path) -> None:
    """Give the host a key of its own, note it in `known_hosts`, and let the operators' key in."""
    host_key = root / "etc/ssh/ssh_host_ed25519_key"
    sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(host_key))
    known_hosts.write_text(f"{address} {host_key.with_suffix('.pub').read_text()}")
    public = key_file().with_suffix(".pub").read_text()
    for user in USERS:
        folder = root / "home" / user / ".ssh"
        folder.mkdir(mode=0o700)
        (folder / "authorized_keys").write_text(public)
        # The ids are the host's, so its own passwd file says which.
        owner = (root / "home" / user).stat()
        sh("chown", "-R", f"{owner.st_uid}:{owner.st_gid}", str(folder))


def ssh_options(known_hosts: Path) -> list[str]:
    """Options for ssh: host keys are checked, nothing is asked, nothing of this user's configuration is read."""
    return [
        "-F", "none",
        "-i", str(key_file()),
        "-o", f"UserKnownHostsFile={known_hosts}",
        "-o", "GlobalKnownHostsFile=none",
        "-o", "StrictHostKeyChecking=yes",
        "-o", "IdentitiesOnly=yes",
        "-o", "BatchMode=yes",
        "-o", "ConnectTimeout=10",
    ]  # fmt: skip
