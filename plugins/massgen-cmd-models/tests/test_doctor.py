"""What the doctor finds, of backends that are whole and of such as are broken in one place."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_cmd_models.doctor import Doctor
from massgen_core.api import UsageProblem
from massgen_core.cli.app import ConsoleApp
from massgen_core.plugins.manager import Plugins

HOOK = """
import attrs
from massgen_core.api import BackendSpec, Capabilities, StrategySpec, hookimpl

@attrs.frozen(kw_only=True)
class Config:
    key: str = attrs.field(default="", metadata={{"help": "a reference"}})
    does: str = attrs.field(default="", metadata={{"help": "what to do"}})

@hookimpl
def massgen_backends():
    can = Capabilities(tools={tools})
    return [BackendSpec(name="acme", factory="{package}.shop:Shop", config=Config, capabilities=can, catalogue={catalogue!r})]

@hookimpl
def massgen_strategies():
    return [StrategySpec(name="consensus", factory="{package}.shop:Shop")]
"""
SHOP = """
from contextlib import asynccontextmanager
import anyio
from massgen_core.api import *

class Shop:
    def __init__(self, config=None, context=None):
        self.does = config.does if config else ""
        self.key = context.secret(config.key).reveal() if config and config.key else ""

    def models(self):
        return [ModelInfo(name="m", price=Price(input=1, output=10))]

    async def remote(self, options, context):
        if options.get("does") == "refuse":
            raise AuthenticationFailed("shop says: " + context.secret(options["key"]).reveal() + " is wrong")
        if options.get("does") == "unlisted":
            raise BadRequest("no such path")
        return [ModelInfo(name="vendor/m"), ModelInfo(name="n")]

    @asynccontextmanager
    async def respond(self, request):
        yield self.stream(request)

    async def stream(self, request):
        if self.does == "fault":
            yield TextChunk("so far")
            raise RateLimited("too many " + self.key)
        if self.does == "sleep":
            await anyio.sleep_forever()
        if self.does == "endless":
            return
        yield LimitsChunk(RateLimits(requests=RateLimit(limit=60, remaining=59)))
        if self.does == "words" or not request.tools:
            yield TextChunk("pong")
        elif self.does != "nothing":
            yield ToolCallChunk(0, "c", "ping")
            yield ToolCallChunk(0, arguments='{"word": ')
            yield ToolCallChunk(0, arguments='["torn"' if self.does == "torn" else '"pong"}')
        yield UsageChunk(Usage(input=100, output=10))
        yield StopChunk("stop", "m-2026-01-31")

SHOP = Shop()
"""


@pytest.fixture
def doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_without_discovery: Callable[..., Plugins], capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str]]]:
    """Examine the backend of the shop; return the exit code and the lines."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SHOP_KEY", "sk-0a1b2c3d4e5f60718293")

    def examine(*arguments: str, tools: bool = True, has_catalogue: bool = True, shop: str = SHOP, is_unnamed: bool = False) -> tuple[int, list[str]]:
        package = f"massgen_backend_acme_{len(sys.modules)}"
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        catalogue = f"{package}.shop:SHOP" if has_catalogue else ""
        (tmp_path / package / "plugin.py").write_text(HOOK.format(package=package, tools=tools, catalogue=catalogue))
        (tmp_path / package / "shop.py").write_text(shop)
        parser, command = argparse.ArgumentParser(), Doctor()
        command.configure(parser)
        code = command.run(
            parser.parse_args([*([] if is_unnamed else ["acme"]), *arguments]), ConsoleApp(kernel_without_discovery(f"{package}.plugin"))
        )
        told = capsys.readouterr().out
        assert "sk-0a1b" not in told
        return code, [line.strip() for line in told.splitlines()]

    return examine


def test_a_whole_backend(doctor: Callable[..., tuple[int, list[str]]]) -> None:
    """Each thing has a line; the last one says what the call used, what it cost, and what is left of the provider's limits."""
    code, lines = doctor("--yes", "--model", "m", "--set", "key=env:SHOP_KEY")

    assert code == 0
    assert [line.split(":")[0] for line in lines] == ["acme", *(f"ok      {what}" for what in _ALL)]
    assert lines[3].endswith("it answers and takes the key; it has 2 models")
    assert "3 pieces" in lines[4]
    assert lines[6].endswith("m-2026-01-31, 110 tokens, $0.0002, 59 of 60 requests left")


_ALL = ("plugin", "options and key", "server", "streaming", "tools", "usage")


@pytest.mark.parametrize(
    ("does", "what", "words"),
    [
        ("refuse", "server", "is wrong"),
        ("unlisted", "server", "no such path"),
        ("fault", "call", "RateLimited: too many"),
        ("sleep", "call", "took longer than 0.1 s"),
        ("endless", "streaming", "had no end"),
        ("nothing", "streaming", "empty"),
        ("words", "tools", "in words instead of calling a tool"),
        ("torn", "tools", "called 'ping' with"),
    ],
)
def test_what_is_broken_is_named_with_what_to_do(does: str, what: str, words: str, doctor: Callable[..., tuple[int, list[str]]]) -> None:
    """A failure has a line, a remedy, and no secret; the exit code tells a script."""
    code, lines = doctor("--yes", "--seconds", "0.1" if does == "sleep" else "60", "--set", "key=env:SHOP_KEY", "--set", f"does={does}")

    assert code == 1
    (place,) = [number for number, line in enumerate(lines) if line.startswith(f"FAILED  {what}:")]
    assert words in lines[place]
    assert lines[place + 1].startswith("> ")
    assert (place + 2 < len(lines)) == (does in {"unlisted", "nothing", "endless", "words", "torn"})


def test_before_any_call(doctor: Callable[..., tuple[int, list[str]]]) -> None:
    """A missing key, wrong options, a model that the server has not, and a broken plugin are found without a paid call."""
    for arguments, line in (
        (("--set", "key=env:NOWHERE_KEY"), "FAILED  key: "),
        (("--set", "kee=x"), "FAILED  options: "),
        (("--model", "x", "--no-call"), "FAILED  server: it answers, and its 2 models are without 'x'"),
    ):
        code, lines = doctor(*arguments)
        assert code == 1
        assert any(one.startswith(line) for one in lines), lines
    code, lines = doctor(shop="raise RuntimeError('oh dear')")
    assert code == 1
    assert lines[1].startswith("FAILED  plugin: ")


def test_nothing_is_paid_without_a_yes(doctor: Callable[..., tuple[int, list[str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, or a yes on it, the paid call is not made; a person is told what it would cost."""
    code, lines = doctor()
    assert code == 0
    assert "skipped call: nobody can be asked whether it may cost something" in lines
    assert "skipped call: it was not wanted" in doctor("--no-call")[1]

    class Person(io.StringIO):
        def isatty(self) -> bool:
            return True

    for typed, is_made in (("n\n", False), ("", False), ("y\n", True), ("YES\n", True)):
        monkeypatch.setattr(sys, "stdin", Person(typed))
        assert any(line.startswith("ok      tools:") for line in doctor()[1]) == is_made


def test_backends_without_tools_or_a_catalogue(doctor: Callable[..., tuple[int, list[str]]]) -> None:
    """What a backend does not promise is not asked of it."""
    code, lines = doctor("--yes", tools=False, has_catalogue=False)

    assert code == 0
    assert "skipped tools: this backend takes none" in lines
    assert not any("server:" in line for line in lines)
    assert lines[-1].endswith("110 tokens, cost unknown, 59 of 60 requests left")


def test_json_is_for_programs(doctor: Callable[..., tuple[int, list[str]]]) -> None:
    """A program gets a list of what was looked at."""
    code, lines = doctor("--yes", "--json")

    assert code == 0
    assert [check["what"] for check in json.loads("\n".join(lines))] == list(_ALL)


PANEL = """
version: 1
agents:
  - {name: ann, model: m, backend: {type: acme, key: "env:SHOP_KEY"}}
  - {name: bob, model: n, backend: {type: acme, key: "env:NOWHERE_KEY"}}
"""


def test_an_agent_of_a_configuration(doctor: Callable[..., tuple[int, list[str]]], tmp_path: Path) -> None:
    """Backend, model and options come from an agent; what the command line says goes before it."""
    file = tmp_path / "panel.yaml"
    file.write_text(PANEL)

    for arguments, is_unnamed in ((("--agent", "ann"), True), (("--agent", "ann"), False), (("--agent", "bob", "--set", "key=env:SHOP_KEY"), True)):
        code, lines = doctor("--config", str(file), "--yes", *arguments, is_unnamed=is_unnamed)
        assert code == 0
        assert lines[0] == "acme:"
    code, lines = doctor("--config", str(file), "--agent", "bob", is_unnamed=True)
    assert code == 1
    assert any(line.startswith("FAILED  key: ") for line in lines)
    assert (
        "FAILED  server: it answers, and its 2 models are without 'x'"
        in doctor("--config", str(file), "--agent", "ann", "--model", "x", "--no-call", is_unnamed=True)[1]
    )


@pytest.mark.parametrize(
    ("arguments", "is_unnamed", "message"),
    [
        ((), True, "no backend is named"),
        (("--config", "FILE"), True, "several agents could be meant: ann, bob; choose one with --agent"),
        (("--config", "FILE", "--agent", "eve"), True, "no agent 'eve'; it has: ann, bob"),
    ],
)
def test_agents_that_are_not_plain(
    arguments: tuple[str, ...], is_unnamed: bool, message: str, doctor: Callable[..., tuple[int, list[str]]], tmp_path: Path
) -> None:
    """Where nobody, several or an unknown agent is meant, a person is told which there are."""
    file = tmp_path / "panel.yaml"
    file.write_text(PANEL)

    with pytest.raises(UsageProblem, match=message):
        doctor(*(str(file) if one == "FILE" else one for one in arguments), is_unnamed=is_unnamed)
