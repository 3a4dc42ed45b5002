"""What servers listed, kept for the next start, and the digests of their tools, kept so that a change is noticed.

Both are files of the user alone, written whole or not at all. Nothing that looks like a secret is in them: what a server is reached with is there as
a keyed hash only, and a listing in which a secret appears is not kept.
"""

from __future__ import annotations

import hmac
import os
import secrets as lots
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import attrs
import msgspec

from massgen_mcp_client.config import ServerConfig

__all__ = ["DiscoveryCache", "PinChanges", "Pins", "Stored", "Variant", "cache_folder", "state_folder"]

FORMAT = 1
MAX_FILES = 500
MAX_FILE = 8 * 1024 * 1024
MAX_TOTAL = 128 * 1024 * 1024
MAX_VARIANTS = 4
MAX_PINS = 5000
# No listing is kept for longer, whatever its server says.
MAX_SECONDS = 30 * 86_400.0
# A clock that was set back must not make a listing hold for ever.
CLOCK_SECONDS = 300.0


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the user's folder for what can be made again."""
    return _folder(environment, "XDG_CACHE_HOME", ".cache")


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the user's folder for what is to be remembered."""
    return _folder(environment, "XDG_STATE_HOME", ".local/state")


def _folder(environment: Mapping[str, str], variable: str, below: str) -> Path:
    given = environment.get(variable, "")
    base = Path(given) if given.startswith("/") else Path(environment.get("HOME") or Path.home()) / below
    return base / "massgen" / "mcp"


@attrs.frozen(kw_only=True)
class Variant:
    """What a listing may depend on, beside the server's section.

    Attributes:
        name: The server's own name.
        version: The server's own version.
        protocol: The protocol revision that was agreed on.
        capabilities: What the client declared.
    """

    name: str = ""
    version: str = ""
    protocol: str = ""
    capabilities: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Stored:
    """A listing from an earlier start.

    Attributes:
        lists: The lists as on the wire, mended, by name: `tools`, `resources`, `prompts`.
        protocol: The protocol revision that was agreed on then.
        name: The server's own name.
        version: The server's own version.
        stored: When it was stored, in seconds since 1970.
        expires: Until when it holds.
    """

    lists: Mapping[str, Sequence[Any]]
    protocol: str = ""
    name: str = ""
    version: str = ""
    stored: float = 0.0
    expires: float = 0.0


class DiscoveryCache:
    """Listings of earlier starts, one file for each server's section.

    Args:
        folder: Where; it is made when something is stored.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key: bytes | None = None

    def identity(self, server: ServerConfig, principal: Sequence[str] = ()) -> str:
        """Return what names a server as somebody sees it: a keyed hash of how it is reached, and by whom.

        The name in the configuration and what filters its tools do not count. Empty for a server that is reached with an object of this process;
        nothing is kept for it.

        Args:
            server: Its section.
            principal: Who the client is for it: who is somebody else may be shown other tools.
        """
        try:
            return self._hash([server.transport, server.options, server.protocol, server.roots, list(principal)])
        except TypeError:
            return ""

    def get(self, identity: str, variant: Variant, now: float) -> Stored | None:
        """Return the listing of exactly this server, version, protocol and declaration; None where there is none that still holds.

        Args:
            identity: As `identity` returns it.
            variant: What the connection is.
            now: Seconds since 1970.
        """
        wanted = self._variant(variant)
        return next((stored for key, stored in self._read(identity, now) if key == wanted), None)

    def latest(self, identity: str, now: float) -> Stored | None:
        """Return the newest listing that still holds, for a server that has not been asked yet; it is to be compared once it is."""
        return max((stored for _, stored in self._read(identity, now)), key=lambda stored: stored.stored, default=None)

    def put(
        self,
        identity: str,
        variant: Variant,
        lists: Mapping[str, Sequence[Any]],
        *,
        seconds: float,
        now: float,
        secrets: Iterable[str] = (),
    ) -> bool:
        """Keep a listing; return whether it was.

        Args:
            identity: As `identity` returns it.
            variant: What the connection is.
            lists: The lists as on the wire.
            seconds: For how long it holds: the server's `ttlMs`, or the configuration's `cache_seconds`; 0: it is not kept.
            now: Seconds since 1970.
            secrets: Values that must not be on the disk.
        """
        if not identity:
            return False
        if not seconds > 0:
            self.drop(identity, variant, now)
            return False
        stored = Stored(
            lists={name: list(items) for name, items in lists.items()},
            protocol=variant.protocol,
            name=variant.name,
            version=variant.version,
            stored=now,
            expires=now + min(seconds, MAX_SECONDS),
        )
        wanted = self._variant(variant)
        others = [(key, other) for key, other in self._read(identity, now) if key != wanted]
        entries = sorted([*others, (wanted, stored)], key=lambda entry: -entry[1].stored)[:MAX_VARIANTS]
        with suppress(OSError, TypeError, ValueError):
            content = _encoded([{"variant": key, **attrs.asdict(one)} for key, one in entries])
            hidden = [_json_text(value) for value in secrets if len(value) >= 6]
            if len(content) <= MAX_FILE and not any(value in content for value in hidden):
                _write(self._folder / f"{identity}.json", content)
                _prune(self._folder)
                return True
        return False

    def drop(self, identity: str, variant: Variant | None = None, now: float = 0.0) -> None:
        """Forget a server's listings, or one of them."""
        kept = [] if variant is None else [entry for entry in self._read(identity, now) if entry[0] != self._variant(variant)]
        file = self._folder / f"{identity}.json"
        with suppress(OSError):
            if kept:
                _write(file, _encoded([{"variant": key, **attrs.asdict(one)} for key, one in kept]))
            else:
                file.unlink(missing_ok=True)

    def _read(self, identity: str, now: float) -> list[tuple[str, Stored]]:
        data = _read(self._folder / f"{identity}.json")
        found = []
        for entry in data if isinstance(data, list) else ():
            with suppress(TypeError, AttributeError, KeyError, ValueError):
                stored = Stored(**{field.name: entry[field.name] for field in attrs.fields(Stored)})
                is_whole = all(isinstance(items, list) for items in stored.lists.values()) and isinstance(entry["variant"], str)
                if is_whole and stored.stored <= now + CLOCK_SECONDS and now < stored.expires <= stored.stored + MAX_SECONDS:
                    found.append((entry["variant"], stored))
        return found

    def _variant(self, variant: Variant) -> str:
        data = [variant.name, variant.version, variant.protocol, sorted(variant.capabilities)]
        return self._hash(data)

    def _hash(self, data: Any) -> str:
        if self._key is None:
            self._key = _salt(self._folder / "salt")
        return hmac.new(self._key, msgspec.json.encode(data, order="deterministic"), sha256).hexdigest()[:40]


@attrs.frozen(kw_only=True)
class PinChanges:
    """How a server's tools differ from those that were pinned.

    Attributes:
        changed: Tools whose definition is another one.
        added: Tools that were not there; on a first sight, none.
        removed: Tools that are gone.
        version: The server's version when it was pinned.
        is_first: Nothing was pinned before.
    """

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    version: str = ""
    is_first: bool = False


class Pins:
    """Digests of tools' definitions as they were first seen or accepted, one file for each server.

    Args:
        folder: Where; it is made when something is pinned.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def key(server: ServerConfig) -> str:
        """Return what names a server for longer than its version and its arguments: its name, and what is run or reached."""
        reached = str(server.options.get("command") or server.options.get("url") or "")
        return "\n".join((server.name, server.transport, reached.partition("?")[0]))

    def compare(self, server: str, digests: Mapping[str, str]) -> PinChanges:
        """Say how definitions differ from the pinned ones, without changing those.

        Args:
            server: As `key` returns it.
            digests: The present definitions' digests, by name.
        """
        data = _read(self._file(server))
        pinned = data.get("tools") if isinstance(data, Mapping) else None
        if not isinstance(pinned, Mapping):
            return PinChanges(is_first=True)
        return PinChanges(
            changed=tuple(name for name, digest in digests.items() if name in pinned and pinned[name] != digest),
            added=tuple(name for name in digests if name not in pinned),
            removed=tuple(name for name in pinned if name not in digests),
            version=str(data.get("version", "")),
        )

    def accept(self, server: str, digests: Mapping[str, str], version: str = "") -> None:
        """Pin definitions as they are now."""
        with suppress(OSError):
            _write(self._file(server), _encoded({"version": version, "tools": dict(digests)}))
            _prune(self._folder, MAX_PINS)

    def _file(self, server: str) -> Path:
        return self._folder / f"{sha256(server.encode(errors='surrogatepass')).hexdigest()[:40]}.json"


def _json_text(value: str) -> bytes:
    """Return a text as it stands inside JSON, without quotes."""
    return msgspec.json.encode(value)[1:-1]


def _encoded(data: Any) -> bytes:
    return msgspec.json.encode({"format": FORMAT, "data": data})


def _read(file: Path) -> Any:
    """Return a file's data; None where there is no file, or it is not ours, or not whole."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE + 1)
        document = msgspec.json.decode(content)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    is_ours = len(content) <= MAX_FILE and isinstance(document, Mapping) and document.get("format") == FORMAT
    return document.get("data") if is_ours else None


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{lots.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as stream:
            stream.write(content)
        os.replace(draft, file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _prune(folder: Path, files: int = MAX_FILES) -> None:
    """Remove the files that were written longest ago, where there are too many; and drafts of processes that died."""
    found = []
    for file in folder.iterdir():
        with suppress(OSError):
            found.append((file.stat().st_mtime, file.stat().st_size, file))
    newest, total, count = max((when for when, _, _ in found), default=0.0), 0, 0
    for when, size, file in sorted(found, reverse=True, key=lambda one: one[0]):
        if file.name.startswith("."):
            is_over = when < newest - 3600
        elif file.suffix == ".json":
            total, count = total + size, count + 1
            is_over = total > MAX_TOTAL or count > files
        else:
            is_over = False
        if is_over:
            with suppress(OSError):
                file.unlink()


def _salt(file: Path) -> bytes:
    """Return the key of the hashes; it is made once. Without a disk it lives as long as the process."""
    made = lots.token_bytes(32)
    with suppress(OSError):
        is_there = file.exists()
        if is_there and len(found := file.read_bytes()) == len(made):
            return found
        draft = file.with_name(f".salt.{os.getpid()}.{lots.token_hex(4)}")
        _write(draft, made)
        try:
            if is_there:  # damaged
                os.replace(draft, file)
            else:
                os.link(draft, file)  # fails where another process was quicker
        except FileExistsError:
            return file.read_bytes()
        finally:
            draft.unlink(missing_ok=True)
    return made
