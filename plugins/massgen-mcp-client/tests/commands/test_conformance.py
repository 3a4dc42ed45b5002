"""The commands are commands like any other."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from massgen_testkit import CommandSuite

SECTION = {"command": sys.executable, "args": [str(Path(__file__).with_name("peer.py"))]}
SERVERS = {"massgen.yaml": {"version": 1, "toolsets": [{"type": "mcp", "servers": {"peer": SECTION}}]}}


class TestList(CommandSuite):
    name = "mcp.list"
    mistakes: ClassVar[Sequence[Sequence[str]]] = (("--config", "no-such-file.yaml"), ("surplus",))


class TestTools(CommandSuite):
    name = "mcp.tools"
    files: ClassVar[Mapping[str, Any]] = SERVERS
    example: ClassVar[Sequence[str]] = ("peer",)
    mistakes: ClassVar[Sequence[Sequence[str]]] = ((), ("nobody",), ("no-such-command --at-all",))


class TestCall(CommandSuite):
    name = "mcp.call"
    files: ClassVar[Mapping[str, Any]] = SERVERS
    example: ClassVar[Sequence[str]] = ("peer", "echo", '{"text": "hello"}')
    mistakes: ClassVar[Sequence[Sequence[str]]] = (("peer",), ("peer", "echo", "{"), ("peer", "echo", "[]"), ("peer", "ecco", "{}"))


class TestDoctor(CommandSuite):
    name = "mcp.doctor"
    files: ClassVar[Mapping[str, Any]] = SERVERS
    example: ClassVar[Sequence[str]] = ("peer",)
    mistakes: ClassVar[Sequence[Sequence[str]]] = (("nobody",),)


class TestAdd(CommandSuite):
    name = "mcp.add"
    example: ClassVar[Sequence[str]] = ("time", "uvx", "mcp-server-time", "--local-timezone", "UTC")
    mistakes: ClassVar[Sequence[Sequence[str]]] = (
        ("time",),
        ("a__b", "uvx", "x"),
        ("--env", "X", "time", "uvx", "x"),
        ("t", "https://x.example/", "y"),
    )


class TestRemove(CommandSuite):
    name = "mcp.remove"
    unsupported: ClassVar[Mapping[str, str]] = {"example": "there is nothing to remove in an empty home; tested with what was added"}
    mistakes: ClassVar[Sequence[Sequence[str]]] = ((), ("nobody",))


class TestLogin(CommandSuite):
    name = "mcp.login"
    files: ClassVar[Mapping[str, Any]] = SERVERS
    unsupported: ClassVar[Mapping[str, str]] = {"example": "it takes a person; tested with a server that wants a login"}
    mistakes: ClassVar[Sequence[Sequence[str]]] = (("peer",), ("nobody",))
