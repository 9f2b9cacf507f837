"""One booted host: what is known of it, and how to run a command on it."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from . import network
from .cache import hosts_dir
from .keys import ssh_options
from .processes import Process, in_namespace, namespace_of, read
from .shell import sh

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Host:
    """A host's state, kept in its folder so that another process can find and remove it."""

    name: str
    release: str
    slot: int  # which subnet of the block
    vllm: bool = False  # the real server is installed as unit `vllm`
    supervisor: int = 0  # process id of systemd-nspawn, 0 before it is started
    supervisor_started: int = 0  # clock ticks since boot
    leader: int = 0  # process id of the host's process 1, as this machine sees it
    leader_started: int = 0  # clock ticks since boot

    @property
    def folder(self) -> Path:
        """Where this machine keeps the host."""
        return hosts_dir() / self.name

    @property
    def root(self) -> Path:
        """The host's root folder as this machine sees it; writing here is writing on the host."""
        return self.folder / "merged"

    @property
    def address(self) -> str:
        """The host's address on its cable."""
        return network.addresses(self.slot)[1]

    @property
    def known_hosts(self) -> Path:
        """The file that tells ssh the host's real key."""
        return self.folder / "known_hosts"

    @property
    def inventory(self) -> Path:
        """An Ansible inventory of this host alone."""
        return self.folder / "inventory.yml"

    @property
    def url(self) -> str:
        """Where the host's vLLM answers this machine."""
        return f"http://{self.address}:8000"

    def save(self) -> None:
        """Write the state file."""
        unfinished = self.folder / "host.json.unfinished"
        unfinished.write_text(json.dumps(asdict(self), indent=2) + "\n")
        unfinished.rename(self.folder / "host.json")

    @property
    def running(self) -> bool:
        """Whether the host's process 1 lives."""
        process = read(self.leader) if self.leader else None
        return process is not None and process.started == self.leader_started and process.state != "Z"

    def ssh_command(self, argv: Sequence[str], user: str = "operator") -> list[str]:
        """The complete command line that runs `argv` on the host."""
        return ["ssh", *ssh_options(self.known_hosts), f"{user}@{self.address}", "--", shlex.join(argv)]

    def run(
        self, argv: Sequence[str], user: str = "operator", timeout: float = 30, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` over ssh as `user` (operator, guest, reader), at most `timeout` seconds; any exit code is fine."""
        return subprocess.run(
            self.ssh_command(argv, user), input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout
        )

    def enter_command(self, argv: Sequence[str]) -> list[str]:
        """The complete command line that runs `argv` on the host as root through its namespaces."""
        inside = ("env", "-i", f"PATH={PATH}", "LANG=C.UTF-8")
        return ["nsenter", "--target", str(self.leader), "--all", "--root", "--wd", "--", *inside, *argv]

    def enter(self, *argv: str, timeout: float = 60, check: bool = True) -> str:
        """Run `argv` on the host as root, without ssh: leaves no login behind and works when the network is cut."""
        return sh(*self.enter_command(argv), timeout=timeout, check=check)

    def in_network(self, *argv: str, timeout: float = 30) -> str:
        """Run a program of this machine in the host's network."""
        return sh("ip", "netns", "exec", network.namespace(self.name), *argv, timeout=timeout)

    def processes(self) -> list[Process]:
        """Every process of the host, seen from outside."""
        inode = namespace_of(self.leader, "pid")
        return in_namespace("pid", inode) if inode is not None else []

    def main_process(self, unit: str = "vllm") -> Process:
        """The main process of a unit of the host."""
        inner = int(self.enter("systemctl", "show", "--property=MainPID", "--value", unit))
        for process in self.processes():
            if inner and process.inner_pid == inner:
                return process
        raise LookupError(f"{self.name}: unit {unit} has no main process")


def load(name: str) -> Host | None:
    """The host of that name, running or left over; None when there is none."""
    path = hosts_dir() / name / "host.json"
    try:
        return Host(**json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None


def known() -> list[Host]:
    """All hosts with a state file, by name, whether they run or not."""
    hosts = (load(path.parent.name) for path in sorted(hosts_dir().glob("*/host.json")))
    return [host for host in hosts if host is not None]
