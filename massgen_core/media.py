"""Images and files of conversations: found in messages, read from this machine, kept below a run's folder, and uploaded once."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from massgen_core.errors import BadRequest
from massgen_core.messages import File, Image, Message, ToolResult

if TYPE_CHECKING:
    import anyio

__all__ = ["Uploads", "keep_media", "kept_media", "media_in", "open_uploads", "read_files"]

FOLDER = "media"
DROP_SECONDS = 10.0
_ENDINGS: Mapping[str, str] = {"jpeg": "jpg", "svg+xml": "svg", "quicktime": "mov", "x-wav": "wav", "plain": "txt"}
_KEPT = re.compile(r"[0-9a-f]{32}\.[a-z0-9]{1,8}")
T = TypeVar("T")
Media: TypeAlias = Image | File
Put: TypeAlias = Callable[[str, str, bytes], Awaitable[str]]
Drop: TypeAlias = Callable[[str], Awaitable[None]]


def media_in(messages: Iterable[Message]) -> Iterator[Media]:
    """Yield the images and files of a conversation, those in results of tools included, in order."""
    for message in messages:
        for part in message.content:
            for inner in part.content if isinstance(part, ToolResult) else (part,):
                if isinstance(inner, Image | File):
                    yield inner


async def read_files(messages: Iterable[Message], without: Container[Media] = ()) -> dict[str, bytes]:
    """Return what is in the files that messages name by path, by that path.

    Args:
        without: Those that are not needed.

    Raises:
        BadRequest: One cannot be read.
    """
    found: dict[str, bytes] = {}
    for part in media_in(messages):
        if isinstance(part, File) and part.path and part.path not in found and part not in without:
            found[part.path] = await _read(part)
    return found


async def _read(file: File) -> bytes:
    try:
        return await _in_thread(Path(file.path).read_bytes)
    except OSError as error:
        raise BadRequest(f"the file {file.name!r} cannot be read: {error.strerror}") from None


async def _in_thread(work: Callable[[], T]) -> T:
    from anyio import to_thread  # noqa: PLC0415 - hook modules import this one

    return await to_thread.run_sync(work)


async def _digest(data: bytes) -> str:
    from hashlib import sha256  # noqa: PLC0415 - as above

    return await _in_thread(lambda: sha256(data).hexdigest())  # seconds for what is large: displays and other agents go on


async def keep_media(folder: Path, data: bytes, media_type: str) -> Path:
    """Keep what a model made as a file of the run, and return its path: the same for the same content.

    Args:
        folder: The run's folder, as a context has it.
        data: The content.
        media_type: For the file's ending, for instance `image/png`.
    """
    kind = media_type.partition("/")[2].partition(";")[0].strip().lower()
    ending = _ENDINGS.get(kind, kind if kind.isascii() and kind.isalnum() and len(kind) <= 8 else "bin")
    path = folder / FOLDER / f"{(await _digest(data))[:32]}.{ending}"
    await _in_thread(lambda: _write(path, data))
    return path


def _write(path: Path, data: bytes) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{os.urandom(8).hex()}")  # whoever sees the name sees the whole content
    part.write_bytes(data)
    os.replace(part, path)


async def kept_media(folder: Path, path: str) -> bytes | None:
    """Return what `keep_media` kept, also where the run's folder was moved since; None where it is gone.

    The path may come from a server: whatever was not kept, and what was changed since, is not returned.
    """
    name = os.path.basename(path)
    if not _KEPT.fullmatch(name):
        return None
    for place in (Path(path), folder / FOLDER / name):
        with suppress(OSError, ValueError):
            data = await _in_thread(place.read_bytes)
            if (await _digest(data))[:32] == name.partition(".")[0]:
                return data
    return None


class Uploads:
    """Files that a provider keeps while a run goes on: each content is uploaded once, whoever shows it, and deleted at the end.

    Args:
        put: Uploads a name, a media type and a content; returns the provider's word for the file.
        drop: Deletes what has this word.
    """

    def __init__(self, put: Put, drop: Drop) -> None:
        self._put, self._drop = put, drop
        self._placed: dict[str, str] = {}
        self._locks: dict[str, anyio.Lock] = {}

    async def place(self, name: str, media_type: str, data: bytes) -> str:
        """Upload a content, unless it is there, and return the provider's word for it.

        Raises:
            BackendFault: The provider does not take it.
        """
        from anyio import Lock  # noqa: PLC0415 - as above

        key = f"{media_type} {await _digest(data)}"
        async with self._locks.setdefault(key, Lock()):
            if key not in self._placed:
                self._placed[key] = await self._put(name, media_type, data)
            return self._placed[key]

    async def of(self, messages: Iterable[Message], least: int, takes: Callable[[str], bool]) -> dict[Media, str]:
        """Upload what is large in a conversation; return the provider's words for it.

        Args:
            least: Bytes from which on something is uploaded; what is smaller goes along with each request.
            takes: Tells for a media type whether the provider takes uploads of it.

        Raises:
            BadRequest: A file cannot be read.
            BackendFault: The provider does not take one.
        """
        found: dict[Media, str] = {}
        for part in media_in(messages):
            is_there = not part.url if isinstance(part, Image) else True
            if part in found or not is_there or not takes(part.media_type) or _size(part) < least:
                continue
            data = await _read(part) if isinstance(part, File) and part.path else _decoded(part)
            ending = _ENDINGS.get(kind := part.media_type.partition("/")[2], kind)
            found[part] = await self.place(part.name if isinstance(part, File) else f"image.{ending}", part.media_type, data)
        return found

    async def close(self) -> None:
        """Delete all, as far as that is quickly done."""
        import anyio  # noqa: PLC0415 - as above

        words, self._placed = list(self._placed.values()), {}
        with anyio.move_on_after(DROP_SECONDS, shield=True):
            async with anyio.create_task_group() as group:
                for word in words:
                    group.start_soon(self._dropped, word)

    async def _dropped(self, word: str) -> None:
        with suppress(Exception):  # a run that is over does not fail of what it leaves
            await self._drop(word)


def _size(part: Media) -> int:
    if isinstance(part, File) and part.path:
        with suppress(OSError):  # it is told where it is read
            return os.stat(part.path).st_size
    return len(part.data) * 3 // 4


def _decoded(part: Media) -> bytes:
    try:
        return base64.b64decode(part.data, validate=True)
    except binascii.Error:
        raise BadRequest(f"the data of {f'the file {part.name!r}' if isinstance(part, File) else 'an image'} is no base64") from None


@asynccontextmanager
async def open_uploads(put: Put, drop: Drop) -> AsyncIterator[Uploads]:
    """Open uploads, for `Context.share`; they are deleted at the end."""
    uploads = Uploads(put, drop)
    try:
        yield uploads
    finally:
        await uploads.close()
