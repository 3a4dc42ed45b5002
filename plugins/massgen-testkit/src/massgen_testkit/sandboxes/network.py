"""Checks of executors: what commands reach."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from massgen_core.api import LimitUnsupported, NetworkPolicy
from massgen_testkit.context import PlainContext
from massgen_testkit.sandboxes.base import Sandboxes

CONNECT = """
import json, socket, sys
found = {}
for address in sys.argv[1:]:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), 3) as peer:
            found[address] = "connected"
    except OSError as error:
        found[address] = type(error).__name__
print(json.dumps(found))
"""
FETCH = """
import json, sys, urllib.request
found = {}
for address in sys.argv[1:]:
    try:
        found[address] = urllib.request.urlopen("http://" + address + "/", timeout=5).read().decode()
    except OSError as error:
        found[address] = type(error).__name__
print(json.dumps(found))
"""


class Hello(http.server.BaseHTTPRequestHandler):
    """Says hello."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[str]:
    """Yield the address of a web server of this machine."""
    server = http.server.ThreadingHTTPServer((host, 0), Hello)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="massgen-testkit-server")
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def own_address() -> str:
    """Return an address of this machine other than the loopback's; the loopback's where it has no other."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


class NetworkChecks(Sandboxes):
    """Nothing is reached unless the policy says so."""

    async def test_no_network_is_none_at_all(self, context: PlainContext, workspace: Path) -> None:
        """Neither this machine, on any of its addresses, nor another, nor names are reached; nobody needs to ask for that."""
        async with self.sandbox(context) as executor:
            policy = NetworkPolicy(mode="none")
            if "no network" in self.unsupported:
                with pytest.raises(LimitUnsupported, match="network"):
                    await self.script(executor, "", network=policy)
                return
            with listening("0.0.0.0") as address:  # noqa: S104 - the command must not reach it on any address
                port = address.rpartition(":")[2]
                targets = [address, f"{own_address()}:{port}", "172.17.0.1:" + port, "169.254.169.254:80", "example.com:80"]
                for network in (None, policy):
                    found = await self.told(executor, CONNECT, *targets, network=network)
                    assert "connected" not in found.values(), found

    async def test_no_network_sends_nothing(self, context: PlainContext, workspace: Path) -> None:
        """A datagram is refused, and there is no interface but the sandbox's own."""
        self.need("no network")
        code = """
import json, socket
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9))
    sent = True
except OSError:
    sent = False
try:
    names = [name for _, name in socket.if_nameindex()]
except OSError:
    names = []
print(json.dumps([sent, names]))
"""
        async with self.sandbox(context) as executor:
            sent, names = await self.told(executor, code)

        assert not sent
        assert set(names) <= {"lo"}

    async def test_sockets_without_a_file_are_apart(self, context: PlainContext, workspace: Path) -> None:
        """An abstract UNIX socket of this machine, such as a desktop's bus, is not reached."""
        self.need("no network")
        name = f"\0massgen-testkit-{id(context)}"
        code = """
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect("\\0" + sys.argv[1])
    print("connected")
except OSError:
    print("refused")
"""
        with closing(socket.socket(socket.AF_UNIX)) as server:
            server.bind(name)
            server.listen()
            async with self.sandbox(context) as executor:
                result = await self.script(executor, code, name[1:])

        assert result.stdout == b"refused\n"

    async def test_the_full_network_is_open_when_it_is_opened(self, context: PlainContext, workspace: Path) -> None:
        """With the options and the policy that open it, a server of this machine is reached; without such options the policy is refused."""
        policy = NetworkPolicy(mode="full")
        if "full network" in self.unsupported:
            async with self.sandbox(context) as executor:
                with pytest.raises(LimitUnsupported, match="network"):
                    await self.script(executor, "", network=policy)
            return
        async with self.sandbox(context, self.connected) as executor:
            with listening("0.0.0.0") as address:  # noqa: S104 - a container reaches this machine on another address
                target = self.seen_from_inside(address)
                opened = await self.told(executor, FETCH, target, network=policy)
                if "no network" not in self.unsupported:
                    closed = await self.told(executor, CONNECT, target, network=NetworkPolicy(mode="none"))
                    assert closed[target] != "connected"

        assert opened == {target: "hello"}

    def seen_from_inside(self, address: str) -> str:
        """Return the `host:port` with which commands reach a server of this machine when the network is open."""
        return address

    async def test_listed_hosts_alone_are_reached(self, context: PlainContext, workspace: Path) -> None:
        """With a list, programs that follow the usual variables for proxies reach what is on it, and nothing else; or the list is refused."""
        async with self.sandbox(context) as executor:
            with listening() as listed, listening() as other:
                policy = NetworkPolicy(mode="allow", hosts=(listed,))
                if "listed hosts" in self.unsupported:
                    with pytest.raises(LimitUnsupported, match="network"):
                        await self.script(executor, "", network=policy)
                    return
                found = await self.told(executor, FETCH, listed, other, network=policy)
                direct = await self.told(executor, CONNECT, other, network=policy)

        assert found[listed] == "hello"
        assert found[other] != "hello"
        assert direct[other] != "connected"
