"""A stand-in reverse proxy on loopback: `python -m simulator.proxy --upstream URL`. Sound unless it is given a fault.

Without a fault each piece of a body goes on as it comes, so a chunk of the server stays a chunk.
"""

import argparse
import asyncio
import gzip
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
import uvicorn
from starlette.types import Receive, Scope, Send

from simulator.registry import Registry
from simulator.server import GRACE, Server

Headers = list[tuple[bytes, bytes]]
Pieces = AsyncIterator[bytes]

HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
STREAM = b"text/event-stream"


@dataclass
class Settings:
    """What the proxy does wrong; times in seconds, 0 and "" for nothing."""

    hold: bool = False  # every answer to its end, headers included
    gzip_hold: bool = False  # event streams, for clients that accept gzip
    piece_bytes: int = 0
    total_timeout: float = 0.0
    read_timeout: float = 0.0
    drop_every: int = 0  # event
    drop_done: bool = False
    stall_after: int = 0  # bytes of body
    stalls: bool = False
    error_status: int = 0
    content_type: str = ""  # instead of text/event-stream


REGISTRY: Registry[Settings] = Registry()
FAULTS = REGISTRY.faults
fault = REGISTRY.fault


@fault("nothing is wrong: every piece passes as it comes", "a proxy set up for event streams")
def none(s: Settings, value: float) -> None:
    pass


@fault(
    "a client that accepts gzip gets headers and stream at the end, gzip-encoded", "nginx: gzip of text/event-stream"
)
def gzip_hold(s: Settings, value: float) -> None:
    s.gzip_hold = True


@fault("every answer is held to its end, headers included", "a proxy that reads the whole answer first")
def hold(s: Settings, value: float) -> None:
    s.hold = True


@fault(
    "the body passes in pieces of VALUE bytes, the headers at once", "a buffer that is passed on when it is full", 4096
)
def bursts(s: Settings, value: float) -> None:
    s.piece_bytes = int(value)


@fault(
    "the connection is closed VALUE seconds after the request, without an end; 504 before the headers",
    "a total timeout",
    10,
)
def cut_after(s: Settings, value: float) -> None:
    s.total_timeout = value


@fault(
    "the connection is closed when the server was silent for VALUE seconds; 504 before the headers",
    "proxy_read_timeout",
    5,
)
def read_timeout(s: Settings, value: float) -> None:
    s.read_timeout = value


@fault("every VALUE-th event is lost", "a proxy that parses and rewrites streams", 5)
def drop_every(s: Settings, value: float) -> None:
    s.drop_every = int(value)


@fault("the done events of items and parts are lost, response.completed passes", "a gateway that translates events")
def strip_done(s: Settings, value: float) -> None:
    s.drop_done = True


@fault("after VALUE bytes of body nothing passes and the connection stays open", "a network that drops packets", 2000)
def stall_after(s: Settings, value: float) -> None:
    s.stalls, s.stall_after = True, int(value)


@fault("an HTML page with status VALUE instead of any answer", "a proxy that finds no upstream", 502)
def error_page(s: Settings, value: float) -> None:
    s.error_status = HTTPStatus(int(value))


@fault("streams carry the content type VALUE", "a gateway that sets one type for all answers", "application/json")
def wrong_type(s: Settings, value: str) -> None:
    s.content_type = value


class Proxy:
    """The ASGI application."""

    def __init__(self, upstream: str, settings: Settings) -> None:
        self.upstream, self.settings = httpx.URL(upstream), settings
        limits = httpx.Limits(max_keepalive_connections=0)
        self.transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Returning before the body has its end makes uvicorn close the connection."""
        body = await request_body(receive)
        relay = asyncio.create_task(self.serve(scope, body, send))
        gone = asyncio.create_task(disconnect(receive))
        await asyncio.wait({relay, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not relay.done():
            relay.cancel()  # and with it the request to the server
            await asyncio.wait({relay})
        else:
            relay.result()

    async def serve(self, scope: Scope, body: bytes, send: Send) -> None:
        answer = Answer(send)
        if self.settings.error_status:
            await answer.page(self.settings.error_status)
            return
        try:
            async with asyncio.timeout(self.settings.total_timeout or None):
                await self.relay(scope, body, answer)
        except (TimeoutError, httpx.TimeoutException):
            if not answer.started:
                await answer.page(504)
        except httpx.TransportError:
            if not answer.started:
                await answer.page(502)

    async def relay(self, scope: Scope, body: bytes, answer: "Answer") -> None:
        settings = self.settings
        response = await self.transport.handle_async_request(self.request(scope, body))
        try:
            headers = end_to_end(response.headers.raw)
            stream = of(headers, b"content-type").startswith(STREAM)
            zipped = settings.gzip_hold and stream and b"gzip" in of(scope["headers"], b"accept-encoding")
            assert isinstance(response.stream, httpx.AsyncByteStream)
            pieces = self.bend(aiter(response.stream), stream)
            if settings.hold or zipped:
                pieces = whole(pieces, gzip.compress if zipped else bytes)
                first = await anext(pieces)
                pieces = chain(first, pieces)
            if zipped:
                headers = [*without(headers, b"content-length"), (b"content-encoding", b"gzip")]
            if settings.content_type and stream:
                headers = [*without(headers, b"content-type"), (b"content-type", settings.content_type.encode())]
            await answer.start(response.status_code, headers)
            async for piece in pieces:
                await answer.piece(piece)
            await answer.end()
        finally:
            await response.aclose()

    def request(self, scope: Scope, body: bytes) -> httpx.Request:
        """The request to the server: the client's own headers, nothing added but the server's name."""
        path = self.upstream.raw_path.rstrip(b"/") + scope["raw_path"]
        if scope["query_string"]:
            path += b"?" + scope["query_string"]
        headers = without(end_to_end(scope["headers"]), b"host")
        wait = {"connect": 5.0, "read": self.settings.read_timeout or None}
        url = self.upstream.copy_with(raw_path=path)
        return httpx.Request(scope["method"], url, headers=headers, content=body, extensions={"timeout": wait})

    def bend(self, pieces: Pieces, stream: bool) -> Pieces:
        """What the faults do to a body; `stream`: it is an event stream."""
        settings = self.settings
        if stream and (settings.drop_every or settings.drop_done):
            pieces = some_events(pieces, settings)
        if settings.piece_bytes:
            pieces = of_size(pieces, settings.piece_bytes)
        return stalling(pieces, settings.stall_after) if settings.stalls and stream else pieces


class Answer:
    """The way to the client."""

    def __init__(self, send: Send) -> None:
        self.send, self.started = send, False

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def piece(self, data: bytes) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def page(self, status: int) -> None:
        """An error page as nginx has them."""
        title = f"{status} {HTTPStatus(status).phrase}"
        text = (
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
            "<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
        ).encode()
        length = str(len(text)).encode()
        await self.start(
            status, [(b"server", b"nginx/1.22.1"), (b"content-type", b"text/html"), (b"content-length", length)]
        )
        await self.piece(text)
        await self.end()


async def request_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def end_to_end(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]


def without(headers: Headers, name: bytes) -> Headers:
    return [(key, value) for key, value in headers if key.lower() != name]


def of(headers: Headers, name: bytes) -> bytes:
    return b", ".join(value for key, value in headers if key.lower() == name)


async def chain(first: bytes, rest: Pieces) -> Pieces:
    yield first
    async for piece in rest:
        yield piece


async def whole(pieces: Pieces, finish: Callable[[bytes], bytes]) -> Pieces:
    yield finish(b"".join([piece async for piece in pieces]))


async def of_size(pieces: Pieces, size: int) -> Pieces:
    """Cut and join into pieces of one size; the last one is what is left."""
    rest = b""
    async for piece in pieces:
        rest += piece
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]
    if rest:
        yield rest


async def some_events(pieces: Pieces, settings: Settings) -> Pieces:
    """Without the events that the settings drop; each that is left is a piece."""
    rest, number = b"", 0
    async for piece in pieces:
        *events, rest = (rest + piece).split(b"\n\n")
        for event in events:
            number += 1
            dropped = settings.drop_every and number % settings.drop_every == 0
            if not (dropped or (settings.drop_done and event.partition(b"\n")[0].endswith(b".done"))):
                yield event + b"\n\n"
    if rest:
        yield rest


async def stalling(pieces: Pieces, size: int) -> Pieces:
    """`size` bytes, then nothing, for ever: the server sends on, and sees nothing of it."""
    left = size
    async for piece in pieces:
        if left > 0:
            yield piece[:left]
        left -= len(piece)
    if left < 0:
        await asyncio.Event().wait()


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Usage errors end the process with code 2; `settings` of the result has the faults applied."""
    parser = argparse.ArgumentParser("simulator.proxy", allow_abbrev=False)
    parser.add_argument("--upstream", metavar="URL", help="the server behind it")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--ready-file", type=Path, help="the base URL is written to this file too")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[=VALUE]", help="may be given several times"
    )
    parser.add_argument("--list-faults", action="store_true", help="show all faults and end")
    args = parser.parse_args(argv, argparse.Namespace(settings=Settings()))
    try:
        for spec in args.fault:
            REGISTRY.apply(spec, args.settings)
    except ValueError as error:
        parser.error(str(error))
    if not args.upstream and not args.list_faults:
        parser.error("--upstream is missing")
    return args


def server_for(args: argparse.Namespace, on_ready: Callable[[], None]) -> Server:
    """The HTTP server; it adds no header and writes no log."""
    config = uvicorn.Config(
        Proxy(args.upstream, args.settings),
        http="httptools",
        lifespan="off",
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE,  # type: ignore[arg-type]
    )
    return Server(config, on_ready)


def listen(port: int) -> tuple[socket.socket, str]:
    """A bound socket and its base URL."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock, f"http://127.0.0.1:{sock.getsockname()[1]}"


async def serve(args: argparse.Namespace) -> None:
    """Run until SIGTERM."""
    sock, url = listen(args.port)

    def ready() -> None:
        print(url, flush=True)
        if args.ready_file:
            args.ready_file.write_text(url + "\n")

    server = server_for(args, ready)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    await server.serve(sockets=[sock])


def main() -> None:
    args = parse()
    if args.list_faults:
        print(REGISTRY.describe())
        return
    asyncio.run(serve(args))


if __name__ == "__main__":
    main()
