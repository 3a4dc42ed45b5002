"""Answering a request that was answered before from disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from massgen_core.api import (
    Content,
    Context,
    Message,
    ModelAnswer,
    ModelCall,
    ModelRequest,
    NoticeGiven,
    Reasoning,
    Text,
    ToolCall,
    fingerprint,
)
from massgen_middleware_basic.config import CacheConfig

__all__ = ["Answers", "Cache", "excess", "is_deterministic", "is_kept", "open_cache"]

SHARDS = 256
_PARTS: Mapping[str, Callable[..., Content]] = {"text": Text, "reasoning": Reasoning, "call": ToolCall}


def open_cache(config: CacheConfig | None, context: Context) -> Cache:
    """Return a middleware that keeps answers."""
    config = config or CacheConfig()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(config.folder).expanduser() if config.folder else home / "massgen" / "answers"
    return Cache(config, Answers(folder, int(config.megabytes * 1_000_000)))


def is_deterministic(request: ModelRequest) -> bool:
    """Tell whether asking twice is meant to give the same answer."""
    return request.sampling.temperature == 0 or request.sampling.seed is not None


def is_kept(answer: ModelAnswer) -> bool:
    """Tell whether an answer is worth keeping.

    A refused, filtered or cut answer may come out better next time. An answer with provider items (a signed thought, an encrypted state) is not
    kept either: its provider may have forgotten what they stand for.
    """
    return answer.stop in ("stop", "tools") and bool(answer.message.content) and all(type(part) in _PARTS.values() for part in answer.message.content)


def excess(entries: Iterable[tuple[float, int, str]], size: int) -> list[str]:
    """Return the names to delete, longest unused first, until the rest is no larger than `size`.

    Args:
        entries: Time of last use, bytes and name of each.
    """
    oldest_first = sorted(entries)
    total = sum(entry[1] for entry in oldest_first)
    names = []
    for _, length, name in oldest_first:
        if total <= size:
            break
        total -= length
        names.append(name)
    return names


class Answers:
    """Answers on disk: one file each, in 256 folders by the first two digits of the key.

    Each folder keeps to its share of the size, so that storing looks at one folder only and several processes need no agreement.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self._folder, self._share = folder, size // SHARDS

    def get(self, key: str) -> ModelAnswer | None:
        """Return an answer; None where there is none, or where it cannot be read."""
        path = self._path(key)
        try:
            digest, _, body = path.read_bytes().partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode() != digest:
                return None
            answer = _answer(json.loads(body))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return answer

    def put(self, key: str, answer: ModelAnswer) -> None:
        """Keep an answer, whole or not at all, and make room for it.

        Raises:
            OSError: It cannot be written.
        """
        body = json.dumps(_data(answer), ensure_ascii=True).encode()
        content = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        if len(content) > self._share:
            return
        path = self._path(key)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        descriptor, new = tempfile.mkstemp(dir=path.parent, suffix=".new")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.replace(new, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
        self._make_room(path.parent)

    def _make_room(self, folder: Path) -> None:
        entries = []
        for entry in os.scandir(folder):
            # Another process may delete at the same time.
            with contextlib.suppress(OSError):
                status = entry.stat()
                entries.append((status.st_mtime, status.st_size, entry.path))
        for path in excess(entries, self._share):
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key[2:]}.json"


@attrs.define
class Cache:
    """Answers from disk where it can, and keeps what it had to ask for.

    Answers with tool calls are kept like others: results of tools are part of the next request, so a world that has changed asks something new.
    """

    config: CacheConfig
    answers: Answers
    _has_failed: bool = False

    async def __call__(self, request: ModelCall, following: Callable[[ModelCall], Awaitable[ModelAnswer]]) -> ModelAnswer:
        """Return the kept answer, or make the call and keep its answer."""
        deterministic = is_deterministic(request.request)
        if not (deterministic or self.config.always):
            return await following(request)
        # Agents that draw lots are asked the same in order to hear different answers; each of them keeps its own.
        try:
            key = _key(request.backend, "" if deterministic else request.agent, request.request)
        except TypeError:  # options that have no JSON form have no name either
            return await following(request)
        kept = self.answers.get(key)
        if kept is not None:
            return attrs.evolve(kept, is_cached=True)
        answer = await following(request)
        if is_kept(answer):
            try:
                self.answers.put(key, answer)
            except OSError as error:
                if not self._has_failed:
                    self._has_failed = True
                    request.emit(NoticeGiven(level="warning", text=f"answers cannot be kept: {error.strerror} ({error.filename})"))
        return answer


def _key(backend: str, agent: str, request: ModelRequest) -> str:
    return hashlib.sha256("\0".join((backend, agent, fingerprint(request))).encode()).hexdigest()


def _data(answer: ModelAnswer) -> dict[str, Any]:
    content = [attrs.asdict(part) for part in answer.message.content]
    return {"version": 1, "content": content, "stop": answer.stop, "model": answer.model}


def _answer(data: Mapping[str, Any]) -> ModelAnswer:
    if data["version"] != 1:
        raise ValueError("another version's entry")
    parts = tuple(_PARTS[part.pop("type")](**part) for part in data["content"])
    return ModelAnswer(message=Message(role="assistant", content=parts), stop=data["stop"], model=data["model"])
