"""Files of other hosts, as their documentation shows them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from massgen_core.api import ConfigProblems
from massgen_core.config.structure import structure
from massgen_mcp_client.config import WORKSPACE, McpConfig, McpOptions, ServerConfig
from massgen_mcp_client.foreign import read_import
from massgen_mcp_client.hosts import HOSTS


def imported(path: Path, **options: Any) -> McpConfig:
    return structure(McpOptions, {"imports": [{"path": str(path), **options}]}).config


def written(folder: Path, name: str, content: Any) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def times(server: ServerConfig) -> tuple[float, float, float]:
    return server.connect_seconds, server.call_idle_seconds, server.call_total_seconds


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in the environment."""
    monkeypatch.setenv("ACME_TOKEN", "t0ken-of-acme")
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)


@pytest.mark.usefixtures("environment")
def test_claude(tmp_path: Path) -> None:
    """`.mcp.json`: milliseconds, `${VAR}` and `${VAR:-default}`; what would be ignored there is ignored here."""
    content = {
        "mcpServers": {
            "acme": {
                "type": "http",
                "url": "${BASE:-https://acme.example}/mcp",
                "headers": {"Authorization": "Bearer ${ACME_TOKEN}"},
                "timeout": 600000,
            },
            "local": {"command": "npx", "args": ["-y", "x"], "env": {"A": "${NO_SUCH_VARIABLE:-b}"}, "timeout": 500, "alwaysAllow": ["x"]},
        }
    }
    config = imported(written(tmp_path, ".mcp.json", content))
    acme, local = config.servers

    assert acme.transport == "http"
    assert acme.options == {"url": "https://acme.example/mcp", "headers": {"Authorization": "Bearer t0ken-of-acme"}}
    assert acme.secrets == ("Bearer t0ken-of-acme", "t0ken-of-acme")
    assert times(acme) == (60, 600, 600)
    assert local.options == {"command": "npx", "args": ["-y", "x"], "env": {"A": "b"}}
    assert times(local) == (60, 120, 600)
    assert config.notes == (
        "MCP server 'local': `timeout` of 500 ms is not taken over; its own host ignores less than 1000",
        "MCP server 'local': `alwaysAllow` is not taken over; name tools that need no approval under permissions.allow",
    )


@pytest.mark.usefixtures("environment")
def test_vscode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.vscode/mcp.json`: `servers`, comments, inputs, the workspace folder and an env file."""
    monkeypatch.setenv("ACME_KEY", "kk")
    written(tmp_path, "some.env", "FROM_FILE=1\n")
    text = """
    {
      // asked for at start
      "inputs": [{"id": "acme-key", "type": "promptString", "password": true}],
      "servers": {
        "acme": {"type": "stdio", "command": "node", "args": ["${workspaceFolder}/server.js"],
                 "env": {"KEY": "${input:acme-key}", "HOME_DIR": "${userHome}", "T": "${env:ACME_TOKEN}"}, "envFile": "%s"}, /* more */
        "web": {"url": "https://acme.example/mcp"},
      },
    }
    """
    acme, web = imported(written(tmp_path, ".vscode/mcp.json", text % (tmp_path / "some.env"))).servers

    assert acme.options["args"] == [f"{Path.cwd()}/server.js"]
    assert acme.options["env"] == {"FROM_FILE": "1", "KEY": "kk", "HOME_DIR": str(Path.home()), "T": "t0ken-of-acme"}
    assert web.transport == "http"


def test_an_input_that_is_not_set_is_named(tmp_path: Path) -> None:
    """There is nobody to be asked at start: the variable of its name is."""
    file = written(tmp_path, ".vscode/mcp.json", {"servers": {"a": {"command": "node", "env": {"K": "${input:acme-key.v2}"}}}})
    with pytest.raises(ConfigProblems, match=r"servers\.a\.env\.K: the environment variable ACME_KEY_V2 is not set"):
        imported(file)


@pytest.mark.usefixtures("environment")
def test_gemini(tmp_path: Path) -> None:
    """`.gemini/settings.json`: `httpUrl`, `url` for SSE, `$NAME`, milliseconds, `trust` that is no leave."""
    content = {
        "theme": "dark",
        "mcpServers": {
            "one": {
                "httpUrl": "https://acme.example/mcp",
                "headers": {"X-Key": "$ACME_TOKEN"},
                "timeout": 5000,
                "trust": True,
                "includeTools": ["a"],
            },
            "two": {"url": "https://acme.example/sse", "excludeTools": ["b"]},
        },
    }
    config = imported(written(tmp_path, ".gemini/settings.json", content))
    one, two = config.servers

    assert (one.transport, one.options["headers"], one.allowed_tools, one.call_total_seconds) == ("http", {"X-Key": "t0ken-of-acme"}, ("a",), 5)
    assert (two.transport, two.exclude_tools) == ("sse", ("b",))
    assert not one.trust
    assert "`trust` is not taken over" in config.notes[0]


@pytest.mark.usefixtures("environment")
def test_codex(tmp_path: Path) -> None:
    """`.codex/config.toml`: tables, seconds by name, variables by name."""
    text = """
    model = "x"
    [mcp_servers.docs]
    command = "npx"
    args = ["-y", "docs"]
    env_vars = ["ACME_TOKEN"]
    startup_timeout_sec = 20
    tool_timeout_sec = 90.5
    enabled_tools = ["search"]
    [mcp_servers.web]
    url = "https://acme.example/mcp"
    bearer_token_env_var = "ACME_TOKEN"
    env_http_headers = { "X-Org" = "ACME_ORG" }
    [mcp_servers.off]
    command = "npx"
    enabled = false
    """
    docs, web = imported(written(tmp_path, ".codex/config.toml", text)).servers

    assert docs.options == {"command": "npx", "args": ["-y", "docs"], "env": {"ACME_TOKEN": "env:ACME_TOKEN"}}
    assert times(docs) == (20, 90.5, 90.5)
    assert docs.allowed_tools == ("search",)
    assert web.options["headers"] == {"Authorization": "Bearer t0ken-of-acme", "X-Org": "env:ACME_ORG"}


def test_goose(tmp_path: Path) -> None:
    """`goose/config.yaml`: `extensions`, `cmd`, `envs`, `env_keys`, `uri`, seconds."""
    text = """
    GOOSE_MODE: auto
    extensions:
      one: {enabled: true, type: stdio, cmd: uvx, args: [mcp-one], envs: {A: "1", B: 2}, env_keys: [ONE_KEY], timeout: 300, bundled: null}
      two: {enabled: true, type: streamable_http, uri: "https://acme.example/mcp", available_tools: [x], headers: {}}
      three: {enabled: true, config: {type: stdio, cmd: npx, args: [three], timeout: 120}}
      off: {enabled: false, type: builtin}
    """
    one, two, three = imported(written(tmp_path, "goose/config.yaml", text)).servers

    assert one.options == {"command": "uvx", "args": ["mcp-one"], "env": {"ONE_KEY": "env:ONE_KEY", "A": "1", "B": "2"}}
    assert one.call_total_seconds == 300
    assert (two.transport, two.options["url"], two.allowed_tools) == ("http", "https://acme.example/mcp", ("x",))
    assert (three.options["command"], three.call_total_seconds) == ("npx", 120)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("cline_mcp_settings.json", {"mcpServers": {"a": {"command": "npx", "timeout": 60, "disabled": False, "autoApprove": []}}}, (60, 60, 60)),
        (
            "x.roo-cline/settings/mcp_settings.json",
            {"mcpServers": {"a": {"type": "streamable-http", "url": "https://a.example", "timeout": 30}}},
            (60, 30, 30),
        ),
        ("librechat.yaml", {"mcpServers": {"a": {"command": "npx", "timeout": 60000, "initTimeout": 15000}}}, (15, 60, 60)),
        ("opencode.json", {"mcp": {"a": {"type": "local", "command": ["npx", "x"], "environment": {}, "timeout": 5000}}}, (60, 5, 5)),
        ("opencode.jsonc", {"mcp": {"a": {"type": "remote", "url": "https://a.example", "timeout": {"startup": 9000, "request": 7000}}}}, (9, 7, 7)),
        ("mcp_agent.config.yaml", {"mcp": {"servers": {"a": {"command": "npx", "read_timeout_seconds": 45}}}}, (60, 45, 45)),
        (".continue/config.yaml", {"mcpServers": [{"name": "a", "command": "npx", "connectionTimeout": 20000}]}, (20, 120, 600)),
        ("zed/settings.json", {"context_servers": {"a": {"source": "custom", "command": {"path": "npx", "args": ["x"], "env": {}}}}}, (60, 120, 600)),
        (".codeium/windsurf/mcp_config.json", {"mcpServers": {"a": {"serverUrl": "https://a.example/mcp"}}}, (60, 120, 600)),
        (".cursor/mcp.json", {"mcpServers": {"a": {"url": "https://a.example/mcp"}}}, (60, 120, 600)),
    ],
)
def test_times_have_the_unit_of_their_host(tmp_path: Path, name: str, content: Any, expected: tuple[float, float, float]) -> None:
    """Connect, idle and total seconds, from whatever the host writes."""
    (server,) = imported(written(tmp_path, name, content)).servers

    assert server.name == "a"
    assert times(server) == expected


def test_a_time_without_a_unit_is_refused(tmp_path: Path) -> None:
    """Sixty what? The person is asked whose file it is; told, it is read."""
    file = written(tmp_path, "servers.json", {"mcpServers": {"a": {"command": "npx", "timeout": 60}}})
    with pytest.raises(ConfigProblems, match=r"servers\.json:1:\d+: mcpServers\.a\.timeout: the unit of `timeout` is not known; .* host: \.\.\."):
        imported(file)

    assert imported(file, host="cline").servers[0].call_total_seconds == 60


def test_massgen(tmp_path: Path) -> None:
    """`mcp_servers`, a list or a mapping; `${cwd}` is the agent's workspace, time-outs are seconds."""
    text = """
    mcp_servers:
      - name: browser
        type: stdio
        command: npx
        args: ["@playwright/mcp@latest", "--output-dir=${cwd}"]
        security: {level: high}
      - {name: web, type: streamable-http, url: "http://localhost:8000/mcp", timeout: 20, security: {allow_localhost: true}}
    """
    browser, web = imported(written(tmp_path, "massgen.yaml", text)).servers

    assert browser.options["args"][1] == f"--output-dir={WORKSPACE}"
    assert browser.carries_workspace
    assert web.call_total_seconds == 20
    assert web.options["allow_localhost"] is True


def test_dollar_signs_of_others_are_left_alone(tmp_path: Path) -> None:
    """Only `${...}` is a reference: passwords with dollar signs stay what they are."""
    file = written(tmp_path, "x.json", {"mcpServers": {"a": {"command": "npx", "env": {"PASSWORD": "pa$$word$1"}}}})

    assert imported(file).servers[0].options["env"] == {"PASSWORD": "pa$$word$1"}


def test_names_of_others_are_made_to_fit(tmp_path: Path) -> None:
    """A name with blanks is written with hyphens, and the person is told."""
    config = imported(written(tmp_path, "x.json", {"mcpServers": {"My Server (new)": {"command": "npx"}, "a__b": {"command": "npx"}}}))

    assert [server.name for server in config.servers] == ["My-Server-new", "a-b"]
    assert "is called 'My-Server-new' here" in config.notes[0]


def test_only_some_servers_are_taken(tmp_path: Path) -> None:
    """`only` names them."""
    file = written(tmp_path, "x.json", {"mcpServers": {"a1": {"command": "npx"}, "a2": {"command": "npx"}, "b": {"nonsense": 1}}})

    assert [server.name for server in imported(file, only=["a*"]).servers] == ["a1", "a2"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"mcpServers": 5}, "no MCP servers were found; they stand under mcpServers, servers"),
        ({}, "no MCP servers were found"),
        ([], "no MCP servers were found"),
        ({"mcpServers": {"a": 5}}, "mcpServers.a: a server is a mapping with `command` or `url`"),
        ({"mcpServers": {"a": {"command": "npx", "httpUrl": "http://a.example", "url": "http://b.example"}}}, "`httpUrl` and `url` mean the same"),
        ({"mcpServers": {"a": {"command": "bash", "args": ["-c", "x"]}}}, "mcpServers.a.command: 'bash' is not among the executables"),
        ('{"mcpServers": {"a": }}', "not JSON: a value is missing here"),
    ],
)
def test_mistakes_have_the_places_of_their_file(tmp_path: Path, content: Any, said: str) -> None:
    """Not those of the configuration that names the file."""
    file = written(tmp_path, "x.json", content)
    with pytest.raises(ConfigProblems) as caught:
        imported(file)

    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{file}:1:")


def test_unknown_hosts_are_named(tmp_path: Path) -> None:
    """With those that are known."""
    with pytest.raises(ConfigProblems, match=r"imports\[0\]: 'emacs' is no host that is known \(known: amp, claude, cline, codex"):
        imported(tmp_path / "x.json", host="emacs")


def test_every_host_says_where_its_servers_stand() -> None:
    """The table is whole."""
    assert all(host.where and (host.files or host.second or not name) for name, host in HOSTS.items())


def test_reading_references_is_linear(tmp_path: Path) -> None:
    """A file made to be slow is as quick as any other."""
    file = written(tmp_path, ".vscode/mcp.json", {"servers": {"a": {"command": "npx", "env": {"A": "${input:" * 40_000}}}})
    began = time.process_time()
    with pytest.raises(ConfigProblems):
        imported(file)

    assert time.process_time() - began < 3.0


def test_files_that_a_stranger_names_neither_hang_nor_exhaust(tmp_path: Path) -> None:
    """A project's file is read before it is trusted, and with it what it imports: no pipe is waited for, and no key has thousands of parts."""
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(ConfigProblems, match="it is no file"):
        read_import(str(tmp_path / "pipe.json"), [])
    with pytest.raises(ConfigProblems, match=r"deep\.toml:2:1: nested more than"):
        read_import(str(written(tmp_path, "deep.toml", "a = 1\n" + "b." * 5_000 + "c = 1\n")), [])
