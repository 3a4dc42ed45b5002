"""`massgen mcp login`: a person logs in to a server, once; its tokens are kept by the transport."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread
import attrs

from massgen_core.api import App, Context, MassGenError, Question, UsageProblem, structure
from massgen_mcp_client.commands.found import choose
from massgen_mcp_client.commands.listing import add_server
from massgen_mcp_client.commands.session import Opened, section_of, using
from massgen_mcp_client.config import ServerConfig

__all__ = ["Login"]


class Login:
    """Opens a server in a way that lets a person log in."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "Log in to an MCP server over HTTP: the page to visit is shown and opened, and the browser comes back to this machine."
        add_server(parser)
        parser.add_argument("--no-browser", action="store_true", help="only show the page, do not open it")
        parser.add_argument("--seconds", type=float, default=300.0, metavar="N", help="seconds that there are for it (default: 300)")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        config = _interactive(section_of(choose(arguments.server, arguments.config)), arguments.seconds)
        asked: list[str] = []

        def wrapped(context: Context) -> Context:
            made: Any = _Person(context, app, asked, is_browser=not arguments.no_browser)
            return made  # type: ignore[no-any-return]

        async def report(opened: Opened) -> int:
            (server,) = opened.servers
            if server.fault is not None:
                raise server.fault
            how = "logged in" if asked else "no login was needed: the stored one holds, or the server wants none"
            app.out(f"{config.name}: {how}; {len(server.tools)} tools")
            return 0

        return using(app, [config], report, is_fresh=True, wrapped=wrapped)


def _interactive(config: ServerConfig, seconds: float) -> ServerConfig:
    """Return a section with which a person may be asked.

    Raises:
        UsageProblem: There is nothing to log in to, or not in this way.
    """
    if config.transport not in ("http", "sse"):
        raise UsageProblem(f"MCP server {config.name!r} is a program of this machine: give it its credentials in `env`")
    auth = config.options.get("auth") or "oauth"
    if isinstance(auth, str) and auth != "oauth":
        raise UsageProblem(f"MCP server {config.name!r} has a token in `auth`; a login would not be used: write `auth: oauth`")
    given: Mapping[str, Any] = {"type": "oauth"} if isinstance(auth, str) else auth
    if given.get("type") != "oauth":
        raise UsageProblem(f"MCP server {config.name!r}: `auth` of type {given.get('type', 'bearer')} needs no login by a person")
    options = {**config.options, "auth": {**given, "interactive": True, "login_seconds": seconds}}
    return attrs.evolve(config, options=options, connect_seconds=seconds + config.connect_seconds, retry=attrs.evolve(config.retry, attempts=1))


class _Person:
    """A context whose questions a person answers at the terminal, or in the browser.

    Args:
        inner: Everything else.
    """

    def __init__(self, inner: Context, app: App, asked: list[str], *, is_browser: bool) -> None:
        self._inner, self._app, self._asked, self._is_browser = inner, app, asked, is_browser

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def make(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Make a transport with this context, so that its questions come here."""
        if kind != "transport":
            return self._inner.make(kind, name, options)
        spec = self._app.plugins.get(kind, name)
        if spec.config is None:
            raise MassGenError(f"transport {name!r} has no options, and no login")
        return self._app.plugins.factory(kind, name)(structure(spec.config, options or {}, path=f"transport {name}"), self)

    async def ask(self, question: Question) -> str:
        """Show the page and wait for a pasted address, for ever: the browser comes back by itself."""
        self._asked.append(question.text)
        self._app.err(f"{question.text}\n{question.detail}")
        page = next((line for line in question.detail.splitlines() if line.startswith(("https://", "http://"))), "")
        if self._is_browser and page:
            import webbrowser  # noqa: PLC0415 - for a person at a desktop

            await anyio.to_thread.run_sync(webbrowser.open, page)
        if not sys.stdin.isatty():
            await anyio.sleep_forever()
        await anyio.wait_readable(sys.stdin)
        return sys.stdin.readline().strip() or question.default
