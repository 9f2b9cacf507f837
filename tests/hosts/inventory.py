"""Ansible inventories: one per host, and one of all hosts that run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from .cache import hosts_dir
from .keys import key_file, ssh_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .host import Host


def _entry(host: Host) -> dict[str, str]:
    shared = ("-i", str(key_file()))  # Ansible passes the key itself
    options = [part for part in ssh_options(host.known_hosts) if part not in shared]
    return {
        "ansible_host": host.address,
        "ansible_user": "operator",
        "ansible_ssh_private_key_file": str(key_file()),
        "ansible_ssh_common_args": " ".join(options),
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def write(path: Path, hosts: Iterable[Host]) -> None:
    """Write an inventory of `hosts`. It is JSON, which is YAML too, so that no library is needed."""
    content = {"all": {"hosts": {host.name: _entry(host) for host in hosts}}}
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    unfinished.rename(path)


def everyone() -> Path:
    """The inventory of all hosts that run."""
    return hosts_dir() / "inventory.yml"
