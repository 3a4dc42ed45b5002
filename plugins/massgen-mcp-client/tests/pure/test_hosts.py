"""Files of other hosts, with the keys that came to them later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from massgen_core.api import ConfigProblems
from massgen_core.config.structure import structure
from massgen_mcp_client.config import McpConfig, McpOptions

URL = "https://acme.example/mcp"


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a file in the present folder and import it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACME_TOKEN", "t0ken-of-acme")

    def run(name: str, content: Any) -> McpConfig:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return structure(McpOptions, {"imports": [str(file)]}).config

    return run


@pytest.mark.parametrize(
    ("name", "section", "auth"),
    [
        (
            ".mcp.json",
            {"oauth": {"clientId": "c", "callbackPort": 8080, "scopes": "a b", "authServerMetadataUrl": "https://x.example"}},
            (8080, "a b"),
        ),
        (".cursor/mcp.json", {"auth": {"CLIENT_ID": "c", "CLIENT_SECRET": "${env:ACME_TOKEN}", "scopes": ["a", "b"]}}, (None, "a b")),
        (".gemini/settings.json", {"oauth": {"enabled": True, "clientId": "c", "scopes": ["a"]}, "type": "http"}, (None, "a")),
        (".copilot/mcp-config.json", {"oauthClientId": "c", "scopes": ["a"]}, (None, "a")),
        ("opencode.json", {"type": "remote", "oauth": {"clientId": "c", "clientSecret": "{env:ACME_TOKEN}", "scope": "a"}}, (None, "a")),
    ],
)
def test_logins_of_others_are_ours(name: str, section: dict[str, Any], auth: tuple[int | None, str], imported: Any) -> None:
    """Each host has its own names for a client, its secret, its scopes and the port that a login comes back to."""
    key = "mcp" if name == "opencode.json" else "mcpServers"
    (server,) = imported(name, {key: {"a": {"url": URL, **section}}}).servers
    found = dict(server.options["auth"])

    assert (found.pop("type"), found.pop("client_id"), found.pop("port", None), found.pop("scope")) == ("oauth", "c", *auth)
    assert found in ({}, {"client_secret": "t0ken-of-acme"})


@pytest.mark.parametrize(("oauth", "auth"), [(False, None), (True, "oauth"), ({}, "oauth"), ({"enabled": False, "clientId": "c"}, None)])
def test_a_login_may_be_on_or_off(oauth: Any, auth: str | None, imported: Any) -> None:
    """Without a client, a login is one whose client the server registers."""
    (server,) = imported("opencode.json", {"mcp": {"a": {"type": "remote", "url": URL, "oauth": oauth}}}).servers

    assert server.options.get("auth") == auth


def test_codex_with_approvals_of_tools(imported: Any) -> None:
    """A table `tools` holds approvals, not names; variables may say where they come from; what only its host can do is said, and costs nothing."""
    text = f"""
    [mcp_servers.a]
    command = "npx"
    env_vars = ["ACME_TOKEN", {{ name = "LANG", source = "local" }}]
    supports_parallel_tool_calls = true
    something_new = 3
    [mcp_servers.a.tools.search]
    approval_mode = "approve"
    [mcp_servers.b]
    url = "{URL}"
    scopes = ["a", "b"]
    oauth_resource = "https://acme.example"
    oauth = {{ client_id = "c" }}
    """
    config = imported(".codex/config.toml", text)
    first, second = config.servers

    assert first.allowed_tools is None
    assert first.options == {"command": "npx", "env": {"ACME_TOKEN": "env:ACME_TOKEN", "LANG": "env:LANG"}}
    assert second.options["auth"] == {"type": "oauth", "client_id": "c", "scope": "a b"}
    assert [note.partition(":")[2] for note in config.notes] == [
        " `tools` is not taken over; name tools that need no approval under permissions.allow",
        " `something_new` is not known here and was left out",
    ]


def test_opencode_of_both_versions(imported: Any) -> None:
    """`mcp` holds the servers, or `mcp.servers` does; `{env:NAME}` is a variable."""
    one = {"type": "local", "command": ["npx", "-y", "x"], "environment": {"A": "{env:ACME_TOKEN}", "B": "$5"}}
    for content in ({"mcp": {"a": one}}, {"mcp": {"timeout": {"startup": 1}, "servers": {"a": {**one, "timeout": {"startup": 2000}}}}}):
        (server,) = imported("opencode.json", content).servers

        assert server.options["env"] == {"A": "t0ken-of-acme", "B": "$5"}
    assert server.connect_seconds == 2


def test_servers_of_extensions_are_left_to_their_host(imported: Any) -> None:
    """Zed keeps the settings of its extensions beside the servers that a person wrote."""
    servers = {
        "ext": {"source": "extension", "settings": {"k": 1}},
        "old": {"settings": {}},
        "own": {"source": "custom", "command": "uvx", "args": ["x"]},
    }
    config = imported(".zed/settings.json", {"context_servers": servers})

    assert [server.name for server in config.servers] == ["own"]
    assert config.notes[0] == "MCP server 'ext': its program belongs to an extension of its host and was left out; write its `command`"


def test_claude_keeps_servers_for_one_folder(tmp_path: Path, imported: Any) -> None:
    """Servers under `projects` are those of the present folder, and come before a person's own of the same name."""
    local = {
        str(tmp_path): {"mcpServers": {"a": {"command": "node"}, "b": {"command": "node"}}},
        "/other": {"mcpServers": {"c": {"command": "node"}}},
    }
    both = imported(".claude.json", {"mcpServers": {"a": {"command": "npx"}, "u": {"command": "npx"}}, "projects": local})
    alone = imported(".claude.json", {"projects": local})

    assert {server.name: server.options["command"] for server in both.servers} == {"u": "npx", "a": "node", "b": "node"}
    assert [server.name for server in alone.servers] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "seconds"),
    [
        (".kiro/settings/mcp.json", {"mcpServers": {"a": {"command": "uvx", "timeout": 60000, "disabledTools": ["b"]}}}, 60),
        (".amazonq/mcp.json", {"mcpServers": {"a": {"command": "uvx", "timeout": 30000}}}, 30),
        ("crush.json", {"mcp": {"a": {"type": "stdio", "command": "uvx", "timeout": 45}}}, 45),
        ("amp/settings.json", {"amp.mcpServers": {"a": {"command": "uvx"}}}, 120),
    ],
)
def test_more_hosts(name: str, content: Any, seconds: float, imported: Any) -> None:
    """Where their servers stand, and the unit of their time-outs."""
    (server,) = imported(name, content).servers

    assert (server.name, server.call_idle_seconds) == ("a", seconds)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        (".continue/x.json", "${{ secrets.ACME_TOKEN }}", "t0ken-of-acme"),
        (".cursor/mcp.json", "a${/}b${pathSeparator}c", "a/b/c"),
        ("crush.json", "$ACME_TOKEN", "t0ken-of-acme"),
        ("other.json", "{env:ACME_TOKEN}", "{env:ACME_TOKEN}"),
    ],
)
def test_references_of_others(name: str, text: str, found: str, imported: Any) -> None:
    """Each host writes variables in its own way."""
    key = "mcp" if name == "crush.json" else "mcpServers"
    (server,) = imported(name, {key: {"a": {"command": "npx", "env": {"A": text}}}}).servers

    assert server.options["env"] == {"A": found}


@pytest.mark.parametrize(
    ("name", "text"), [("opencode.json", "{file:~/.ssh/id_rsa}"), (".codeium/windsurf/mcp_config.json", "${file:/x}"), ("crush.json", "$(cat /x)")]
)
def test_files_and_commands_are_not_read_into_options(name: str, text: str, imported: Any) -> None:
    """A file of servers cannot send another file of this machine away; what would otherwise be passed on as it stands is refused."""
    key = "mcp" if name in ("opencode.json", "crush.json") else "mcpServers"
    with pytest.raises(ConfigProblems, match=r"put the text into an environment variable"):
        imported(name, {key: {"a": {"url": URL, "headers": {"A": f"Bearer {text}"}}}})


def test_headers_that_a_program_makes_are_missed(imported: Any) -> None:
    """The server is taken over, and the note says why it may refuse."""
    config = imported(".mcp.json", {"mcpServers": {"a": {"url": URL, "headersHelper": "./token.sh"}}})

    assert config.notes == ("MCP server 'a': the program of `headersHelper` is not run; write the headers it makes under `headers`",)
