"""Images and files of conversations: found, read, kept and uploaded once."""

from __future__ import annotations

import base64
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import (
    BadRequest,
    ConnectionLost,
    File,
    Image,
    Message,
    Text,
    ToolResult,
    Uploads,
    keep_media,
    kept_media,
    media_in,
    open_uploads,
    read_files,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def told(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Shelf:
    """A provider's files."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, str, bytes]] = {}
        self.put_count = 0

    async def put(self, name: str, media_type: str, data: bytes) -> str:
        await anyio.lowlevel.checkpoint()
        self.put_count += 1
        self.kept[f"file_{self.put_count}"] = (name, media_type, data)
        return f"file_{self.put_count}"

    async def drop(self, word: str) -> None:
        del self.kept[word]
        if word == "file_1":
            raise ValueError("a defect")


async def test_media_are_found_and_read(tmp_path: Path) -> None:
    """Images and files are found also in results of tools; each file is read once, and one that cannot be is named."""
    file = tmp_path / "a.txt"
    file.write_bytes(b"hi")
    named, image = File(name="a.txt", path=str(file)), Image(media_type="image/png", data="aGk=")
    messages = (
        Message(role="user", content=(Text(text="See"), named, image)),
        Message(role="tool", content=(ToolResult(call="c", content=(Text(text="x"), named)),)),
    )

    assert list(media_in(messages)) == [named, image, named]
    assert await read_files(messages) == {str(file): b"hi"}
    assert await read_files(messages, without={named}) == {}
    with pytest.raises(BadRequest, match=r"the file 'b' cannot be read: No such file"):
        await read_files([Message(role="user", content=(File(name="b", path=str(tmp_path / "b")),))])


async def test_large_content_is_uploaded_once(tmp_path: Path) -> None:
    """The same content has one upload, whoever shows it and at once; what is small, an address or not taken stays where it is."""
    file = tmp_path / "a.pdf"
    file.write_bytes(b"%PDF" * 5)
    pdf, same = (
        File(name="a.pdf", media_type="application/pdf", path=str(file)),
        File(name="b.pdf", media_type="application/pdf", data=told(b"%PDF" * 5)),
    )
    image, small = Image(media_type="image/jpeg", data=told(b"x" * 30)), Image(media_type="image/jpeg", data=told(b"x"))
    other = (Image(media_type="image/jpeg", url="https://example.org/x"), File(name="t", media_type="text/plain", data=told(b"x" * 99)))
    messages = (Message(role="user", content=(pdf, same, image, small, *other)),)
    shelf, found = Shelf(), []

    async def ask(uploads: Uploads) -> None:
        found.append(await uploads.of(messages, 20, lambda media_type: not media_type.startswith("text/")))

    async with open_uploads(shelf.put, shelf.drop) as uploads:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask, uploads)
        assert shelf.put_count == 2
        assert all(one == found[0] for one in found)
        assert set(found[0]) == {pdf, same, image}
        assert found[0][pdf] == found[0][same]
        assert sorted(shelf.kept.values()) == [("a.pdf", "application/pdf", b"%PDF" * 5), ("image.jpg", "image/jpeg", b"x" * 30)]

    assert shelf.kept == {}


async def test_failed_uploads_are_tried_again() -> None:
    """A provider that refuses is asked again the next time; nothing is deleted that is not there; base64 that is none is refused here."""
    shelf, fails = Shelf(), [True]

    async def put(name: str, media_type: str, data: bytes) -> str:
        if fails.pop() if fails else False:
            raise ConnectionLost("broke")
        return await shelf.put(name, media_type, data)

    async with open_uploads(put, shelf.drop) as uploads:
        with pytest.raises(ConnectionLost):
            await uploads.place("a", "image/png", b"1")
        assert await uploads.place("a", "image/png", b"1") == "file_1"
        with pytest.raises(BadRequest, match="no base64"):
            await uploads.of([Message(role="user", content=(Image(media_type="image/png", data="=%=%"),))], 1, lambda kind: True)

    assert shelf.kept == {}


@given(data=st.binary(max_size=50), media_type=st.sampled_from(("image/png", "image/jpeg; q=1", "a/../../b", "", "x/y.z", "video/MP4")))
def test_what_is_kept_is_found(data: bytes, media_type: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any content of any type is kept below the run's folder under one name, and found there again, also after a move."""

    async def keep() -> None:
        folder = tmp_path_factory.mktemp("runs") / "run"
        path = await keep_media(folder, data, media_type)
        assert path.parent == folder / "media"
        assert await keep_media(folder, data, media_type) == path
        assert [one.name for one in path.parent.iterdir()] == [path.name]
        moved = folder.rename(folder.with_name("moved"))
        assert await kept_media(moved, str(path)) == data
        assert await kept_media(folder, str(path)) is None

    anyio.run(keep)


async def test_only_what_was_kept_is_found(tmp_path: Path) -> None:
    """A path that a server made up leads to no file of the person, whatever its name; a file that was changed is not the one that was kept."""
    path = await keep_media(tmp_path, b"hi", "image/png")
    secret = tmp_path / "id_rsa"
    alike = tmp_path / f"{'0' * 32}.png"
    for one in (secret, alike):
        one.write_bytes(b"mine")

    assert await kept_media(tmp_path / "run", str(path)) == b"hi"
    for wrong in (str(secret), str(alike), "/dev/zero", "", "\0", f"{path}\0.png"):
        assert await kept_media(tmp_path, wrong) is None
    path.write_bytes(b"changed")
    assert await kept_media(tmp_path, str(path)) is None
