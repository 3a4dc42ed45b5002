"""Who the client is for a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_core.plugins.manager import Plugins
from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.principal import principal
from massgen_testkit import PlainContext

HOOK = """
import attrs
from massgen_core.api import TransportSpec, hookimpl

@attrs.frozen(kw_only=True)
class Options:
    url: str = attrs.field(metadata={"help": "where"})
    login: str = attrs.field(default="", metadata={"help": "who"})

def who(config, context):
    return f"{config.login} of {context.agent}"

@hookimpl
def massgen_mcp_transports():
    return [
        TransportSpec(name="mail", factory="json:loads", config=Options, principal=f"{__name__}:who"),
        TransportSpec(name="plain", factory="json:loads", config=Options),
    ]
"""


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_without_discovery: Callable[..., Plugins]) -> PlainContext:
    name = f"massgen_mail_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(HOOK)
    monkeypatch.syspath_prepend(tmp_path)
    secrets = {"env:A": "value-a", "keyring:B": "value-b", "dotenv:C": "value-c"}
    return PlainContext(folder=tmp_path, plugins=kernel_without_discovery(name), secrets=secrets)


def test_references_of_every_store_count(context: PlainContext) -> None:
    """Wherever they stand in the options; other texts do not lead anywhere."""
    options = {"env": {"Z": "env:A", "X": "keyring:B", "M": "http://env:A"}, "args": ["dotenv:C", "a:b"], "auth": {"token": "env:A"}}
    found = principal(ServerConfig(name="s", transport="unknown", options=options), context)

    assert found == ("value-c", "value-a", "value-b", "value-a", "")


def test_a_transport_tells_logins_apart(context: PlainContext) -> None:
    """What it says is added; one that says nothing adds nothing."""
    for transport, said in (("mail", "ann of a"), ("plain", "")):
        assert principal(ServerConfig(name="s", transport=transport, options={"url": "env:A", "login": "ann"}), context) == ("value-a", said)


def test_where_it_cannot_be_told_nobody_is_named(context: PlainContext) -> None:
    """A missing secret and wrong options: opening the server says what is wrong, and nothing is remembered meanwhile."""
    assert principal(ServerConfig(name="s", transport="mail", options={"url": "env:GONE"}), context) is None
    assert principal(ServerConfig(name="s", transport="mail", options={"login": "no url"}), context) is None
