"""The toolset against the suite of its kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import anyio
import pytest
from mcp.server import MCPServer

from massgen_testkit import ToolsetSuite

LIGHT = """
import sys
import massgen_mcp_client.plugin
import massgen_mcp_client.toolset
import massgen_mcp_client.client
import massgen_mcp_client.library
print([name for name in ("mcp", "mcp_types", "pydantic", "httpx2") if name in sys.modules])
"""


class TestMcp(ToolsetSuite):
    name = "mcp"
    options: ClassVar[Mapping[str, Any]] = {"servers": {"app": {"type": "object", "server": "app"}}}
    example = ("mcp__app__add", {"a": 1, "b": 2})
    slow = ("mcp__app__nap", {"seconds": 30})

    @pytest.fixture(autouse=True)
    def _served(self, context: Any) -> None:
        app = MCPServer("app", log_level="CRITICAL")

        @app.tool()
        def add(a: int, b: int) -> int:
            """Add two numbers."""
            return a + b

        @app.tool()
        async def nap(seconds: float) -> str:
            """Sleep."""
            await anyio.sleep(seconds)
            return "rested"

        context.transports.servers["app"] = app


def test_the_sdk_is_imported_with_the_first_server() -> None:
    """A run without servers, and a command that opens none, never imports it."""
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"
