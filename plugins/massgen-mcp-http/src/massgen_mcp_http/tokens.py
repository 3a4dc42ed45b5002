"""Tokens of servers, kept in a file that only its owner can read and that one process changes at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

__all__ = ["FileTokens", "token_file"]

LOCK_SECONDS = 30.0
POLL_SECONDS = 0.05


def token_file(url: str, client: str = "") -> Path:
    """Return the file of a server's tokens: one for each address and client."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    name = hashlib.sha256(f"{url}\n{client}".encode()).hexdigest()[:32]
    return Path(base, "massgen", "mcp-tokens", f"{name}.json")


class FileTokens:
    """The SDK's token storage, in one file: mode 0600, replaced as a whole.

    Args:
        file: Where; its folder is made.

    Attributes:
        client: What the server knows this program as, where the configuration says so; None: what is stored.
        expires_at: When the stored token ends, in seconds since 1970; None where that is not known.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.client: OAuthClientInformationFull | None = None
        self.expires_at: float | None = None
        self._lock = -1

    # The SDK's protocol

    async def get_tokens(self) -> OAuthToken | None:
        """Return the stored tokens, `expires_in` counted from now."""
        stored = self._read().get("tokens")
        if not stored:
            return None
        token = OAuthToken.model_validate(stored["token"])
        self.expires_at = stored.get("expires_at")
        if self.expires_at is not None:
            token.expires_in = int(max(0, self.expires_at - time.time()))
        return token

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Store tokens, and let other processes at them."""
        self.expires_at = time.time() + tokens.expires_in if tokens.expires_in is not None else None
        self._write("tokens", {"token": tokens.model_dump(mode="json", exclude_none=True), "expires_at": self.expires_at})
        self.release()

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return what the server knows this program as."""
        stored = None if self.client is not None else self._read().get("client")
        return OAuthClientInformationFull.model_validate(stored) if stored else self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Store what the server knows this program as."""
        self._write("client", client_info.model_dump(mode="json", exclude_none=True))

    # One process at a time

    def changed(self) -> float:
        """Return when the file was last changed; 0 where there is none."""
        try:
            return self.file.stat().st_mtime_ns
        except OSError:
            return 0

    async def acquire(self) -> bool:
        """Wait until no other process renews these tokens; False where that takes too long, and then nothing is locked."""
        self._folder()
        descriptor = os.open(self.file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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

    def _folder(self) -> None:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.file.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, part: str, value: Mapping[str, Any]) -> None:
        self._folder()
        text = json.dumps({**self._read(), part: value})
        new = self.file.with_suffix(f".{os.getpid()}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self.file)
