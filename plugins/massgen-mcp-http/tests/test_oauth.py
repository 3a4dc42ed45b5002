"""Logins: tokens renewed by one process at a time, and a person who is asked where that is allowed."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest
from mcp.shared.auth import OAuthToken

from massgen_core.api import Question
from massgen_mcp_http.tokens import Tokens, token_file
from massgen_testkit import PlainContext

pytestmark = pytest.mark.anyio
Serving: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Any]]
Speaking: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture(autouse=True)
def _own_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    # The person's own keyring is none of these tests' business.
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


class Guarded:
    """A server that wants a token, and the authorization server that gives it."""

    def __init__(self, *ways: str) -> None:
        self.url = ""
        self.ways = ways
        self.tokens = 0
        self.grants: list[dict[str, str]] = []

    async def __call__(self, request: Any, answer: Any) -> Any:
        path, _, query = request.path.partition("?")
        if path == "/mcp":
            if request.headers.get("authorization") != f"Bearer token-{self.tokens}" or not self.tokens:
                return await answer.plain(401, www_authenticate=f'Bearer resource_metadata="{self.url}/.well-known/oauth-protected-resource/mcp"')
            return await answer.result(request, {"n": self.tokens})
        found: Any = None
        if path.startswith("/.well-known/oauth-protected-resource"):
            found = {"resource": f"{self.url}/mcp", "authorization_servers": [self.url]}
        elif path.startswith("/.well-known/oauth-authorization-server"):
            found = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "registration_endpoint": f"{self.url}/register",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
                "code_challenge_methods_supported": ["S256"],
                **({"token_endpoint_auth_methods_supported": self.ways} if self.ways else {}),
            }
        elif path == "/register":
            found = {**request.message, "client_id": "registered"}
        elif path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(query).items()}
            assert asked["code_challenge_method"] == "S256"
            return await answer.plain(302, location=f"{asked['redirect_uri']}?code=c0de&state={asked['state']}")
        elif path == "/token":
            shown = {"header": request.headers["authorization"].partition(" ")[0]} if "authorization" in request.headers else {}
            self.grants.append({name: values[0] for name, values in parse_qs(request.body.decode()).items()} | shown)
            self.tokens += 1
            found = {"access_token": f"token-{self.tokens}", "token_type": "Bearer", "expires_in": 3600, "refresh_token": f"refresh-{self.tokens}"}
        if found is None:
            return await answer.plain(404)
        return await answer.plain(201 if path == "/register" else 200, json.dumps(found).encode())


async def test_a_login_is_done_once_and_remembered(serving: Serving, speaking: Speaking, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person opens the page, the browser comes back to this machine, and later links use the token from the file, which is its owner's alone."""
    guarded = Guarded()

    async def browse(self: PlainContext, question: Question) -> str:
        page = question.detail.splitlines()[0]
        async with httpx2.AsyncClient(trust_env=False) as browser:
            await browser.get(page, follow_redirects=True)
        await anyio.sleep_forever()
        return ""

    monkeypatch.setattr(PlainContext, "ask", browse)
    with anyio.fail_after(20):
        async with serving(guarded) as peer:
            guarded.url = peer.url.removesuffix("/mcp")
            async with speaking(peer.url, auth={"type": "oauth", "interactive": True}) as speaker:
                first = await speaker.ask("x")
            async with speaking(peer.url, auth="oauth") as speaker:
                second = await speaker.ask("x")

    file = token_file(peer.url)
    assert (first.result, second.result) == ({"n": 1}, {"n": 1})
    assert [grant["grant_type"] for grant in guarded.grants] == ["authorization_code"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_the_address_can_be_pasted(serving: Serving, speaking: Speaking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the browser is on another machine, the person pastes the address that it ends up at."""
    guarded = Guarded()

    async def paste(self: PlainContext, question: Question) -> str:
        asked = parse_qs(urlsplit(question.detail.splitlines()[0]).query)
        return f"{asked['redirect_uri'][0]}?code=c0de&state={asked['state'][0]}"

    monkeypatch.setattr(PlainContext, "ask", paste)
    with anyio.fail_after(20):
        async with serving(guarded) as peer:
            guarded.url = peer.url.removesuffix("/mcp")
            async with speaking(peer.url, auth={"type": "oauth", "interactive": True}) as speaker:
                assert (await speaker.ask("x")).result == {"n": 1}


@pytest.mark.parametrize(("ways", "is_header"), [((), True), (("client_secret_post",), False), (("client_secret_post", "client_secret_basic"), True)])
async def test_a_secret_is_sent_in_the_way_that_the_server_takes(
    serving: Serving, speaking: Speaking, context: PlainContext, monkeypatch: pytest.MonkeyPatch, ways: tuple[str, ...], is_header: bool
) -> None:
    """In the header where the authorization server takes that or does not say, in the form where it takes nothing else; never in both."""
    guarded = Guarded(*ways)
    context.secrets = {"env:CLIENT": "cl1ent-secret"}

    async def paste(self: PlainContext, question: Question) -> str:
        asked = parse_qs(urlsplit(question.detail.splitlines()[0]).query)
        return f"{asked['redirect_uri'][0]}?code=c0de&state={asked['state'][0]}"

    monkeypatch.setattr(PlainContext, "ask", paste)
    auth = {"type": "oauth", "interactive": True, "client_id": "me", "client_secret": "env:CLIENT"}
    with anyio.fail_after(20):
        async with serving(guarded) as peer:
            guarded.url = peer.url.removesuffix("/mcp")
            async with speaking(peer.url, auth=auth) as speaker:
                assert (await speaker.ask("x")).result == {"n": 1}

    (grant,) = guarded.grants
    assert ("header" in grant, "client_secret" in grant) == (is_header, not is_header)


async def test_without_a_person_the_error_says_what_to_do(serving: Serving, speaking: Speaking) -> None:
    """A login that is needed is an error of the request, not a hang."""
    guarded = Guarded()
    with anyio.fail_after(20):
        async with serving(guarded) as peer:
            guarded.url = peer.url.removesuffix("/mcp")
            async with speaking(peer.url, auth="oauth") as speaker:
                refused = await speaker.ask("x")

    assert "massgen mcp login" in refused.error.message


async def test_a_program_logs_in_by_itself(serving: Serving, speaking: Speaking, context: PlainContext) -> None:
    """Client credentials need no person; the secret comes by reference."""
    guarded = Guarded()
    context.secrets = {"env:CLIENT": "cl1ent-secret"}
    auth = {"type": "client_credentials", "client_id": "me", "client_secret": "env:CLIENT"}
    with anyio.fail_after(20):
        async with serving(guarded) as peer:
            guarded.url = peer.url.removesuffix("/mcp")
            async with speaking(peer.url, auth={**auth, "issuer": guarded.url}) as speaker:
                assert (await speaker.ask("x")).result == {"n": 1}

    assert [grant["grant_type"] for grant in guarded.grants] == ["client_credentials"]


async def test_a_token_that_ended_is_renewed_once(serving: Serving, speaking: Speaking) -> None:
    """Two links with a token that ended renew it once: the second uses what the first got."""
    guarded = Guarded()
    guarded.tokens = 1
    with anyio.fail_after(20):
        async with serving(guarded) as peer:
            guarded.url = peer.url.removesuffix("/mcp")
            tokens = Tokens(token_file(peer.url))
            await tokens.set_tokens(OAuthToken(access_token="token-1", refresh_token="refresh-1", expires_in=0))
            answers: list[Any] = []

            async def call(speaker: Any) -> None:
                answers.append(await speaker.ask("x"))

            options = {"auth": {"type": "oauth", "client_id": "me"}}
            file = token_file(peer.url, "me")
            token_file(peer.url).rename(file)
            async with speaking(peer.url, **options) as one, speaking(peer.url, **options) as two, anyio.create_task_group() as tasks:
                tasks.start_soon(call, one)
                tasks.start_soon(call, two)

    assert [answer.result for answer in answers] == [{"n": 2}, {"n": 2}]
    assert [grant["grant_type"] for grant in guarded.grants] == ["refresh_token"]
