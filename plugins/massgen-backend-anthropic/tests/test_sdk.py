"""The SDK as a judge: of what the backend asks, and of what the test kit's server plays."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import AsyncAnthropic
from anthropic.types.beta.message_create_params import MessageCreateParamsStreaming
from pydantic import BaseModel, TypeAdapter  # noqa: TID251 - the SDK's types are its

from massgen_backend_anthropic.config import AnthropicConfig
from massgen_backend_anthropic.wire import body_of
from massgen_core.api import File, Image, Message, ModelRequest, ProviderItem, Sampling, Text, Tool, ToolCall, ToolResult
from massgen_testkit import SCENARIOS
from massgen_testkit.protocols.messages import SIGNATURE, message_plays
from massgen_testkit.provider import serving
from massgen_testkit.scenarios import PIECES, USAGE

pytestmark = pytest.mark.anyio
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
PAGE = {"type": "web_search_result", "url": "https://example.org/a", "title": "A", "encrypted_content": "x==", "page_age": None}
ITEMS: tuple[dict[str, Any], ...] = (
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "a"}, "caller": {"type": "direct"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [PAGE]},
)
PICTURE = Image(media_type="image/png", data="aGk=")
TALK = (
    Message.of("system", "Be brief."),
    Message(role="user", content=(Text(text="Look."), PICTURE, Image(media_type="image/png", url="https://example.org/a.png"))),
    Message(
        role="user", content=(File(name="a.pdf", media_type="application/pdf", data="aGk="), File(name="n.txt", media_type="text/plain", data="aGk="))
    ),
    Message(
        role="assistant",
        content=(*(ProviderItem(backend="anthropic", item=item) for item in ITEMS), Text(text="I look."), ToolCall(id="1", name="w", arguments="{")),
    ),
    Message(role="tool", content=(ToolResult(call="1", content=(Text(text="no"), PICTURE), is_error=True),)),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def plain(value: Any) -> Any:
    """Return what pydantic made of a request as plain data; what its types do not know it has left out."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump(exclude_unset=True))
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return value if isinstance(value, str) or not hasattr(value, "__iter__") else [plain(inner) for inner in value]


@pytest.mark.parametrize(
    ("model", "effort", "options"),
    [
        ("claude-opus-5-5", "max", {"enable_web_search": True, "web_search": {"max_uses": 1, "allowed_domains": ["example.org"]}}),
        ("claude-sonnet-5-5", "none", {"enable_code_execution": True, "cache": "1h"}),
        ("claude-haiku-5-5", None, {"hosted_tools": ({"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 2},)}),
        ("claude-opus-5", "none", {"thinking_display": "omitted"}),
        ("claude-opus-4-6", "minimal", {"cache": "off"}),
        ("claude-opus-4-5", "high", {}),
    ],
)
@pytest.mark.parametrize("choice", ["auto", "none", "required", "w"])
async def test_requests_are_of_the_sdks_types(model: str, effort: Any, options: dict[str, Any], choice: str) -> None:
    """Every field of a request is one that the SDK's own types know, with a value that they take."""
    request = ModelRequest(
        model=model,
        messages=TALK,
        tools=(Tool(name="w", description="Look."),),
        tool_choice=choice,
        reasoning_effort=effort,
        response_schema=SCHEMA,
        sampling=Sampling(stop=("END",)),
    )
    body = {**await body_of(request, AnthropicConfig(**options)), "stream": True}

    assert plain(TypeAdapter(MessageCreateParamsStreaming).validate_python(body)) == body


@pytest.mark.parametrize(
    ("scenario", "content"),
    [
        ("unicode", [{"type": "text", "text": "".join(PIECES)}]),
        ("tool_call", [{"type": "tool_use", "id": "call-7", "name": "weather", "input": {"city": "Paris"}}]),
        ("reasoning", [{"type": "thinking", "thinking": "First, France.", "signature": SIGNATURE}, {"type": "text", "text": "Paris."}]),
        ("provider_items", [{"type": "redacted_thinking", "data": "gAAAAB-δ-opaque=="}, {"type": "text", "text": "Paris."}]),
    ],
)
async def test_the_kits_server_speaks_what_the_sdk_reads(scenario: str, content: list[dict[str, Any]]) -> None:
    """What the kit plays is put together by the SDK into the message that was meant."""
    async with (
        serving(*message_plays(SCENARIOS[scenario])) as provider,
        AsyncAnthropic(api_key="k", base_url=provider.url) as client,
        client.messages.stream(model="m", max_tokens=10, messages=[{"role": "user", "content": "Hi"}]) as stream,
    ):
        message = await stream.get_final_message()

    assert [block.model_dump(include=set(content[at])) for at, block in enumerate(message.content)] == content
    assert message.usage.input_tokens == USAGE.input
    assert message.usage.cache_read_input_tokens == USAGE.cached
    assert message.usage.output_tokens == USAGE.output + USAGE.reasoning
