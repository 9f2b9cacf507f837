"""TCP sockets of the server, from /proc/net: no program of the host is needed.

To whom a socket belongs is only told by /proc/PID/fd, which its owner and root may read. Without
that, the port decides, and the reason says so.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from ..bundle import Socket, Sockets
from ..words import joined, say
from .process import hides_others, user_name

_PROC = Path("/proc")
_MAX_BYTES = 8 * 1024 * 1024
_MAX_CONNECTIONS = 500

# include/net/tcp_states.h
_STATES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSE",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "NEW_SYN_RECV",
}


class _Row(NamedTuple):
    local: str
    local_port: int
    peer: str
    state: str
    recv_queue: int
    send_queue: int
    inode: int


def read_sockets(port: Optional[int], pids: Iterable[int], proc: Path = _PROC) -> Sockets:
    """Listening sockets of ``pids`` and of the server's port, and the connections on that port.

    ``port`` ``None``: every port that ``pids`` listen on. In a listening socket ``recv_queue_bytes`` is
    the number of connections that nobody has accepted yet, see proc(5).
    """
    wanted = list(pids)
    rows = _rows(wanted, proc)
    if rows is None:
        return Sockets(
            state="absent", reason=say("{path} not readable", path=f"{proc}/net/tcp"), listening=[], connections=[]
        )
    owners, unreadable = _owners(wanted, proc)
    ours = [row for row in rows if row.state == "LISTEN" and row.inode in owners]
    on_port = [row for row in rows if row.state == "LISTEN" and row.local_port == port and row.inode not in owners]
    reasons = []
    if unreadable and not ours:
        hidden = say("sockets of {processes} not readable as {user}", processes=_named(unreadable), user=user_name())
        if port is None:
            reason = say("{hidden}, and no port is known", hidden=hidden)
            return Sockets(state="denied", reason=reason, listening=[], connections=[])
        reasons.append(say("{hidden}: told by port {port} alone", hidden=hidden, port=port))
    elif on_port and wanted:
        reasons.append(say("a process outside the unit listens on port {port}", port=port))
    listening = ours + on_port
    ports = {port} if port is not None else {row.local_port for row in listening}
    connections = [row for row in rows if row.state != "LISTEN" and row.local_port in ports]
    connections.sort(key=lambda row: row.state != "ESTABLISHED")
    if len(connections) > _MAX_CONNECTIONS:
        count = len(connections)
        reasons.append(say("{kept} of {count} connections kept", kept=_MAX_CONNECTIONS, count=count))
    return Sockets(
        state="ok",
        reason=joined("; ", reasons),
        listening=[_socket(row, owners) for row in listening],
        connections=[_socket(row, owners) for row in connections[:_MAX_CONNECTIONS]],
    )


def listening_ports(pids: Iterable[int], proc: Path = _PROC) -> List[int]:
    """TCP ports that ``pids`` listen on, those of the first process first; empty when that cannot be told."""
    wanted = list(pids)
    owners, _ = _owners(wanted, proc)
    rows = [row for row in _rows(wanted, proc) or [] if row.state == "LISTEN" and row.inode in owners]
    rows.sort(key=lambda row: (wanted.index(owners[row.inode]), row.local_port))
    return list(dict.fromkeys(row.local_port for row in rows))


def listener(port: int, proc: Path = _PROC) -> Optional[int]:
    """The process that listens on ``port``, ``None`` when there is none or its files may not be seen."""
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdigit())
    except OSError:
        return None
    owners, _ = _owners(pids, proc)
    for row in _rows([], proc) or []:
        if row.state == "LISTEN" and row.local_port == port and row.inode in owners:
            return owners[row.inode]
    return None


def _rows(pids: List[int], proc: Path) -> Optional[List[_Row]]:
    """The TCP tables of the processes' own network namespace, else of ours; ``None``: not readable."""
    found: List[_Row] = []
    for base in [proc / str(pid) / "net" for pid in pids] + [proc / "net"]:
        tables = [(base / name, width) for name, width in (("tcp", 8), ("tcp6", 32))]
        readable = False
        for path, width in tables:
            try:
                with open(str(path), encoding="ascii", errors="replace") as file:
                    lines = file.read(_MAX_BYTES).splitlines()[1:]
            except OSError:
                continue
            readable = True
            found.extend(row for row in (_row(line, width) for line in lines) if row is not None)
        if readable:
            return found
    return None


def _row(line: str, width: int) -> Optional[_Row]:
    """``sl local rem st tx:rx tr:tm retrnsmt uid timeout inode …``, see proc_pid_net(5)."""
    fields = line.split()
    try:
        local, peer = fields[1].split(":"), fields[2].split(":")
        send, recv = fields[4].split(":")
        if len(local[0]) != width:
            return None
        return _Row(
            local=_address(local[0], int(local[1], 16)),
            local_port=int(local[1], 16),
            peer=_address(peer[0], int(peer[1], 16)),
            state=_STATES.get(int(fields[3], 16), fields[3]),
            recv_queue=int(recv, 16),
            send_queue=int(send, 16),
            inode=int(fields[9]),
        )
    except (IndexError, ValueError):
        return None


def _address(text: str, port: int) -> str:
    """The kernel prints 32-bit words in the machine's byte order. ``::ffff:a.b.c.d`` is shown as ``a.b.c.d``."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    raw = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    if len(raw) == 16 and raw.startswith(b"\0" * 10 + b"\xff\xff"):
        raw = raw[12:]
    if len(raw) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, raw)}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, raw)}]:{port}"


def _owners(pids: List[int], proc: Path) -> Tuple[Dict[int, int], Set[int]]:
    """Socket inode -> the first of ``pids`` that holds it; and the processes whose files may not be seen."""
    owners: Dict[int, int] = {}
    unreadable: Set[int] = set()
    for pid in pids:
        folder = proc / str(pid) / "fd"
        try:
            names = os.listdir(folder)
        except PermissionError:
            unreadable.add(pid)
            continue
        except OSError:  # gone, or made to look so
            if hides_others(proc):
                unreadable.add(pid)
            continue
        for name in names:
            try:
                link = os.readlink(folder / name)
            except OSError:
                continue
            if link.startswith("socket:["):
                owners.setdefault(int(link[len("socket:[") : -1]), pid)
    return owners, unreadable


def _named(pids: Set[int]) -> str:
    if len(pids) == 1:
        return say("process {pid}", pid=min(pids))
    return say("{count} processes", count=len(pids))


def _socket(row: _Row, owners: Dict[int, int]) -> Socket:
    return Socket(
        local=row.local,
        peer=row.peer,
        state=row.state,
        pid=owners.get(row.inode),
        recv_queue_bytes=row.recv_queue,
        send_queue_bytes=row.send_queue,
    )
