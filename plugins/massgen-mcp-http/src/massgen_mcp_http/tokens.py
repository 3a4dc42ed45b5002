"""Tokens of servers, kept where the system guards them, or else in a file that only its owner can read; one process changes them at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from massgen_core.api import Context, CredentialStoreSpec, MassGenError, Secret, StoreProblem, WritableStore, credential_stores

__all__ = ["Tokens", "kept_tokens", "token_file"]

LOCK_SECONDS = 30.0
POLL_SECONDS = 0.05


def token_file(url: str, client: str = "") -> Path:
    """Return the file of a server's tokens, and of their lock: one for each address and client."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    name = hashlib.sha256(f"{url}\n{client}".encode()).hexdigest()[:32]
    return Path(base, "massgen", "mcp-tokens", f"{name}.json")


def kept_tokens(url: str, client: str, context: Context) -> Tokens:
    """Return the tokens of a server: in the first protected store that can be written here, or else in their file.

    What an earlier start left in the file goes into the store.
    """
    file = token_file(url, client)
    key = f"mcp-login.{re.sub(r'[^A-Za-z0-9.-]', '-', urlsplit(url).hostname or '')[:100]}.{file.stem[:16]}"
    store = _protected(context, key)
    tokens = Tokens(file, store=store, key=key, hide=context.hide)
    if store is not None and file.exists() and (left := tokens.read()):
        tokens.keep(left)
    return tokens


def _protected(context: Context, key: str) -> WritableStore | None:
    for name in credential_stores(context.plugins):
        with suppress(MassGenError):  # a machine without a keyring has a file
            if cast(CredentialStoreSpec, context.plugins.get("credentials", name)).is_protected:
                store = context.make("credentials", name)
                store.get(key)
                if isinstance(store, WritableStore):
                    return store
    return None


class Tokens:
    """The SDK's token storage.

    The file, mode 0600 and replaced as a whole, holds what the store cannot take; where it exists it is the newer one.

    Args:
        file: Where, without a store; its folder is made. The lock is beside it.
        store: Where, if it can.
        key: The name in the store.
        hide: Learns each token, so that nothing writes it.

    Attributes:
        client: What the server knows this program as, where the configuration says so; None: what is stored.
        expires_at: When the stored token ends, in seconds since 1970; None where that is not known.
    """

    def __init__(
        self, file: Path, *, store: WritableStore | None = None, key: str = "", hide: Callable[[Secret], None] = lambda secret: None
    ) -> None:
        self.file = file
        self.client: OAuthClientInformationFull | None = None
        self.expires_at: float | None = None
        self._store, self._key, self._hide = store, key, hide
        self._marker = file.with_suffix(".lock")
        self._lock = -1
        self._is_login = False

    # The SDK's protocol

    async def get_tokens(self) -> OAuthToken | None:
        """Return the stored tokens, `expires_in` counted from now."""
        stored = (await anyio.to_thread.run_sync(self.read)).get("tokens")
        if not stored:
            return None
        token = OAuthToken.model_validate(stored["token"])
        self._learn(token.access_token, token.refresh_token)
        self.expires_at = stored.get("expires_at")
        if self.expires_at is not None:
            token.expires_in = int(max(0, self.expires_at - time.time()))
        return token

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Store tokens, and let other processes at them."""
        self._learn(tokens.access_token, tokens.refresh_token)
        self.expires_at = time.time() + tokens.expires_in if tokens.expires_in is not None else None
        stored = {"token": tokens.model_dump(mode="json", exclude_none=True), "expires_at": self.expires_at}

        def write() -> None:
            document = self.read()
            who = "" if self._is_login else _principal(document)
            self.keep({**document, "tokens": stored, "principal": who or secrets.token_hex(16)})

        await anyio.to_thread.run_sync(write)
        self._is_login = False
        self.release()

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return what the server knows this program as."""
        stored = None if self.client is not None else (await anyio.to_thread.run_sync(self.read)).get("client")
        found = OAuthClientInformationFull.model_validate(stored) if stored else self.client
        self._learn(found.client_secret if found is not None else None)
        return found

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Store what the server knows this program as."""
        self._learn(client_info.client_secret)
        client = client_info.model_dump(mode="json", exclude_none=True)
        await anyio.to_thread.run_sync(lambda: self.keep({**self.read(), "client": client}))

    # Whose they are

    def logged_in(self) -> None:
        """Note that a person has logged in: the next tokens are those of somebody, not the next ones of the same."""
        self._is_login = True

    def principal(self) -> str:
        """Return a text that stays the same from one login to the next, and is no other login's; empty before the first."""
        return _principal(self.read())

    def _learn(self, *values: str | None) -> None:
        for value in values:
            if value and self._hide is not None:
                self._hide(Secret(value))

    # One process at a time

    def changed(self) -> tuple[int, int]:
        """Return what is another one after the tokens were changed, by whomever."""
        return _time(self.file), _time(self._marker)

    async def acquire(self) -> bool:
        """Wait until no other process renews these tokens; False where that takes too long, and then nothing is locked."""
        self._folder()
        descriptor = os.open(self._marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with anyio.move_on_after(LOCK_SECONDS):
                while True:
                    try:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        await anyio.sleep(POLL_SECONDS)
                        continue
                    self._lock, descriptor = descriptor, -1
                    return True
            return False
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def release(self) -> None:
        """Let other processes renew them; again does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # What is stored

    def read(self) -> dict[str, Any]:
        """Return what is stored; empty where nothing is, or it cannot be read."""
        content: bytes | str = b""
        try:
            content = self.file.read_bytes()
        except OSError:
            with suppress(StoreProblem):
                found = self._store.get(self._key) if self._store is not None else None
                content = found.reveal() if found is not None else b""
        try:
            document = json.loads(content)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def keep(self, document: Mapping[str, Any]) -> None:
        """Store in place of what there was: in the store, or in the file where that does not take it."""
        text = json.dumps(document)
        self._folder()
        if self._store is not None:
            with suppress(StoreProblem):
                self._store.set(self._key, Secret(text))
                self.file.unlink(missing_ok=True)
                self._marker.touch(mode=0o600)
                return
        new = self.file.with_suffix(f".{os.getpid()}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self.file)

    def _folder(self) -> None:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _time(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _principal(document: Mapping[str, Any]) -> str:
    if document.get("principal"):
        return str(document["principal"])
    # Tokens of before logins had a name.
    token = (document.get("tokens") or {}).get("token") or {}
    kept = token.get("refresh_token") or token.get("access_token")
    return hashlib.sha256(str(kept).encode()).hexdigest() if kept else ""
