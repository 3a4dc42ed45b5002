"""Large images and PDF at Anthropic's Files API, over real sockets and through the real SDK."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from massgen_backend_anthropic.config import AnthropicConfig
from massgen_testkit import UploadSuite
from massgen_testkit.protocols.messages import WIRE_FAULTS
from massgen_testkit.uploads import PDF, told

from .stage import MODEL


class TestUploads(UploadSuite):
    name = "anthropic"
    options: ClassVar[Mapping[str, Any]] = {"key": "env:K"}
    model = MODEL
    uploads = (told(id="file_1", type="file", filename="x", mime_type="image/png", size_bytes=300, created_at="2026-11-20T00:00:00Z"),)
    answer = WIRE_FAULTS["empty_answer"]
    deleted = told(id="file_1", type="file_deleted")
    paths = (("POST", "/v1/files"), ("POST", "/v1/messages"), ("DELETE", "/v1/files/file_1"))
    reference = '"file_id": "file_1"'

    async def test_documents_keep_their_title(self, tmp_path: Path) -> None:
        """An uploaded PDF is a document with its title; the API of an earlier day is told which of its features is meant."""
        asked = await self.asked(tmp_path, *self.uploads, self.answer, self.deleted, parts=[PDF])

        blocks = asked[1].body["messages"][0]["content"]
        assert blocks[1] == {"type": "document", "source": {"type": "file", "file_id": "file_1"}, "title": "a.pdf"}
        assert "expires_in_seconds" in asked[0].body
        assert all("anthropic-beta" not in one.headers or "files-api" not in one.headers["anthropic-beta"] for one in asked)

    async def test_earlier_versions(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The API of an earlier day is told that its beta of files is meant, in each request."""
        monkeypatch.setattr(type(self), "options", {**self.options, "api_version": "2023-06-01"})

        asked = await self.asked(tmp_path, *self.uploads, self.answer, self.deleted)

        assert all("files-api-2025-04-14" in one.headers["anthropic-beta"] for one in asked)

    def test_elsewhere_nothing_is_uploaded(self) -> None:
        """Another server is not sent uploads unless that is said."""
        assert AnthropicConfig().least_upload == 2_000_000
        assert AnthropicConfig(upload_bytes=0).least_upload == 0
        assert AnthropicConfig(base_url="https://example.org").least_upload == 0
