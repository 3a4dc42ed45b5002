"""Listing and fetching through the catalogues of made-up backends."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_cmd_models.command import Models
from massgen_cmd_models.progress import Progress
from massgen_core.api import MassGenError, ModelMissing, UsageProblem
from massgen_core.cli.app import ConsoleApp
from massgen_core.plugins.manager import Plugins

HOOK = """
from massgen_core.api import BackendSpec, hookimpl

@hookimpl
def massgen_backends():
    return [BackendSpec(name={name!r}, factory="{package}.shop:nothing", catalogue={catalogue!r})]
"""
SHOP = """
from pathlib import Path
from massgen_core.api import ModelInfo, ModelMissing

class Shop:
    def models(self):
        return [ModelInfo(name=name, summary="about " + name, size=size, is_local=name.endswith("here"), license="MIT") for name, size in {models!r}]

    def pull(self, name, progress):
        if name == "gone":
            raise ModelMissing("gone is gone; there are: others")
        for done in range(0, 101, 5):
            progress("fetching \\x1b[2Jit", done * 10**6, 100 * 10**6)
        return Path("/models") / (name or "best")

SHOP = Shop()
nothing = None
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_without_discovery: Callable[..., Plugins]) -> Callable[..., ConsoleApp]:
    """Make the program with backends, each given by its name and its models; None: without a catalogue."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(**backends: dict[str, int] | str | None) -> ConsoleApp:
        modules = []
        for name, models in backends.items():
            package = f"massgen_backend_{name}_{len(sys.modules)}"
            (tmp_path / package).mkdir()
            (tmp_path / package / "__init__.py").write_text("")
            catalogue = f"{package}.shop:SHOP" if models is not None else ""
            (tmp_path / package / "plugin.py").write_text(HOOK.format(name=name, package=package, catalogue=catalogue))
            shop = models if isinstance(models, str) else SHOP.format(models=list((models or {}).items()))
            (tmp_path / package / "shop.py").write_text(shop)
            modules.append(f"{package}.plugin")
        return ConsoleApp(kernel_without_discovery(*modules))

    return make


def run(app: ConsoleApp, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command = Models()
    command.configure(parser)
    return command.run(parser.parse_args(arguments), app)


def test_every_catalogue_is_listed(app: Callable[..., ConsoleApp], capsys: pytest.CaptureFixture[str]) -> None:
    """Backends with a catalogue are listed with name, size, licence and place; others are passed over."""
    assert run(app(acme={"big": 1_100_000_000, "small-here": 98_000_000}, plain=None, zoo={})) == 0

    assert capsys.readouterr().out.splitlines() == [
        "acme: tools, streaming",
        "  MODEL         SIZE  LICENCE  PLACE",
        "  big         1.1 GB  MIT             about big",
        "  small-here   98 MB  MIT      here   about small-here",
        "zoo: tools, streaming",
        "  no models",
    ]


def test_one_backend(app: Callable[..., ConsoleApp], capsys: pytest.CaptureFixture[str]) -> None:
    """A backend can be named; one without a catalogue, or that does not exist, is a mistake."""
    program = app(acme={"big": 1}, plain=None, zoo={})
    for arguments in (("--backend", "zoo"), ("zoo",), ("zoo", "--backend", "zoo")):
        assert run(program, *arguments) == 0
        assert capsys.readouterr().out.splitlines() == ["zoo: tools, streaming", "  no models"]
    with pytest.raises(UsageProblem, match="two backends are named"):
        run(program, "zoo", "--backend", "acme")

    with pytest.raises(UsageProblem, match="backend 'plain' has no catalogue"):
        run(program, "--backend", "plain")
    with pytest.raises(MassGenError, match="no installed plugin provides backend 'nowhere'"):
        run(program, "--backend", "nowhere")


def test_a_broken_backend_does_not_hide_the_others(app: Callable[..., ConsoleApp], capsys: pytest.CaptureFixture[str]) -> None:
    """What works is listed; what does not is reported, and the exit code says so."""
    assert run(app(acme={"big": 1}, bad="raise RuntimeError('oh dear')")) == 1

    told = capsys.readouterr()
    assert "  big" in told.out
    assert "oh dear" in told.err


def test_nothing_is_installed(app: Callable[..., ConsoleApp], capsys: pytest.CaptureFixture[str]) -> None:
    """Without any catalogue a person is told what to install."""
    assert run(app()) == 0
    assert "pip install massgen-backend-local" in capsys.readouterr().err
    with pytest.raises(UsageProblem, match="pip install massgen-backend-local"):
        run(app(), "pull")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("pull",), "/models/best"),
        (("pull", "--small"), "/models/small"),
        (("pull", "one"), "/models/one"),
        (("pull", "one", "--backend", "acme"), "/models/one"),
        (("pull", "two"), "/models/two"),
    ],
)
def test_pulling(arguments: tuple[str, ...], path: str, app: Callable[..., ConsoleApp], capsys: pytest.CaptureFixture[str]) -> None:
    """The right backend is asked, and the file's path is the only thing on standard output."""
    assert run(app(acme={"one": 1}, local={"two": 2}), *arguments) == 0

    assert capsys.readouterr().out == f"{path}\n"


def test_progress_in_lines(app: Callable[..., ConsoleApp], capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody watches, each tenth is a line, and nothing of it commands a terminal."""
    run(app(local={}), "pull")

    told = capsys.readouterr().err.splitlines()
    assert len(told) == 11
    assert told[0] == "fetching it: 0% of 100 MB"
    assert told[-1] == "fetching it: 100% of 100 MB"


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal one line fills up, never wider than the terminal; a new subject begins a new line."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    with Progress(pytest.fail) as progress:
        progress("fetching \x1b[2Jit\n", 25, 100)
        progress("fetching \x1b[2Jit\n", 100_000_000, 100_000_000)
        progress("checking " + "x" * 100, 0, 0)
    shown = sys.stderr.getvalue()  # type: ignore[attr-defined]  # it is the one above

    assert "\x1b" not in shown
    assert shown.count("\n") == 2
    assert max(len(part) for part in shown.replace("\n", "\r").split("\r")) <= 59
    assert "[######                  ]  25%" in shown
    assert "100%  100 of 100 MB" in shown


def test_a_model_that_cannot_be_had(app: Callable[..., ConsoleApp]) -> None:
    """The catalogue's own words reach the person."""
    with pytest.raises(ModelMissing, match="gone is gone; there are: others"):
        run(app(acme={"gone": 1}), "pull", "gone")


def test_two_backends_have_it(app: Callable[..., ConsoleApp]) -> None:
    """Where it is not plain who is meant, a person is asked to say."""
    with pytest.raises(UsageProblem, match="several backends have one: acme, zoo; choose one with --backend"):
        run(app(acme={"one": 1}, zoo={"one": 1}), "pull", "one")
    with pytest.raises(UsageProblem, match="several backends have models to fetch: acme, zoo"):
        run(app(acme={}, zoo={}), "pull")


def test_a_name_without_pull(app: Callable[..., ConsoleApp]) -> None:
    """Half a command is a mistake, not a listing."""
    for arguments in (("list", "one"), ("--small",)):
        with pytest.raises(UsageProblem, match="massgen models pull"):
            run(app(acme={}), *arguments)
    with pytest.raises(UsageProblem, match="not both"):
        run(app(acme={}), "pull", "one", "--small")


PRICED = """
from massgen_core.api import ModelInfo, Price

class Shop:
    def models(self):
        return [
            ModelInfo(name="big", context=200000, price=Price(input=1.25, output=10, as_of="2026-01-31")),
            ModelInfo(name="tiny\x1b[2J", price=Price(input=0.075, output=0, as_of="2026-02-01")),
            ModelInfo(name="own", price=Price(input=0, output=0)),
            ModelInfo(name="odd"),
        ]

    async def remote(self, options, context):
        return [ModelInfo(name=f"{key}={value}") for key, value in options.items()] or [ModelInfo(name="new"), ModelInfo(name="big-2026-03-01")]

SHOP = Shop()
"""


def test_prices_are_listed_with_their_day(app: Callable[..., ConsoleApp], capsys: pytest.CaptureFixture[str]) -> None:
    """A price is US dollars for a million tokens of input and output; nothing is said where none is known."""
    assert run(app(acme=PRICED), "acme") == 0

    assert capsys.readouterr().out.splitlines() == [
        "acme: tools, streaming",
        "  MODEL  CONTEXT  $ IN / OUT PER MILLION",
        "  big    200,000            1.25 / 10.00",
        "  tiny                      0.075 / 0.00",
        "  own                               free",
        "  odd",
        "  prices as of 2026-01-31 to 2026-02-01; yours go first: `prices` in a configuration",
    ]


def test_json(app: Callable[..., ConsoleApp], capsys: pytest.CaptureFixture[str]) -> None:
    """A program gets all that a catalogue says."""
    assert run(app(acme=PRICED), "--json") == 0

    found = json.loads(capsys.readouterr().out)["acme"]
    assert found["capabilities"] == ["tools", "streaming"]
    assert found["models"][0]["price"] == {"input": 1.25, "output": 10, "cached": None, "written": None, "reasoning": None, "as_of": "2026-01-31"}
    assert found["models"][3]["price"] is None


def test_a_server_is_asked(app: Callable[..., ConsoleApp], capsys: pytest.CaptureFixture[str]) -> None:
    """With --remote the catalogue asks its server, and its list is completed with what is known; one that cannot says so."""
    program = app(acme=PRICED, zoo={"one": 1})
    assert run(program, "acme", "--remote", "--set", "preset=x", "--set", "query.v=1") == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["  MODEL", "  preset=x", "  query={'v': 1}"]

    assert run(program, "acme", "--remote") == 0
    assert capsys.readouterr().out.splitlines()[2:4] == ["  new", "  big-2026-03-01  200,000            1.25 / 10.00"]

    for mistaken, message in (
        (("zoo", "--remote"), "cannot ask a server"),
        (("--remote",), "massgen models BACKEND"),
        (("acme", "--set", "a=1"), "massgen models BACKEND"),
        (("acme", "--remote", "--set", "a"), "no KEY=VALUE"),
        (("acme", "--remote", "--set", "a=1", "--set", "a.b=1"), "a value already"),
        (("pull", "--remote"), "belong to listing"),
    ):
        with pytest.raises(UsageProblem, match=message):
            run(program, *mistaken)
