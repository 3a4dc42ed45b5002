"""`massgen mcp list`, `tools` and `call`: servers without a run and without a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def test_each_server_has_a_state(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """Those that work, those that do not, those that are disabled, and those whose section is wrong stand in one table; the table is the result."""
    desk = desk({"good": peer(), "dead": peer("dies"), "off": peer(disabled=True), "wrong": peer(timeout=3), "bad name": peer()})

    done = desk.mcp("list").check()

    states = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[1:] if not line.startswith("bad name")}
    assert states == {"good": "ready", "dead": "failed", "off": "disabled", "wrong": "wrong"}
    assert "out of cheese" in done.stderr
    assert "`timeout` does not say what it limits" in done.stderr
    assert "massgen.yaml" in done.stderr


def test_offline_starts_nothing(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """Only what is configured is said, in JSON too; values of variables are never shown."""
    desk = desk({"dead": peer("dies", env={"ACME_TOKEN": "tok-123456"})})

    done = desk.mcp("list", "--offline", "--json").check()

    (server,) = json.loads(done.stdout)
    assert (server["name"], server["state"]) == ("dead", "configured")
    assert "tok-123456" not in done.stdout


def test_servers_come_from_every_place(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """An agent's own toolsets, files that are imported, and the user's file; the first of a name wins."""
    desk = desk({"one": peer()}, imports=["theirs.json"])
    theirs = {"mcpServers": {"two": peer(), "one": peer("dies")}}
    (desk.project.folder / "theirs.json").write_text(json.dumps(theirs))
    desk.mcp("add", "three", "uvx", "mcp-server-time").check()

    done = desk.mcp("list", "--offline", "--json").check()
    only = desk.mcp("list", "--offline", "--json", "-c", "theirs.json").check()

    assert {one["name"]: one["where"].partition(":")[0].rpartition("/")[2] for one in json.loads(done.stdout)} == {
        "one": "massgen.yaml",
        "two": "theirs.json",
        "three": "mcp.json",
    }
    assert [one["name"] for one in json.loads(only.stdout)] == ["two", "one"]


def test_tools_are_shown_as_agents_get_them(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """Name, parameters, first line; everything in JSON."""
    desk = desk({"peer": peer()})

    done = desk.mcp("tools", "peer").check()
    full = json.loads(desk.mcp("tools", "peer", "--json").check().stdout)

    assert "echo(text, [loud])\n    Say a text again." in done.stdout
    assert full["tools"][0]["name"] == "mcp__peer__echo"
    assert full["tools"][0]["parameters"]["required"] == ["text"]


def test_a_tool_is_called(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """The result is on standard output; a tool that says that it failed gives exit code 1; secrets are redacted."""
    desk = desk({"peer": peer(env={"PEER_SECRET": "env:ACME"})})
    env = {"ACME": "correct-horse-battery"}

    done = desk.mcp("call", "peer", "echo", '{"text": "hello"}', env=env).check()
    piped = desk.mcp("call", "peer", "mcp__peer__echo", "-", stdin='{"text": "hi"}', env=env).check()
    failed = desk.mcp("call", "peer", "echo", '{"text": "fail"}', "--json", env=env)

    assert done.stdout.startswith("hello from ")
    assert "correct-horse-battery" not in done.stdout + failed.stdout
    assert piped.stdout.startswith("hi from ")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["isError"] is True


def test_a_server_can_be_typed(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """A command line in quotes is a server, without any configuration."""
    section = peer()

    done = desk().mcp("call", " ".join([section["command"], *section["args"]]), "echo", '{"text": "hello"}').check()

    assert done.stdout == "hello from nobody\n"


def test_a_misspelt_tool_gets_the_right_name(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """With its parameters, so that the next attempt succeeds."""
    done = desk({"peer": peer()}).mcp("call", "peer", "ecco", "{}")

    assert done.exit_code == 2
    assert "did you mean 'echo'? Its parameters: text, [loud]." in done.stderr


def test_a_list_fits_a_terminal(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """Long names and commands are cut where a person looks at them; what goes into a pipe is whole."""
    desk = desk({"a-server-with-quite-a-long-name": peer(), "b": peer("well --root /a/folder/that/is/deep/within/others")})
    lines = desk.project.show("mcp", "list", "--offline").check().stdout.splitlines()

    assert (len(lines), max(map(len, lines))) == (3, 80)
    assert all("…" in line for line in lines[1:])
    assert max(map(len, desk.mcp("list", "--offline").check().stdout.splitlines())) > 80
