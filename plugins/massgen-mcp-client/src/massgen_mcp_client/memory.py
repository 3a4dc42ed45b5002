"""What is remembered of servers between runs: their era, their lists of tools, and how their tools were defined."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from massgen_mcp_client.cache import DiscoveryCache, Pins, Variant, cache_folder, state_folder
from massgen_mcp_client.config import ServerConfig
from massgen_mcp_client.listing import Listing
from massgen_mcp_client.session import Session

__all__ = ["Memory"]

ERA_SECONDS = 14 * 86_400.0
ERAS = 500


class Memory:
    """Small files. What cannot be read or written is not remembered: nothing here fails.

    Args:
        cache: The folder of what can be learnt again.
        state: The folder of what cannot.
    """

    def __init__(self, cache: Path, state: Path) -> None:
        self._file = cache / "eras.json"
        self._listings, self._pins = DiscoveryCache(cache / "tools"), Pins(state / "pins")

    @classmethod
    def of_user(cls, environment: Mapping[str, str] = os.environ) -> Memory:
        """Return the memory in the user's own folders."""
        return cls(cache_folder(environment), state_folder(environment))

    # Eras

    def era(self, config: ServerConfig) -> str:
        """Return the era that a server had last: `legacy` or `modern`; empty where it is not known, or too long ago."""
        era, at = self._eras().get(self._listings.identity(config), ("", 0.0))
        return era if time.time() - at < ERA_SECONDS else ""

    def keep_era(self, config: ServerConfig, era: str) -> None:
        """Remember a server's era; an empty one is forgotten."""
        identity = self._listings.identity(config)
        # Another process may have learnt something since: what is there is read again.
        eras = self._eras()
        if not identity or (eras.get(identity, ("", 0.0))[0] == era and self.era(config) == era):
            return
        eras.pop(identity, None)
        if era:
            eras[identity] = (era, time.time())
        for key in list(eras)[: max(0, len(eras) - ERAS)]:
            del eras[key]
        draft = self._file.with_name(f".eras.{os.getpid()}.{time.monotonic_ns()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_text(json.dumps(eras), encoding="utf-8")
            os.replace(draft, self._file)
        except OSError:
            draft.unlink(missing_ok=True)

    def _eras(self) -> dict[str, tuple[str, float]]:
        try:
            given = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(key): (str(era), float(at)) for key, (era, at) in given.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    # Lists of tools: for one principal each, and for nobody where it is not known who that is

    def known(self, config: ServerConfig, who: Sequence[str] | None) -> Listing | None:
        """Return the list of tools that a server had last, before it is asked."""
        if not config.cache_seconds or who is None:
            return None
        stored = self._listings.latest(self._listings.identity(config, who), time.time())
        return None if stored is None else _listing(stored.lists)

    def listing(self, config: ServerConfig, session: Session, who: Sequence[str] | None) -> Listing | None:
        """Return a list of tools that still holds for the server of this session."""
        if not config.cache_seconds or who is None:
            return None
        stored = self._listings.get(self._listings.identity(config, who), _variant(config, session), time.time())
        return None if stored is None else _listing(stored.lists)

    def keep(self, config: ServerConfig, session: Session, found: Listing, who: Sequence[str] | None) -> None:
        """Remember a list of tools for as long as the server, or else its section, says that it holds."""
        if who is None:
            return
        seconds = config.cache_seconds if found.ttl is None else min(found.ttl / 1000, config.cache_seconds or 0.0)
        identity, variant = self._listings.identity(config, who), _variant(config, session)
        self._listings.put(identity, variant, {"tools": found.items}, seconds=seconds, now=time.time(), secrets=(*config.secrets, *who))

    # Definitions

    def changed(self, config: ServerConfig, digests: Mapping[str, str]) -> tuple[str, ...]:
        """Return the tools whose definition is not the one of before.

        What is new is remembered; and so is what has changed, unless the section refuses changed tools.
        """
        key = Pins.key(config)
        changes = self._pins.compare(key, digests)
        if changes.is_first or ((changes.added or changes.changed) and not (changes.changed and config.pin == "refuse")):
            self._pins.accept(key, digests)
        return changes.changed

    def accept(self, config: ServerConfig, digests: Mapping[str, str]) -> None:
        """Remember definitions as they are now."""
        self._pins.accept(Pins.key(config), digests)


def _listing(lists: Mapping[str, Any]) -> Listing | None:
    tools = lists.get("tools")
    return Listing(items=tuple(tools), pages=0) if tools is not None else None


def _variant(config: ServerConfig, session: Session) -> Variant:
    server = session.client.server_info
    declared = (("elicitation", config.elicitation), ("sampling", config.sampling), ("roots", bool(config.roots)))
    return Variant(
        name=server.name if server else "",
        version=server.version if server else "",
        protocol=session.era,
        capabilities=tuple(name for name, is_declared in declared if is_declared),
    )
