"""Notice a request the moment it reaches a host, by listening on its network; the server is not asked anything.

The access log would tell too, but only when the answer begins, and this tiny model may be done by then.
Run inside the host's network namespace: python3 wire.py
"""

import os
import socket
from contextlib import suppress

ALL_PROTOCOLS = 0x0003
REQUEST = b"POST /v1/responses "
#: The end of the line that names an event of a response, and what a piece of a chat completion calls itself.
PIECES = (b".delta\n", b'"chat.completion.chunk"')
SERVER = 8000  # port; a proxy on the same host repeats every piece from a port of its own


def segment(packet: bytes) -> bytes:
    """The TCP segment of an Ethernet frame that carries IPv4 or IPv6; empty for anything else."""
    kind, ip = packet[12:14], packet[14:]
    if kind == b"\x08\x00" and ip[9] == socket.IPPROTO_TCP:
        return ip[(ip[0] & 0x0F) * 4 :]
    if kind == b"\x86\xdd" and ip[6] == socket.IPPROTO_TCP:
        return ip[40:]
    return b""


def payload(tcp: bytes) -> bytes:
    """What a TCP segment carries."""
    return tcp[(tcp[12] >> 4) * 4 :] if len(tcp) > 12 else b""


def ports(tcp: bytes) -> tuple[int, int]:
    """A TCP segment's source and destination."""
    return int.from_bytes(tcp[0:2], "big"), int.from_bytes(tcp[2:4], "big")


def hurry() -> None:
    """Run this thread before all ordinary ones: on a busy machine a tenth of a second late is many tokens late."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def tell(word: bytes) -> None:
    """Print a line in one write, whatever this machine's Python has been told about buffers."""
    os.write(1, word + b"\n")


def main() -> None:
    """Print a line when all is ready, one for the first POST /v1/responses, and one for each token of an answer.

    A token's line is `piece PORT`, with the port of its client: streams that run side by side can be told apart.
    """
    hurry()
    requested = False
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)) as wire:
        tell(b"listening")
        while True:
            packet, (_, _, direction, *_) = wire.recvfrom(65536)
            tcp = segment(packet)
            text = payload(tcp)
            if not requested and text.startswith(REQUEST):
                requested = True
                tell(b"request")
            # On loopback each packet is seen twice, on its way out and on its way in.
            if direction == socket.PACKET_OUTGOING and ports(tcp)[0] == SERVER:
                for _ in range(sum(text.count(piece) for piece in PIECES)):
                    tell(b"piece %d" % ports(tcp)[1])


if __name__ == "__main__":
    main()
