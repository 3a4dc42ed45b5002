"""Large images and files at Google's Files API, over real sockets and through the real SDK."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import anyio
import attrs
import pytest

from massgen_backend_gemini.config import GeminiConfig
from massgen_core.api import ConfigProblem, ConnectionLost, Message, ModelRequest, RateLimited
from massgen_testkit import PlainContext, UploadSuite
from massgen_testkit.protocols.gemini import WIRE_FAULTS
from massgen_testkit.provider import Play, refused, serving
from massgen_testkit.uploads import IMAGE, told

FILE = {"name": "files/f1", "uri": "https://example.org/files/f1", "mimeType": "image/png", "sizeBytes": "300"}
PLACE = told({"X-Goog-Upload-URL": "http://example.org/upload/v1/files?id=7", "X-Goog-Upload-Status": "active"})


def stored(state: str) -> Any:
    return told({"X-Goog-Upload-Status": "final"}, file={**FILE, "state": state})


class TestUploads(UploadSuite):
    name = "gemini"
    options: ClassVar[Mapping[str, Any]] = {"key": "env:K"}
    model = "gemini-2.5-flash"
    uploads = (PLACE, stored("ACTIVE"))
    answer = WIRE_FAULTS["empty_answer"]
    deleted = told()
    paths = (
        ("POST", "/upload/v1/files"),
        ("POST", "/upload/v1/files?id=7"),
        ("POST", "/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        ("DELETE", "/v1/files/f1"),
    )
    reference = FILE["uri"]

    async def test_files_that_are_looked_through_first(self, tmp_path: Path) -> None:
        """A file is used when Google has made it ready, and not before; one that is refused, or cannot be made ready, is an error at once."""
        asked = await self.asked(
            tmp_path, PLACE, stored("PROCESSING"), told(**FILE, state="PROCESSING"), told(**FILE, state="ACTIVE"), self.answer, told()
        )
        assert [(one.method, one.path) for one in asked[2:4]] == [("GET", "/v1/files/f1")] * 2
        part = asked[4].body["contents"][0]["parts"][1]
        assert part == {"fileData": {"file_uri": FILE["uri"], "mime_type": "image/png"}}

        with pytest.raises(RateLimited):
            await self.asked(tmp_path, PLACE, refused(429, "slow", retry_after="3"))
        with pytest.raises(ConnectionLost, match="could not be made ready"):
            await self.asked(tmp_path, PLACE, stored("FAILED"))

    @pytest.mark.parametrize("plays", [(stored("FAILED"),), (stored("PROCESSING"), attrs.evolve(told(), end="stall"))], ids=["failed", "cancelled"])
    async def test_what_is_not_ready_is_deleted(self, plays: tuple[Play, ...], tmp_path: Path) -> None:
        """A file that Google cannot make ready, or that nobody waits for any more, does not stay there."""
        request = ModelRequest(model=self.model, messages=(Message(role="user", content=(IMAGE,)),))

        async def ask(address: str, context: PlainContext) -> None:
            async with self.opened(context, {"base_url": address, "upload_bytes": 100}) as backend:
                with pytest.raises(ConnectionLost, match="made ready"):
                    await backend.respond(request).__aenter__()

        with anyio.fail_after(30):
            async with (
                serving(PLACE, *plays, told()) as provider,
                PlainContext(folder=tmp_path, secrets={"env:K": "k"}) as context,
                anyio.create_task_group() as group,
            ):
                group.start_soon(ask, provider.url, context)
                while len(provider.asked) < 3:  # noqa: ASYNC110 - the server only keeps what it was asked
                    await anyio.sleep(0.01)
                if len(plays) > 1:
                    group.cancel_scope.cancel()
            assert (provider.asked[-1].method, provider.asked[-1].path) == ("DELETE", "/v1/files/f1")

    def test_elsewhere_nothing_is_uploaded(self) -> None:
        """Another server is not sent uploads unless that is said; Vertex AI takes none."""
        assert GeminiConfig().least_upload == 2_000_000
        assert GeminiConfig(upload_bytes=0).least_upload == 0
        assert GeminiConfig(base_url="https://example.org").least_upload == 0
        assert GeminiConfig(vertex=True).least_upload == 0
        with pytest.raises(ConfigProblem, match="no Files API"):
            GeminiConfig(vertex=True, upload_bytes=1)
