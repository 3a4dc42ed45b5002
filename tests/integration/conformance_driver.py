"""The client, as the protocol's conformance harness wants it: `python conformance_driver.py ADDRESS`, the scenario in the environment."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx2

from massgen_core.api import Question
from massgen_mcp_client.config import RetryConfig, SecurityConfig, ServerConfig
from massgen_mcp_client.faults import McpFault
from massgen_mcp_client.library import OpenServer, opened
from massgen_mcp_client.memory import Memory
from massgen_testkit import PlainContext

SCENARIO = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
VERSION = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "")
GIVEN = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
EXAMPLES: dict[str, Any] = {"string": "text", "number": 5, "integer": 5, "boolean": True, "array": [], "object": {}}


@attrs.define
class Agreeable(PlainContext):
    """A person who agrees to everything, and takes what is proposed."""

    async def ask(self, question: Question) -> str:
        if question.text.startswith("Log in to "):
            async with httpx2.AsyncClient(follow_redirects=True) as browser:
                await browser.get(question.detail.split()[0])  # the harness lets everybody in and sends the browser back to us
            await anyio.sleep_forever()
        if question.default and question.default != "decline":
            return question.default
        return next((option for option in question.options if option not in ("decline", "no")), "")


def login() -> dict[str, Any]:
    """Return the options that the scenario's login takes."""
    given = {name: GIVEN[name] for name in ("client_id", "client_secret") if name in GIVEN}
    if SCENARIO == "auth/basic-cimd":
        given["client_id"] = "https://conformance-test.local/client-metadata.json"
    return {"type": "oauth", "interactive": True, "login_seconds": 20, **given}


def wanted(server: OpenServer) -> list[dict[str, Any]]:
    """Return the calls that the scenario is about: its own, or one of each tool."""
    if "toolCalls" in GIVEN:
        calls: list[dict[str, Any]] = GIVEN["toolCalls"]
        return calls
    if "json_schema_echo" in server.wire_names.values():
        focal = next(tool for tool in server.tools if not tool.name.endswith("json_schema_echo"))
        return [{"name": "json_schema_echo", "arguments": {"schema": dict(focal.parameters)}}]
    return [
        {
            "name": server.wire_names[tool.name],
            "arguments": {name: EXAMPLES.get(str(schema.get("type")), "x") for name, schema in tool.parameters.get("properties", {}).items()},
        }
        for tool in server.tools
    ]


async def main(address: str, folder: Path) -> int:
    config = ServerConfig(
        name="harness",
        transport="http",
        protocol="legacy" if VERSION.startswith("2025") else "auto",
        options={"url": address, "allow_localhost": True, **({"auth": login()} if SCENARIO.startswith("auth/") else {})},
        security=SecurityConfig(allow_localhost=True),
        retry=RetryConfig(attempts=2, seconds=0.05),
        elicitation=True,
    )
    context = Agreeable(folder=folder)
    async with context, opened([config], context, Memory(folder, folder)) as (server,):
        if server.fault is not None:
            sys.stderr.write(f"{server.fault}\n")
            return 1
        for call in wanted(server):
            try:
                await server.raw("tools/call", call["name"], call.get("arguments"))
            except McpFault as fault:
                sys.stderr.write(f"{fault}\n")
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder
        sys.exit(anyio.run(main, sys.argv[1], Path(folder)))
