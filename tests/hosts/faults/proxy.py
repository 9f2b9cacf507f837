"""A real nginx on the host, in front of the server. Each fault yields the public URL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..host import Host
from .network import dropped
from .registry import fault

PORT = 8080
SERVER, NOBODY, SECOND = 8000, 8001, 8081  # ports: of vLLM, of nothing, of a second proxy behind the first one
GZIP = ("gzip on;", "gzip_types text/event-stream;", "gzip_proxied any;", "gzip_http_version 1.0;")


def _site(listen: str, upstream: int, *directives: str) -> str:
    rows = [f"listen {listen};", "client_max_body_size 10m;", *directives]
    rows.append(f"location / {{ proxy_pass http://127.0.0.1:{upstream}; }}")
    return "server {\n" + "".join(f"    {row}\n" for row in rows) + "}\n"


@contextlib.contextmanager
def _nginx(host: Host, *sites: str) -> Iterator[str]:
    """nginx with these sites too; yields the URL of the first. Afterwards it is stopped, and its new logs are gone."""
    file, logs = host.root / "etc/nginx/conf.d/vllm.conf", host.root / "var/log/nginx"
    before = {path.name for path in logs.iterdir()}
    try:
        file.write_text("".join(sites))
        host.enter("systemctl", "restart", "nginx")
        yield f"http://{host.address}:{PORT}"
    finally:
        host.enter("systemctl", "stop", "nginx")
        host.enter("systemctl", "reset-failed", "nginx", check=False)
        file.unlink()
        for path in logs.iterdir():
            if path.name not in before:
                path.unlink()


@fault
def proxy_plain(host: Host) -> Iterator[str]:
    """nginx as it comes, with its buffering on, passes event by event (no fault)."""
    with _nginx(host, _site(f"{PORT}", SERVER)) as url:
        yield url


@fault
def proxy_gzip(host: Host) -> Iterator[str]:
    """Everything is held to the end, headers too, for clients that accept gzip, and only for these."""
    with _nginx(host, _site(f"{PORT}", SERVER, *GZIP)) as url:
        yield url


@fault
def proxy_holding(host: Host) -> Iterator[str]:
    """Everything is held to the end, headers too, for every client: two proxies, with gzip between them."""
    first = _site(f"{PORT}", SECOND, "gunzip on;", "proxy_set_header Accept-Encoding gzip;")
    with _nginx(host, first, _site(f"127.0.0.1:{SECOND}", SERVER, *GZIP)) as url:
        yield url


@fault
def proxy_read_timeout(host: Host, value: float = 1) -> Iterator[str]:
    """The proxy cuts a stream that is silent for `value` seconds; on a fast server that never happens."""
    with _nginx(host, _site(f"{PORT}", SERVER, f"proxy_read_timeout {value * 1000:.0f}ms;")) as url:
        yield url


@fault
def proxy_down(host: Host) -> Iterator[str]:
    """Nothing listens where the proxy looks for the server: 502."""
    with _nginx(host, _site(f"{PORT}", NOBODY)) as url:
        yield url


@fault
def proxy_gateway_timeout(host: Host) -> Iterator[str]:
    """The proxy cannot reach the server: 504."""
    hole = dropped(host, "-i", "lo", "-p", "tcp", "--dport", str(NOBODY))
    with hole, _nginx(host, _site(f"{PORT}", NOBODY, "proxy_connect_timeout 1s;")) as url:
        yield url
