"""Keys set, listed, deleted and looked for in made-up stores, for made-up backends."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from massgen_cmd_auth.change import Delete, Set
from massgen_cmd_auth.show import Check, List
from massgen_core.api import MassGenError, StoreProblem, UsageProblem
from massgen_core.cli.app import ConsoleApp
from massgen_core.plugins.manager import Plugins

VALUE = "s3cret-välue-0f9a"
HOOK = """
import attrs
from massgen_core.api import BackendSpec, CredentialStoreSpec, hookimpl

@attrs.frozen(kw_only=True)
class KinConfig:
    key: str = ""
    preset: str = "near"

    @property
    def reference(self):
        return self.key or {{"near": "NEAR_API_KEY", "far": "FAR_API_KEY"}}.get(self.preset, "")

@hookimpl
def massgen_credential_stores():
    return [
        CredentialStoreSpec(name="plain", factory="{package}.things:Plain", order=10),
        CredentialStoreSpec(name="safe", factory="{package}.things:Safe", order=30, is_protected=True),
        CredentialStoreSpec(name="frozen", factory="{package}.things:Frozen", order=40),
        CredentialStoreSpec(name="shut", factory="{package}.things:Shut", order=50),
    ]

@hookimpl
def massgen_backends():
    return [
        BackendSpec(name="acme", factory="{package}.things:nothing", keys={{"ACME_API_KEY": "preset big", "OTHER_API_KEY": ""}}),
        BackendSpec(name="zoo", factory="{package}.things:nothing", keys={{"safe:ACME_API_KEY": ""}}),
        BackendSpec(name="free", factory="{package}.things:nothing"),
        BackendSpec(name="kin", factory="{package}.things:nothing", config=KinConfig),
    ]
"""
THINGS = """
import json
from pathlib import Path
from massgen_core.api import Secret, StoreProblem

class Frozen:
    def __init__(self, config, context):
        pass

    def get(self, key):
        return Secret("from-the-ice") if key == "ICE_KEY" else None

class Shut:
    def __init__(self, config, context):
        pass

    def get(self, key):
        raise StoreProblem("the vault is shut; open it")

class Plain:
    title = "plain"

    def __init__(self, config, context):
        self.file = Path(__file__).with_name(self.title + ".json")

    def held(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {{}}

    def get(self, key):
        return Secret(self.held()[key]) if key in self.held() else None

    def set(self, key, value):
        self.file.write_text(json.dumps(self.held() | {{key: value.reveal()}}))
        return "the drawer"

    def delete(self, key):
        held = self.held()
        is_there = held.pop(key, None) is not None
        self.file.write_text(json.dumps(held))
        return is_there

    def names(self):
        return {{key: "the drawer\\x1b[2J" for key in self.held()}}

class Safe(Plain):
    title = "safe"

nothing = None
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_without_discovery: Callable[..., Plugins]) -> ConsoleApp:
    """Make the program with four stores and three backends, in a folder of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("ACME_API_KEY", "OTHER_API_KEY", "MASSGEN_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    package = f"massgen_auth_zoo_{tmp_path.name.replace('-', '_')}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / package / "plugin.py").write_text(HOOK.format(package=package))
    (tmp_path / package / "things.py").write_text(THINGS.format())
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return ConsoleApp(kernel_without_discovery(f"{package}.plugin"))


@pytest.fixture
def massgen(app: ConsoleApp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command and return its exit code and what it printed."""

    def run(name: str, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        command: Any = {"set": Set, "list": List, "delete": Delete, "check": Check}[name]()
        parser = argparse.ArgumentParser()
        command.configure(parser)
        code = command.run(parser.parse_args(arguments), app)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def held(tmp_path: Path, store: str) -> Mapping[str, str]:
    (file,) = tmp_path.glob(f"massgen_auth_zoo_*/{store}.json")
    found: Mapping[str, str] = json.loads(file.read_text())
    return found


def test_a_value_from_standard_input_goes_into_the_safest_store(massgen: Any, tmp_path: Path) -> None:
    """A protected store is chosen before one that is asked earlier; the line's end is no part of the value, and the value is not shown."""
    code, out, err = massgen("set", "ACME_API_KEY", stdin=f"{VALUE}\r\n".encode())

    assert (code, err) == (0, "")
    assert held(tmp_path, "safe") == {"ACME_API_KEY": VALUE}
    assert out == "ACME_API_KEY: kept in safe (the drawer); refer to it as safe:ACME_API_KEY, or as ACME_API_KEY\n"


def test_a_store_can_be_named_in_two_ways(massgen: Any, tmp_path: Path) -> None:
    """--store and STORE:NAME mean the same; both at once must agree."""
    massgen("set", "A_KEY", "--store", "plain", stdin=b"one")
    massgen("set", "plain:B_KEY", stdin=b"  two lines\nkept\n\n")

    assert held(tmp_path, "plain") == {"A_KEY": "one", "B_KEY": "  two lines\nkept\n"}
    with pytest.raises(UsageProblem, match="give one of them"):
        massgen("set", "plain:B_KEY", "--store", "safe", stdin=b"x")


@pytest.mark.parametrize(
    "arguments",
    [("A_KEY", "sk-typed-by-mistake"), ("A_KEY=sk-typed-by-mistake",), ("A KEY sk-typed-by-mistake",), ("A_KEY", "x", "sk-typed-by-mistake")],
)
def test_a_value_on_the_command_line_is_refused_and_not_repeated(massgen: Any, arguments: tuple[str, ...]) -> None:
    """Whoever writes the value where others see it is told so, without seeing it again."""
    with pytest.raises(UsageProblem) as caught:
        massgen("set", *arguments, stdin=b"x")

    assert "sk-typed" not in str(caught.value)


@pytest.mark.parametrize(
    ("stdin", "said"), [(b"", "no value"), (b"\n", "no value"), (b"\xff\xfe\x00", "no UTF-8"), (b"x" * (1 << 20) + b"y", "more than")]
)
def test_what_is_no_key_is_refused(massgen: Any, stdin: bytes, said: str) -> None:
    """Nothing, bytes and floods are told apart."""
    with pytest.raises(UsageProblem, match=said):
        massgen("set", "A_KEY", stdin=stdin)


def test_stores_that_cannot_be_written_say_so(massgen: Any) -> None:
    """The environment, and a store that only reads."""
    with pytest.raises(UsageProblem, match="export NAME"):
        massgen("set", "env:A_KEY", stdin=b"x")
    with pytest.raises(UsageProblem, match="cannot be written from here"):
        massgen("set", "frozen:A_KEY", stdin=b"x")


def test_what_hides_a_new_key_is_told(massgen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable, or a store that is asked earlier, with another value wins over what was set; the same value is no news."""
    massgen("set", "plain:ACME_API_KEY", stdin=b"old")
    monkeypatch.setenv("ACME_API_KEY", "older")
    _, _, err = massgen("set", "ACME_API_KEY", stdin=b"new")

    assert err.splitlines() == [
        "note: the environment holds another ACME_API_KEY, and is asked first where a reference names no store",
        "note: store 'plain' holds another ACME_API_KEY, and is asked first where a reference names no store",
    ]
    monkeypatch.delenv("ACME_API_KEY")
    assert massgen("set", "ACME_API_KEY", stdin=b"old")[2] == ""


def test_a_list_shows_names_places_and_users(massgen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names with store, place and the backends that use them; values and control sequences never."""
    monkeypatch.setenv("OTHER_API_KEY", VALUE)
    massgen("set", "ACME_API_KEY", stdin=VALUE.encode())
    massgen("set", "plain:SPARE", stdin=VALUE.encode())
    code, out, err = massgen("list")

    assert code == 0
    assert out.splitlines() == [
        "NAME           STORE  WHERE             USED BY",
        "ACME_API_KEY   safe   the drawer        acme (preset big), zoo",
        "OTHER_API_KEY  env    this environment  acme",
        "SPARE          plain  the drawer        -",
    ]
    assert err == ""  # nothing was wanted of the store that cannot be asked
    assert json.loads(massgen("list", "--json")[1])["keys"][0] == {
        "name": "ACME_API_KEY",
        "store": "safe",
        "where": "the drawer",
        "used_by": ["acme (preset big)", "zoo"],
    }


def test_an_empty_list_says_how_to_begin(massgen: Any) -> None:
    """Without a key, the command that keeps one is named."""
    assert massgen("list")[1] == "no key is kept here; keep one: massgen auth set NAME\n"


def test_a_key_is_deleted_where_it_is(massgen: Any, tmp_path: Path) -> None:
    """The one store that holds it is found; of several one must be chosen."""
    massgen("set", "plain:A_KEY", stdin=b"1")
    assert massgen("delete", "A_KEY")[:2] == (0, "A_KEY: deleted from plain\n")
    massgen("set", "plain:A_KEY", stdin=b"1")
    massgen("set", "safe:A_KEY", stdin=b"2")
    with pytest.raises(UsageProblem, match="several stores hold A_KEY: plain, safe; choose one with --store"):
        massgen("delete", "A_KEY")
    massgen("delete", "A_KEY", "--store", "safe")

    assert (held(tmp_path, "plain"), held(tmp_path, "safe")) == ({"A_KEY": "1"}, {})


def test_what_is_not_there_cannot_be_deleted(massgen: Any) -> None:
    """The message names the store, and those that could not be asked."""
    with pytest.raises(MassGenError, match="store 'safe' holds no A_KEY"):
        massgen("delete", "A_KEY", "--store", "safe")
    with pytest.raises(MassGenError, match=r"no store that can be written holds A_KEY\nshut: the vault is shut|holds A_KEY"):
        massgen("delete", "A_KEY")


def test_a_check_finds_what_backends_look_for(massgen: Any) -> None:
    """Each backend's keys with the store that holds them; what is missing there is no failure, since nobody needs every backend."""
    massgen("set", "plain:ACME_API_KEY", stdin=VALUE.encode())
    code, out, _ = massgen("check")

    assert code == 0
    assert out.splitlines() == [
        "keys that installed backends look for by themselves:",
        "  ACME_API_KEY       found in plain  acme (preset big)",
        "  OTHER_API_KEY      not found       acme",
        "  safe:ACME_API_KEY  not found       zoo",
        "stores, in the order in which they are asked: env, plain, safe, frozen, shut",
    ]
    assert VALUE not in out


def test_a_check_finds_what_a_configuration_refers_to(massgen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """References in the project's file, with their lines; one that is missing is a failure. Other texts are no references."""
    monkeypatch.setenv("FROM_ENV", VALUE)
    massgen("set", "plain:ACME_API_KEY", stdin=VALUE.encode())
    Path("massgen.yaml").write_text(
        "version: 1\nagents:\n  - backend: {type: acme, key: ACME_API_KEY}\n    system: 'env: a word that begins a sentence'\n"
        "  - backend: {type: acme, key: 'frozen:ICE_KEY', url: 'https://x'}\n"
        "toolsets:\n  - type: mcp\n    servers:\n      a: {env: {TOKEN: 'env:FROM_ENV', MODE: DRY_RUN, X: 'env:A=B'}, auth: 'safe:NOT_THERE'}\n"
        "      b: {auth: {token: 'shut:A'}}\n"
    )
    code, out, err = massgen("check")

    assert code == 1
    assert out.splitlines()[:5] == [
        "ACME_API_KEY    found in plain                    massgen.yaml:3 (agents[0].backend.key)",
        "frozen:ICE_KEY  found in frozen                   massgen.yaml:5 (agents[1].backend.key)",
        "env:FROM_ENV    found in env                      massgen.yaml:9 (toolsets[0].servers.a.env.TOKEN)",
        "safe:NOT_THERE  not found                         massgen.yaml:9 (toolsets[0].servers.a.auth)",
        "shut:A          shut: the vault is shut; open it  massgen.yaml:10 (toolsets[0].servers.b.auth.token)",
    ]
    assert VALUE not in out + err


def test_a_check_finds_what_a_configuration_needs_without_saying_so(massgen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that an agent's backend looks for by itself is needed as well as one that is written down; what cannot be read is left to the run."""
    agents = """
agents:
  - {name: ann, backend: kin}
  - {name: bob, backend: {type: kin, preset: far}}
  - {name: cat, backend: {type: kin, key: "env:CAT_KEY"}}
  - {name: dan, backend: {type: kin, preset: none}}
  - {name: eve, backend: {type: kin, colour: red}}
  - {name: fox, backend: {type: nobody}}
"""
    Path("massgen.yaml").write_text(f"version: 1{agents}")
    monkeypatch.setenv("FAR_API_KEY", VALUE)
    code, out, err = massgen("check")

    assert code == 1
    assert [line.split("  ")[0] for line in out.splitlines() if "massgen.yaml" in line] == ["env:CAT_KEY", "NEAR_API_KEY", "FAR_API_KEY"]
    assert "massgen.yaml:3 (agents[0].backend)" in out
    assert "missing: env:CAT_KEY, NEAR_API_KEY;" in err
    assert VALUE not in out + err


@pytest.mark.parametrize("name", ["sk-proj-0123456789abcdef", "dotenv:gsk_0123456789abcdefABCD", "AIza0123456789abcdefghijklmnop"])
def test_a_key_in_place_of_its_name_is_not_repeated(massgen: Any, name: str) -> None:
    """Whoever writes the key itself where its name belongs is told so, and the message does not show it."""
    with pytest.raises(UsageProblem) as caught:
        massgen("set", name)

    assert "never given on the command line" in str(caught.value)
    assert "0123456789" not in str(caught.value)


def test_names_can_be_checked_alone(massgen: Any) -> None:
    """The exit code tells a script; a chosen configuration is looked into instead of those that would be found."""
    massgen("set", "plain:A_KEY", stdin=b"1")
    assert massgen("check", "A_KEY", "plain:A_KEY")[0] == 0
    assert massgen("check", "A_KEY", "B_KEY")[0] == 1
    Path("massgen.yaml").write_text("a: 'safe:NOT_THERE'\n")
    Path("other.yaml").write_text("a: 'plain:A_KEY'\n")
    code, out, _ = massgen("check", "--config", "other.yaml", "--json")

    assert code == 0
    assert json.loads(out)["needed"] == [{"reference": "plain:A_KEY", "used_by": "other.yaml:1 (a)", "store": "plain", "problem": ""}]


def test_without_a_store_the_packages_are_named(kernel_without_discovery: Callable[..., Plugins]) -> None:
    """Nothing can be kept where nothing is installed for it."""
    parser = argparse.ArgumentParser()
    command = Set()
    command.configure(parser)
    with pytest.raises(UsageProblem, match=r"massgen-credentials-keyring.*massgen-credentials-dotenv"):
        command.run(parser.parse_args(["A_KEY"]), ConsoleApp(kernel_without_discovery()))
    assert issubclass(StoreProblem, MassGenError)
