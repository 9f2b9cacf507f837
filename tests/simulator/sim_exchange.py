"""One HTTP/1.1 exchange over a raw socket, every read kept with its arrival time.

No HTTP library: the reads, the chunk framing and the headers are what is being compared.
"""

import json
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READ_SIZE = 65536  # what httpx and hyper ask for; larger than any event recorded here
LONGEST_KEPT_BODY = 4000  # characters


@dataclass
class Request:
    """What is sent: `body` is JSON-encoded unless it is bytes already."""

    method: str = "GET"
    path: str = "/"
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self, host: str) -> bytes:
        raw = self.body if isinstance(self.body, bytes) else b""
        headers = {"host": host, **self.headers}
        if self.body is not None:
            if not isinstance(self.body, bytes):
                raw = json.dumps(self.body).encode()
            headers.setdefault("content-type", "application/json")
            headers["content-length"] = str(len(raw))
        head = f"{self.method} {self.path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        return head.encode() + b"\r\n" + raw


@dataclass
class Exchange:
    """What came back: (seconds since the request was sent, bytes) per read; `end` is complete, eof, reset or idle."""

    reads: list[tuple[float, bytes]] = field(default_factory=list)
    end: str = "idle"
    t_end: float = 0.0

    @property
    def raw(self) -> bytes:
        return b"".join(data for _, data in self.reads)

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def headers(self) -> list[tuple[str, str]]:
        head = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return [(k, v) for k, _, v in (line.partition(": ") for line in head)]

    @property
    def chunks(self) -> list[bytes]:
        """The chunks of a chunked body as far as they came; one chunk for any other body."""
        body = self.raw.partition(b"\r\n\r\n")[2]
        if ("transfer-encoding", "chunked") not in self.headers:
            return [body] if body else []
        out = []
        while body:
            size, _, body = body.partition(b"\r\n")
            n = int(size, 16)
            if n == 0 or len(body) < n:
                break
            out.append(body[:n])
            body = body[n + 2 :]
        return out

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[tuple[str, Any]]:
        """(event name, data) per server-sent event; the name is "" where there is none, data "[DONE]" stays text."""
        out = []
        for block in self.body.decode().split("\n\n"):
            lines = block.split("\n")
            name = next((line[7:] for line in lines if line.startswith("event: ")), "")
            data = next((line[6:] for line in lines if line.startswith("data: ")), None)
            if data is not None:
                out.append((name, data if data == "[DONE]" else json.loads(data)))
        return out

    def save(self, path: Path, request: Request, notes: dict[str, Any]) -> None:
        body = request.body.decode("latin-1") if isinstance(request.body, bytes) else request.body
        if len(json.dumps(body)) > LONGEST_KEPT_BODY:
            body = None  # sim_cases.py has it
        head = {"request": {"method": request.method, "path": request.path, "headers": request.headers, "body": body}}
        lines = [json.dumps({**notes, **head})]
        lines += [json.dumps({"t": round(t, 4), "data": data.decode("latin-1")}) for t, data in self.reads]
        lines.append(json.dumps({"t": round(self.t_end, 4), "end": self.end}))
        path.write_text("\n".join(lines) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Exchange":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        reads = [(row["t"], row["data"].encode("latin-1")) for row in rows[1:-1]]
        return cls(reads, rows[-1]["end"], rows[-1]["t"])


def _complete(raw: bytes) -> bool:
    head, sep, body = raw.partition(b"\r\n\r\n")
    if not sep:
        return False
    lines = head.lower().split(b"\r\n")
    if b"transfer-encoding: chunked" in lines:
        return body.endswith(b"0\r\n\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    return len(body) >= length


def exchange(
    host: str, port: int, request: Request, idle: float = 10.0, total: float = 60.0, first: float = 10.0
) -> Exchange:
    """Send, read until the response is complete, the peer closes, or nothing came for `first`, then `idle` seconds."""
    result = Exchange()
    with socket.create_connection((host, port), timeout=first) as sock:
        start = time.monotonic()
        try:
            sock.sendall(request.encode(f"{host}:{port}"))
            raw = b""
            while time.monotonic() - start < total:
                data = sock.recv(READ_SIZE)
                if not data:
                    result.end = "eof"
                    break
                sock.settimeout(max(0.01, min(idle, start + total - time.monotonic())))
                result.reads.append((time.monotonic() - start, data))
                raw += data
                if _complete(raw):
                    result.end = "complete"
                    break
        except TimeoutError:
            result.end = "idle"
        except ConnectionError:
            result.end = "reset"
        result.t_end = time.monotonic() - start
    return result
