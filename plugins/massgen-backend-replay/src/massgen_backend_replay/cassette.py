"""Recordings: one file of exchanges, read whole, written line by line. The README documents the format."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from massgen_backend_replay.redact import Cleaner
from massgen_core.api import (
    AuthenticationFailed,
    BackendFault,
    BadRequest,
    BudgetExceeded,
    Chunk,
    ConfigProblem,
    ConnectionLost,
    ContextTooLong,
    ItemChunk,
    LimitsChunk,
    ModelMissing,
    ModelRequest,
    Overloaded,
    ProviderItem,
    RateLimit,
    RateLimited,
    RateLimits,
    ReasoningChunk,
    StopChunk,
    TextChunk,
    TimedOut,
    ToolCallChunk,
    Usage,
    UsageChunk,
    canonical_request,
)

__all__ = ["Asked", "Cassette", "Exchange"]

HEADER = {"format": "massgen-cassette", "version": 1}
_FAULTS: Mapping[str, type[BackendFault]] = {
    cls.__name__: cls
    for cls in (AuthenticationFailed, BadRequest, BudgetExceeded, ConnectionLost, ContextTooLong, ModelMissing, Overloaded, RateLimited, TimedOut)
}


@attrs.frozen
class Asked:
    """A request as it is written: clean plain data, and the key that equal ones share."""

    key: str
    data: Mapping[str, Any]

    @classmethod
    def of(cls, request: ModelRequest, cleaner: Cleaner) -> Asked:
        """Return what is recorded of a request. Without secrets in it, the key is the kernel's `fingerprint`."""
        data = cleaner.data(json.loads(canonical_request(request)))
        text = json.dumps(data, sort_keys=True, separators=(",", ":"))
        return cls(hashlib.sha256(text.encode()).hexdigest(), data)


@attrs.frozen(kw_only=True)
class Exchange:
    """One recorded call.

    Attributes:
        backend: The recorded backend's type.
        chunks: Seconds since the call began, and what came then.
        fault: How the call failed, at which second; None where it did not.
        is_cut: Its reader left before the end.
    """

    asked: Asked
    backend: str = ""
    agent: str = ""
    chunks: tuple[tuple[float, Chunk], ...] = ()
    fault: tuple[float, BackendFault] | None = None
    is_cut: bool = False

    def line(self, cleaner: Cleaner) -> bytes:
        """Return the exchange as a line, without secrets."""
        data: dict[str, Any] = {"key": self.asked.key, "backend": self.backend, "agent": self.agent, "request": cleaner.data(self.asked.data)}
        data["chunks"] = [[round(at, 4), _chunk_data(chunk, cleaner)] for at, chunk in _clean(self.chunks, cleaner)]
        if self.fault is not None:
            at, fault = self.fault
            data["fault"] = {"type": type(fault).__name__, "message": cleaner.text(str(fault)), "status": fault.status, "at": round(at, 4)}
            if isinstance(fault, RateLimited):
                data["fault"]["retry_after"] = fault.retry_after
        if self.is_cut:
            data["is_cut"] = True
        return json.dumps(data, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Exchange:
        """Return the exchange of a line; one of several errors where it is none."""
        data = json.loads(line)
        fault = data.get("fault")
        return cls(
            asked=Asked(str(data["key"]), dict(data["request"])),
            backend=str(data.get("backend", "")),
            agent=str(data.get("agent", "")),
            chunks=tuple((float(at), _chunk(chunk)) for at, chunk in data["chunks"]),
            fault=None if fault is None else (float(fault["at"]), _fault(fault)),
            is_cut=bool(data.get("is_cut")),
        )


class Cassette:
    """A recording. Each exchange is played once; several of one key in the order in which they were recorded.

    Args:
        path: The file; it need not exist before something is written.

    Raises:
        ConfigProblem: The file cannot be read, is no recording, or is damaged before its last line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._left: dict[str, list[Exchange]] = {}
        self._counts: dict[str, int] = {}
        self._requests: dict[str, Mapping[str, Any]] = {}
        for exchange in self._read():
            key = exchange.asked.key
            self._left.setdefault(key, []).append(exchange)
            self._counts[key] = self._counts.get(key, 0) + 1
            self._requests.setdefault(key, exchange.asked.data)

    def _read(self) -> Iterator[Exchange]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConfigProblem(f"cannot read this recording: {error.strerror}", source=str(self.path)) from error
        # A line without its end was being written when the process ended.
        lines = data.split(b"\n")[:-1]
        for number, line in enumerate(lines, start=1):
            try:
                if number > 1:
                    yield Exchange.read(line)
                elif not HEADER.items() <= json.loads(line).items():
                    raise ValueError(line)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                what = "this is no recorded exchange" if number > 1 else f"this is no recording: its first line must be {json.dumps(HEADER)}"
                raise ConfigProblem(what, source=str(self.path), line=number, column=1) from error

    def take(self, key: str, agent: str, backend: str) -> Exchange | None:
        """Return the next exchange of a key, and do not play it again; one of the same agent and backend if there is one."""
        left = self._left.get(key)
        if not left:
            return None
        best = max(range(len(left)), key=lambda index: (left[index].agent == agent, left[index].backend == backend, -index))
        return left.pop(best)

    def missing(self, asked: Asked) -> str:
        """Say why there is nothing to play for a request."""
        count = self._counts.get(asked.key, 0)
        if count:
            return f"{self.path} holds this request {count} times, and it is made once more"
        if not self._requests:
            return f"{self.path} holds no exchange at all"
        differences = nearest(asked.data, list(self._requests.values()))
        shown = "; ".join(differences[:3]) + (f"; and {len(differences) - 3} more" if len(differences) > 3 else "")
        return f"{self.path} holds {len(self._requests)} other requests; the nearest differs in {shown}"

    def open(self) -> None:
        """Make the file ready for writing; a torn last line is cut off.

        Raises:
            ConfigProblem: It cannot be written.
        """
        if self._descriptor >= 0:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Prompts and answers are private.
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            data = self.path.read_bytes()
            os.ftruncate(self._descriptor, data.rfind(b"\n") + 1)
            if b"\n" not in data:
                os.write(self._descriptor, json.dumps(HEADER).encode() + b"\n")
        except OSError as error:
            raise ConfigProblem(f"cannot write this recording: {error.strerror}", source=str(self.path)) from error

    def write(self, exchange: Exchange, cleaner: Cleaner) -> None:
        """Append an exchange, in one write."""
        os.write(self._descriptor, exchange.line(cleaner))

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def nearest(request: Mapping[str, Any], others: list[Mapping[str, Any]]) -> list[str]:
    """Return how a request differs from the one that shares most values with it."""
    ours = dict(_leaves(request))
    recorded = max((dict(_leaves(other)) for other in others), key=lambda theirs: len(ours.items() & theirs.items()))
    return [
        f"{path}: recorded {_excerpt(recorded.get(path), ours.get(path))}, now {_excerpt(ours.get(path), recorded.get(path))}"
        for path in {**recorded, **ours}
        if recorded.get(path) != ours.get(path)
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, each in enumerate(value):
            yield from _leaves(each, f"{path}[{index}]")
    else:
        yield path, json.dumps(value)


def _excerpt(text: str | None, other: str | None) -> str:
    """Return a piece of JSON text around the place where it leaves another; ASCII, so it may be shown anywhere."""
    if text is None:
        return "nothing"
    same = next((index for index, pair in enumerate(zip(text, other or "", strict=False)) if pair[0] != pair[1]), min(len(text), len(other or "")))
    start = max(0, same - 20)
    piece = text[start : same + 40]
    return f"{'...' if start else ''}{piece}{'...' if same + 40 < len(text) else ''}"


# Chunks and faults as plain data


def _clean(chunks: tuple[tuple[float, Chunk], ...], cleaner: Cleaner) -> list[tuple[float, Chunk]]:
    """Clean streamed text over the borders of its chunks."""
    streams: dict[tuple[str, int], list[int]] = {}
    for number, (_, chunk) in enumerate(chunks):
        if isinstance(chunk, (TextChunk, ReasoningChunk)):
            streams.setdefault((type(chunk).__name__, 0), []).append(number)
        elif isinstance(chunk, ToolCallChunk):
            streams.setdefault(("call", chunk.index), []).append(number)
    result = list(chunks)
    for numbers in streams.values():
        field = "arguments" if isinstance(chunks[numbers[0]][1], ToolCallChunk) else "text"
        pieces = [getattr(chunks[number][1], field) for number in numbers]
        for number, old, new in zip(numbers, pieces, cleaner.pieces(pieces), strict=True):
            if new != old:
                at, chunk = chunks[number]
                changed: Any = {field: new}
                result[number] = (at, attrs.evolve(chunk, **changed))
    return result


def _chunk_data(chunk: Chunk, cleaner: Cleaner) -> dict[str, Any]:
    match chunk:
        case TextChunk():
            return {"text": chunk.text}
        case ReasoningChunk():
            return {"reasoning": chunk.text}
        case ToolCallChunk():
            return {"call": attrs.asdict(chunk)}
        case UsageChunk():
            return {"usage": attrs.asdict(chunk.usage)}
        case LimitsChunk():
            return {"limits": attrs.asdict(chunk.limits)}
        case ItemChunk():
            return {"item": {"backend": chunk.item.backend, "item": cleaner.data(chunk.item.item)}}
        case StopChunk():
            return {"stop": attrs.asdict(chunk)}


def _chunk(data: Mapping[str, Any]) -> Chunk:
    ((kind, value),) = data.items()
    if kind == "text":
        return TextChunk(value)
    if kind == "reasoning":
        return ReasoningChunk(value)
    if kind == "call":
        return ToolCallChunk(**value)
    if kind == "usage":
        return UsageChunk(Usage(**value))
    if kind == "limits":
        return LimitsChunk(RateLimits(**{name: RateLimit(**limit) for name, limit in value.items() if limit is not None}))
    if kind == "item":
        return ItemChunk(ProviderItem(**value))
    if kind == "stop":
        return StopChunk(**value)
    raise ValueError(f"unknown chunk {kind!r}")


def _fault(data: Mapping[str, Any]) -> BackendFault:
    cls = _FAULTS.get(data["type"], BackendFault)
    if cls is RateLimited:
        return RateLimited(data["message"], retry_after=data.get("retry_after"), status=data.get("status", 429))
    return cls(data["message"], status=data.get("status", 0))
