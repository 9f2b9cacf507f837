"""Boot a host and remove it again, so that nothing is left: no process, mount, namespace, link or folder."""

from __future__ import annotations

import re
import shlex
import shutil
import time
import uuid
from pathlib import Path

from . import gpu, inventory, keys, network, server_files
from .cache import hosts_dir, locked
from .groups import group_folders, remove_groups
from .host import Host, known, load
from .needs import cannot
from .processes import Process, all_pids, end, gone, in_namespace, read
from .rootfs import root_folder
from .server import Server
from .shell import sh, try_sh


class CannotBoot(RuntimeError):
    """This machine cannot boot hosts; the message says why."""


def boot(name: str, release: str = "bookworm", vllm: bool = False) -> Host:
    """Boot a host and return once it can be logged in to; with `vllm`, once the server answers.

    A first boot also makes the shared root folder (2 minutes), and for `vllm` its environment (5 minutes).
    """
    if (reason := cannot()) is not None:
        raise CannotBoot(reason)
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
        raise ValueError(f"{name!r} is no host name: small letters, digits and hyphens")
    with locked(f"host-{name}"):
        if (old := load(name)) is not None and old.running:
            raise RuntimeError(f"{name} runs already")
        _remove(name)
        root = root_folder(release)
        binds = server_files.binds(release) if vllm else []
        host = _claim(name, release, vllm)
        try:
            network.connect(name, host.slot)
            _prepare_root(host, root)
            _start(host, binds)
            _wait_for_login(host)
            if vllm:
                Server(host).install()
        except BaseException:
            _remove(name)
            raise
    inventory.write(host.inventory, [host])
    _refresh_inventory()
    return host


def power_cycle(host: Host) -> None:
    """Cut the host's power and boot it again: no process of it ends in order, and `/run` is empty afterwards.

    Returns once it can be logged in to; its server, where it has one, may still be starting.
    """
    with locked(f"host-{host.name}"):
        end(sorted(_inside(host.name), key=lambda process: process.inner_pid != 1))
        supervisor = _supervisor(host)
        if supervisor is not None and not gone([supervisor], patience=5):
            end([supervisor])
        (host.folder / "supervisor.pid").unlink(missing_ok=True)
        _start(host, server_files.binds(host.release) if host.vllm else [])
        _wait_for_login(host)


def _inside(name: str) -> list[Process]:
    """Everything that ever ran in the host is in its network, process 1 and strays alike."""
    path = network.namespace_path(name)
    return in_namespace("net", path.stat().st_ino) if path.exists() else []


def shutdown(name: str) -> None:
    """Remove a host, whatever state an earlier run left it in; fine when there is none."""
    with locked(f"host-{name}"):
        _remove(name)
    _refresh_inventory()


def shutdown_all() -> None:
    """Remove all hosts and what only hosts need."""
    names = {path.name for path in hosts_dir().glob("*/") if path.is_dir()}
    for space in Path("/run/netns").glob(network.namespace("*")):
        # With nobody in it, it was left behind; else it may be a host of another cache folder.
        if not in_namespace("net", space.stat().st_ino):
            names.add(space.name.removeprefix(network.namespace("")))
    for name in sorted(names):
        shutdown(name)
    network.forget_block()


def running() -> list[Host]:
    """The hosts that are up now."""
    return [host for host in known() if host.running]


def _refresh_inventory() -> None:
    with locked("inventory"):
        inventory.write(inventory.everyone(), running())


def _claim(name: str, release: str, vllm: bool) -> Host:
    """Choose a free subnet and note it down before anything is made, so that a crash leaves a trace to follow."""
    with locked("slots"):
        taken = {host.slot for host in known()}
        links = {path.name for path in Path("/sys/class/net").iterdir()}
        slots = range(len(network.SUBNETS))
        free = [slot for slot in slots if slot not in taken and network.outside_link(slot) not in links]
        if not free:
            raise RuntimeError("no free subnet: too many hosts run")
        host = Host(name, release, free[0], vllm)
        host.folder.mkdir(parents=True)
        host.save()
    return host


def _prepare_root(host: Host, lower: Path) -> None:
    """Lay the host's own layer over the shared root folder, and make the host somebody."""
    upper, work = host.folder / "upper", host.folder / "work"
    for folder in (upper, work, host.root):
        folder.mkdir()
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    sh("mount", "-t", "overlay", f"streamdiag-{host.name}", "-o", options, str(host.root))
    etc = host.root / "etc"
    (etc / "machine-id").write_text(uuid.uuid4().hex + "\n")
    (etc / "hostname").write_text(host.name + "\n")
    # Without its own name here, every sudo waits for a resolver.
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n::1 localhost\n")
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text("# this host knows no names but those in /etc/hosts\n")
    keys.install(host.root, host.address, host.known_hosts)
    gpu.install(host.root)


def _start(host: Host, binds: list[str]) -> None:
    """Start systemd-nspawn in the background and note down its process id and the host's process 1."""
    command = [
        "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit",
        f"--directory={host.root}", f"--machine={host.name}", f"--hostname={host.name}",
        f"--network-namespace-path={network.namespace_path(host.name)}",
        "--resolv-conf=off", "--timezone=off", "--link-journal=no",
        "--bind=/dev/kmsg", "--capability=CAP_SYSLOG",
        *(f"--bind-ro={bind}" for bind in binds),
    ]  # fmt: skip
    joins = "; ".join(f"echo $$ > {folder}/cgroup.procs" for folder in group_folders(host.name, create=True))
    if Path("/run/systemd/system").is_dir():
        # Where systemd rules the control groups, ask it for one.
        scope = f"--unit=streamdiag-{host.name}"
        command = ["systemd-run", "--quiet", "--collect", "--scope", scope, "--property=Delegate=yes", *command]
    pid_file, log = host.folder / "supervisor.pid", host.folder / "console.log"
    script = f"echo $$ > {pid_file}; {joins or ':'}; exec {shlex.join(command)} < /dev/null > {log} 2>&1"
    # In a session of its own: it must outlive this process and not hear its Ctrl-C.
    sh("setsid", "--fork", "sh", "-c", script)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        supervisor, leader = _find_leader(pid_file)
        if supervisor and leader:
            host.supervisor, host.supervisor_started = supervisor.pid, supervisor.started
            host.leader, host.leader_started = leader.pid, leader.started
            host.save()
            return
        time.sleep(0.1)
    raise RuntimeError(f"{host.name} did not start:\n{log.read_text(errors='replace')[-2000:] if log.exists() else ''}")


def _find_leader(pid_file: Path) -> tuple[Process | None, Process | None]:
    try:
        supervisor = read(int(pid_file.read_text()))
    except (FileNotFoundError, ValueError):
        return None, None
    if supervisor is None:
        return None, None
    children = (process for pid in all_pids() if (process := read(pid)) and process.parent == supervisor.pid)
    return supervisor, next((child for child in children if child.inner_pid == 1), None)


def _wait_for_login(host: Host, patience: float = 60) -> None:
    """Wait (at most `patience` seconds) until systemd has finished booting and an operator can log in."""
    deadline = time.monotonic() + patience
    seen = "nothing"
    while time.monotonic() < deadline:
        if not host.running:
            break
        answer = host.run(["systemctl", "is-system-running"])
        seen = (answer.stdout or answer.stderr).strip()
        if seen == "running":
            return
        time.sleep(0.3)
    failed = host.enter("systemctl", "--failed", "--no-legend", check=False) if host.running else "it has ended"
    raise RuntimeError(f"{host.name}: not up after {patience:g} s ({seen}); {failed}")


def _remove(name: str) -> None:
    host = load(name)
    processes = _inside(name)
    # Process 1 first: the kernel then ends the whole host at once, and nothing is restarted in between.
    end(sorted(processes, key=lambda process: process.inner_pid != 1))
    supervisor = _supervisor(host)
    # It goes by itself now, and takes its lock files along; only if not, it is killed.
    if supervisor is not None and not gone([supervisor], patience=3):
        end([supervisor])
    folder = hosts_dir() / name
    for mount in reversed(_mounts_below(folder)):
        if not try_sh(["umount", mount]):
            sh("umount", "--lazy", mount)
    network.disconnect(name, host.slot if host is not None else None)
    remove_groups(name)
    for place in (f"/run/systemd/nspawn/propagate/{name}", f"/run/systemd/nspawn/unix-export/{name}"):
        if Path(place).exists():
            try_sh(["umount", place])
            shutil.rmtree(place, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder)


def _supervisor(host: Host | None) -> Process | None:
    """The systemd-nspawn that was started for the host, when it still runs."""
    process = read(host.supervisor) if host is not None and host.supervisor else None
    return process if host is not None and process is not None and process.started == host.supervisor_started else None


def _mounts_below(folder: Path) -> list[str]:
    rows = Path("/proc/self/mounts").read_text().splitlines()
    points = [row.split()[1].replace("\\040", " ") for row in rows]
    return [point for point in points if Path(point).is_relative_to(folder)]
