"""Large images and files at OpenAI's Files API, over real sockets and through the real SDK."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import anyio
import pytest

from massgen_backend_openai.backend import open_backend
from massgen_backend_openai.config import OpenAIConfig
from massgen_core.api import BadRequest, File, Image, Message, ModelRequest, RateLimited, Text, ToolResult
from massgen_testkit import PlainContext
from massgen_testkit.protocols.responses import WIRE_FAULTS
from massgen_testkit.provider import Asked, Play, refused, serving

pytestmark = pytest.mark.anyio
KEY = "sk-test-0a1b2c3d4e5f6071"
DATA = base64.b64encode(b"x" * 300).decode()
IMAGE = Image(media_type="image/png", data=DATA)
ANSWER = WIRE_FAULTS["empty_answer"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def told(**data: object) -> Play:
    return Play(media_type="application/json", pieces=(json.dumps(data).encode(),))


async def played(folder: Path, *plays: Play, parts: tuple[Text | Image | File, ...] = (IMAGE,), agents: int = 1, least: int = 100) -> list[Asked]:
    """Ask as many agents of one run; return what the server was asked until the run's end."""
    question = Message(role="user", content=(Text(text="Look."), *parts))
    result = Message(role="tool", content=(ToolResult(call="1", content=parts),))
    request = ModelRequest(model="m", messages=(question, Message.of("assistant", "Hm."), result))
    failure = None
    with anyio.fail_after(60):
        async with serving(*plays) as provider, PlainContext(folder=folder, secrets={"env:K": KEY}) as context:
            config = OpenAIConfig(base_url=f"{provider.url}/v1", key="env:K", upload_bytes=least)
            try:
                for _ in range(agents):
                    async with open_backend(config, context) as backend, backend.respond(request) as stream:
                        assert [chunk async for chunk in stream]
            except (BadRequest, RateLimited) as error:
                failure = error
    if failure is not None:
        raise failure
    return provider.asked


async def test_a_content_is_uploaded_once(tmp_path: Path) -> None:
    """What is large is uploaded once for all agents, named in each request, and deleted at the run's end."""
    asked = await played(tmp_path, told(id="file_1"), ANSWER, ANSWER, told(id="file_1", deleted=True), agents=2)

    assert [(one.method, one.path) for one in asked] == [
        ("POST", "/v1/files"),
        ("POST", "/v1/responses"),
        ("POST", "/v1/responses"),
        ("DELETE", "/v1/files/file_1"),
    ]
    assert 'filename="image.png"' in asked[0].body
    assert "x" * 300 in asked[0].body
    assert "\r\nvision\r\n" in asked[0].body
    assert "expires_after" in asked[0].body
    for one in asked[1:3]:
        assert one.body["input"][0]["content"][1] == {"type": "input_image", "file_id": "file_1", "detail": "auto"}
        assert one.body["input"][2]["output"] == [{"type": "input_image", "file_id": "file_1", "detail": "auto"}]
        assert DATA not in json.dumps(one.body)


async def test_files_have_their_own_form(tmp_path: Path) -> None:
    """A PDF from a path is uploaded too; text is shown as text, however long; what is small goes along."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF" * 99)
    parts = (
        File(name="a.pdf", media_type="application/pdf", path=str(tmp_path / "a.pdf")),
        File(name="n.txt", media_type="text/plain", data=DATA),
        Image(media_type="image/png", data="aGk="),
    )
    asked = await played(tmp_path, told(id="file_1"), ANSWER, told(), parts=parts)

    assert len(asked) == 3
    assert "\r\nuser_data\r\n" in asked[0].body
    assert [part["type"] for part in asked[1].body["input"][0]["content"]] == ["input_text", "input_file", "input_text", "input_image"]
    assert asked[1].body["input"][0]["content"][1] == {"type": "input_file", "file_id": "file_1"}


async def test_elsewhere_nothing_is_uploaded(tmp_path: Path) -> None:
    """Another server is not sent uploads unless that is said."""
    assert OpenAIConfig().least_upload == 2_000_000
    assert OpenAIConfig(upload_bytes=0).least_upload == 0
    assert OpenAIConfig(base_url="https://example.org/v1").least_upload == 0
    (asked,) = await played(tmp_path, ANSWER, least=0)

    assert asked.body["input"][0]["content"][1]["image_url"].endswith(DATA)


async def test_faults_of_uploads(tmp_path: Path) -> None:
    """A refused upload is the call's error, without the key; a file that cannot be deleted harms nothing."""
    with pytest.raises(RateLimited) as caught:
        await played(tmp_path, refused(429, f"slow, {KEY}", retry_after="3"))
    assert caught.value.retry_after == 3
    assert KEY not in str(caught.value)
    with pytest.raises(BadRequest, match="too large"):
        await played(tmp_path, refused(400, "the file is too large"))

    asked = await played(tmp_path, told(id="file_1"), ANSWER, refused(500, "no"))

    assert asked[-1].method == "DELETE"
