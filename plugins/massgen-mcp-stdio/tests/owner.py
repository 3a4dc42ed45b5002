"""A program that opens a link to a server which ignores everything, says which processes there are, and waits to be killed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest

from massgen_mcp_stdio.config import StdioConfig
from massgen_mcp_stdio.transport import open_stdio
from massgen_testkit import PlainContext


async def main() -> None:
    config = StdioConfig(command=sys.executable, args=("-S", "-E", str(Path(__file__).parent / "peer.py"), sys.argv[1]))
    async with open_stdio(config, PlainContext(folder=Path("unused"))) as link:
        request = JSONRPCRequest(jsonrpc="2.0", id=1, method="child", params={"new_session": True})
        await link.write.send(SessionMessage(request))
        async for item in link.read:
            print(json.dumps([link.report().pid, item.message.result["pid"]]), flush=True)


anyio.run(main)
