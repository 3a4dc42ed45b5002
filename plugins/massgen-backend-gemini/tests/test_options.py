"""Options, keys, what listing costs, and the catalogue."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from massgen_backend_gemini.backend import open_backend
from massgen_backend_gemini.catalogue import CATALOGUE
from massgen_backend_gemini.config import GeminiConfig
from massgen_core.api import BadRequest, ConfigProblem, Message, ModelMissing, ModelRequest, SecretMissing
from massgen_core.config.structure import structure
from massgen_testkit import PlainContext
from massgen_testkit.protocols.gemini import WIRE_FAULTS


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"key": "AIzaSyReal"}, "key"),
        ({"credentials": "{}"}, "credentials"),
        ({"key": "env:K", "project": "p"}, "key"),
        ({"base_url": "example.org"}, "base_url"),
        ({"base_url": "https://user:password@example.org"}, "base_url"),
        ({"base_url": "https://example.org?key=1"}, "base_url"),
        ({"headers": {"X-Goog-Api-Key": "k"}}, "headers"),
        ({"safety": {"rudeness": "off"}}, "safety"),
        ({"extra_body": {"tools": []}}, "extra_body"),
        ({"hosted_tools": ({"functionDeclarations": []},)}, "hosted_tools[0]"),
        ({"thinking_budget": 1, "thinking_level": "low"}, "thinking_level"),
        ({"thinking_budget": -2}, "thinking_budget"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], path: str) -> None:
    """What makes no sense is refused where it stands, and what may be a secret is not shown."""
    with pytest.raises(ConfigProblem) as caught:
        GeminiConfig(**options)

    assert caught.value.path == path
    assert "AIza" not in str(caught.value)
    assert "password@" not in str(caught.value)


def test_options_of_earlier_configurations() -> None:
    """The options that configurations of this type use are taken under their names."""
    made = structure(GeminiConfig, {"enable_web_search": True, "enable_code_execution": True})

    assert made.hosted == ({"googleSearch": {}}, {"codeExecution": {}})
    assert not made.is_vertex
    assert structure(GeminiConfig, {"project": "p"}).is_vertex


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("secrets", "options", "key"),
    [
        ({"env:GOOGLE_API_KEY": "two\n"}, {}, "two"),
        ({"env:GOOGLE_API_KEY": "two", "env:GEMINI_API_KEY": "one"}, {}, "one"),
        ({"GEMINI_API_KEY": "of some store"}, {}, "of some store"),
        ({"keyring:gemini": "three"}, {"key": "keyring:gemini"}, "three"),
        ({"env:TEAM_KEY": "of the team"}, {"key": "TEAM_KEY"}, "of the team"),
        ({"env:K": "four"}, {"key": "env:K", "vertex": True}, "four"),
    ],
)
async def test_keys(secrets: dict[str, str], options: dict[str, Any], key: str, played: Any) -> None:
    """A key is found by its reference, in one of the two variables that Google's own tools read, or in a store."""
    request = ModelRequest(model="m", messages=(Message.of("user", "Hi"),))
    async with played(WIRE_FAULTS["empty_answer"], secrets=secrets, **options) as (backend, provider, _), backend.respond(request) as stream:
        assert [chunk async for chunk in stream]

    assert provider.asked[0].headers["x-goog-api-key"] == key


@pytest.mark.anyio
async def test_keys_that_are_missing_or_broken(tmp_path: Path) -> None:
    """A missing key is named, a key that no header can carry is refused and not shown."""
    async with PlainContext(folder=tmp_path, secrets={"env:K": "AIza\nsecond"}) as context:
        with pytest.raises(SecretMissing, match=r"GEMINI_API_KEY.*GOOGLE_API_KEY"):
            async with open_backend(GeminiConfig(), context):
                pass
        with pytest.raises(BadRequest) as caught:
            async with open_backend(GeminiConfig(key="env:K"), context):
                pass

    assert "AIza" not in str(caught.value)


@pytest.mark.anyio
async def test_agents_share_a_client(tmp_path: Path) -> None:
    """Backends of the same server and key share one client; another server has its own."""
    async with PlainContext(folder=tmp_path, secrets={"env:GEMINI_API_KEY": "k"}) as context:
        found = []
        for address in ("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:8"):
            async with open_backend(GeminiConfig(base_url=address), context) as backend:
                found.append(backend._connection)

    assert found[0] is found[1] is not found[2]


def test_listing_imports_no_sdk() -> None:
    """Neither the hook nor the catalogue imports the SDK or an HTTP client."""
    code = (
        "import sys; from massgen_core.plugins.manager import Plugins; plugins = Plugins.discover(); spec = plugins.get('backend', 'gemini');"
        "plugins.resolve(spec.catalogue, kind='backend', name='gemini').models();"
        "print([name for name in sys.modules if name.startswith(('google.genai', 'google.auth', 'httpx2', 'pydantic', 'msgspec'))])"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert made.stdout.strip() == "[]"


def test_catalogue() -> None:
    """Each model has a price with its day, and none can be fetched."""
    models = CATALOGUE.models()

    assert len({model.name for model in models}) == len(models)
    assert all(model.price and model.price.as_of and model.context for model in models)
    with pytest.raises(ModelMissing, match="runs at Google"):
        CATALOGUE.pull("gemini-2.5-pro", lambda name, done, total: None)
