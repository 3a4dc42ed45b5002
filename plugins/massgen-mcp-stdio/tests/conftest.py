"""A link to the server of the tests, and ways to speak over it without the SDK's client."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from massgen_mcp_stdio.config import StdioConfig
from massgen_mcp_stdio.transport import PipeLink, open_stdio
from massgen_testkit import PlainContext

PEER = Path(__file__).parent / "peer.py"


class Speaker:
    """Sends requests and reads what comes back."""

    def __init__(self, link: Any) -> None:
        self.link = link
        self.number = 0
        self.others: list[Any] = []

    async def send(self, method: str, **params: Any) -> int:
        """Send a request and return its id."""
        from mcp.shared.message import SessionMessage  # noqa: PLC0415
        from mcp_types import JSONRPCRequest  # noqa: PLC0415

        self.number += 1
        await self.link.write.send(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=self.number, method=method, params=params)))
        return self.number

    async def ask(self, method: str, **params: Any) -> Any:
        """Send a request and return the message that answers it; what comes before is in `others`."""
        number = await self.send(method, **params)
        async for item in self.link.read:
            if not isinstance(item, Exception) and getattr(item.message, "id", None) == number:
                return item.message
            self.others.append(item)
        raise EOFError


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))


@pytest.fixture
def peer(context: PlainContext) -> Callable[..., AbstractAsyncContextManager[Speaker]]:
    """Open a link to the server of the tests: `async with peer("echo") as speaker`."""

    @asynccontextmanager
    async def opened(*behaviour: str, **options: Any) -> AsyncIterator[Speaker]:
        config = StdioConfig(command=sys.executable, args=("-S", "-E", str(PEER), *behaviour), **options)
        async with open_stdio(config, context) as link:
            yield Speaker(link)

    return opened


@pytest.fixture
def is_running() -> Callable[[int], bool]:
    """Say whether a process runs; one that only waits to be reaped does not."""

    def check(pid: int) -> bool:
        try:
            os.kill(pid, 0)
            return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False

    return check


def link_of(speaker: Speaker) -> PipeLink:
    """Return the link of a server of this machine."""
    assert isinstance(speaker.link, PipeLink)
    return speaker.link
