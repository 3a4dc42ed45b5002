"""`massgen mcp doctor`: why a server does not work, and what to do."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from massgen_core.api import App, Context, MassGenError, clean, clean_line
from massgen_mcp_client.commands.found import Found, choose, find
from massgen_mcp_client.commands.listing import add_server
from massgen_mcp_client.commands.remedies import of_executable, of_fault
from massgen_mcp_client.commands.session import Opened, section_of, using
from massgen_mcp_client.commands.text import as_json, target
from massgen_mcp_client.config import ServerConfig, looks_secret
from massgen_mcp_client.events import ErrorRaised, ToolRefused, ToolRepaired
from massgen_mcp_client.faults import advice

__all__ = ["Check", "Doctor"]

State: TypeAlias = Literal["ok", "warning", "failed"]

_TRANSPORTS = {"stdio": "massgen-mcp-stdio", "http": "massgen-mcp-http", "sse": "massgen-mcp-http", "memory": "massgen-mcp-memory"}


@attrs.frozen(kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        what: The thing.
        text: What was found.
        remedies: What to do, the most likely first.
    """

    what: str
    state: State = "ok"
    text: str = ""
    remedies: tuple[str, ...] = ()


class Doctor:
    """Looks at a server from its section to its tools, and stops at the first thing that is broken."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.description = "Find out why an MCP server does not work, and what to do. Exit code 1: something is broken."
        parser.add_argument("--json", action="store_true", help="print JSON")
        add_server(parser, many=True)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        servers = [choose(name, arguments.config) for name in arguments.servers] or find(arguments.config)
        report: dict[str, list[Check]] = {}
        for one in servers:
            report[one.name] = list(examine(app, one))
            if not arguments.json:
                _print(app, one, report[one.name])
        if arguments.json:
            app.out(as_json({name: [attrs.asdict(check) for check in checks] for name, checks in report.items()}))
        elif not servers:
            app.out("no MCP server is configured; add one: massgen mcp add time uvx mcp-server-time")
        return int(any(check.state == "failed" for checks in report.values() for check in checks))


def _print(app: App, one: Found, checks: Sequence[Check]) -> None:
    app.out(f"{clean_line(one.name, 60)}: {target(one.config) if one.config else ''}".rstrip(": "))
    marks = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}
    for check in checks:
        first, *rest = clean(check.text).splitlines() or [""]
        app.out(f"  {marks[check.state]} {check.what}: {first}".rstrip(": "))
        for line in rest:
            app.out(f"            {line}")
        for remedy in check.remedies:
            app.out(f"          > {remedy}")


def examine(app: App, found: Found) -> Iterator[Check]:
    """Yield what is found of a server; the last check is the first that failed, or the last of all."""
    if found.problem:
        yield Check(what="configuration", state="failed", text=found.problem, remedies=(f"edit {found.where}",))
        return
    if found.config is None:
        text = f"it is disabled in {found.where}"
        yield Check(what="configuration", state="failed", text=text, remedies=("remove `disabled: true` or `enabled: false` there",))
        return
    yield Check(what="configuration", text=found.where)
    for note in found.notes:
        yield Check(what="configuration", state="warning", text=note)
    config = section_of(found)
    for look in (_transport, _executable, _credentials):
        for check in look(app, config):
            yield check
            if check.state == "failed":
                return
    yield from _use(app, config)


def _transport(app: App, config: ServerConfig) -> Iterator[Check]:
    name = config.transport
    if name in app.plugins.names("transport"):
        return
    # Nothing is proposed for installation that is not known to exist.
    remedy = (
        f"pip install {_TRANSPORTS[name]}" if name in _TRANSPORTS else f"write one of these as its type: {', '.join(app.plugins.names('transport'))}"
    )
    yield Check(what="transport", state="failed", text=f"no installed plugin provides the transport {name!r}", remedies=(remedy,))


def _executable(app: App, config: ServerConfig) -> Iterator[Check]:
    del app
    command = config.options.get("command")
    if not isinstance(command, str) or config.options.get("executor") is not None:
        return
    env = config.options.get("env") or {}
    path = shutil.which(os.path.expanduser(command), path=str(env.get("PATH") or os.environ.get("PATH", "")))
    if path is not None:
        yield Check(what="command", text=path)
        return
    text = f"there is no {clean_line(command, 200)}" + ("" if "/" in command else " in PATH")
    yield Check(what="command", state="failed", text=text, remedies=tuple(of_executable(command)))


def _credentials(app: App, config: ServerConfig) -> Iterator[Check]:
    """Look whether what the section refers to is there, without showing it."""
    texts = [(f"{part}.{key}", value) for part in ("env", "headers") for key, value in (config.options.get(part) or {}).items()]
    auth = config.options.get("auth")
    texts += [("auth", auth)] if isinstance(auth, str) else [(f"auth.{key}", value) for key, value in (auth or {}).items()]
    missing: list[str] = []
    count = 0

    def look(context: Context) -> None:
        nonlocal count
        for where, value in texts:
            if not isinstance(value, str):
                continue
            if not value and looks_secret(where):
                missing.append(f"{where} is empty")
            elif _is_reference(value, app.plugins.names("credentials")):
                count += 1
                try:
                    context.secret(value)
                except MassGenError as error:
                    missing.append(f"{where}: {error}")

    _with_context(app, look)
    if missing:
        yield Check(what="credentials", state="failed", text="\n".join(missing), remedies=("set what is missing, and start this again",))
    elif count:
        yield Check(what="credentials", text=f"{count} found")


def _is_reference(value: str, stores: Sequence[str]) -> bool:
    store, separator, key = value.partition(":")
    return bool(separator and key) and not key.startswith("//") and store in ("env", *stores)


def _with_context(app: App, look: Any) -> None:
    import anyio  # noqa: PLC0415 - for this command only

    async def main() -> None:
        async with app.context() as context:
            look(context)

    anyio.run(main)


def _use(app: App, config: ServerConfig) -> Iterator[Check]:
    """Start or reach the server and ask it for its tools."""
    import time  # noqa: PLC0415

    began = time.monotonic()

    async def look(opened: Opened) -> list[Check]:
        (server,) = opened.servers
        seconds = time.monotonic() - began
        noise = sum(1 for event in opened.events if isinstance(event, ErrorRaised) and event.kind == "frame")
        fault = server.fault
        if fault is not None:
            # What helps is listed below, once.
            text = opened.context.redact(str(fault)).removesuffix(advice(fault.stderr)).rstrip()
            remedies = tuple(of_fault(fault, config, noise=noise))
            return [Check(what="connection", state="failed", text=text, remedies=remedies)]
        about: Mapping[str, str] = server.about
        title = clean_line(f"{about.get('name', '')} {about.get('version', '')}", 100).strip()
        checks = [Check(what="connection", text=f"{title}, protocol {server.era}, ready in {seconds:.1f} s")]
        if seconds > config.connect_seconds / 2:
            text = f"{seconds:.0f} s of the {config.connect_seconds:g} s that connect_seconds allows"
            checks.append(Check(what="speed", state="warning", text=text, remedies=("raise connect_seconds; or install the server beforehand",)))
        if noise:
            text = f"it wrote {noise} lines to its standard output that are no messages; they were skipped"
            checks.append(Check(what="output", state="warning", text=text, remedies=("have it log to standard error",)))
        return [*checks, *_tools(server, opened)]

    yield from using(app, [config], look, is_fresh=True)


def _tools(server: Any, opened: Opened) -> Iterator[Check]:
    refused = [event for event in opened.events if isinstance(event, ToolRefused)]
    repaired = {event.tool for event in opened.events if isinstance(event, ToolRepaired)}
    if server.tools:
        yield Check(what="tools", text=f"{len(server.tools)}")
    else:
        text = "agents get none; see allowed_tools and exclude_tools, and whether it wants credentials before it lists some"
        yield Check(what="tools", state="warning", text=text)
    for event in refused:
        yield Check(what="tools", state="warning", text=f"{clean_line(event.tool, 100)} is left out: {clean_line(event.reason, 300)}")
    if repaired:
        yield Check(what="tools", state="warning", text=f"definitions were repaired: {clean_line(', '.join(sorted(repaired)), 300)}")
    for text in opened.notices:
        yield Check(what="tools", state="warning", text=text)
