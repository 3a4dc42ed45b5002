"""`massgen mcp doctor`: for each ill server the cause and what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

ILL: dict[str, tuple[str, list[str]]] = {
    "dies": ("exited with code 3", ["out of cheese"]),
    "old": ("No module named 'mcp.server.fastmcp'", ["version 1 of the library mcp", "uvx --with 'mcp<2'"]),
    "poor": ("ACME_API_KEY is not set", ["give it its credentials in `env`"]),
    "mute": ("was not ready within 2 s (connect_seconds)", ["run the command once by hand", "raise connect_seconds"]),
}


@pytest.mark.parametrize("kind", sorted(ILL))
def test_a_server_that_does_not_start(kind: str, desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """What it wrote, how it ended, and what helps."""
    done = desk({"ill": peer(kind, connect_seconds=2)}).mcp("doctor", "ill")

    what, remedies = ILL[kind]
    assert done.exit_code == 1
    assert "FAILED  connection" in done.stdout
    assert [text for text in (what, *remedies) if text not in done.stdout] == []


def test_the_remedy_for_an_old_library_can_be_pasted(desk: Callable[..., Any], tmp_path: Any) -> None:
    """It is made from the section: the same command, with version 1 of the library."""
    from massgen_core.api import LinkReport  # noqa: PLC0415
    from massgen_mcp_client.commands.remedies import of_fault  # noqa: PLC0415
    from massgen_mcp_client.config import ServerConfig  # noqa: PLC0415
    from massgen_mcp_client.faults import McpFault  # noqa: PLC0415

    del desk, tmp_path
    report = LinkReport(is_open=False, exit_code=1, stderr="ModuleNotFoundError: No module named 'mcp.server.fastmcp'")
    fault = McpFault("it ended", server="papers", kind="connect", report=report)
    config = ServerConfig(name="papers", transport="stdio", options={"command": "uvx", "args": ("paper-search-mcp", "-v")})

    remedies = list(of_fault(fault, config))

    assert "start it with version 1: uvx --with 'mcp<2' paper-search-mcp -v" in remedies
    assert "in its section: args: ['--with', 'mcp<2', 'paper-search-mcp', '-v']" in remedies


def test_a_program_that_is_missing(desk: Callable[..., Any]) -> None:
    """What brings it is said; nothing is started."""
    done = desk({"npx": {"command": "npx", "args": ["x"], "env": {"PATH": "/nowhere"}, "security": {"env": {"allowed": ["PATH"]}}}}).mcp("doctor")

    assert done.exit_code == 1
    assert "there is no npx in PATH" in done.stdout
    assert "install Node.js" in done.stdout


def test_credentials_that_are_missing(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """Each is named before anything is started; none is shown."""
    desk = desk({"peer": peer(env={"ACME_TOKEN": "env:ACME", "OTHER_KEY": ""})})

    done = desk.mcp("doctor", "peer")
    env = {"ACME": "correct-horse-battery"}
    found = desk.mcp("doctor", "peer", env=env)

    assert done.exit_code == found.exit_code == 1
    assert "env.ACME_TOKEN: the environment holds no 'ACME'" in done.stdout
    assert "env.OTHER_KEY is empty" in found.stdout
    assert "correct-horse-battery" not in found.stdout + found.stderr


def test_an_address_where_nobody_is(desk: Callable[..., Any]) -> None:
    """The doctor says to look whether the server runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    done = desk({"web": {"url": f"http://127.0.0.1:{port}/mcp", "security": {"allow_localhost": True}}}).mcp("doctor", "web")

    assert done.exit_code == 1
    assert "see that the server runs" in done.stdout
    assert "127.0.0.1" in done.stdout.partition("FAILED")[2].splitlines()[0]


def test_what_is_only_odd_is_a_warning(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """Noise on standard output and bad definitions of tools do not make a server useless."""
    done = desk({"peer": peer("sloppy")}).mcp("doctor", "peer", "--json").check()

    checks = json.loads(done.stdout)["peer"]
    assert [check["what"] for check in checks if check["state"] == "ok"] == ["configuration", "command", "connection", "tools"]
    warnings = [check["text"] for check in checks if check["state"] == "warning"]
    assert any("no messages" in text for text in warnings)
    assert any(text.startswith("bad is left out") for text in warnings)


def test_a_wrong_section_is_the_first_thing_that_is_said(desk: Callable[..., Any], peer: Callable[..., Any]) -> None:
    """With the place in the file; other servers are examined all the same."""
    done = desk({"wrong": peer(lazzy=True), "peer": peer()}).mcp("doctor")

    assert done.exit_code == 1
    assert "massgen.yaml" in done.stdout
    assert "did you mean `lazy`?" in done.stdout
    assert "ok      tools: 1" in done.stdout


def test_a_transport_that_nobody_provides(desk: Callable[..., Any]) -> None:
    """Those that are there are named; no distribution is made up."""
    done = desk({"odd": {"type": "pigeon", "loft": "x"}}).mcp("doctor", "odd")

    assert done.exit_code == 1
    assert "no installed plugin provides the transport 'pigeon'" in done.stdout
    assert "pip install" not in done.stdout
    assert "stdio" in done.stdout
