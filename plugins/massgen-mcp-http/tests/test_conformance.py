"""Both transports against the suite of their kind, with servers of the MCP SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from massgen_testkit import TransportSuite

from .conftest import free_port, running


@pytest.fixture(scope="module")
def streamable() -> Iterator[str]:
    port = free_port()
    with running("streamable-http", port):
        yield f"http://127.0.0.1:{port}/mcp"


@pytest.fixture(scope="module")
def stream() -> Iterator[str]:
    port = free_port()
    with running("sse", port):
        yield f"http://127.0.0.1:{port}/sse"


class Examples(TransportSuite):
    """What both have."""

    options: ClassVar[Mapping[str, Any]] = {"url": "http://127.0.0.1:1/mcp", "allow_localhost": True}
    example = ("echo", {"text": "hi"})
    large = ("echo", {"text": "x" * 1_000_000})
    slow = ("nap", {"seconds": 20})
    url = ""

    @asynccontextmanager
    async def server(self) -> AsyncIterator[Mapping[str, Any]]:
        yield {"url": self.url}


class TestHttp(Examples):
    name = "http"
    unsupported: ClassVar[Mapping[str, str]] = {"loss": "each request has a connection of its own, so no loss ends the link"}

    @pytest.fixture(autouse=True)
    def _url(self, streamable: str) -> None:
        self.url = streamable


class TestSse(Examples):
    name = "sse"
    unsupported: ClassVar[Mapping[str, str]] = {"loss": "the server is shared by these tests; test_sse.py ends one of its own"}

    @pytest.fixture(autouse=True)
    def _url(self, stream: str) -> None:
        self.url = stream
