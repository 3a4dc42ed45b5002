"""A login by a person: the address is shown, and what the browser is sent back to is a port of this machine."""

from __future__ import annotations

import socket
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.abc
from mcp.client.auth import OAuthFlowError
from mcp.shared.auth import AuthorizationCodeResult

from massgen_core.api import Context, Question
from massgen_mcp_http.config import AuthConfig

__all__ = ["Login"]

PATH = "/callback"
_PAGE = b"<!doctype html><title>MassGen</title><p>You are logged in. This page can be closed.</p>"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


class Login:
    """Waits for the browser, or for the address that a person pastes.

    Args:
        auth: The options.
        context: Asks the person.
        url: The server's address, for the question.
    """

    def __init__(self, auth: AuthConfig, context: Context, url: str) -> None:
        self._auth, self._context, self._url = auth, context, url
        self._page = ""
        self.port = auth.port or _free_port()

    @property
    def redirect(self) -> str:
        """Where the authorization server sends the browser to."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    async def show(self, page: str) -> None:
        """Take the page that the person has to visit."""
        self._page = page

    async def wait(self) -> AuthorizationCodeResult:
        """Show the page and return what comes back.

        Raises:
            OAuthFlowError: Nobody logged in in time, or it was refused.
        """
        found: list[AuthorizationCodeResult] = []
        async with anyio.create_task_group() as tasks:

            def take(address: str) -> bool:
                result = _result(address)
                if result is not None:
                    found.append(result)
                    tasks.cancel_scope.cancel()
                return result is not None

            async def serve(stream: anyio.abc.SocketStream) -> None:
                async with stream:
                    request = await stream.receive(16 << 10)
                    address = request.split(b" ", 2)[1].decode("latin-1") if request.count(b" ") >= 2 else ""
                    with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                        await stream.send(_HEAD % len(_PAGE) + _PAGE)
                    take(address)

            async def ask() -> None:
                text = f"Log in to {urlsplit(self._url).hostname}: open this page"
                detail = f"{self._page}\nIf the browser is on another machine, paste the address that it ends up at."
                take(await self._context.ask(Question(text=text, detail=detail, agent=self._context.agent)))

            listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self.port)
            tasks.cancel_scope.deadline = anyio.current_time() + self._auth.login_seconds
            tasks.start_soon(ask)
            async with listener:
                await listener.serve(serve)
        if not found:
            raise OAuthFlowError(f"nobody logged in within {self._auth.login_seconds:g} s; try again")
        return found[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _result(address: str) -> AuthorizationCodeResult | None:
    """Return what an address says of a login; None where it says nothing.

    Raises:
        OAuthFlowError: It says that the login was refused.
    """
    query = {name: values[0] for name, values in parse_qs(urlsplit(address.strip()).query).items()}
    if "error" in query:
        raise OAuthFlowError(f"the login was refused: {query['error'][:100]}")
    return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss")) if "code" in query else None
