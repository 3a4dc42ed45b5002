"""What helps against what: from a fault to things that a person can do. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePath

from massgen_mcp_client.config import ServerConfig, shown
from massgen_mcp_client.faults import McpFault, advice

__all__ = ["of_executable", "of_fault"]

_PROGRAMS = {
    **dict.fromkeys(("npx", "npm", "node"), "install Node.js, which brings node, npm and npx"),
    **dict.fromkeys(("uvx", "uv"), "install uv: pip install uv"),
    **dict.fromkeys(("docker", "podman"), "install a container engine, and see that it runs: docker info"),
    **dict.fromkeys(("bun", "bunx"), "install Bun; or use npx in its place"),
    "deno": "install Deno",
    "pipx": "install pipx: pip install pipx; or use uvx in its place",
}
_OLD_LIBRARY = re.compile(r"mcp\.server\.fastmcp|from 'mcp|mcp ?< ?2|from 'fastmcp|mcp 2\.")


def of_executable(command: str) -> Iterator[str]:
    """Yield what helps where a program is missing."""
    name = PurePath(command).name
    if name in _PROGRAMS:
        yield _PROGRAMS[name]
    elif "/" in command:
        yield "correct the path in `command`"
    else:
        yield f"install {shown(name)}; if it is a package of Python, `command: uvx, args: [{shown(name)}]` needs no installing"
    yield "a program that your shell finds, and this command does not: write its whole path into `command` (which " + shown(name) + ")"


def of_fault(fault: McpFault, config: ServerConfig, *, noise: int = 0) -> Iterator[str]:
    """Yield what helps against a fault.

    Args:
        fault: What happened.
        config: The server's section.
        noise: Lines on its standard output that are no messages.
    """
    if _OLD_LIBRARY.search(fault.stderr):
        yield from _old_library(config)
    elif helps := advice(fault.stderr):
        yield helps
    if fault.kind == "auth" or fault.status in (401, 403) or "massgen mcp login" in str(fault):
        yield f"log in: massgen mcp login {config.name}"
        yield "or write a token's reference into the section: auth: env:NAME_OF_THE_VARIABLE"
        return
    if fault.status == 404:
        yield "there is no server at this path: most are at /mcp, older ones at /sse with `type: sse`"
    if fault.status == 405:
        yield "the address does not take messages: an older server may want `type: sse`"
    if fault.status == 429:
        yield "the server is asked too often; wait, and try again"
    if fault.status >= 500:
        yield "the server itself fails; try later, or look into its log"
    if fault.kind == "timeout":
        yield from _late(config, noise)
    elif config.transport == "stdio" and fault.exit_code is not None:
        yield from _ended(fault, config)
    elif config.transport in ("http", "sse") and not fault.status:
        yield "see that the server runs, and that its address and port are right: curl -i " + shown(
            str(config.options.get("url", "")).partition("?")[0]
        )


def _old_library(config: ServerConfig) -> Iterator[str]:
    """A server that was written for version 1 of the library `mcp` was started with version 2."""
    command, args = str(config.options.get("command", "")), [str(shown(str(one), 200)) for one in config.options.get("args", ())]
    yield "the server was written for version 1 of the library mcp, and was started with version 2"
    if PurePath(command).name == "uvx":
        yield f"start it with version 1: uvx --with 'mcp<2' {shlex.join(args)}"
        yield f"in its section: args: {['--with', 'mcp<2', *args]}"
    else:
        name = next((one for one in args if not one.startswith("-")), PurePath(command).name)
        yield f"start it with version 1: uvx --with 'mcp<2' {shlex.quote(PurePath(name).name)}; or install it anew beside 'mcp<2'"


def _late(config: ServerConfig, noise: int) -> Iterator[str]:
    if config.transport == "stdio":
        yield "the first start of npx and uvx downloads the server: run the command once by hand, then try again"
        if noise:
            yield "it writes something other than messages: it may need an argument that makes it speak over stdio"
        else:
            yield "it said nothing: it may wait for something, or speak over HTTP only; see its README for stdio"
    yield f"raise connect_seconds (it is {config.connect_seconds:g})"


def _ended(fault: McpFault, config: ServerConfig) -> Iterator[str]:
    words = [str(config.options.get("command", "")), *config.options.get("args", ())]
    if fault.exit_code == 127:
        yield "a program that it starts is missing"
    if fault.exit_code is not None and fault.exit_code in (-9, 137):
        yield "it was killed: perhaps there is too little memory"
    if not fault.stderr.strip():
        yield "it wrote nothing; run it by hand and see: " + shlex.join(shown(str(word), 200) for word in words)
    elif "env" not in config.options and not _OLD_LIBRARY.search(fault.stderr) and not advice(fault.stderr):
        yield "servers get only a small safe part of your environment; name what this one needs under env"
