"""Options, arguments and prompts, without a process; what is imported when."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from massgen_backend_claude_code.catalogue import CATALOGUE, price_of
from massgen_backend_claude_code.config import ClaudeCodeConfig
from massgen_backend_claude_code.launch import Place, launch_of
from massgen_backend_claude_code.prompts import prompt_of, result_of, transcript_of
from massgen_core.api import (
    BadRequest,
    ConfigProblem,
    File,
    GrantedPath,
    Image,
    Message,
    ModelMissing,
    ModelRequest,
    ProviderItem,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)

QUESTION = ModelRequest(messages=(Message.of("system", "Be brief."), Message.of("user", "Hello")), tools=(Tool(name="vote"),))
PDF = base64.b64encode(b"%PDF-1.4").decode()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def place(folder: Path, **options: Any) -> Place:
    return Place.of(ClaudeCodeConfig(**options), folder=folder, workspace=None, agent="ann")


def launched(folder: Path, request: ModelRequest = QUESTION, **options: Any) -> tuple[list[str], dict[str, str]]:
    """Return the arguments and the environment."""
    launch = launch_of(ClaudeCodeConfig(**options), request, place(folder, **options), key=None)
    return list(launch.arguments), dict(launch.env)


def after(arguments: list[str], flag: str) -> str:
    return arguments[arguments.index(flag) + 1]


def prompt_in(arguments: list[str], flag: str) -> str:
    return Path(after(arguments, flag)).read_text(encoding="utf-8")


# Options


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"key": "sk-ant-0123456789abcdef"}, "key"),
        ({"base_url": "https://user:password@example.org"}, "base_url"),
        ({"base_url": "example.org"}, "base_url"),
        ({"env": {"ANTHROPIC_API_KEY": "x"}}, "env"),
        ({"env": {"NO SPACE": "x"}}, "env"),
        ({"pass_env": ["CLAUDE_CONFIG_DIR"]}, "pass_env"),
        ({"extra_body": {"messages": []}}, "extra_body"),
        ({"tools": ("Bash(git:*)",)}, "tools"),
        ({"allowed_tools": ("--dangerously-skip-permissions",)}, "allowed_tools"),
        ({"disallowed_tools": ("",)}, "disallowed_tools"),
    ],
)
def test_mistake_names_its_option(options: dict[str, Any], path: str) -> None:
    """A mistake is told at its place, and a key that was written down is not shown."""
    with pytest.raises(ConfigProblem) as caught:
        ClaudeCodeConfig(**options)

    assert caught.value.path == path
    assert "0123456789abcdef" not in str(caught.value)


def test_anthropics_key_goes_to_anthropic_only() -> None:
    """Who names another address names the key too, or none is handed over."""
    assert ClaudeCodeConfig().reference == "ANTHROPIC_API_KEY"
    assert ClaudeCodeConfig(base_url="https://example.org").reference == ""
    assert ClaudeCodeConfig(base_url="https://example.org", key="env:K").reference == "env:K"
    assert ClaudeCodeConfig(key="login").reference == ""


def test_options_become_arguments(tmp_path: Path) -> None:
    """Each option says its word to the program."""
    options: dict[str, Any] = {
        "tools": ("Bash",),
        "allowed_tools": ("Read", "Bash(git diff:*)"),
        "disallowed_tools": ("WebFetch",),
        "permission_mode": "acceptEdits",
        "setting_sources": ("user", "project"),
        "add_dirs": (str(tmp_path),),
        "max_turns": 7,
        "max_thinking_tokens": 2000,
        "fallback_model": "haiku",
    }
    request = ModelRequest(model="sonnet", messages=QUESTION.messages, reasoning_effort="high")
    arguments, _ = launched(tmp_path, request, **options)

    assert after(arguments, "--tools") == "Bash,Read"
    assert after(arguments, "--allowedTools") == "mcp__massgen,Read,Bash(git diff:*)"
    assert after(arguments, "--disallowedTools") == "WebFetch"
    assert after(arguments, "--permission-mode") == "acceptEdits"
    assert after(arguments, "--add-dir") == str(tmp_path)
    assert after(arguments, "--max-turns") == "7"
    assert after(arguments, "--max-thinking-tokens") == "2000"
    assert after(arguments, "--effort") == "high"
    assert {"--setting-sources=user,project", "--fallback-model=haiku", "--model=sonnet", "--strict-mcp-config"} <= set(arguments)


def test_context_paths_become_arguments(tmp_path: Path) -> None:
    """Folders and files that it was given can be read, and changed only where they were given so."""
    (tmp_path / "read").mkdir()
    (tmp_path / "write").mkdir()
    (tmp_path / "notes.txt").write_text("", encoding="utf-8")
    granted = (
        GrantedPath(path=tmp_path / "read"),
        GrantedPath(path=tmp_path / "write", is_writable=True),
        GrantedPath(path=tmp_path / "notes.txt"),
    )
    config = ClaudeCodeConfig(disallowed_tools=("WebFetch",))
    place = Place.of(config, folder=tmp_path, workspace=tmp_path / "work", agent="ann", granted=granted)
    arguments = launch_of(config, QUESTION, place, key=None).arguments

    assert [arguments[at + 1] for at, word in enumerate(arguments) if word == "--add-dir"] == [str(tmp_path / "read"), str(tmp_path / "write")]
    assert after(arguments, "--allowedTools") == f"mcp__massgen,Read(/{tmp_path}/notes.txt)"
    assert after(arguments, "--disallowedTools") == f"WebFetch,Edit(/{tmp_path}/read/**),Edit(/{tmp_path}/notes.txt)"


def test_defaults_are_careful(tmp_path: Path) -> None:
    """Without options no settings files are read, nothing of its own is allowed, and it works in a folder of the run."""
    arguments, env = launched(tmp_path)

    assert "--setting-sources=" in arguments
    assert after(arguments, "--allowedTools") == "mcp__massgen"
    assert after(arguments, "--permission-mode") == "default"
    assert env["CLAUDE_CONFIG_DIR"].startswith(str(tmp_path))
    assert Path(env["PWD"]).is_relative_to(tmp_path)


@pytest.mark.parametrize(("effort", "tokens"), [("none", None), (None, 0)])
def test_thinking_can_be_off(tmp_path: Path, effort: Any, tokens: int | None) -> None:
    """No effort, or a limit of 0, is no thinking."""
    arguments, _ = launched(tmp_path, ModelRequest(messages=QUESTION.messages, reasoning_effort=effort), max_thinking_tokens=tokens)

    assert after(arguments, "--thinking") == "disabled"
    assert "--effort" not in arguments


def test_system_prompt_is_appended_or_replaced(tmp_path: Path) -> None:
    """The strategy's instructions follow the program's own prompt, or the one that takes its place; both travel in files."""
    appended, _ = launched(tmp_path, append_system_prompt="You are Ann.")
    replaced, _ = launched(tmp_path, system_prompt="You are nobody.")

    assert prompt_in(appended, "--append-system-prompt-file") == "You are Ann.\n\nBe brief."
    assert prompt_in(replaced, "--system-prompt-file") == "You are nobody.\n\nBe brief."
    assert "Be brief." not in " ".join(appended + replaced)


def test_environment_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our environment the program gets what any program needs and what is named."""
    monkeypatch.setenv("OTHER_API_KEY", "secret")
    monkeypatch.setenv("AWS_PROFILE", "work")
    request = ModelRequest(messages=QUESTION.messages, sampling=Sampling(max_tokens=99), options={"b": 2})
    options: dict[str, Any] = {"pass_env": ("AWS_PROFILE",), "env": {"CLAUDE_CODE_USE_BEDROCK": "1"}, "base_url": "https://example.org/"}
    _, env = launched(tmp_path, request, extra_body={"a": 1}, **options)

    assert "OTHER_API_KEY" not in env
    assert env["PATH"] == os.environ["PATH"]
    assert (env["AWS_PROFILE"], env["CLAUDE_CODE_USE_BEDROCK"], env["ANTHROPIC_BASE_URL"]) == ("work", "1", "https://example.org")
    assert env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "99"
    assert json.loads(env["CLAUDE_CODE_EXTRA_BODY"]) == {"a": 1, "b": 2}


def test_login_leaves_the_programs_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `login` the program finds its own login where it always is."""
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    _, env = launched(tmp_path, key="login")

    assert "CLAUDE_CONFIG_DIR" not in env


def test_agents_have_places_of_their_own(tmp_path: Path) -> None:
    """A workspace is used where there is one; names become folders that stay inside of the run's."""
    config = ClaudeCodeConfig()
    one, other = (Place.of(config, folder=tmp_path, workspace=None, agent=agent) for agent in ("ann", "../bob"))
    given = Place.of(config, folder=tmp_path, workspace=tmp_path / "workspace", agent="ann")
    named = Place.of(ClaudeCodeConfig(cwd=str(tmp_path / "named")), folder=tmp_path, workspace=tmp_path / "workspace", agent="ann")

    assert one.work != other.work
    assert other.work.is_relative_to(tmp_path / "claude-code")
    assert given.work == tmp_path / "workspace"
    assert named.work == tmp_path / "named"
    assert not one.holds("../../etc/passwd", is_login=False)


# Prompts


@pytest.mark.anyio
async def test_prompt_has_pictures_and_files(tmp_path: Path) -> None:
    """Images, PDF files and texts are shown; what cannot be shown is refused by name."""
    (tmp_path / "notes.txt").write_text("a note", encoding="utf-8")
    parts = (
        Text(text="Look"),
        Image(media_type="image/png", data="AAAA"),
        Image(media_type="image/png", url="https://example.org/a.png"),
        File(name="notes.txt", media_type="text/plain", path=str(tmp_path / "notes.txt")),
        File(name="a.pdf", media_type="application/pdf", data=PDF),
    )
    blocks = await prompt_of([Message(role="user", content=parts)])

    assert [block["type"] for block in blocks] == ["text", "image", "image", "text", "document"]
    assert blocks[1]["source"]["data"] == "AAAA"
    assert blocks[2]["source"]["url"] == "https://example.org/a.png"
    assert "a note" in blocks[3]["text"]
    with pytest.raises(BadRequest, match=r"a\.zip"):
        await prompt_of([Message(role="user", content=(File(name="a.zip", media_type="application/zip", data=PDF),))])
    with pytest.raises(BadRequest, match=r"gone\.txt"):
        await prompt_of([Message(role="user", content=(File(name="gone.txt", path=str(tmp_path / "gone.txt")),))])


@pytest.mark.anyio
async def test_transcript_keeps_everything_that_was_said() -> None:
    """Each part of a conversation is in its transcript, whoever said it; other providers' items are not."""
    messages = (
        Message.of("user", "one"),
        Message(
            role="assistant",
            content=(
                Text(text="two"),
                ProviderItem(backend="claude-code", item={"type": "tool", "name": "Bash", "result": "three"}),
                ProviderItem(backend="other", item={"secret": "sealed"}),
                ToolCall(id="c1", name="vote", arguments='{"id": "four"}'),
            ),
        ),
        Message(role="tool", content=(ToolResult(call="c1", content=(Text(text="five"),), is_error=True),)),
    )
    written = json.dumps(await transcript_of(messages))

    places = [written.index(part) for part in ("one", "two", "three", "four", "failure", "five")]
    assert places == sorted(places)
    assert "sealed" not in written


@pytest.mark.anyio
async def test_results_of_any_kind() -> None:
    """A result without parts says its data; a file that cannot be shown is named, so that its tools can read it."""
    plain = await result_of(ToolResult(call="c", structured={"a": 1}))
    named = await result_of(ToolResult(call="c", content=(File(name="a.bin", path="/somewhere/a.bin"),)), after=["hello"])

    assert plain.content[0].model_dump()["text"] == '{"a": 1}'
    assert "/somewhere/a.bin" in named.content[0].model_dump()["text"]
    assert "hello" in named.content[1].model_dump()["text"]


# The rest


def test_catalogue_says_what_is_known() -> None:
    """Models have sizes and dated prices; they are never fetched."""
    models = {model.name: model for model in CATALOGUE.models()}
    price = price_of("claude-sonnet-5-5")

    assert {"opus", "sonnet", "haiku"} <= set(models)
    assert all(model.context and model.price and model.price.as_of for model in models.values())
    assert price is not None
    assert price.of(Usage(input=1_000_000)) == price.input
    assert price_of("unknown") is None
    with pytest.raises(ModelMissing):
        CATALOGUE.pull("opus", lambda *_: None)


def test_listing_imports_no_sdk() -> None:
    """Naming and listing the backend imports neither the SDK nor what it stands on."""
    code = (
        "import sys; from massgen_core.plugins.manager import Plugins; p = Plugins.discover(); p.get('backend', 'claude-code'); "
        "from massgen_backend_claude_code.catalogue import CATALOGUE; CATALOGUE.models(); "
        "print([name for name in ('claude_agent_sdk', 'mcp', 'pydantic', 'anyio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"
