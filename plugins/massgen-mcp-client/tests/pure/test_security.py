"""What a server's section may ask of this machine: every rule refuses what it is for, says how to allow it, and leaves ordinary sections alone."""

from __future__ import annotations

import string
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from massgen_core.config.structure import structure
from massgen_mcp_client.config import SecurityConfig, ServerConfig
from massgen_mcp_client.security import Refusal, refusals, server_name_refusal, tool_name_refusal, url_refusals

LEVELS = ["strict", "moderate", "permissive"]


def found(level: str = "strict", *, security: dict[str, Any] | None = None, **options: Any) -> tuple[Refusal, ...]:
    config = structure(SecurityConfig, {"level": level, **(security or {})})
    return refusals(ServerConfig(name="s", transport="x", options=options, security=config))


def rules(level: str = "strict", **options: Any) -> set[str]:
    return {refusal.rule for refusal in found(level, **options)}


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("npx", ["-y", "@modelcontextprotocol/server-filesystem", "/home/me/work"]),
        ("npx", ["-y", "mcp-remote", "https://acme.example/mcp?a=1&b=2;c", "--header", "Authorization: Bearer x"]),
        ("uvx", ["--from", "git+https://acme.example/x.git", "mcp-server-git", "--repository", "."]),
        ("uv", ["--directory", "/srv/x", "run", "server.py"]),
        ("python", ["-m", "mcp_server_time", "--local-timezone=Europe/Berlin"]),
        ("python3.12", ["-u", "-X", "dev", "server.py", "-c", "config.yaml"]),
        ("/usr/local/bin/python", ["server.py"]),
        (".venv/bin/python", ["server.py"]),
        ("C:\\Python\\python.exe", ["C:\\x\\server.py"]),
        ("node", ["--max-old-space-size=4096", "dist/index.js", "-e", "production", "--print"]),
        ("docker", ["run", "-i", "--rm", "-e", "TOKEN", "-v", "/home/me/data:/data:ro", "ghcr.io/acme/mcp"]),
        ("mcp-server-time", []),
        ("github-mcp-server", ["stdio"]),
        ("fastmcp", ["run", "module.server:create_server", "--", "--allowed-paths", "."]),
        ("java", ["-jar", "server.jar"]),
        ("deno", ["run", "--allow-net", "server.ts"]),
        ("bun", ["run", "server.ts"]),
    ],
)
def test_ordinary_commands_pass_at_every_level(command: str, args: list[str]) -> None:
    """What the documentation of real servers shows."""
    for level in LEVELS:
        assert found(level, command=command, args=args) == ()


@pytest.mark.parametrize(
    ("command", "rule", "remedy"),
    [
        ("bash", "security.command.executable", "put 'bash' into security.allowed_executables, or set security.level: moderate"),
        ("/bin/rm", "security.command.executable", "put '/bin/rm' into security.allowed_executables, or set security.level: permissive"),
        ("nc", "security.command.executable", "permissive"),
        ("npx && rm", "security.command.shell", "write the program alone, and its arguments into args"),
        ("$(npx)", "security.command.shell", "no shell is used"),
        ("npx\n", "security.command.shell", "no shell is used"),
        ("../../bin/python", "security.command.traversal", "write the full path"),
        ("", "security.command.length", "write a program's name or path"),
        ("x" * 1001, "security.command.length", "write a program's name or path"),
    ],
)
def test_commands_are_checked(command: str, rule: str, remedy: str) -> None:
    """Each refusal names its rule and what to do."""
    (first, *_) = found(command=command)

    assert first.rule == rule
    assert first.key == "command"
    assert remedy in str(first)
    assert f"(rule {rule})" in str(first)


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("python", ["-c", "import os"]),
        ("python3.11", ["-Ic", "import os"]),
        ("python", ["-W", "ignore", "-cimport os"]),
        ("python", ["-u", "-X", "dev", "-c", "x"]),
        ("node", ["-e", "x"]),
        ("node", ["--eval=x"]),
        ("node", ["--no-warnings", "-pe", "x"]),
        ("deno", ["eval", "x"]),
        ("bun", ["-e", "x"]),
        ("ruby", ["-rjson", "-e", "x"]),
        ("perl", ["-MFoo", "-E", "x"]),
        ("php", ["-r", "x"]),
        ("npx", ["-y", "node", "-e", "x"]),
        ("npx", ["-c", "x"]),
        ("npm", ["exec", "-c", "x"]),
        ("uv", ["run", "python", "-c", "x"]),
        ("uvx", ["--from", "x", "python", "-c", "x"]),
        ("bash", ["-c", "x"]),
        ("sh", ["-ec", "x"]),
        ("env", ["A=1", "bash", "-lc", "x"]),
        ("cmd", ["/c", "x"]),
        ("cmd.exe", ["/d", "/C", "x"]),
        ("powershell", ["-NoProfile", "-Command", "x"]),
        ("pwsh", ["-enc", "x"]),
        ("C:\\Windows\\powershell.EXE", ["-EncodedCommand", "x"]),
    ],
)
def test_code_in_arguments_is_refused(command: str, args: list[str]) -> None:
    """An interpreter that is given code is a shell by another name; `permissive` allows it."""
    assert "security.args.code" in rules("strict", command=command, args=args)
    assert "security.args.code" in rules("moderate", command=command, args=args)
    assert found("permissive", command=command, args=args) == ()


@pytest.mark.parametrize(
    ("argument", "rule", "levels"),
    [
        ("$(whoami)", "security.args.shell", {"strict", "moderate"}),
        ("`id`", "security.args.shell", {"strict", "moderate"}),
        ("a\nb", "security.args.shell", {"strict", "moderate"}),
        ("a; rm -rf x", "security.args.shell", {"strict"}),
        ("a && b", "security.args.shell", {"strict"}),
        ("a | b", "security.args.shell", {"strict"}),
        ("> /etc/x", "security.args.shell", {"strict"}),
        ("a>b", "security.args.shell", {"strict"}),
        ("mcp<2; id", "security.args.shell", {"strict"}),
        ("mcp<2", "", set()),
        ("mcp[cli]>=1.9,<2", "", set()),
        ("../secret", "security.args.traversal", {"strict"}),
        ("--root=../..", "security.args.traversal", {"strict"}),
        ("/srv/x/../../etc", "security.args.traversal", {"strict"}),
        ("..\\x", "security.args.traversal", {"strict"}),
        ("x\x00y", "security.args.length", set(LEVELS)),
        ("a&b", "", set()),
        ("file..name", "", set()),
        ("v1..v2", "", set()),
        ("http://a.example/../b|c", "", set()),
        ('{"a": "b"}', "", set()),
        ("$HOME/x", "", set()),
    ],
)
def test_arguments_are_checked(argument: str, rule: str, levels: set[str]) -> None:
    """Shell syntax, which would not work, and ways out of a folder."""
    for level in LEVELS:
        assert rules(level, command="npx", args=["ok", argument]) == ({rule} if level in levels else set())
    if levels:
        assert found(command="npx", args=["ok", argument])[0].key == "args[1]"


@pytest.mark.parametrize(
    "argument",
    [
        *("--privileged", "--pid=host", "--cap-add=SYS_ADMIN", "-v=/:/host", "/:/host", "/etc:/x", "/var/run/docker.sock:/var/run/docker.sock"),
        *("type=bind,source=/,target=/x", "--device", "--security-opt=seccomp=unconfined", "--volume=/home:/h", "C:\\:/c"),
    ],
)
def test_containers_do_not_get_the_machine(argument: str) -> None:
    """Options that undo what a container is for."""
    assert rules(command="docker", args=["run", "-i", argument, "image"]) == {"security.args.container"}
    assert rules("permissive", command="docker", args=["run", "-i", argument, "image"]) == set()
    assert "security.args.container" not in rules(command="npx", args=[argument])


@pytest.mark.parametrize(
    ("name", "rule", "levels"),
    [
        ("LD_PRELOAD", "security.env.loader", {"strict", "moderate"}),
        ("ld_preload", "security.env.loader", {"strict", "moderate"}),
        ("DYLD_INSERT_LIBRARIES", "security.env.loader", {"strict", "moderate"}),
        ("NODE_OPTIONS", "security.env.loader", {"strict", "moderate"}),
        ("PYTHONSTARTUP", "security.env.loader", {"strict", "moderate"}),
        ("PYTHONPATH", "security.env.loader", {"strict", "moderate"}),
        ("PYTHONWARNINGS", "security.env.loader", {"strict", "moderate"}),
        ("BASH_ENV", "security.env.loader", {"strict", "moderate"}),
        ("GIT_SSH_COMMAND", "security.env.loader", {"strict", "moderate"}),
        ("JAVA_TOOL_OPTIONS", "security.env.loader", {"strict", "moderate"}),
        ("PATH", "security.env.path", {"strict", "moderate"}),
        ("HOME", "security.env.person", {"strict"}),
        ("A=B", "security.env.name", set(LEVELS)),
        ("", "security.env.name", set(LEVELS)),
        ("PYTHONUNBUFFERED", "", set()),
        ("PYTHONIOENCODING", "", set()),
        ("GITHUB_PERSONAL_ACCESS_TOKEN", "", set()),
        ("FASTMCP_SHOW_CLI_BANNER", "", set()),
        ("DATABASE_URL", "", set()),
        ("http_proxy", "", set()),
    ],
)
def test_variables_are_checked(name: str, rule: str, levels: set[str]) -> None:
    """Those that change which code runs, or whose it is."""
    for level in LEVELS:
        assert rules(level, command="npx", env={name: "x"}) == ({rule} if level in levels else set())


def test_variables_are_allowed_and_denied_by_name() -> None:
    """The configuration has the last word, globs included; every value but NUL is the server's affair."""
    env = {"PATH": "/x", "MY_A": "a & b; $(c)", "MY_B": "http://x/?a=1&b=2"}

    assert found(command="npx", env=env, security={"env": {"allowed": ["PATH"]}}) == ()
    assert {refusal.key for refusal in found("permissive", command="npx", env=env, security={"env": {"denied": ["MY_*"], "allowed": ["MY_B"]}})} == {
        "env.MY_A"
    }
    assert rules("permissive", command="npx", env={"A": "x\x00"}) == {"security.env.value"}


def test_executables_are_allowed_by_name_or_path() -> None:
    """As they are written in the configuration."""
    for allowed, command in (("my-tool", "my-tool"), ("my-tool", "/opt/my-tool"), ("../x/tool", "../x/tool"), ("./tool.sh", "./tool.sh")):
        assert found(command=command, security={"allowed_executables": [allowed]}) == ()
    assert rules(command="other", security={"allowed_executables": ["my-tool"]}) == {"security.command.executable"}


def test_an_executor_changes_the_question() -> None:
    """A command in a sandbox does not run on this machine."""
    assert found(command="bash", args=["-c", "x"], env={"LD_PRELOAD": "x"}, executor={"type": "docker"}) == ()


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://example.com/mcp", ""),
        ("http://example.com:8080/mcp?x=1", ""),
        ("https://xn--bcher-kva.example/", ""),
        ("https://[2606:4700::1111]/mcp", ""),
        ("https://8.8.8.8/", ""),
        ("ftp://example.com/", "security.url.scheme"),
        ("file:///etc/passwd", "security.url.scheme"),
        ("javascript:alert(1)", "security.url.scheme"),
        ("//example.com", "security.url.scheme"),
        ("https://user:pw@example.com/", "security.url.credentials"),
        ("http://example.com:22/", "security.url.port"),
        ("http://example.com:6379/", "security.url.port"),
        ("http://127.0.0.1:8000/mcp", "security.url.address"),
        ("http://localhost/mcp", "security.url.address"),
        ("http://LOCALHOST./mcp", "security.url.address"),
        ("http://a.localhost/mcp", "security.url.address"),
        ("http://[::1]/mcp", "security.url.address"),
        ("http://[::ffff:127.0.0.1]/", "security.url.address"),
        ("http://169.254.169.254/latest/meta-data", "security.url.address"),
        ("http://10.0.0.1/", "security.url.address"),
        ("http://2130706433/", "security.url.address"),
        ("http://0x7f.1/", "security.url.address"),
        ("http://127.1/", "security.url.address"),
        ("http://0177.0.0.1/", "security.url.address"),
        ("http://①②⑦.0.0.1/", "security.url.address"),
        ("http:///x", "security.url.address"),
        ("http://exa mple.com/", "security.url.form"),
        ("http://example.com\\@evil.example/", "security.url.form"),
        ("http://example.com/\u202e", "security.url.form"),
        ("http://[::1", "security.url.form"),
        ("http://example.com:99999/", "security.url.form"),
        ("https://example.com/" + "x" * 2048, "security.url.form"),
    ],
)
def test_addresses_are_checked(url: str, rule: str) -> None:
    """Scheme, form, port, and whether it leads to this machine or this network."""
    assert rules(url=url) == ({rule} if rule else set())


def test_addresses_are_allowed() -> None:
    """This machine and this network each by their own key."""
    assert found(url="http://localhost:8000/mcp", security={"allow_localhost": True}) == ()
    assert found(url="http://192.168.1.5/mcp", security={"allow_private": True}) == ()
    assert "set security.allow_localhost: true" in str(found(url="http://127.0.0.1/", security={"allow_private": True})[0])
    assert "set security.allow_private: true" in str(found(url="http://10.1.2.3/")[0])
    assert found(url="https://a.example/", security={"allowed_hosts": ["*.Example"]}) == ()
    assert found(url="https://evil.test/", security={"allowed_hosts": ["*.example"]})[0].rule == "security.url.host"


@given(st.ip_addresses(v=4))
def test_every_spelling_of_an_address_is_judged(address: Any) -> None:
    """What the operating system would resolve to an address that is refused is refused in every spelling."""
    number = int(address)
    parts = str(address).split(".")
    plain = bool(list(url_refusals(f"http://{address}/", SecurityConfig())))
    for spelling in (str(number), hex(number), ".".join(hex(int(part)) for part in parts), ".".join(f"0{int(part):o}" for part in parts)):
        assert list(url_refusals(f"http://{spelling}/", SecurityConfig())) or not plain


@given(st.text(max_size=60))
@example("http://[")
@example("http://\ud800/")
def test_no_address_breaks_the_check(url: str) -> None:
    """Whatever is written there is refused or not."""
    for refusal in url_refusals(url, SecurityConfig(level="permissive", allow_localhost=True, allow_private=True)):
        assert refusal.remedy


@pytest.mark.parametrize("piece", ["docker.sock", "../", "a&", "$(", "source=/,", "-v /:", "&& "])
def test_checks_are_linear(piece: str) -> None:
    """A long argument is looked at once."""
    began = time.process_time()
    found(command="docker", args=[piece * (90_000 // len(piece))])

    assert time.process_time() - began < 1.0


SHELLISH = st.text(st.sampled_from(string.ascii_letters + "-/.$`;&|<>()=\\ \n\x00*'\"_0"), max_size=30)


@given(st.sampled_from(LEVELS), SHELLISH, st.lists(SHELLISH, max_size=5), st.dictionaries(SHELLISH, SHELLISH, max_size=4))
def test_stricter_levels_allow_less(level: str, command: str, args: list[str], env: dict[str, str]) -> None:
    """What a level refuses, every stricter one refuses too, and each refusal is whole."""
    refused = [{refusal.rule for refusal in found(one, command=command, args=args, env=env)} for one in LEVELS]

    assert refused[0] >= refused[1] >= refused[2]
    for refusal in found(level, command=command, args=args, env=env):
        assert refusal.rule.startswith("security.")
        assert refusal.message
        assert refusal.remedy
        assert str(refusal).isprintable()


@given(st.lists(st.from_regex(r"[A-Za-z0-9_.@:=+-][A-Za-z0-9_./@:=+-]{0,20}", fullmatch=True), max_size=6))
def test_plain_arguments_pass(args: list[str]) -> None:
    """Words, paths, names of packages and options of a server are nobody's affair."""
    plain = [text for text in args if ".." not in text]

    assert found(command="mcp-server-x", args=plain) == ()


@pytest.mark.parametrize("name", ["github", "my-server", "a.b", "A1", "x" * 64, "a_b"])
def test_names_of_servers(name: str) -> None:
    """Letters, digits, and what stands between them."""
    assert server_name_refusal(name) == ""


@pytest.mark.parametrize("name", ["", "a__b", "-a", "a-", "a b", "ä", "x" * 65, "a/b", "a\n", ".", "a\u200b"])
def test_wrong_names_of_servers(name: str) -> None:
    """Nothing invisible, nothing that splits a tool's name in two ways."""
    assert "cannot name a server" in server_name_refusal(name)


@given(st.text(max_size=300))
def test_names_of_tools_that_are_taken_are_visible(name: str) -> None:
    """A name that passes shows itself wholly."""
    if not tool_name_refusal(name):
        assert name.isprintable()
        assert 0 < len(name) <= 256
        assert name == name.strip()


def test_names_that_others_reserve_are_ordinary() -> None:
    """A tool named `status`, or one that begins with `_`, costs nobody anything."""
    for name in ("status", "help", "_private", "a.b/c", "выполнить"):
        assert tool_name_refusal(name) == ""
    for name in ("", " a", "a\x1b[31m", "a\u202eb", "x" * 257):
        assert tool_name_refusal(name)
