"""The way out: listed hosts and nothing else, every request told, no way around."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_core.api import Event
from massgen_exec_docker.egress import Rules, sweep
from massgen_exec_docker.engine import Engine

from .stage import SECONDS, python, sandbox

pytestmark = [pytest.mark.anyio, pytest.mark.once]
# Speaks to the proxy as it likes: raw bytes, and what came back.
RAW = """
import socket, sys
peer = socket.create_connection(("127.0.0.1", 3128), 10)
for piece in sys.argv[1:]:
    peer.sendall(piece.encode("latin-1"))
got = b""
while data := peer.recv(65536):
    got += data
sys.stdout.buffer.write(got)
"""


class Server(http.server.BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_GET(self) -> None:
        body = f"{self.command} {self.path} {self.headers['Host']} {self.headers['Proxy-Authorization']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """Yield the port of a web server on this machine's loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def requests(events: list[Event]) -> list[tuple[str, str, bool]]:
    """Return what was told of requests."""
    return [(each.method, each.target, each.is_allowed) for each in events if each.type == "docker.requested"]  # type: ignore[attr-defined]


async def test_listed_hosts_are_reached_and_all_is_told(engine: Engine, tmp_path: Path) -> None:
    """Both ways of asking a proxy work for what is listed and for nothing else; each request stands in the run's log."""
    with listening() as port, listening() as other, anyio.fail_after(SECONDS):
        async with sandbox(tmp_path, network="allow", hosts=[f"127.0.0.1:{port}"]) as (executor, context):
            plain = await python(executor, RAW, f"GET http://127.0.0.1:{port}/x?y HTTP/1.1\r\nHost: wrong\r\nProxy-Authorization: secret\r\n\r\n")
            tunnel = await python(executor, RAW, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n", "GET /z HTTP/1.0\r\nHost: mine\r\n\r\n")
            refused = await python(executor, RAW, f"CONNECT 127.0.0.1:{other} HTTP/1.1\r\n\r\n")
            events = context.records.events

    assert plain.stdout.endswith(f"GET /x?y 127.0.0.1:{port} None".encode())
    assert tunnel.stdout.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.0 200")
    assert tunnel.stdout.endswith(b"GET /z mine None")
    assert refused.stdout.startswith(b"HTTP/1.1 403")
    assert requests(events) == [("GET", f"127.0.0.1:{port}", True), ("CONNECT", f"127.0.0.1:{port}", True), ("CONNECT", f"127.0.0.1:{other}", False)]


@pytest.mark.parametrize(
    "head",
    [
        "GET http://127.0.0.1:{listed}@127.0.0.1:{other}/ HTTP/1.1",
        "GET http://127.0.0.1:{other}/ http://127.0.0.1:{listed}/ HTTP/1.1",
        "GET http://127.0.0.1:{other}/#127.0.0.1:{listed} HTTP/1.1",
        "GET https://127.0.0.1:{other}/ HTTP/1.1",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{other}",
        "CONNECT 2130706433:{other} HTTP/1.1",
        "CONNECT 0:{other} HTTP/1.1",
        "CONNECT [::1]:{other} HTTP/1.1",
        "CONNECT [::ffff:127.0.0.1]:{listed} HTTP/1.1",
        "CONNECT localhost:{listed} HTTP/1.1",
        "CONNECT 127.0.0.1:{listed}/../{other} HTTP/1.1",
        "CONNECT 127.0.0.1.:{other} HTTP/1.1",
        "\x01\x02",
    ],
)
async def test_no_spelling_gets_around_the_list(engine: Engine, tmp_path: Path, head: str) -> None:
    """Hosts in other clothes, malformed requests: refused, and the server that is not listed hears nothing."""
    with listening() as listed, listening() as other, anyio.fail_after(SECONDS):
        async with sandbox(tmp_path, network="allow", hosts=[f"127.0.0.1:{listed}"]) as (executor, context):
            result = await python(executor, RAW, head.format(listed=listed, other=other) + "\r\n\r\n")
            told = requests(context.records.events)

    assert result.stdout[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403")
    assert [is_allowed for *_, is_allowed in told] == [False]


async def test_one_connection_is_one_request(engine: Engine, tmp_path: Path) -> None:
    """A second request, sent behind the first on the same connection, does not reach another host."""
    with listening() as listed, listening() as other, anyio.fail_after(SECONDS):
        first = f"GET http://127.0.0.1:{listed}/1 HTTP/1.1\r\n\r\n"
        second = f"GET http://127.0.0.1:{other}/2 HTTP/1.1\r\n\r\n"
        async with sandbox(tmp_path, network="allow", hosts=[f"127.0.0.1:{listed}"]) as (executor, _):
            result = await python(executor, RAW, first + second)

    assert b"/1" in result.stdout
    assert f"127.0.0.1:{other}".encode() not in result.stdout.partition(b"\r\n\r\n")[2]


async def test_the_socket_cannot_be_replaced(engine: Engine, tmp_path: Path) -> None:
    """A container sees the proxy's folder and changes nothing in it, and there is no other way out."""
    code = """
import os, socket
for act in (lambda: os.unlink("/run/massgen/proxy/socket"), lambda: open("/run/massgen/proxy/x", "w")):
    try:
        act()
        print("done")
    except OSError as error:
        print(type(error).__name__)
print([name for _, name in socket.if_nameindex()])
"""
    async with sandbox(tmp_path, network="allow", hosts=["example.org:443"]) as (executor, _):
        result = await python(executor, code)

    assert result.stdout.decode().split() == ["OSError", "OSError", "['lo']"]


def test_sockets_of_dead_proxies_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed owner left in the temporary folder goes when an executor is opened next; what is served, or just made, stays."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        for name in ("dead", "empty", "new", "served"):
            (tmp_path / f"massgen-proxy-{name}" / "seen").mkdir(parents=True)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as dead:
            dead.bind(str(tmp_path / "massgen-proxy-dead" / "seen" / "socket"))
        server.bind(str(tmp_path / "massgen-proxy-served" / "seen" / "socket"))
        server.listen()
        for name in ("dead", "empty", "served"):
            os.utime(tmp_path / f"massgen-proxy-{name}", (1, 1))
        sweep()

    assert {folder.name.rpartition("-")[2] for folder in tmp_path.iterdir()} == {"new", "served"}


def test_names_below_a_host() -> None:
    """`*.` stands for names below, not for the host itself nor for others that end alike; ports are exact; case and a last dot do not matter."""
    rules = Rules(("*.example.org:443", "plain.example.com:80", "[2001:db8::1]:443"))

    assert rules.allow("a.example.org", 443)
    assert rules.allow("A.B.Example.ORG.", 443)
    assert rules.allow("plain.example.com", 80)
    assert rules.allow("[2001:db8::1]", 443)
    for host, port in (
        ("example.org", 443),
        ("badexample.org", 443),
        ("a.example.org", 80),
        ("x.plain.example.com", 80),
        ("plain.example.com.evil", 80),
    ):
        assert not rules.allow(host, port)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:192.168.1.1", "0.0.0.0"])
def test_a_name_does_not_lead_to_this_machine(address: str) -> None:
    """A listed name whose owner lets it point at this machine or its network is not followed there; a listed address is meant."""
    rules: Any = Rules(("example.org:443",))

    assert rules.refusal("example.org", address)
    assert not rules.refusal("example.org", "93.184.215.14")
    assert not rules.refusal(address, address)
    assert not rules.refusal("localhost", "127.0.0.1")
