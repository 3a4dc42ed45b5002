"""What servers return, as parts that agents can be shown."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import File, Image, Text, ToolResult
from massgen_mcp_client.results import limited, of_prompt, of_resource, to_parts

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 16).decode()
WAV = base64.b64encode(b"RIFF....WAVEfmt ").decode()
WEBP = base64.b64encode(b"RIFF....WEBPVP8 ").decode()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(["text", "image", "audio", "resource", "resource_link", PNG]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "data", "mimeType", "resource", "uri", "blob", "content", "isError", "name"]), inner, max_size=5
        )
    ),
    max_leaves=15,
)


def texts(result: ToolResult) -> list[str]:
    return [part.text for part in result.content if isinstance(part, Text)]


def test_text_is_text() -> None:
    """The usual result."""
    assert to_parts({"content": [{"type": "text", "text": "hi"}]}, "c1") == ToolResult(call="c1", content=(Text(text="hi"),))


def test_images_are_images() -> None:
    """Of the type that their bytes have, whatever the server says; what models cannot see is a file."""
    blocks = [
        {"type": "image", "data": PNG, "mimeType": "image/png"},
        {"type": "image", "data": PNG, "mimeType": "image/jpg"},
        {"type": "image", "data": PNG},
        {"type": "image", "data": f"data:image/png;base64,{PNG}", "mimeType": ""},
        {"type": "image", "data": base64.b64encode(b"<svg/>").decode(), "mimeType": "image/svg+xml; charset=utf-8"},
    ]

    *images, drawing = to_parts({"content": blocks}).content
    assert set(images) == {Image(media_type="image/png", data=PNG)}
    assert isinstance(drawing, File)
    assert (drawing.name, drawing.media_type) == ("image.svg", "image/svg+xml")


def test_audio_is_a_file() -> None:
    """With a name that says what it is."""
    (part,) = to_parts({"content": [{"type": "audio", "data": WAV, "mimeType": "audio/mpeg"}]}).content
    (plain,) = to_parts({"content": [{"type": "audio", "data": WAV}]}).content

    (picture,) = to_parts({"content": [{"type": "image", "data": WEBP, "mimeType": "image/png"}]}).content

    assert picture == Image(media_type="image/webp", data=WEBP)
    assert part == File(name="audio.mp3", media_type="audio/mpeg", data=WAV)
    assert plain == File(name="audio.wav", media_type="audio/wav", data=WAV)


def test_resources_are_shown_or_named() -> None:
    """Embedded text with its address, embedded data as image or file, links as a line that says how to read them."""
    blocks = [
        {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "hello"}},
        {"type": "resource", "resource": {"uri": "file:///b.json", "mimeType": "application/json", "blob": base64.b64encode(b'{"a":1}').decode()}},
        {"type": "resource", "resource": {"uri": "file:///x/c%20d.pdf?v=1", "mimeType": "application/pdf", "blob": WAV}},
        {"type": "resource", "resource": {"uri": "file:///e.png", "mimeType": "image/png", "blob": PNG}},
        {"type": "resource_link", "uri": "repo://x", "name": "X", "mimeType": "text/plain", "size": 12, "description": "all of it"},
    ]
    result = to_parts({"content": blocks})

    assert texts(result) == ["[file:///a.txt]\nhello", '[file:///b.json]\n{"a":1}', "[resource repo://x: X, text/plain, 12 bytes, all of it]"]
    assert File(name="c d.pdf", media_type="application/pdf", data=WAV) in result.content
    assert Image(media_type="image/png", data=PNG) in result.content


@pytest.mark.parametrize(
    ("blocks", "structured"),
    [
        ([json.dumps({"a": 1}, indent=2)], {"a": 1}),
        (["42"], {"result": 42}),
        (["plain words"], {"result": "plain words"}),
        (["a", "b"], {"result": ["a", "b"]}),
        (['{"x": 1}', '{"x": 2}'], {"result": [{"x": 1}, {"x": 2}]}),
        (["[1, 2]"], {"result": [1, 2]}),
        (["note", '{"a": 1}'], {"a": 1}),
        (["done"], {"result": None}),
    ],
)
def test_what_is_said_twice_is_shown_once(blocks: list[str], structured: Any) -> None:
    """Servers repeat structured content as text; the model pays for it once, and programs still have the data."""
    result = to_parts({"content": [{"type": "text", "text": text} for text in blocks], "structuredContent": structured})

    assert texts(result) == blocks
    assert result.structured == structured


@pytest.mark.parametrize(("blocks", "structured"), [([], {"a": 1}), (["3 rows"], {"rows": [1, 2, 3]}), (["1"], {"result": 2})])
def test_what_no_text_says_is_added(blocks: list[str], structured: Any) -> None:
    """Structured content alone, or more than the text, is shown as JSON."""
    result = to_parts({"content": [{"type": "text", "text": text} for text in blocks], "structuredContent": structured})

    assert [*blocks, json.dumps(structured)] == texts(result)


@given(JSON, st.none() | st.integers(0, 4))
def test_every_serialisation_is_recognised(data: Any, indent: int | None) -> None:
    """However a server writes its JSON."""
    text = json.dumps(data, indent=indent)
    result = to_parts({"content": [{"type": "text", "text": text}], "structuredContent": data})

    assert texts(result) == [text]


def test_failures_and_silence_say_so() -> None:
    """A model is never left with nothing."""
    assert to_parts({"content": [{"type": "text", "text": "no such file"}], "isError": True}).is_error
    assert texts(to_parts({"content": [], "isError": True})) == ["The tool failed and did not say why."]
    assert texts(to_parts({"content": [{"type": "text", "text": ""}]})) == ["The tool returned nothing."]
    assert to_parts(None).is_error
    assert not to_parts({"isError": "yes"}).is_error


@given(JUNK)
def test_nonsense_is_shown_not_raised(raw: Any) -> None:
    """Whatever a server returns: a result with at least one part, and images and files whose data is base64."""
    for result in (to_parts(raw), to_parts({"content": raw}), of_resource({"contents": raw}), of_prompt({"messages": raw}), of_prompt(raw)):
        assert result.content
        for part in result.content:
            if isinstance(part, (Image, File)):
                base64.b64decode(part.data, validate=True)


@given(st.binary(max_size=64))
def test_any_base64_is_read(data: bytes) -> None:
    """URL-safe, without padding, with line breaks."""
    safe = base64.urlsafe_b64encode(data).decode().rstrip("=")
    broken = "\n".join(safe[i : i + 5] for i in range(0, len(safe), 5))
    (part,) = to_parts({"content": [{"type": "audio", "data": broken, "mimeType": "audio/wav"}]}).content

    assert isinstance(part, File)
    assert base64.b64decode(part.data, validate=True) == data


def test_resources_and_prompts_are_results_too() -> None:
    """What `mcp_read_resource` and `mcp_get_prompt` give."""
    resource = of_resource({"contents": [{"uri": "a://b", "text": "one"}, {"uri": "a://c.png", "blob": PNG, "mimeType": "image/png"}]}, "c")
    prompt = of_prompt({"description": "d", "messages": [{"role": "user", "content": {"type": "text", "text": "do it"}}]}, "c")

    assert resource.content == (Text(text="[a://b]\none"), Image(media_type="image/png", data=PNG))
    assert texts(prompt) == ["d", "[user]", "do it"]
    assert texts(of_resource({})) == ["The resource is empty."]


@given(st.text(min_size=0, max_size=300), st.integers(0, 200))
def test_long_text_keeps_head_and_tail(text: str, limit: int) -> None:
    """So many characters of the text, half from each end, and where the rest is; images stay."""
    whole = ToolResult(call="c", content=(Text(text=text), Image(media_type="image/png", data=PNG)), structured={"a": 1})
    short = limited(whole, limit, "outputs/x.txt")

    if len(text) <= limit:
        assert short is whole
        return
    shown = short.text
    head, tail = limit - limit // 2, limit // 2
    assert shown.startswith(text[:head])
    assert shown.endswith(text[len(text) - tail :])
    assert f"[{len(text) - limit} characters left out; the whole output is in outputs/x.txt]" in shown
    assert short.structured is None
    assert short.content[1:] == whole.content[1:]
