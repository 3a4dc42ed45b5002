"""`massgen mcp login`, against a server that wants a token and the authorization server that gives it, both real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("massgen_mcp_http", reason="logins are the HTTP transport's")

MAIN = "import sys; from massgen_core.cli import main; sys.exit(main(sys.argv[1:]))"
TOKEN = "tok-5f2a9c71"


class Guarded(BaseHTTPRequestHandler):
    """Speaks just enough: discovery, registration, a login that everybody passes, tokens, and a server with one tool."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        path = urlsplit(self.path).path
        if path.startswith("/.well-known/oauth-protected-resource"):
            self.reply(200, {"resource": f"{base}/mcp", "authorization_servers": [base]})
        elif path.startswith("/.well-known/oauth-authorization-server"):
            pages = {
                f"{name}_endpoint": f"{base}/{page}"
                for name, page in (("authorization", "authorize"), ("token", "token"), ("registration", "register"))
            }
            kinds = {
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
            }
            self.reply(200, {"issuer": base, **pages, **kinds, "grant_types_supported": ["authorization_code", "refresh_token"]})
        elif path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            self.reply(302, {}, Location=f"{asked['redirect_uri']}?code=c0de&state={asked['state']}")
        else:
            self.reply(405, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/register":
            self.reply(201, {**json.loads(body), "client_id": "registered"})
        elif self.path == "/token":
            self.reply(200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            where = f"http://127.0.0.1:{self.server.server_address[1]}/.well-known/oauth-protected-resource/mcp"
            self.reply(401, {}, **{"WWW-Authenticate": f'Bearer resource_metadata="{where}"'})
        else:
            self.answer(json.loads(body))

    def answer(self, message: dict[str, Any]) -> None:
        results: dict[str, Any] = {
            "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "guarded", "version": "1"}},
            "tools/list": {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]},
        }
        if "id" not in message:
            self.reply(202, None)
        elif message["method"] in results:
            self.reply(200, {"jsonrpc": "2.0", "id": message["id"], "result": results[message["method"]]})
        else:
            self.reply(200, {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}})

    def reply(self, status: int, body: Any, **headers: str) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    """The address of a server that wants a login."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/mcp"
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_person_logs_in_once(desk: Callable[..., Any], address: str) -> None:
    """The doctor says so, the page is shown, the browser comes back, and from then on the server is of use; no token is shown."""
    desk = desk({"web": {"url": address, "auth": "oauth", "security": {"allow_localhost": True}}})

    before = desk.mcp("doctor", "web")
    command = [sys.executable, "-c", MAIN, "mcp", "login", "web", "--no-browser", "--seconds", "60"]
    variables = {**desk.project.variables(), "PYTHONUNBUFFERED": "1"}
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=desk.project.folder, env=variables, **streams) as process:
        assert process.stderr is not None
        page = next((line.strip() for line in process.stderr if "/authorize?" in line), "")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(page, timeout=30).read()
        out, err = process.communicate(timeout=60)
    after = desk.mcp("list", "--json").check()

    assert before.exit_code == 1
    assert "massgen mcp login web" in before.stdout
    assert "Traceback" not in before.stderr
    assert (process.returncode, out) == (0, "web: logged in; 1 tools\n"), err
    assert json.loads(after.stdout)[0]["state"] == "ready"
    assert TOKEN not in out + err + before.stdout + after.stdout


def test_a_login_that_nobody_does_ends(desk: Callable[..., Any], address: str) -> None:
    """After the seconds that it was given, with a message."""
    done = desk({"web": {"url": address, "security": {"allow_localhost": True}}}).mcp("login", "web", "--no-browser", "--seconds", "1")

    assert done.exit_code == 1
    assert "within 1 s" in done.stderr


def test_what_needs_no_login_is_said(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """A program of this machine gets its credentials in another way, and so does a server with a token."""
    desk = desk({"peer": peer(), "web": {"url": "https://mcp.example.org/mcp", "auth": "env:TOKEN"}})

    for name, said in (("peer", "`env`"), ("web", "auth: oauth")):
        done = desk.mcp("login", name)
        assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
