"""The hosts by hand: python -m tests.hosts --help"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from types import FrameType

from . import faults, gpu, inventory, machine
from .cache import cache_dir
from .host import Host, known, load
from .keys import ssh_options
from .needs import cannot
from .rootfs import RELEASES


class _Ended(BaseException):
    """Ctrl-C or SIGTERM arrived: a held fault, or a half-booted host, is undone on the way out."""


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second one must not cut the undoing short
    raise _Ended


def _running_host(name: str) -> Host:
    host = load(name)
    if host is None or not host.running:
        sys.exit(f"{name} does not run; running: {', '.join(host.name for host in machine.running()) or 'none'}")
    return host


def _up(name: str, release: str, vllm: bool) -> None:
    if (reason := cannot()) is not None:
        sys.exit(f"this machine cannot boot hosts: {reason}")
    already = load(name)
    if already is not None and already.running:
        if (already.release, already.vllm) != (release, vllm):
            sys.exit(
                f"{name} runs already, as {already.release}{' with vLLM' if already.vllm else ''}: down {name} first"
            )
        host = already
    else:
        host = machine.boot(name, release, vllm)
    print(f"{host.name} runs {host.release} at {host.address}" + (f", vLLM at {host.url}" if vllm else ""))
    print(f"  ansible-playbook -i {inventory.everyone()} diagnose.yml -l {host.name}")


def _list() -> None:
    for host in known():
        state = "up" if host.running else "left over"
        what = f"vLLM at {host.url}" if host.vllm else "no vLLM"
        print(f"{host.name}  {host.release}  {host.address}  {state}  {what}")
        print(f"  {shlex.join(['ssh', *ssh_options(host.known_hosts), f'operator@{host.address}'])}")
    print(f"inventory: {inventory.everyone()}")


def _fault(host: Host, name: str, when: str | None) -> None:
    with faults.inject(host, name, when) as held:
        print(f"{host.name}: {name} is in force{f' ({held})' if held else ''}; Ctrl-C or SIGTERM undoes it", flush=True)
        signal.pause()


def _doctor() -> None:
    reason = cannot()
    print(f"cache: {cache_dir()}")
    if reason is not None:
        sys.exit(f"cannot boot hosts here: {reason}")
    print("hosts can be booted here")


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="boot a host")
    up.add_argument("name")
    up.add_argument("--release", choices=RELEASES, default=RELEASES[0])
    up.add_argument("--vllm", action="store_true", help="with a real vLLM as unit vllm")
    down = commands.add_parser("down", help="remove hosts, left over ones too")
    down.add_argument("names", nargs="*", metavar="NAME")
    down.add_argument("--all", action="store_true", help="every host, and what only hosts need")
    commands.add_parser("list", help="show the hosts")
    fault = commands.add_parser("fault", help="hold a fault until Ctrl-C or SIGTERM")
    fault.add_argument("name")
    fault.add_argument("fault", metavar="NAME[=VALUE]", help=f"one of {', '.join(sorted(faults.FAULTS))}")
    fault.add_argument("--when", help="which requests a bent stream is for: tools, reasoning, large, ...")
    state = commands.add_parser("gpu", help="choose what the host's nvidia-smi says")
    state.add_argument("name")
    state.add_argument("state", choices=gpu.STATES)
    commands.add_parser("doctor", help="can this machine boot hosts?")
    given = parser.parse_args()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)
    if given.command == "up":
        _up(given.name, given.release, given.vllm)
    elif given.command == "down":
        if given.all:
            machine.shutdown_all()
        for name in given.names:
            machine.shutdown(name)
    elif given.command == "list":
        _list()
    elif given.command == "fault":
        try:
            _fault(_running_host(given.name), given.fault, given.when)
        except ValueError as error:
            sys.exit(str(error))
    elif given.command == "gpu":
        gpu.set_state(_running_host(given.name), given.state)
    else:
        _doctor()


if __name__ == "__main__":
    try:
        main()
    except _Ended:
        sys.exit(0)
