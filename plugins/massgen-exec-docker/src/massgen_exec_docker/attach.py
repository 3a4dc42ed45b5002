"""A container's streams, over a connection of our own: the SDK's loses what arrives together with the answer's head."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlencode

import anyio
import anyio.abc
import attrs

from massgen_core.api import ExecutorUnavailable, SandboxLost, clean_line
from massgen_exec_docker.endpoint import Endpoint
from massgen_exec_docker.engine import Engine

__all__ = ["STDERR", "STDOUT", "Attached", "attach"]

STDOUT, STDERR = 1, 2
HEAD = struct.Struct(">BxxxL")
PIECE = 1 << 18
MOST = 1 << 24
ANSWER = 1 << 16
REASON_SECONDS = 2.0


@attrs.define
class Attached:
    """A container's streams. Whoever holds them holds the container: its input ends with the connection."""

    stream: anyio.abc.ByteStream
    _held: bytearray

    async def pieces(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield what the container writes, with the number of its stream, until the connection ends.

        Raises:
            SandboxLost: What comes is no such stream.
        """
        held = self._held
        while True:
            at = 0
            while len(held) - at >= HEAD.size:
                kind, size = HEAD.unpack_from(held, at)
                if kind > STDERR or size > MOST:
                    raise SandboxLost("executor docker: the engine's stream makes no sense")
                if len(held) - at - HEAD.size < size:
                    break
                yield kind, bytes(held[at + HEAD.size : at + HEAD.size + size])
                at += HEAD.size + size
            del held[:at]
            try:
                held += await self.stream.receive(PIECE)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async def aclose(self) -> None:
        """Let go of the container."""
        with suppress(OSError, anyio.BrokenResourceError):
            await self.stream.aclose()


async def _connected(endpoint: Endpoint) -> anyio.abc.ByteStream:
    if endpoint.path:
        return await anyio.connect_unix(endpoint.path)
    host, port = endpoint.place
    if (context := endpoint.context()) is None:
        return await anyio.connect_tcp(host, port)
    return await anyio.connect_tcp(host, port, tls=True, ssl_context=context, tls_standard_compatible=False)


async def attach(engine: Engine, container: str) -> Attached:
    """Attach to a container before it is started, so that nothing is missed.

    Raises:
        ExecutorUnavailable: The engine refuses.
    """
    asked = urlencode({"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1})
    head = f"POST /v{engine.version}/containers/{container}/attach?{asked} HTTP/1.1\r\nHost: docker\r\n"
    head += "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    try:
        stream = await _connected(engine.endpoint)
    except (OSError, anyio.BrokenResourceError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        raise ExecutorUnavailable(f"executor docker: the engine cannot be connected to: {clean_line(reason)}") from None
    held = bytearray()
    try:
        await stream.send(head.encode("ascii"))
        while b"\r\n\r\n" not in held:
            if len(held) > ANSWER:
                raise ExecutorUnavailable("executor docker: the engine's answer makes no sense")
            held += await stream.receive(PIECE)
        answer, _, rest = held.partition(b"\r\n\r\n")
        if answer.split(b" ", 2)[1:2] not in ([b"101"], [b"200"]):
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError), anyio.move_on_after(REASON_SECONDS):
                while len(rest) < ANSWER and not rest.rstrip().endswith(b"}"):
                    rest += await stream.receive(PIECE)
            line = clean_line((answer.split(b"\r\n")[0] + b": " + rest.strip()[:500]).decode(errors="replace"))
            raise ExecutorUnavailable(f"executor docker: the engine does not let its container be attached to: {line}")
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        await stream.aclose()
        raise ExecutorUnavailable("executor docker: the engine closed the connection") from None
    except BaseException:
        with anyio.CancelScope(shield=True):
            await stream.aclose()
        raise
    return Attached(stream, rest)
