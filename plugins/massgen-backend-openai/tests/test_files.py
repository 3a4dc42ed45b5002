"""Large images and files at OpenAI's Files API, over real sockets and through the real SDK."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from massgen_backend_openai.config import OpenAIConfig
from massgen_core.api import File, Image
from massgen_testkit import UploadSuite
from massgen_testkit.protocols.responses import WIRE_FAULTS
from massgen_testkit.uploads import DATA, IMAGE, PDF, told


class TestUploads(UploadSuite):
    name = "openai"
    options: ClassVar[Mapping[str, Any]] = {"key": "env:K"}
    address = ("base_url", "/v1")
    uploads = (told(id="file_1"),)
    answer = WIRE_FAULTS["empty_answer"]
    deleted = told(id="file_1", deleted=True)
    paths = (("POST", "/v1/files"), ("POST", "/v1/responses"), ("DELETE", "/v1/files/file_1"))
    reference = '"file_id": "file_1"'

    async def test_each_kind_has_its_form(self, tmp_path: Path) -> None:
        """Images are for seeing and other files for reading, in questions and in results of tools; OpenAI forgets them by itself."""
        small = Image(media_type="image/png", data="aGk=")
        asked = await self.asked(
            tmp_path,
            told(id="file_1"),
            told(id="file_2"),
            self.answer,
            self.deleted,
            parts=[IMAGE, PDF, small, File(name="n.txt", media_type="text/plain", data=DATA)],
        )
        body = asked[2].body["input"]

        assert ["\r\nvision\r\n" in asked[0].body, "\r\nuser_data\r\n" in asked[1].body] == [True, True]
        assert all("expires_after" in one.body for one in asked[:2])
        assert body[0]["content"][1] == body[2]["output"][0] == {"type": "input_image", "file_id": "file_1", "detail": "auto"}
        assert body[0]["content"][2] == body[2]["output"][1] == {"type": "input_file", "file_id": "file_2"}
        assert [part["type"] for part in body[0]["content"][3:]] == ["input_image", "input_text"]
        assert {one.path for one in asked[3:]} == {"/v1/files/file_1", "/v1/files/file_2"}

    def test_elsewhere_nothing_is_uploaded(self) -> None:
        """Another server is not sent uploads unless that is said."""
        assert OpenAIConfig().least_upload == 2_000_000
        assert OpenAIConfig(upload_bytes=0).least_upload == 0
        assert OpenAIConfig(base_url="https://example.org/v1").least_upload == 0
