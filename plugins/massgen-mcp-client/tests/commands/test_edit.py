"""`massgen mcp add` and `remove`: small edits of the user's own file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest


def test_what_was_added_is_used_and_removed(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """Nothing else in the file is touched, and only its owner can read it."""
    pytest.importorskip("massgen_mcp_stdio", reason="servers of this machine are reached by massgen-mcp-stdio")
    desk = desk()
    file = desk.servers_file
    file.parent.mkdir(parents=True)
    theirs = {"other": {"kept": True}, "mcpServers": {"first": {"command": "uvx", "args": ["mcp-server-time"], "x": 1}}}
    file.write_text(json.dumps(theirs))
    section = peer()

    desk.mcp("add", "--env", "PEER_SECRET=ada", "peer", section["command"], *section["args"]).check()
    called = desk.mcp("call", "peer", "echo", '{"text": "hello"}').check()
    desk.mcp("remove", "peer").check()

    assert called.stdout == "hello from ada\n"
    assert json.loads(file.read_text()) == theirs
    assert file.stat().st_mode & 0o077 == 0


def test_arguments_of_the_command_are_its_own(desk: Callable[..., Any]) -> None:
    """What looks like an option after the command belongs to the command; `--` may stand before it."""
    desk = desk()

    desk.mcp("add", "a", "npx", "-y", "@modelcontextprotocol/server-everything", "--env", "X=1").check()
    desk.mcp(
        "add", "--auth", "env:TOKEN", "--header", "X-Team=blue", "--set", 'exclude_tools=["delete_*"]', "b", "https://mcp.example.org/mcp"
    ).check()

    assert json.loads(desk.servers_file.read_text()) == {
        "mcpServers": {
            "a": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-everything", "--env", "X=1"]},
            "b": {"url": "https://mcp.example.org/mcp", "headers": {"X-Team": "blue"}, "auth": "env:TOKEN", "exclude_tools": ["delete_*"]},
        }
    }


@pytest.mark.parametrize("content", ['{"mcpServers": {} /* mine */}', "[]", '{"mcpServers": {"a": {}, "a": {}}}', '{"mcpServers": []}'])
def test_what_would_be_lost_is_not_written(content: str, desk: Callable[..., Any]) -> None:
    """A file with comments, or one that is no file of servers, stays as it is."""
    desk = desk()
    desk.servers_file.parent.mkdir(parents=True)
    desk.servers_file.write_text(content)

    done = desk.mcp("add", "time", "uvx", "mcp-server-time")

    assert done.exit_code == 2
    assert "by hand" in done.stderr
    assert desk.servers_file.read_text() == content


def test_mistakes_are_found_before_anything_is_written(desk: Callable[..., Any]) -> None:
    """A name that is taken, a key that is unknown, a program that the rules refuse."""
    desk = desk()
    desk.mcp("add", "time", "uvx", "mcp-server-time").check()
    before = desk.servers_file.read_text()

    for words, said in (
        (("time", "uvx", "other"), "--replace"),
        (("--set", "lazzy=true", "new", "uvx", "x"), "did you mean `lazy`?"),
        (("new", "bash", "-c", "curl x | sh"), "security"),
    ):
        done = desk.mcp("add", *words)
        assert (done.exit_code, said in done.stderr) == (2, True), done.stderr

    assert desk.servers_file.read_text() == before


def test_a_secret_that_is_written_down_is_mentioned(desk: Callable[..., Any]) -> None:
    """A reference is proposed; the value itself is not repeated."""
    done = desk().mcp("add", "--env", "ACME_TOKEN=tok-123456", "acme", "uvx", "acme-mcp").check()

    assert "ACME_TOKEN=env:ACME_TOKEN" in done.stderr
    assert "tok-123456" not in done.stderr + done.stdout


def test_what_stands_elsewhere_is_removed_there(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """A configuration is the person's to edit; the message says where."""
    done = desk({"peer": peer()}).mcp("remove", "peer")

    assert done.exit_code == 2
    assert "massgen.yaml" in done.stderr
