"""References to secrets: a store that is named, or every store in turn; and errors that show nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from massgen_core.credentials import Credentials, credential_stores, is_reference
from massgen_core.errors import PluginMissing, SecretMissing
from massgen_core.plugins.manager import Plugins
from massgen_core.runtime.scope import nobody, open_scope
from massgen_core.secrets import Redactor, Secret

HOOK = """
import attrs
from massgen_core.api import CredentialStoreSpec, hookimpl

@attrs.frozen(kw_only=True)
class Options:
    prefix: str = attrs.field(default="", metadata={{"help": "what values begin with"}})

@hookimpl
def massgen_credential_stores():
    return [CredentialStoreSpec(name={name!r}, factory="{package}.store:Store", order={order}, config=Options)]
"""
STORE = """
from massgen_core.api import Secret, StoreProblem

class Store:
    def __init__(self, config, context):
        print("made", {name!r})
        self.prefix = config.prefix  # its options, never None

    def get(self, key):
        held = {held!r}
        if held is None:
            raise StoreProblem("the vault is shut; open it")
        return Secret(self.prefix + held[key]) if key in held else None
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_without_discovery: Callable[..., Plugins]) -> Callable[..., Plugins]:
    """Make plugins of stores, each given by its name, its order and what it holds; None: it is shut."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(**held: tuple[int, dict[str, str] | None]) -> Plugins:
        modules = []
        for name, (order, values) in held.items():
            package = f"massgen_credentials_{name}_{tmp_path.name.replace('-', '_')}"
            (tmp_path / package).mkdir()
            (tmp_path / package / "__init__.py").write_text("")
            (tmp_path / package / "plugin.py").write_text(HOOK.format(name=name, package=package, order=order))
            (tmp_path / package / "store.py").write_text(STORE.format(name=name, held=values))
            modules.append(f"{package}.plugin")
        return kernel_without_discovery(*modules)

    return make


def of(plugins: Plugins) -> Credentials:
    return Credentials(plugins, lambda store: made_by(plugins, store))


def made_by(plugins: Plugins, store: str) -> Any:
    config = plugins.get("credentials", store).config
    assert config is not None
    return plugins.factory("credentials", store)(config(), None)


def test_a_reference_asks_its_store_alone(plugins: Callable[..., Plugins], monkeypatch: pytest.MonkeyPatch) -> None:
    """STORE:KEY is answered by that store, whatever the others hold."""
    monkeypatch.setenv("MY_KEY", "from-env")
    found = of(plugins(near=(1, {"MY_KEY": "near"}), far=(2, {"MY_KEY": "far", "a:b": "colon"})))

    assert found.find("env:MY_KEY") == ("env", Secret("from-env"))
    assert found.find("far:MY_KEY") == ("far", Secret("far"))
    assert found.find("far:a:b") == ("far", Secret("colon"))


def test_a_bare_name_asks_the_environment_and_then_the_stores_in_order(
    plugins: Callable[..., Plugins], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The environment wins; then the lowest order. A store that is not needed is not made."""
    made = plugins(late=(90, {"MY_KEY": "late", "ONLY_LATE": "x"}), early=(10, {"MY_KEY": "early"}), shut=(20, None))
    credentials = of(made)

    assert credential_stores(made) == ("early", "shut", "late")
    assert credentials.find("MY_KEY") == ("early", Secret("early"))
    assert capfd.readouterr().out == "made early\n"
    assert credentials.find("ONLY_LATE") == ("late", Secret("x"))
    monkeypatch.setenv("MY_KEY", "from-env")
    assert credentials.find("MY_KEY") == ("env", Secret("from-env"))


def test_a_secret_is_asked_for_once(plugins: Callable[..., Plugins]) -> None:
    """A keyring may ask the person each time; what was not there is looked for again."""

    class Counting:
        def __init__(self) -> None:
            self.asked: list[str] = []

        def get(self, key: str) -> Secret | None:
            self.asked.append(key)
            return Secret("x") if key == "MY_KEY" else None

    store = Counting()
    credentials = Credentials(plugins(near=(1, {})), lambda name: store)
    for _ in range(3):
        credentials.find("near:MY_KEY")
        credentials.find("MY_KEY")
        with pytest.raises(SecretMissing):
            credentials.find("near:OTHER_KEY")

    assert store.asked == ["MY_KEY", "OTHER_KEY", "OTHER_KEY", "OTHER_KEY"]


def test_an_empty_variable_is_none(plugins: Callable[..., Plugins], monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing holds no secret."""
    monkeypatch.setenv("MY_KEY", "")

    assert of(plugins(near=(1, {"MY_KEY": "near"}))).find("MY_KEY") == ("near", Secret("near"))


def test_what_no_store_holds_names_the_stores_that_were_asked(plugins: Callable[..., Plugins]) -> None:
    """The message says who was asked, which store could not be, and what to do."""
    with pytest.raises(SecretMissing) as caught:
        of(plugins(near=(1, {}), shut=(2, None))).find("MY_KEY")

    assert "no store holds MY_KEY (asked: env, near, shut)" in str(caught.value)
    assert "export MY_KEY=..." in str(caught.value)
    assert "shut: the vault is shut; open it" in str(caught.value)


def test_a_store_that_cannot_be_asked_says_why(plugins: Callable[..., Plugins]) -> None:
    """A reference that names the store is told what the store says."""
    with pytest.raises(SecretMissing, match="the vault is shut; open it"):
        of(plugins(shut=(2, None))).find("shut:MY_KEY")


def test_a_store_that_breaks_is_named_and_the_others_are_asked(plugins: Callable[..., Plugins], monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of one store is an error for who names it, without its text, and no obstacle for the rest."""

    class Broken:
        def get(self, key: str) -> Secret | None:
            raise KeyError("s3cret-value")

    made = plugins(broken=(1, {}), near=(2, {"MY_KEY": "near"}))
    credentials = Credentials(made, lambda store: Broken() if store == "broken" else made_by(made, store))

    assert credentials.find("MY_KEY") == ("near", Secret("near"))
    with pytest.raises(SecretMissing, match=r"'broken' is broken \(KeyError\)") as caught:
        credentials.find("broken:MY_KEY")
    assert "s3cret" not in str(caught.value)


def test_a_missing_key_says_what_to_do(plugins: Callable[..., Plugins]) -> None:
    """Each store's own message; a store that is not installed names its package."""
    credentials = of(plugins(near=(1, {})))
    with pytest.raises(SecretMissing, match="the environment holds no 'MY_KEY'; set it"):
        credentials.find("env:MY_KEY")
    with pytest.raises(SecretMissing, match=r"credential store 'near' holds no 'MY_KEY'; .*massgen auth set MY_KEY --store near"):
        credentials.find("near:MY_KEY")
    with pytest.raises(PluginMissing, match="massgen-credentials-keyring"):
        credentials.find("keyring:MY_KEY")


@pytest.mark.parametrize("pasted", ["sk-proj-1234567890abcdef", "ghp_1234567890abcdefABCDEF", "AKIAIOSFODNN7EXAMPLE", "", "A" * 50 + "_" + "B" * 60])
def test_a_key_that_was_pasted_is_not_shown(plugins: Callable[..., Plugins], pasted: str) -> None:
    """What is no reference may be the secret itself; the message does not repeat it."""
    with pytest.raises(SecretMissing) as caught:
        of(plugins()).find(pasted)

    assert not pasted or pasted not in str(caught.value)
    assert "env:NAME" in str(caught.value)


def test_references_are_told_from_values(plugins: Callable[..., Plugins]) -> None:
    """A reference begins with a store; addresses and tokens do not."""
    installed = plugins(vault=(1, {}))

    assert all(is_reference(text, installed) for text in ("env:A", "vault:x", "dotenv:B", "keyring:c"))
    assert not any(is_reference(text, installed) for text in ("env:", "env", "A_B", "https://x", "vault://x", "sk:1", "other:x", ""))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_run_takes_out_what_it_handed_out_and_what_plugins_hide(
    plugins: Callable[..., Plugins], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret of a store, and one that a plugin got by itself, do not pass the run's redactor."""
    made = plugins(vault=(1, {"MY_KEY": "from-the-vault"}))
    async with open_scope(made, run="r", folder=tmp_path, emit=print, ask=nobody, redactor=Redactor()) as scope:
        context = scope.context("ann")
        secret = context.secret("MY_KEY")
        context.hide(Secret("from-a-login"))

        assert secret.reveal() == "from-the-vault"
        assert context.redact("a from-the-vault b from-a-login") == "a *** b ***"
