"""Where tokens are kept, and whose they are."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from massgen_core.api import Secret, StoreProblem
from massgen_core.plugins.manager import Plugins
from massgen_mcp_http.config import AuthConfig, HttpConfig
from massgen_mcp_http.principal import principal
from massgen_mcp_http.tokens import Tokens, kept_tokens, token_file
from massgen_testkit import PlainContext

pytestmark = pytest.mark.anyio

URL = "https://mcp.example.org/mcp"
TOKEN = OAuthToken(access_token="access-0f9a", refresh_token="refresh-0f9a", expires_in=3600)
NEXT = OAuthToken(access_token="access-1e8b", refresh_token="refresh-1e8b", expires_in=3600)
HOOK = """
from massgen_core.api import CredentialStoreSpec, hookimpl

@hookimpl
def massgen_credential_stores():
    return [
        CredentialStoreSpec(name="plain", factory="json:loads", order=1),
        CredentialStoreSpec(name="safe", factory="json:loads", order=2, is_protected=True),
    ]
"""


class Store:
    """A store in memory; `is_shut`: it cannot be used; `is_full`: it takes nothing."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.is_shut = self.is_full = False

    def get(self, key: str) -> Secret | None:
        if self.is_shut:
            raise StoreProblem("it is shut; open it")
        return Secret(self.held[key]) if key in self.held else None

    def set(self, key: str, value: Secret) -> str:
        if self.is_shut or self.is_full:
            raise StoreProblem("it is full; make room")
        self.held[key] = value.reveal()
        return "memory"

    def delete(self, key: str) -> bool:
        return self.held.pop(key, None) is not None

    def names(self) -> dict[str, str]:
        return dict.fromkeys(self.held, "memory")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def safe() -> Store:
    return Store()


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, safe: Store, kernel_without_discovery: Callable[..., Plugins]) -> PlainContext:
    """Make a context of a machine with two stores, one of which is protected."""
    name = f"massgen_stores_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(HOOK)
    monkeypatch.syspath_prepend(tmp_path)
    objects = {("credentials", "safe"): safe, ("credentials", "plain"): Store()}
    return PlainContext(folder=tmp_path, plugins=kernel_without_discovery(name), objects=objects)


@pytest.fixture
def bare(tmp_path: Path, kernel_without_discovery: Callable[..., Plugins]) -> PlainContext:
    """Make a context of a machine without a store."""
    return PlainContext(folder=tmp_path, plugins=kernel_without_discovery())


async def test_tokens_are_kept_in_a_protected_store(guarded: PlainContext, safe: Store, tmp_path: Path) -> None:
    """The first protected store holds them, under a name that says what they are; no file does."""
    await kept_tokens(URL, "", guarded).set_tokens(TOKEN)
    await kept_tokens(URL, "", guarded).set_client_info(
        OAuthClientInformationFull.model_validate({"client_id": "me", "redirect_uris": ["http://x/"]})
    )
    again = kept_tokens(URL, "", guarded)
    found, client = await again.get_tokens(), await again.get_client_info()

    assert found is not None
    assert client is not None
    assert (found.access_token, found.refresh_token, client.client_id) == ("access-0f9a", "refresh-0f9a", "me")
    (name,) = safe.held
    assert name == f"mcp-login.mcp.example.org.{token_file(URL).stem[:16]}"
    assert guarded.objects["credentials", "plain"].held == {}
    assert [file for file in (tmp_path / "data").rglob("*") if file.is_file() and b"0f9a" in file.read_bytes()] == []


async def test_without_a_store_a_file_of_the_owner_has_them(bare: PlainContext) -> None:
    """Mode 0600, in a folder of mode 0700."""
    await kept_tokens(URL, "", bare).set_tokens(TOKEN)

    file = token_file(URL)
    assert json.loads(file.read_text())["tokens"]["token"]["access_token"] == "access-0f9a"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_file_of_an_earlier_version_goes_into_the_store(guarded: PlainContext, safe: Store) -> None:
    """Nobody has to log in again, and the file is gone."""
    file = token_file(URL)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"tokens": {"token": {"access_token": "old", "token_type": "Bearer"}, "expires_at": None}, "client": {}}))
    found = await kept_tokens(URL, "", guarded).get_tokens()

    assert found is not None
    assert found.access_token == "old"
    assert not file.exists()
    assert '"old"' in next(iter(safe.held.values()))


async def test_what_a_store_does_not_take_is_in_the_file_until_it_does(guarded: PlainContext, safe: Store) -> None:
    """The newest tokens are found, wherever they had to go."""
    tokens = kept_tokens(URL, "", guarded)
    await tokens.set_tokens(TOKEN)
    safe.is_full = True
    await tokens.set_tokens(NEXT)
    assert token_file(URL).exists()
    for context_is_shut in (False, True):
        safe.is_shut = context_is_shut
        found = await kept_tokens(URL, "", guarded).get_tokens()
        assert found is not None
        assert found.access_token == "access-1e8b"
    safe.is_full = safe.is_shut = False
    found = await kept_tokens(URL, "", guarded).get_tokens()

    assert found is not None
    assert found.access_token == "access-1e8b"
    assert not token_file(URL).exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"tokens": null}', b"\xff"])
async def test_damaged_tokens_are_none(guarded: PlainContext, bare: PlainContext, safe: Store, content: bytes) -> None:
    """A person logs in again; what is damaged does not hide what the store holds."""
    file = token_file(URL)
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert await kept_tokens(URL, "", bare).get_tokens() is None

    tokens = kept_tokens(URL, "", guarded)
    assert await tokens.get_tokens() is None
    await tokens.set_tokens(TOKEN)
    assert not file.exists()
    assert len(safe.held) == 1


async def test_another_process_sees_that_tokens_changed(guarded: PlainContext) -> None:
    """Though the store has no time of change."""
    one, two = kept_tokens(URL, "", guarded), kept_tokens(URL, "", guarded)
    await one.set_tokens(TOKEN)
    seen = {two.changed()}
    with anyio.fail_after(10):
        while len(seen) < 2:  # the clock of a file system may be coarse
            await one.set_tokens(NEXT)
            seen.add(two.changed())


async def test_every_token_is_taken_out_of_what_the_run_writes(guarded: PlainContext) -> None:
    """Those that are stored, those that come, and the secret of a client."""
    await kept_tokens(URL, "", guarded).set_tokens(TOKEN)
    client = {"client_id": "me", "client_secret": "cl1ent-secret", "redirect_uris": ["http://x/"]}
    await kept_tokens(URL, "", guarded).set_client_info(OAuthClientInformationFull.model_validate(client))
    fresh = PlainContext(folder=guarded.folder, plugins=guarded.plugins, objects=guarded.objects)
    tokens = kept_tokens(URL, "", fresh)
    await tokens.get_tokens()
    await tokens.get_client_info()

    for context in (guarded, fresh):
        assert context.redact("Bearer access-0f9a, refresh-0f9a, cl1ent-secret") == "Bearer ***, ***, ***"


async def test_a_principal_lasts_from_one_login_to_the_next(guarded: PlainContext, bare: PlainContext) -> None:
    """Renewed tokens are of the same one; a new login may be of somebody else; two servers, two clients have nothing in common."""
    for context in (guarded, bare):
        tokens = kept_tokens(URL, "", context)
        assert tokens.principal() == ""
        tokens.logged_in()
        await tokens.set_tokens(TOKEN)
        first = tokens.principal()
        await tokens.set_tokens(NEXT)
        assert kept_tokens(URL, "", context).principal() == first
        tokens.logged_in()
        await tokens.set_tokens(TOKEN)
        assert len({"", first, tokens.principal()}) == 3
        assert kept_tokens(URL, "another-client", context).principal() == ""


async def test_tokens_of_an_earlier_version_have_a_principal_too(bare: PlainContext) -> None:
    """It stays when they are renewed, and is not the token."""
    file = token_file(URL)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"tokens": {"token": TOKEN.model_dump(mode="json"), "expires_at": None}}))
    tokens = kept_tokens(URL, "", bare)
    before = tokens.principal()
    await tokens.set_tokens(NEXT)

    assert before
    assert "0f9a" not in before
    assert tokens.principal() == before


async def test_only_a_login_by_a_person_has_a_principal_of_its_own(bare: PlainContext) -> None:
    """What other credentials say is in the options and in what they refer to."""
    tokens = kept_tokens(URL, "", bare)
    await tokens.set_tokens(TOKEN)
    program = AuthConfig(type="client_credentials", client_id="me", client_secret="env:X", issuer="https://x")

    assert principal(HttpConfig(url=URL, auth="oauth"), bare) == tokens.principal() != ""
    assert [principal(HttpConfig(url=URL, auth=auth), bare) for auth in (None, "env:TOKEN", program)] == ["", "", ""]


async def test_the_lock_holds_between_processes(tmp_path: Path) -> None:
    """While another process renews a token, this one waits."""
    file = tmp_path / "tokens" / "x.json"
    code = (
        "import sys, anyio; from pathlib import Path; from massgen_mcp_http.tokens import Tokens\n"
        "async def main():\n"
        "    tokens = Tokens(Path(sys.argv[1])); await tokens.acquire(); print('locked', flush=True); sys.stdin.read(); tokens.release()\n"
        "anyio.run(main)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert other.stdin
    assert other.stdout
    try:
        await anyio.to_thread.run_sync(other.stdout.readline)
        tokens = Tokens(file)
        with anyio.move_on_after(0.2) as scope:
            await tokens.acquire()
        assert scope.cancelled_caught
        other.stdin.close()
        with anyio.fail_after(5):
            assert await tokens.acquire()
        tokens.release()
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
