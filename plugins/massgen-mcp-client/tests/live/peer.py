"""An MCP server of the standard library alone, good or bad as its first argument says; run as a program."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

OUT = sys.stdout.buffer
KIND = sys.argv[1]
LOCK = threading.Lock()
CANCELLED: set[Any] = set()
STATE: dict[str, Any] = {"lists": 0, "calls": 0}


def write(data: bytes) -> None:
    with LOCK:
        OUT.write(data)
        OUT.flush()


def send(**message: Any) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"The tool {name}.", "inputSchema": {"type": "object", "properties": {}}, **more}


def tools() -> list[dict[str, Any]]:
    if KIND == "many":
        return [tool(f"tool_{number}") for number in range(5000)]
    if KIND == "nonsense":
        good = [tool("good"), tool("odd", annotations={"readOnlyHint": "perhaps"})]
        bad = [tool("listed", inputSchema=[]), {"description": "no name"}, tool("good"), tool("x" * 300), 7]
        return [*good, *bad, tool("late", inputSchema={"properties": {"a": {"type": "str"}}}, execution={"taskSupport": "whatever"})]
    reads = {"readOnlyHint": True}
    return [tool("act"), tool("read", annotations=reads), tool("again", annotations={"idempotentHint": True})]


def listing(params: dict[str, Any]) -> dict[str, Any]:
    STATE["lists"] += 1
    cursor = params.get("cursor")
    if KIND == "pages":
        page = int(cursor or 0)
        return {"tools": [tool(f"page_{page}")], **({"nextCursor": str(page + 1)} if page < 4 else {})}
    if KIND == "circle":
        return {"tools": [tool("round")], "nextCursor": "again"}
    if KIND == "changing" and STATE["lists"] > 1:
        return {"tools": [tool("act"), tool("new")]}
    return {"tools": tools()}


def count(what: str) -> int:
    """Count over the lives of this server."""
    file = Path(os.environ["PEER_COUNT"]) if "PEER_COUNT" in os.environ else None
    if file is None:
        return 1
    with file.open("a", encoding="utf-8") as stream:
        stream.write(f"{what}\n")
    return file.read_text(encoding="utf-8").split().count(what)


def call(request: Any, params: dict[str, Any]) -> None:  # noqa: PLR0912 - a table of behaviours
    arguments = params.get("arguments") or {}
    token = (params.get("_meta") or {}).get("progressToken")
    do = arguments.get("do", "echo")
    number = count(f"{params['name']}:{do}")
    if do == "die" or (do == "die_once" and number == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    elif do == "exit":
        print("\x1b[31mout of cheese\x1b[0m", file=sys.stderr, flush=True)
        os._exit(3)
    elif do == "hang":
        return
    elif do == "slow":
        for step in range(arguments["steps"]):
            time.sleep(arguments["pause"])
            if request in CANCELLED:
                return
            if arguments.get("progress") and token is not None:
                send(method="notifications/progress", params={"progressToken": token, "progress": step + 1, "total": arguments["steps"]})
    elif do == "error":
        send(id=request, error={"code": -32602, "message": "no such \x1b[2Jargument"})
        return
    elif do == "fail":
        send(id=request, result={"content": [{"type": "text", "text": "it failed"}], "isError": True})
        return
    elif do == "strange":
        send(id=request, result={"content": [{"type": "hologram", "data": 1}], "isError": "no"})
        return
    elif do == "wrong_id":
        send(id=99999, result={"content": []})
        send(id="nobody", result={"content": []})
    elif do == "junk":
        write(b"Hello, I am a log line\n\xff\xfe\n{}\n[1]\n")
    elif do == "change":
        for _ in range(5):
            send(method="notifications/tools/list_changed")
    elif do == "cancelled":
        send(id=request, result={"content": [{"type": "text", "text": json.dumps(sorted(map(str, CANCELLED)))}]})
        return
    elif do == "meta":
        send(id=request, result={"content": [{"type": "text", "text": json.dumps(params.get("_meta"))}]})
        return
    elif do == "forgotten" and number == 1:
        send(id=request, error={"code": -32600, "message": "Session not found"})
        return
    send(id=request, result={"content": [{"type": "text", "text": json.dumps({"name": params["name"], "pid": os.getpid(), "number": number})}]})


def answer(message: dict[str, Any]) -> None:  # noqa: PLR0912 - a table of behaviours
    method, request, params = message.get("method"), message.get("id"), message.get("params") or {}
    match method:
        case "server/discover":
            if KIND == "dies_on_probe":
                print("panic: unknown method", file=sys.stderr, flush=True)
                os._exit(101)
            send(id=request, error={"code": -32601, "message": "Method not found"})
        case "initialize":
            if KIND == "needs_credentials":
                print("Error: GITHUB_TOKEN is not set", file=sys.stderr, flush=True)
                os._exit(1)
            if KIND == "flaps" and count("initialize") <= 2:
                os._exit(4)
            capabilities = {"tools": {"listChanged": True}}
            info = {"name": "peer", "version": "1.2"}
            if KIND == "nameless":
                send(id=request, result={"protocolVersion": params["protocolVersion"]})
                return
            version = KIND.removeprefix("of-") if KIND.startswith("of-") else params["protocolVersion"]
            send(id=request, result={"protocolVersion": version, "capabilities": capabilities, "serverInfo": info})
        case "notifications/cancelled":
            CANCELLED.add(params.get("requestId"))
        case "tools/list":
            if KIND == "dies_listing":
                print("out of memory", file=sys.stderr, flush=True)
                os._exit(9)
            if KIND == "unlisted" or (KIND == "changing_badly" and STATE["lists"]):
                send(id=request, error={"code": -32603, "message": "the list is lost"})
                return
            send(id=request, result=listing(params))
            if KIND == "restless":
                send(method="notifications/tools/list_changed")
        case "tools/call":
            threading.Thread(target=call, args=(request, params), daemon=True).start()
        case "ping":
            if KIND not in ("deaf", "deaf_once"):
                send(id=request, result={})
        case _:
            if request is not None and method is not None:
                send(id=request, error={"code": -32601, "message": "Method not found"})


def main() -> None:
    if KIND == "exits":
        print("usage: peer KIND", file=sys.stderr, flush=True)
        sys.exit(2)
    if KIND == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        if KIND == "mute":
            continue
        answer(json.loads(line))
    if KIND == "stubborn":
        time.sleep(60)


main()
