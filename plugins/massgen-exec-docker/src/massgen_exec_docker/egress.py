"""The way out for listed hosts: an HTTP proxy on a UNIX socket, which containers without a network reach as a file."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import anyio
import anyio.abc
import attrs

from massgen_core.api import MassGenError, address_refusal, clean_line

__all__ = ["Proxy", "Rules", "socket_folder", "sweep"]

PREFIX = "massgen-proxy-"
INNER = "seen"
NEW_SECONDS = 600.0  # one that is just being made, or waits for an agent; knocking there would be taken for it
HEAD = 1 << 16
PIECE = 1 << 16
HEAD_SECONDS = 30.0
CONNECT_SECONDS = 20.0
_RULE = re.compile(r"(\*\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_TARGET = re.compile(r"([A-Za-z0-9_.-]{1,255}|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_ABSOLUTE = re.compile(r"http://([^/?#@\s]+)([/?][^\s#]*)?")
_HOP = ("connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "upgrade")
_BROKEN = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


def socket_folder() -> str:
    """Make a folder for a socket: whoever sees it in a container may connect, and other users of this machine do not get there."""
    folder = os.path.join(tempfile.mkdtemp(prefix=PREFIX), INNER)
    os.mkdir(folder)
    os.chmod(folder, 0o755)  # noqa: S103 - a container's user looks for the socket in it
    return folder


def sweep() -> None:
    """Remove the sockets of this user's proxies that nobody serves any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            state = folder.lstat()
            if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or time.time() - state.st_mtime < NEW_SECONDS:
                continue
            with socket.socket(socket.AF_UNIX) as door:
                door.settimeout(1)
                if door.connect_ex(f"{folder}/{INNER}/socket") in (errno.ECONNREFUSED, errno.ENOENT):
                    shutil.rmtree(folder, ignore_errors=True)


def _parsed(rules: Sequence[str]) -> tuple[tuple[bool, str, int], ...]:
    found = []
    for rule in rules:
        match = _RULE.fullmatch(rule)
        if match is None or not 0 < int(match[3]) < 1 << 16:
            raise MassGenError(f"executor docker: hosts: {clean_line(rule)!r} is not host:port, such as example.org:443 or *.example.org:443")
        found.append((bool(match[1]), match[2].lower().rstrip("."), int(match[3])))
    return tuple(found)


@attrs.frozen
class Rules:
    """Which hosts may be reached.

    Args:
        hosts: `host:port` each; `*.` before the host stands for all names below it.
    """

    hosts: tuple[tuple[bool, str, int], ...] = attrs.field(converter=_parsed)

    def allow(self, host: str, port: int) -> bool:
        """Whether a host is listed."""
        name = host.lower().rstrip(".")
        return any(port == its and (name.endswith(f".{listed}") if below else name == listed) for below, listed, its in self.hosts)

    def refusal(self, host: str, address: str) -> str:
        """Return why an address that a listed name has may not be reached; empty where it may.

        A name may lead to any address: this machine and the local network must be listed by their addresses, or as localhost.
        """
        if host == "localhost":
            return address_refusal(address, allow_localhost=True)
        try:
            ip_address(host.strip("[]"))
        except ValueError:
            return address_refusal(address)
        return ""


@attrs.define
class Proxy:
    """Serves one list of hosts.

    Attributes:
        rules: The list.
        log: Called with a method, a target and why it was refused.
        folder: Where its socket is; a container sees this folder, and nothing can be written in it from there.
    """

    rules: Rules
    log: Callable[[str, str, str], None]
    folder: str = attrs.field(factory=socket_folder)
    _listener: anyio.abc.SocketListener | None = None
    _scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)
    _done: anyio.Event = attrs.field(factory=anyio.Event)

    async def open(self) -> None:
        """Begin to listen."""
        self._listener = await anyio.create_unix_listener(f"{self.folder}/socket", mode=0o666)

    async def serve(self) -> None:
        """Serve until it is closed."""
        assert self._listener is not None
        try:
            with self._scope, suppress(anyio.ClosedResourceError):
                async with self._listener:
                    await self._listener.serve(self._guarded)
        finally:
            self._done.set()

    async def close(self) -> None:
        """End all connections, and remove the socket."""
        self._scope.cancel()
        with anyio.move_on_after(5):
            await self._done.wait()
        shutil.rmtree(os.path.dirname(self.folder), ignore_errors=True)

    async def _guarded(self, client: anyio.abc.SocketStream) -> None:
        with suppress(*_BROKEN):
            async with client:
                await self._handle(client)

    async def _handle(self, client: anyio.abc.SocketStream) -> None:
        held = bytearray()
        with anyio.move_on_after(HEAD_SECONDS) as scope:
            while b"\r\n\r\n" not in held:
                if len(held) > HEAD:
                    return await _answer(client, 431, "the request's head is too long")
                held += await client.receive(PIECE)
        if scope.cancelled_caught:
            return None
        head, _, rest = bytes(held).partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, _, target = lines[0].rpartition(" ")[0].partition(" ")
        if method == "CONNECT":
            match, first = _TARGET.fullmatch(target), b""
        else:
            absolute = _ABSOLUTE.fullmatch(target)
            place = "" if absolute is None else absolute[1] if ":" in absolute[1].rpartition("]")[2] else f"{absolute[1]}:80"
            match, first = _TARGET.fullmatch(place), b"" if absolute is None else _direct(method, absolute[2] or "/", place, lines[1:])
        if match is None:
            self.log(method, target, "it is no address of a host")
            return await _answer(client, 400, "neither CONNECT host:port nor an absolute http address")
        host, port = match[1].lower().rstrip("."), int(match[2])
        refused, server = await self._reach(host, port)
        self.log(method, f"{host}:{port}", refused)
        if server is None:
            return await _answer(client, 403 if refused.startswith("not") else 502, f"{host}:{port}: {refused}")
        async with server:
            if method == "CONNECT":
                await client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await server.send(first + rest) if first + rest else None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(_copy, client, server))
                tasks.start_soon(partial(_copy, server, client))
        return None

    async def _reach(self, host: str, port: int) -> tuple[str, anyio.abc.SocketStream | None]:
        """Connect to a listed host: to an address that was looked at, so that no second look-up can lead elsewhere."""
        if not self.rules.allow(host, port):
            return "not listed in hosts", None
        reason = "it has no address"
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                found = await anyio.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
                for *_, place in found:
                    if refusal := self.rules.refusal(host, str(place[0])):
                        reason = f"not allowed: {refusal}"
                        continue
                    try:
                        return "", await anyio.connect_tcp(str(place[0]), port)
                    except OSError as error:
                        reason = f"it does not answer: {error.strerror or os.strerror(error.errno or errno.ECONNREFUSED)}"
        except (OSError, UnicodeError):
            reason = "its name is not known"
        except TimeoutError:
            reason = "it does not answer in time"
        return reason, None


def _direct(method: str, path: str, place: str, lines: Sequence[str]) -> bytes:
    """Return the head of a request as its server takes it, for one request only."""
    named = [line for line in lines if line.partition(":")[0].strip().lower() not in (*_HOP, "host")]
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {place.removesuffix(':80')}", *named, "Connection: close", "", "")).encode("latin-1")


async def _answer(client: anyio.abc.SocketStream, status: int, reason: str) -> None:
    body = f"massgen: {reason}\n".encode(errors="replace")
    names = {400: "Bad Request", 403: "Forbidden", 431: "Request Header Fields Too Large", 502: "Bad Gateway"}
    head = f"HTTP/1.1 {status} {names[status]}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    await client.send(head.encode("ascii") + body)


async def _copy(source: anyio.abc.SocketStream, target: anyio.abc.SocketStream) -> None:
    with suppress(*_BROKEN):
        async for data in source:
            await target.send(data)
    with suppress(*_BROKEN):
        await target.send_eof()
