"""An MCP server of the standard library alone, that is well or ill in the way its first argument says; run as a program."""

from __future__ import annotations

import json
import os
import sys

KIND = sys.argv[1] if len(sys.argv) > 1 else "well"
DEATHS = {
    "dies": ("thread 'main' panicked: out of cheese", 3),
    "old": ("ModuleNotFoundError: No module named 'mcp.server.fastmcp'", 1),
    "poor": ("Error: ACME_API_KEY is not set", 1),
}
ECHO = {
    "name": "echo",
    "description": "Say a text again.\nMore of it.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}, "loud": {"type": "boolean"}}, "required": ["text"]},
}


def result(method: str, params: dict) -> dict | None:
    if method == "initialize":
        info = {"name": "peer", "version": "1.0"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [ECHO, *([{"name": "bad", "inputSchema": []}] if KIND == "sloppy" else [])]}
    if method == "tools/call":
        text = params.get("arguments", {}).get("text", "")
        said = f"{text} from {os.environ.get('PEER_SECRET', 'nobody')}"
        return {"content": [{"type": "text", "text": said}], "isError": text == "fail"}
    return {} if method == "ping" else None


if KIND in DEATHS:
    words, code = DEATHS[KIND]
    print(words, file=sys.stderr)
    sys.exit(code)
if KIND == "sloppy":
    print("Welcome to the server!", flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or KIND == "mute":
        continue
    found = result(message["method"], message.get("params") or {})
    answer = {"result": found} if found is not None else {"error": {"code": -32601, "message": "Method not found"}}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}), flush=True)
