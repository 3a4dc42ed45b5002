"""Every way in which a server can be written comes to one configuration, and every mistake is named with its place."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import ConfigProblem, ConfigProblems
from massgen_core.config.document import parse
from massgen_core.config.schema import describe
from massgen_core.config.structure import Expanded, structure
from massgen_mcp_client.config import BreakerConfig, McpConfig, McpOptions, RetryConfig, ServerConfig

KEYS = ["command", "args", "env", "url", "type", "name", "security", "timeout", "env_file", "breaker", "level", "headers", "enabled"]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["npx", "http://x.example/", "stdio", "${A}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=10,
)


def read(options: Any) -> McpConfig:
    """Return what options come to: plain data, or a document's text."""
    if isinstance(options, str):
        root = parse(textwrap.dedent(options), "run.yaml")
        return structure(McpOptions, root.plain(), place=root).config
    return structure(McpOptions, options).config


def one(section: dict[str, Any], **options: Any) -> ServerConfig:
    (server,) = read({"servers": {"s": section}, **options}).servers
    return server


def mistakes(options: Any) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        read(options)
    return [str(problem) for problem in caught.value.problems]


def test_a_mapping_and_a_list_say_the_same() -> None:
    """Servers by name, or a list with names, under either key."""
    by_name = read({"servers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}})
    listed = read({"servers": [{"name": "time", "command": "uvx", "args": ["mcp-server-time"]}]})
    older = read({"mcp_servers": [{"name": "time", "type": "stdio", "command": "uvx", "args": ["mcp-server-time"]}]})

    assert by_name == listed == older
    assert by_name.servers[0].options == {"command": "uvx", "args": ["mcp-server-time"]}
    assert by_name.servers[0].transport == "stdio"


@pytest.mark.parametrize(
    ("spellings", "transport"),
    [
        (("stdio", "STDIO", "local", "command"), "stdio"),
        (("http", "streamable-http", "streamable_http", "streamableHttp", "Streamable HTTP", "remote"), "http"),
        (("sse", "SSE", "http+sse".replace("+", "-")), "sse"),
        (("memory", "docker", "my-transport"), ""),
    ],
)
def test_transports_in_all_spellings(spellings: tuple[str, ...], transport: str) -> None:
    """`type` or `transport`, in the spellings of all hosts; an unknown one is the name of a transport plugin."""
    for spelling in spellings:
        section = {"command": "npx"} if transport == "stdio" else {"url": "https://example.com/mcp"}
        assert one({"type": spelling, **section}).transport == (transport or spelling)
        assert one({"transport": spelling, **section}).transport == (transport or spelling)


def test_transports_are_inferred() -> None:
    """From `command` or `url`."""
    assert one({"command": "npx"}).transport == "stdio"
    assert one({"url": "https://example.com/mcp"}).transport == "http"
    assert mistakes({"servers": {"s": {"url": "https://example.com", "command": "npx"}}}) == [
        "servers.s: both `command` and `url` are there; a server has one of them, or `type` names its transport"
    ]
    assert "neither `command` nor `url` is there" in mistakes({"servers": {"s": {"args": []}}})[0]
    assert "WebSocket is no transport" in mistakes({"servers": {"s": {"type": "ws", "url": "http://x.example"}}})[0]


@pytest.mark.parametrize(
    ("section", "command", "args"),
    [
        ({"command": ["npx", "-y", "x"]}, "npx", ["-y", "x"]),
        ({"command": ["npx"], "args": ["-y"]}, "npx", ["-y"]),
        ({"command": "npx -y 'a b'"}, "npx", ["-y", "a b"]),
        ({"command": "/opt/my programs/python"}, "/opt/my programs/python", None),
        ({"command": "npx", "args": None}, "npx", None),
    ],
)
def test_commands_in_all_spellings(section: dict[str, Any], command: str, args: list[str] | None) -> None:
    """A list, a line, or a program with arguments."""
    options = one(section).options

    assert options["command"] == command
    assert options.get("args") == args


def test_options_of_the_transport_are_left_to_it() -> None:
    """What is no key of the client's goes to the transport, whose own class is strict."""
    server = one({"type": "docker", "image": "x", "command": "npx", "lazy": True, "max_message": 5})

    assert server.options == {"image": "x", "command": "npx", "max_message": 5}
    assert server.lazy
    for name in (
        "stop_seconds",
        "idle_seconds",
        "body_seconds",
        "redirect_hosts",
        "allow_private",
        "auth",
        "executor",
        "image",
        "volumes",
        "network",
    ):
        assert one({"command": "npx", name: 1}).options[name] == 1


def test_every_key_of_the_issue_is_taken() -> None:
    """The keys that users know, each with its meaning."""
    server = one(
        {
            "command": "npx",
            "args": ["a"],
            "env": {"A": "1"},
            "cwd": "x",
            "allowed_tools": ["a*"],
            "exclude_tools": ["b"],
            "trust": True,
            "security": {"level": "moderate"},
            "protocol": "legacy",
            "keepalive": 5,
            "breaker": {"failures": 1},
            "retry": {"attempts": 2},
            "cache_ttl": 9,
            "max_output": 100,
            "connect_seconds": 1,
            "call_idle_seconds": 2,
            "call_total_seconds": 3.5,
            "log_level": "debug",
        }
    )

    assert server == ServerConfig(
        name="s",
        transport="stdio",
        options={"command": "npx", "args": ["a"], "env": {"A": "1"}, "cwd": "x"},
        allowed_tools=("a*",),
        exclude_tools=("b",),
        trust=True,
        security=attrs.evolve(server.security, level="moderate"),
        protocol="legacy",
        keepalive_seconds=5.0,
        breaker=BreakerConfig(failures=1),
        retry=RetryConfig(attempts=2),
        cache_seconds=9.0,
        max_output=100,
        connect_seconds=1.0,
        call_idle_seconds=2.0,
        call_total_seconds=3.5,
        log_level="debug",
    )


def test_what_can_be_switched_off_takes_false() -> None:
    """`false` for the breaker, retries, the keepalive and the cache."""
    server = one({"command": "npx", "breaker": False, "retry": False, "keepalive": False, "cache_ttl": False})

    assert (server.breaker.failures, server.retry.attempts, server.keepalive_seconds, server.cache_seconds) == (0, 1, 0, 0)


def test_disabled_servers_are_left_out() -> None:
    """`enabled: false` and `disabled: true` keep a section without its server; a wrong one too."""
    servers = {"a": {"command": "npx", "enabled": False}, "b": {"command": "npx", "disabled": True}, "c": {"command": "npx", "disabled": False}}

    assert [server.name for server in read({"servers": {**servers, "d": {"enabled": False, "wrong": 1}}}).servers] == ["c"]


def test_defaults_lie_below_every_server() -> None:
    """A key is written once for all; mappings are merged."""
    defaults = {"security": {"level": "moderate"}, "env": {"A": "1"}, "keepalive": 9}
    server = one({"command": "npx", "env": {"B": "2"}, "keepalive": 3}, defaults=defaults)

    assert server.security.level == "moderate"
    assert server.options["env"] == {"A": "1", "B": "2"}
    assert server.keepalive_seconds == 3


def test_tools_are_filtered_for_all_and_for_each() -> None:
    """A server's own `allowed_tools` replaces that of all; what is excluded adds up."""
    servers = read(
        {
            "servers": {"a": {"command": "npx"}, "b": {"command": "npx", "allowed_tools": ["y"], "exclude_tools": ["z"]}},
            "allowed_tools": ["x"],
            "exclude_tools": ["w"],
        }
    ).servers

    assert [(server.allowed_tools, server.exclude_tools) for server in servers] == [(("x",), ("w",)), (("y",), ("w", "z"))]


def test_every_mistake_is_named_at_once_with_its_place() -> None:
    """File, line, column, key path, what is wrong and what to do."""
    found = mistakes(
        """
        servers:
          a: {command: uvx, timeout: 5}
          b: {command: uvx, allowedTools: [x]}
          c: {command: uvx, breaker: {failures: many}}
          d: {command: zsh}
          e__f: {command: uvx}
          g: 7
        imports: [nowhere.json]
        """
    )

    places = ["nowhere.json:", "run.yaml:3:30:", "run.yaml:4:35:", "run.yaml:5:41:", "run.yaml:6:16:", "run.yaml:7:9:", "run.yaml:8:6:"]
    assert [line.split(" ")[0] for line in found] == places
    assert "`timeout` does not say what it limits, nor its unit; write connect_seconds" in "\n".join(found)
    assert "did you mean `allowed_tools`?" in "\n".join(found)
    assert "servers.c.breaker.failures: expected a whole number" in "\n".join(found)
    assert "servers.e__f: 'e__f' cannot name a server" in "\n".join(found)


def test_names_must_differ() -> None:
    """The second of two servers of one name is told where the first one is."""
    found = mistakes({"servers": {"a": {"command": "npx"}}, "mcp_servers": [{"name": "a", "command": "npx"}]})

    assert found == ["mcp_servers[0]: there is a server 'a' already, under servers.a; rename or remove one"]


def test_an_unset_variable_is_named_with_its_field(tmp_path: Path) -> None:
    """In a file of another host as in a configuration: which variable, and where."""
    file = tmp_path / ".mcp.json"
    file.write_text(json.dumps({"mcpServers": {"a": {"command": "npx", "env": {"TOKEN": "${NO_SUCH_TOKEN}", "B": "${NO_SUCH:-b}"}}}}))

    (found,) = mistakes({"imports": [str(file)]})
    assert found.endswith("mcpServers.a.env.TOKEN: the environment variable NO_SUCH_TOKEN is not set; set it, or write ${NO_SUCH_TOKEN:-instead}")


def test_values_from_the_environment_are_in_no_message() -> None:
    """A refusal shows the reference, wherever the value went: also out of a command that was taken apart."""
    secret = "hush$(rm)hush"
    for section in (
        {"command": "npx", "args": [Expanded(secret, "${TOKEN}")]},
        {"command": Expanded(f"npx --key {secret}", "npx --key ${TOKEN}")},
        {"command": "npx", "args": [Expanded(f"x {secret}", "x ${TOKEN}")]},
        {"url": Expanded(f"http://{secret}@127.0.0.1/", "http://${TOKEN}@127.0.0.1/")},
    ):
        text = "\n".join(mistakes({"servers": {"s": section}}))
        assert "hush" not in text
        assert "TOKEN" in text or "url" in section


def test_secrets_on_a_command_line_are_told() -> None:
    """They can be read by every user of the machine."""
    config = read({"servers": {"s": {"command": "npx", "args": ["--token", Expanded("s3cr3t-value", "${DISCORD_TOKEN}")]}}})

    assert config.notes == (
        "MCP server 's': '${DISCORD_TOKEN}' is put on its command line, where other users of this machine can read it; put it into env",
    )


def test_secrets_are_known_by_their_names() -> None:
    """What must be kept out of logs: values of variables and headers that look like secrets; references are none."""
    server = one(
        {
            "url": "https://example.com/mcp",
            "headers": {"Authorization": "Bearer abcdef", "X-Api-Key": "keyring:acme", "Accept": "text/plain"},
            "auth": {"client_secret": "shh-shh", "client_id": "me"},
            "env": {"GITHUB_TOKEN": "ghp_1", "MODE": "fast"},
        }
    )

    assert server.secrets == ("Bearer abcdef", "abcdef", "shh-shh", "me", "ghp_1")
    assert "ghp_1" not in repr(server)


def test_an_env_file_is_read(tmp_path: Path) -> None:
    """Quotes, comments, `export`, escapes; `env` wins over it."""
    file = tmp_path / ".env"
    file.write_text("# keys\nexport A=1\nB = 'two # words'\nC=\"a\\nb\" # why\nD=plain value # cut\nE=\n\nF=x#y\nA2=1\n")
    options = one({"command": "npx", "env_file": str(file), "env": {"A2": "3"}}).options

    assert options["env"] == {"A": "1", "B": "two # words", "C": "a\nb", "D": "plain value", "E": "", "F": "x#y", "A2": "3"}
    assert "env_file" not in options


def test_a_wrong_env_file_is_named(tmp_path: Path) -> None:
    """The file, or the line; never a value."""
    (tmp_path / "bad.env").write_text("A=1\nwhat is this hunter2\n")

    assert "servers.s.env_file: line 2 of" in mistakes({"servers": {"s": {"command": "npx", "env_file": str(tmp_path / "bad.env")}}})[0]
    assert "hunter2" not in mistakes({"servers": {"s": {"command": "npx", "env_file": str(tmp_path / "bad.env")}}})[0]
    assert "cannot be read: No such file" in mistakes({"servers": {"s": {"command": "npx", "env_file": str(tmp_path / "none.env")}}})[0]


def test_levels_and_keys_of_existing_configurations() -> None:
    """`high` means strict, and addresses are allowed under their old names; the transport is told."""
    section = {"level": "permissive", "allow_localhost": True, "allow_private_ips": True, "resolve_dns": True, "allowed_hostnames": ["localhost"]}
    server = one({"url": "http://localhost:8000/mcp", "security": section})
    config = read({"mcp_servers": {"a": {"command": "npx", "security": {"level": "high", "env": {"mode": "denylist", "denied_vars": ["X"]}}}}})

    assert (server.security.allow_localhost, server.security.allow_private, server.security.allowed_hosts) == (True, True, ("localhost",))
    assert server.options == {"allow_localhost": True, "allow_private": True, "url": "http://localhost:8000/mcp"}
    assert config.servers[0].security.level == "strict"
    assert config.servers[0].security.env.denied == ("X",)
    assert config.notes == ("MCP server 'a': security.level `high` means strict",)
    assert one({"command": "npx", "security": "moderate"}).security.level == "moderate"


def test_the_workspace_of_an_agent_is_put_in_place() -> None:
    """`{workspace}` in options and roots; a server that carries it is no agent's but one's."""
    server = one({"command": "npx", "args": ["x", "{workspace}/sub"], "cwd": "{workspace}", "roots": ["{workspace}"]})
    placed = server.placed(Path("/w"))

    assert server.carries_workspace
    assert not one({"command": "npx"}).carries_workspace
    assert one({"command": "npx", "executor": {"type": "local"}}).is_of_one_agent
    assert (placed.options["args"], placed.options["cwd"], placed.roots) == (["x", "/w/sub"], "/w", ("/w",))
    assert one({"command": "npx"}).placed(None)
    with pytest.raises(ConfigProblem, match="the agent has no workspace"):
        server.placed(None)


def test_the_options_can_be_described() -> None:
    """The kernel's reference and editor's schema know every option, with a word of help."""
    rows = describe(McpOptions)

    assert {"servers", "mcp_servers", "imports", "defaults", "search_above"} <= {row.path for row in rows}
    assert all(row.help for row in rows)
    assert all(field.metadata.get("help") for field in attrs.fields(ServerConfig))


@given(st.dictionaries(st.sampled_from(["servers", "mcp_servers", "defaults", "exclude_tools"]), JUNK, max_size=3))
def test_nonsense_is_a_list_of_problems(options: dict[str, Any]) -> None:
    """Whatever is written: servers, or problems, never a traceback."""
    try:
        config = structure(McpOptions, options).config
    except ConfigProblems:
        return
    assert all(server.name and server.transport for server in config.servers)


def test_servers_of_earlier_versions_are_read(real_configurations: list[Path]) -> None:
    """Every `mcp_servers` section of the configurations of six earlier versions comes to servers."""
    sections = 0
    for file in real_configurations:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        data = data if isinstance(data, dict) else {}
        agents = data.get("agents") or [data.get("agent") or {}]
        for backend in (agent.get("backend") or {} for agent in agents if isinstance(agent, dict)):
            if backend.get("mcp_servers"):
                sections += 1
                options = {key: backend[key] for key in ("mcp_servers", "allowed_tools", "exclude_tools") if key in backend}
                # These three files lead out of a folder, or are placeholders that one is to fill in.
                options["defaults"] = {"security": {"level": "moderate"}} if "../" in str(options) else {}
                assert len(read(options).servers) == len(backend["mcp_servers"]), file
    assert sections > 100
