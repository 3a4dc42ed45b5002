"""Vertex AI: projects, locations and credentials, over real sockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from massgen_backend_gemini.backend import open_backend
from massgen_backend_gemini.config import GeminiConfig
from massgen_core.api import AuthenticationFailed, Chunk, ConnectionLost, Message, ModelRequest, TextChunk
from massgen_testkit import PlainContext
from massgen_testkit.protocols.gemini import gemini_error, gemini_event
from massgen_testkit.provider import Play, serving

pytestmark = pytest.mark.anyio
DONE = Play(pieces=(gemini_event({"text": "Yes."}, finish="STOP"),))
TOKEN = Play(media_type="application/json", pieces=(b'{"access_token": "ya29.token", "expires_in": 3600, "token_type": "Bearer"}',))
DENIED = Play(status=400, media_type="application/json", pieces=(b'{"error": "invalid_grant", "error_description": "the account is gone"}',))


@pytest.fixture(scope="module")
def private_key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    raw = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return raw.decode()


def account(token_uri: str, private_key: str) -> str:
    """Return credentials of a service account, as Google hands them out."""
    told = {"type": "service_account", "project_id": "its-project", "private_key_id": "1", "private_key": private_key, "token_uri": token_uri}
    return json.dumps({**told, "client_email": "a@its-project.iam.gserviceaccount.com", "client_id": "1"})


async def ask(config: GeminiConfig, folder: Path, secrets: dict[str, str]) -> list[Chunk]:
    """Ask by a backend of its own; an error comes out of the groups that it went through."""
    try:
        with anyio.fail_after(60):
            async with PlainContext(folder=folder, secrets=secrets) as context, open_backend(config, context) as backend:
                request = ModelRequest(model="gemini-3.5-flash", messages=(Message.of("user", "Hi"),))
                async with backend.respond(request) as stream:
                    return [chunk async for chunk in stream]
    except BaseExceptionGroup as group:
        (error,) = group.exceptions
    raise error


@pytest.mark.parametrize(
    ("options", "place"),
    [({}, "projects/its-project/locations/global"), ({"project": "p", "location": "europe-west4"}, "projects/p/locations/europe-west4")],
)
async def test_service_account(options: dict[str, Any], place: str, tmp_path: Path, private_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are exchanged for a token, which the call carries; no key of the environment goes along."""
    monkeypatch.setenv("GOOGLE_API_KEY", "of AI Studio")
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    async with serving(TOKEN) as server, serving(DONE) as provider:
        config = GeminiConfig(base_url=provider.url, credentials="env:ACCOUNT", **options)
        heard = await ask(config, tmp_path, {"env:ACCOUNT": account(f"{server.url}/token", private_key)})
    asked = provider.asked[0]

    assert TextChunk("Yes.") in heard
    assert "grant_type" in server.bodies[0]
    assert asked.path == f"/v1beta1/{place}/publishers/google/models/gemini-3.5-flash:streamGenerateContent?alt=sse"
    assert asked.headers["authorization"] == "Bearer ya29.token"
    assert "x-goog-api-key" not in asked.headers


async def test_account_that_is_refused(tmp_path: Path, private_key: str) -> None:
    """Credentials that Google does not take are named by their reference; they are not shown."""
    async with serving(DENIED) as server, serving(DONE) as provider:
        config = GeminiConfig(base_url=provider.url, credentials="env:ACCOUNT")
        with pytest.raises(AuthenticationFailed, match="env:ACCOUNT") as caught:
            await ask(config, tmp_path, {"env:ACCOUNT": account(f"{server.url}/token", private_key)})

    assert "PRIVATE KEY" not in str(caught.value)
    assert not provider.asked


async def test_secrets_that_are_echoed(tmp_path: Path, private_key: str) -> None:
    """A server that repeats the token, or the key within the credentials, has neither of them shown."""
    echo = attrs.evolve(gemini_error(403, f"no KEY with {private_key} here"), echoes_key=True)
    async with serving(TOKEN) as server, serving(echo) as provider:
        config = GeminiConfig(base_url=provider.url, credentials="env:ACCOUNT")
        with pytest.raises(AuthenticationFailed, match=r"no \*+ with") as caught:
            await ask(config, tmp_path, {"env:ACCOUNT": account(f"{server.url}/token", private_key)})

    assert "ya29" not in str(caught.value)
    assert private_key.splitlines()[1] not in str(caught.value)


async def test_server_of_tokens_that_is_away(tmp_path: Path, private_key: str) -> None:
    """A server of tokens that is not there is a lost connection, which may come back."""
    async with serving(DONE) as gone:
        address = f"{gone.url}/token"
    async with serving(DONE) as provider:
        config = GeminiConfig(base_url=provider.url, credentials="env:ACCOUNT")
        with pytest.raises((ConnectionLost, AuthenticationFailed)):
            await ask(config, tmp_path, {"env:ACCOUNT": account(address, private_key)})


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"type": "unheard of"}', '{"type": "service_account"}'])
async def test_credentials_that_cannot_be_read(text: str, tmp_path: Path) -> None:
    """What is no credentials says so before anything is sent."""
    with pytest.raises(AuthenticationFailed):
        await ask(GeminiConfig(credentials="env:ACCOUNT"), tmp_path, {"env:ACCOUNT": text})


async def test_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without credentials of Google Cloud says so."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    with pytest.raises(AuthenticationFailed, match="application default credentials"):
        await ask(GeminiConfig(vertex=True), tmp_path, {})


async def test_express_mode(tmp_path: Path) -> None:
    """Vertex AI takes a key alone."""
    async with serving(DONE) as provider:
        await ask(GeminiConfig(base_url=provider.url, vertex=True, key="env:K"), tmp_path, {"env:K": "express"})

    assert provider.asked[0].headers["x-goog-api-key"] == "express"
    assert provider.asked[0].path == "/v1beta1/publishers/google/models/gemini-3.5-flash:streamGenerateContent?alt=sse"
