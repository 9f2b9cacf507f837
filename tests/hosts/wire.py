"""Notice a request the moment it reaches a host, by listening on its network; the server is not asked anything.

The access log would tell too, but only when the answer begins, and this tiny model may be done by then.
Run inside the host's network namespace: python3 wire.py
"""

import os
import socket
from contextlib import suppress

ALL_PROTOCOLS = 0x0003
REQUEST = b"POST /v1/responses "
PIECE = b".delta\n"  # the end of the line that names the event


def payload(packet: bytes) -> bytes:
    """The TCP payload of an Ethernet frame that carries IPv4 or IPv6; empty for anything else."""
    kind, ip = packet[12:14], packet[14:]
    if kind == b"\x08\x00" and ip[9] == socket.IPPROTO_TCP:
        tcp = ip[(ip[0] & 0x0F) * 4 :]
    elif kind == b"\x86\xdd" and ip[6] == socket.IPPROTO_TCP:
        tcp = ip[40:]
    else:
        return b""
    return tcp[(tcp[12] >> 4) * 4 :] if len(tcp) > 12 else b""


def hurry() -> None:
    """Run this thread before all ordinary ones: on a busy machine a tenth of a second late is many tokens late."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def tell(word: bytes) -> None:
    """Print a line in one write, whatever this machine's Python has been told about buffers."""
    os.write(1, word + b"\n")


def main() -> None:
    """Print a line when all is ready, one for the first POST /v1/responses, and one for each piece of its answer."""
    hurry()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)) as wire:
        tell(b"listening")
        while not payload(wire.recv(65536)).startswith(REQUEST):
            pass
        tell(b"request")
        while True:
            if PIECE in payload(wire.recv(65536)):
                tell(b"piece")


if __name__ == "__main__":
    main()
