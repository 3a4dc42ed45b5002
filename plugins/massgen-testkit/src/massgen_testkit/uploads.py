"""The suite of backends that upload large images and files for as long as a run needs them, over real sockets."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from massgen_core.api import BadRequest, File, Image, MassGenError, Message, ModelRequest, RateLimited, Text, ToolResult
from massgen_testkit.base import Suite
from massgen_testkit.context import PlainContext
from massgen_testkit.provider import Asked, Play, refused, serving
from massgen_testkit.scenarios import SECRET

__all__ = ["UploadSuite", "told"]

DATA = base64.b64encode(b"x" * 300).decode()
IMAGE = Image(media_type="image/png", data=DATA)
PDF = File(name="a.pdf", media_type="application/pdf", data=DATA)


def told(headers: Mapping[str, str] | None = None, **data: Any) -> Play:
    """Return an answer of plain data."""
    return Play(media_type="application/json", headers=headers or {}, pieces=(json.dumps(data).encode(),))


class UploadSuite(Suite):
    """What a backend uploads, and when. A subclass gives `name`, `uploads`, `answer`, `deleted`, `paths` and `reference`.

    Attributes:
        uploads: What the server answers to one upload.
        answer: What it answers to a call.
        deleted: What it answers to the deletion.
        paths: Method and path of each of these requests.
        reference: By what the file is named in the call's body.
        model: A model's name that the backend takes.
        key: The reference by which the backend finds its key.
        address: The option that names the server, and the path below the server's root.
        least: The option for the size from which on something is uploaded.
    """

    kind: ClassVar[str] = "backend"
    uploads: ClassVar[Sequence[Play]] = ()
    answer: ClassVar[Play] = Play()
    deleted: ClassVar[Play] = Play()
    paths: ClassVar[Sequence[tuple[str, str]]] = ()
    reference: ClassVar[str] = ""
    model: ClassVar[str] = "m"
    key: ClassVar[str] = "env:K"
    address: ClassVar[tuple[str, str]] = ("base_url", "")
    least: ClassVar[str] = "upload_bytes"

    async def asked(
        self, folder: Path, *plays: Play, parts: Sequence[Text | Image | File] = (IMAGE,), agents: int = 1, least: int = 100
    ) -> list[Asked]:
        """Ask as many agents of one run; return what the server was asked until the run's end."""
        messages = (Message(role="user", content=(Text(text="Look."), *parts)), Message.of("assistant", "Hm."), self.result(parts))
        failure = None
        secrets = {self.key: SECRET}
        with anyio.fail_after(60):
            async with serving(*plays) as provider, PlainContext(folder=folder, secrets=secrets) as context:
                option, path = self.address
                try:
                    for _ in range(agents):
                        async with (
                            self.opened(context, {option: f"{provider.url}{path}", self.least: least}) as backend,
                            backend.respond(ModelRequest(model=self.model, messages=messages)) as stream,
                        ):
                            assert [chunk async for chunk in stream]
                except MassGenError as error:
                    failure = error
        if failure is not None:
            raise failure  # outside of the server, whose tasks would wrap it
        return provider.asked

    def result(self, parts: Sequence[Text | Image | File]) -> Message:
        """Return a tool's result that shows the same."""
        return Message(role="tool", content=(ToolResult(call="1", content=tuple(parts)),))

    async def test_a_content_is_uploaded_once(self, tmp_path: Path) -> None:
        """What is large is uploaded once for all agents of a run, named in each request, and deleted at the run's end."""
        asked = await self.asked(tmp_path, *self.uploads, self.answer, self.answer, self.deleted, agents=2)

        *uploads, call, deletion = self.paths
        assert [(one.method, one.path) for one in asked] == [*uploads, call, call, deletion]
        assert any("x" * 300 in str(one.body) for one in asked[: len(uploads)])
        for one in asked[len(uploads) : -1]:
            body = json.dumps(one.body)
            assert body.count(self.reference) == 2
            assert DATA not in body

    async def test_what_is_small_goes_along(self, tmp_path: Path) -> None:
        """Below the limit, and where nothing shall be uploaded, content goes along; text is always shown as text."""
        text = File(name="n.txt", media_type="text/plain", data=DATA)
        shown: tuple[tuple[int, Sequence[Image | File]], ...] = ((301, [IMAGE, PDF]), (0, [IMAGE, PDF]), (100, [text]))
        for least, parts in shown:
            (asked,) = await self.asked(tmp_path, self.answer, parts=parts, least=least)
            assert (asked.method, asked.path) == self.paths[-2]
            assert (DATA if least != 100 else "x" * 300) in json.dumps(asked.body)

    async def test_files_are_uploaded_from_their_place(self, tmp_path: Path) -> None:
        """A file on this machine is uploaded as it is."""
        (tmp_path / "a.pdf").write_bytes(b"x" * 300)
        file = File(name="a.pdf", media_type="application/pdf", path=str(tmp_path / "a.pdf"))

        asked = await self.asked(tmp_path, *self.uploads, self.answer, self.deleted, parts=[file])

        assert [(one.method, one.path) for one in asked] == list(self.paths)
        assert json.dumps(asked[-2].body).count(self.reference) == 2

    async def test_faults_of_uploads(self, tmp_path: Path) -> None:
        """A refused upload is the call's error, without the key; a file that cannot be deleted harms nothing."""
        with pytest.raises(RateLimited) as caught:
            await self.asked(tmp_path, refused(429, f"slow, {SECRET}", retry_after="3"))
        assert caught.value.retry_after == 3
        assert SECRET not in str(caught.value)
        with pytest.raises(BadRequest, match="too large"):
            await self.asked(tmp_path, refused(400, "the file is too large"))

        asked = await self.asked(tmp_path, *self.uploads, self.answer, refused(500, "no"))

        assert (asked[-1].method, asked[-1].path) == self.paths[-1]
