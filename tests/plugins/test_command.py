"""`massgen plugins`."""

from __future__ import annotations

import argparse
import json
import sys

import pytest

from massgen_core.cli import plugins as command
from massgen_core.cli.app import ConsoleApp
from massgen_core.errors import PluginMissing, UsageProblem

GOOD = """
from typing import Any
from collections.abc import Mapping, Sequence

@attrs.frozen(kw_only=True)
class Price:
    input: float = attrs.field(default=0.0, metadata={"help": "dollars"})

@attrs.frozen(kw_only=True)
class AcmeConfig:
    model: str = attrs.field(metadata={"help": "which model"})
    seconds: float | None = attrs.field(default=None, metadata={"help": "how long to wait\\x1b[2J"})
    headers: Mapping[str, Any] = attrs.field(factory=dict, metadata={"help": "more headers"})
    twice: int = attrs.field(default=attrs.Factory(lambda self: 2, takes_self=True), metadata={"help": "a default made from others"})
    fresh: str = attrs.field(factory=lambda: 1 / 0, metadata={"help": "a default that cannot be made"})
    prices: Mapping[str, tuple[Price, ...]] = attrs.field(factory=dict, metadata={"help": "by model"})
    _hidden: int = attrs.field(default=0, init=False)

@hookimpl
def massgen_backends():
    return [BackendSpec(name="acme", factory="massgen_backend_acme.impl:open_backend", config=AcmeConfig, summary="Acme's models")]
"""
BAD = "raise SystemExit('never')"


def run(plugins, capsys, *arguments):
    """Run the command in this process; return exit code and output."""
    parser = argparse.ArgumentParser()
    command.configure(parser)
    code = command.run(parser.parse_args(arguments), ConsoleApp(plugins))
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


def facts_of(out):
    """Return the part of `show` above the options."""
    return {label: value.strip() for label, value in (row.split(":", 1) for row in out.splitlines() if not row.startswith(" "))}


def test_the_list_imports_nothing(acme, capsys):
    """The table shows kind, name, distribution, version and summary of each plugin, and no hook module is touched."""
    code, out = run(acme(BAD).plugins(), capsys)

    assert code == 0
    assert out == ("KIND     NAME  DISTRIBUTION          VERSION  SUMMARY\nbackend  acme  massgen-backend-acme  1.0      Talks to Acme.\n")
    assert "massgen_backend_acme" not in sys.modules


@pytest.mark.parametrize(("columns", "heads"), [(60, "KIND NAME SUMMARY"), (200, "KIND NAME DISTRIBUTION VERSION SUMMARY")])
def test_a_terminal_gets_what_fits(acme, capsys, monkeypatch, columns, heads):
    """No line of the list is broken in the middle of a word: version and distribution give way, and a long summary is cut."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out = run(acme(BAD).plugins(), capsys)

    assert out.splitlines()[0].split() == heads.split()
    assert all(len(line) <= columns for line in out.splitlines())


def test_nothing_installed(site, capsys):
    """An empty list says how to begin."""
    assert run(site.plugins(), capsys) == (0, "no plugin is installed; to begin: pip install massgen-backend-local massgen-strategy-consensus\n")


def test_the_list_shows_what_is_wrong_in_metadata(acme, capsys):
    """Conflicts, plugins of another plugin API and malformed names are below the table, each once, each with its remedy."""
    site = acme(BAD)
    site.install("acme-two", {"backend.acme": "acme_two"})
    site.install("future", {"backend.next": "future"}, version="2.0", group="massgen.v2")
    site.install("odd", {"odd": "odd"})
    code, out = run(site.plugins(), capsys)

    assert code == 0
    assert out.splitlines()[3:] == [
        "problem: backend 'acme' is claimed by acme-two 1.0 and by massgen-backend-acme 1.0; keep one: pip uninstall massgen-backend-acme, "
        "or block one: MASSGEN_PLUGINS=-massgen-backend-acme",
        "problem: future 2.0 is made for plugin API v2, this kernel (massgen-core 0.1.0) speaks v1; upgrade: pip install --upgrade massgen-core",
        "problem: odd 1.0 has the entry point 'odd' in massgen.v1; it must be of the form <kind>.<name>",
    ]


def test_the_list_shows_what_is_blocked(acme, capsys):
    """What is installed and must not be used is named, with the reason."""
    _, out = run(acme(BAD).plugins(allow=()), capsys)

    assert out == (
        "not to be used: backend.acme\n"
        "for instance, backend 'acme' is provided by massgen-backend-acme 1.0, which may not be used, "
        "because no plugin may (--no-plugins, or an empty allow list)\n"
    )


def test_load_imports_all_and_reports_each_failure(acme, capsys):
    """`--load` goes on after a failure, names each, counts, and its exit code tells."""
    site = acme(GOOD)
    site.install("bad-one", {"backend.one": "bad_one"}, {"bad_one.py": BAD})
    site.install("bad-two", {"sink.two": "bad_two"}, {"bad_two.py": "1 / 0"})
    code, out = run(site.plugins(), capsys, "--load")

    assert code == 1
    assert out.splitlines()[4:] == [
        "problem: backend.one of bad-one 1.0 is broken: its hook module bad_one raised SystemExit: never on import; "
        "report it to its authors, or remove it: pip uninstall bad-one",
        "problem: sink.two of bad-two 1.0 is broken: its hook module bad_two raised ZeroDivisionError: division by zero on import; "
        "report it to its authors, or remove it: pip uninstall bad-two",
        "1 of 3 plugins work",
    ]


@pytest.mark.parametrize(
    ("impl", "catalogue", "found"),
    [
        ("", "", "its factory 'massgen_backend_acme.impl:open_backend' does not resolve"),
        (
            "def open_backend(c, x): ...",
            "massgen_backend_acme.impl:Catalogue",
            "its catalogue 'massgen_backend_acme.impl:Catalogue' does not resolve",
        ),
    ],
)
def test_load_imports_implementations_too(acme, capsys, impl, catalogue, found):
    """A factory or a catalogue that does not resolve is a failure as much as a hook module that does not import."""
    site = acme(GOOD.replace("config=", f"catalogue={catalogue!r}, config="), impl=impl)
    code, out = run(site.plugins(), capsys, "--load")

    assert code == 1
    assert found in out


def test_load_of_what_works(acme, capsys):
    """Where all is well the exit code is 0; a preset is data and needs no factory."""
    preset = "\n@hookimpl\ndef massgen_presets():\n    return [PresetSpec(name='duo', document={'version': 1})]\n"
    points = {"backend.acme": "massgen_backend_acme.plugin", "preset.duo": "massgen_backend_acme.plugin"}
    code, out = run(acme(GOOD + preset, points=points).plugins(), capsys, "--load")

    assert code == 0
    assert out.endswith("2 of 2 plugins work\n")


def test_show(acme, capsys):
    """One plugin is shown with its contract, where it comes from, what its spec says, and its options with types, defaults and help."""
    site = acme(GOOD)
    code, out = run(site.plugins(), capsys, "show", "backend.acme")

    assert code == 0
    before, options = out.split("options:\n")
    facts = facts_of(before)

    assert facts == facts | {
        "kind": "backend",
        "name": "acme",
        "contract": "massgen.v1 (this kernel speaks 1.0)",
        "distribution": "massgen-backend-acme",
        "version": "1.0",
        "summary": "Acme's models",
        "module": "massgen_backend_acme.plugin",
        "file": str(site.folder / "massgen_backend_acme" / "plugin.py"),
        "factory": "massgen_backend_acme.impl:open_backend",
    }
    assert facts["capabilities"].startswith("tools, ")
    assert options.splitlines() == [
        "  NAME              TYPE                             DEFAULT   HELP",
        "  model             text                             required  which model",
        "  seconds           a number or null                 null      how long to wait",
        "  headers           a mapping                        {}        more headers",
        "  twice             a whole number                             a default made from others",
        "  fresh             text                                       a default that cannot be made",
        "  prices            a mapping to a list of mappings  {}        by model",
        "  prices.*[].input  a number                         0.0       dollars",
    ]
    assert "massgen_backend_acme.impl" not in sys.modules


def test_a_terminal_gets_folded_help(acme, capsys, monkeypatch):
    """What is said of a plugin is folded under its column, and nothing of it is lost."""
    site = acme(GOOD)
    _, whole = run(site.plugins(), capsys, "show", "backend.acme")
    monkeypatch.setenv("COLUMNS", "84")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out = run(site.plugins(), capsys, "show", "backend.acme")

    assert out.split() == whole.split()
    assert len(out.splitlines()) > len(whole.splitlines())


def test_show_a_plugin_without_options(site, capsys):
    """A plugin whose spec has no config class says so; a spec without a summary shows its distribution's."""
    source = "from massgen_core.api import *\n@hookimpl\ndef massgen_commands():\n    return [CommandSpec(name='hello', factory='os:getcwd')]\n"
    site.install("hello", {"command.hello": "hello"}, {"hello.py": source})
    _, out = run(site.plugins(), capsys, "show", "command.hello")

    assert facts_of(out)["summary"] == "A plugin of the tests."
    assert out.endswith("\noptions: none\n")


def test_show_a_kind(site, capsys):
    """What brings a kind can be shown as well."""
    source = """
from massgen_core.api import *
class Hooks:
    @hookspec
    def massgen_referees(self): "Provide referees."
@hookimpl
def massgen_hookspecs():
    return [Hooks]
@hookimpl
def massgen_kinds():
    return [Kind(name="referee", hook="massgen_referees", spec=Spec)]
"""
    site.install("massgen-referee", {"kind.referee": "referee"}, {"referee.py": source})
    code, out = run(site.plugins(), capsys, "show", "kind.referee")

    assert code == 0
    assert facts_of(out)["kinds"] == "referee"


def test_json(acme, capsys):
    """Programs get the same facts as people, for the list, for `--load` and for `show`."""
    site = acme(GOOD)
    site.install("bad-one", {"backend.one": "bad_one"}, {"bad_one.py": BAD})
    site.install("future", {"backend.next": "future"}, version="2.0", group="massgen.v2")
    listed = json.loads(run(site.plugins(block=["bad-one"]), capsys, "--json")[1])
    code, out = run(site.plugins(), capsys, "--load", "--json")
    loaded = json.loads(out)
    shown = json.loads(run(site.plugins(), capsys, "show", "backend.acme", "--json")[1])

    assert [(row["kind"], row["name"], row["problem"]) for row in listed["plugins"]] == [("backend", "acme", None)]
    assert "block list forbids" in listed["blocked"][0]["problem"]
    assert "plugin API v2" in listed["foreign"][0]["problem"]
    assert code == 1
    assert [row["problem"] and row["problem"].split(";")[0] for row in loaded["plugins"]] == [
        None,
        "backend.one of bad-one 1.0 is broken: its hook module bad_one raised SystemExit: never on import",
    ]
    assert shown["options"][0] == {"name": "model", "type": "text", "default": "required", "help": "which model"}
    assert shown["options"][-1]["name"] == "prices.*[].input"


def test_show_where_annotations_cannot_be_read(acme, capsys):
    """Options whose types only type checkers see cannot be configured; that is said, and the rest is shown."""
    source = GOOD.replace("fresh: str", "fresh: OnlyForCheckers")
    _, out = run(acme(source).plugins(), capsys, "show", "backend.acme")

    assert "OnlyForCheckers" in out
    assert "Price:" not in out


@pytest.mark.parametrize("arguments", [("show",), ("show", "acme"), ("show", "backend.acme", "--load"), ("list", "backend.acme")])
def test_arguments_that_make_no_sense(acme, capsys, arguments):
    """A command line that cannot be meant so says how it is written."""
    with pytest.raises(UsageProblem, match="massgen plugins show"):
        run(acme(GOOD).plugins(), capsys, *arguments)


def test_show_of_what_is_not_there(site, capsys):
    """Showing an unknown plugin is the error of using it, with what to install."""
    with pytest.raises(PluginMissing, match="pip install massgen-backend-openai"):
        run(site.plugins(), capsys, "show", "backend.openai")


def test_the_real_command(acme):
    """In a process of its own: the list, a broken plugin, and the ways to forbid plugins, each with its exit code."""
    site = acme(BAD)
    listed = site.massgen("plugins")
    loaded = site.massgen("plugins", "--load")
    shown = site.massgen("plugins", "show", "backend.acme")
    named = site.massgen("plugins", MASSGEN_PLUGINS="massgen_backend.acme")
    none = site.massgen("plugins", "show", "backend.acme", MASSGEN_PLUGINS="none")
    off = site.massgen("--no-plugins", "plugins", "show", "backend.acme")

    assert (listed.returncode, listed.stderr) == (0, "")
    assert "massgen-backend-acme" in listed.stdout
    assert loaded.returncode == 1
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith(
        "massgen: backend.acme of massgen-backend-acme 1.0 is broken: its hook module massgen_backend_acme.plugin raised SystemExit"
    )
    assert named.stdout.splitlines()[1].startswith("backend  acme  massgen-backend-acme")
    assert "MASSGEN_PLUGINS=none forbids" in none.stderr
    assert "--no-plugins" in off.stderr
    assert none.returncode == off.returncode == 1


def test_two_plugins_with_one_command(site):
    """Two distributions that claim one command do not harm help or any other command; using the command says what to do."""
    source = "from massgen_core.api import *\n@hookimpl\ndef massgen_commands():\n    return [CommandSpec(name='hello', factory='os:getcwd')]\n"
    site.install("hello-one", {"command.hello": "hello_one"}, {"hello_one.py": source})
    site.install("hello-two", {"command.hello": "hello_two"}, {"hello_two.py": source})
    helped, used = site.massgen("--help"), site.massgen("hello")

    assert (helped.returncode, helped.stderr) == (0, "")
    assert used.returncode == 1
    assert used.stderr.startswith("massgen: command 'hello' is claimed by hello-one 1.0 and by hello-two 1.0; keep one: ")


def test_a_command_cannot_take_the_place_of_another(site):
    """Names that the kernel has, and groups named like a command, harm neither help nor the commands that were there."""
    points = dict.fromkeys(("command.run", "command.plugins.more", "command.hello", "command.hello.more", "command.tools.one"), "hello")
    site.install("hello", points, {"hello.py": ""})
    helped, listed = site.massgen("--help"), site.massgen("plugins")

    assert (helped.returncode, helped.stderr) == (0, "")
    assert "let the agents answer a question" in helped.stdout
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "hello.more" in listed.stdout
