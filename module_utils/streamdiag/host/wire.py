"""httpx over a network backend that sees every read of the socket and asks the watch before each.

httpx's own timeouts measure silence between bytes; a ping every 15 s would hide a hang from them for
ever. Here the wait is cut into ticks, so that a deadline on events holds and a stream can be stopped early.
"""

from __future__ import annotations

import ssl
from typing import Any, Iterable, Iterator, Optional

import httpcore
import httpx

from .client import trust_store
from .watch import Watch

#: What a request over this transport may raise for what the server or the network does.
WIRE_ERRORS = (
    httpx.HTTPError,
    httpx.StreamError,
    httpx.InvalidURL,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    OSError,
)


class _WatchedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, watch: Watch) -> None:
        self._inner = inner
        self._watch = watch

    def read(self, max_bytes: int, timeout: Optional[float] = None) -> bytes:
        while True:
            wait = self._watch.wait()
            began = self._watch.now()
            try:
                data = self._inner.read(max_bytes, wait)
            except httpcore.ReadTimeout:
                self._watch.nothing_came(began + wait)  # poll(2) looks once more when its time is over
                continue
            if data:
                self._watch.bytes_arrived(len(data))
            return data

    def write(self, buffer: bytes, timeout: Optional[float] = None) -> None:
        self._inner.write(buffer, self._watch.deadlines.connect if timeout is None else timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> httpcore.NetworkStream:
        return _WatchedStream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._watch)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _WatchedBackend(httpcore.NetworkBackend):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: Optional[float] = None,
        local_address: Optional[str] = None,
        socket_options: Optional[Iterable[Any]] = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        self._watch.connected()
        return _WatchedStream(stream, self._watch)

    def connect_unix_socket(
        self, path: str, timeout: Optional[float] = None, socket_options: Optional[Iterable[Any]] = None
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_unix_socket(path, timeout, socket_options)
        self._watch.connected()
        return _WatchedStream(stream, self._watch)


class _Body(httpx.SyncByteStream):
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        self._inner.close()


class WatchedTransport(httpx.BaseTransport):
    """An httpx transport for one stream: HTTP/1.1, no connection kept, no proxy from the environment."""

    def __init__(self, watch: Watch) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=trust_store(),
            max_keepalive_connections=0,
            network_backend=_WatchedBackend(watch),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme,
                    host=url.raw_host,
                    port=url.port,
                    target=url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()
