"""What our backends cost beside the SDK, or the HTTP library, alone: CPU for a call and for a streamed delta.

    python benchmarks/backends.py [NAME ...]

`chat` is beside httpx2, which reads the bytes without looking at them; the others are beside their provider's SDK, which streams the same answer.
The exit code is 1 where a call costs more than a tenth more. `claude-code` has a benchmark of its own, as its SDK drives a process.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import attrs
from frame import Answer, costs, serving

from massgen_core.api import Backend, Message, ModelRequest
from massgen_testkit import PlainContext

LIMIT = 1.10
CALLS, DELTAS = 400, 2_000
Work: TypeAlias = Callable[[], Awaitable[None]]


@attrs.frozen
class Stage:
    """A backend and what it stands beside.

    Attributes:
        model: A model's name.
        answer: How the protocol streams.
        raw: Yields a function that makes the call without our backend.
        path: Below the server's root.
    """

    model: str
    answer: Answer
    raw: Callable[[str, str], Any]
    path: str = ""


def _sse(*events: Mapping[str, Any]) -> bytes:
    return b"".join(
        (f"event: {event['type']}\n".encode() if "type" in event else b"") + b"data: " + json.dumps(event).encode() + b"\n\n" for event in events
    )


@asynccontextmanager
async def _httpx2(url: str, model: str) -> AsyncIterator[Work]:
    import httpx2  # noqa: PLC0415 - what is not measured is not imported

    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()

    async def call() -> None:
        async with client.stream("POST", f"{url}/chat/completions", content=body, headers={"content-type": "application/json"}) as response:
            async for _ in response.aiter_raw():
                pass

    async with httpx2.AsyncClient(verify=False) as client:
        yield call


@asynccontextmanager
async def _openai(url: str, model: str) -> AsyncIterator[Work]:
    from openai import AsyncOpenAI  # noqa: PLC0415

    asked: Any = [{"role": "user", "content": "Hi"}]

    async def call() -> None:
        async with await client.responses.create(model=model, input=asked, stream=True, store=False) as stream:
            async for _ in stream:
                pass

    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield call


@asynccontextmanager
async def _anthropic(url: str, model: str) -> AsyncIterator[Work]:
    from anthropic import AsyncAnthropic  # noqa: PLC0415

    async def call() -> None:
        async with await client.messages.create(model=model, max_tokens=32_000, messages=[{"role": "user", "content": "Hi"}], stream=True) as stream:
            async for _ in stream:
                pass

    async with AsyncAnthropic(api_key="none", base_url=url, max_retries=0) as client:
        yield call


@asynccontextmanager
async def _gemini(url: str, model: str) -> AsyncIterator[Work]:
    from google import genai  # noqa: PLC0415
    from google.genai import types  # noqa: PLC0415

    client = genai.Client(vertexai=False, api_key="k", http_options=types.HttpOptions(base_url=url))
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))

    async def call() -> None:
        asked: Any = [{"role": "user", "parts": [{"text": "Hi"}]}]
        async for _ in await client.aio.models.generate_content_stream(model=model, contents=asked, config=config):
            pass

    yield call
    await client.aio.aclose()


def _stages() -> dict[str, Stage]:
    from massgen_testkit.protocols.messages import block, ended, started  # noqa: PLC0415
    from massgen_testkit.protocols.responses import Writer  # noqa: PLC0415

    def chat(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        return _sse({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def gemini(text: str, **more: str) -> bytes:
        return _sse({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **more}], "modelVersion": "gemini"})

    writer = Writer()
    writer.text("word ")
    pieces = list(writer.end())
    place = next(place for place, piece in enumerate(pieces) if b"output_text.delta" in piece)
    first, delta, last = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "word "})
    return {
        "chat": Stage("m", Answer(b"", chat({"content": "word "}), chat({}, "stop") + b"data: [DONE]\n\n"), _httpx2),
        "openai": Stage("m", Answer(b"".join(pieces[:place]), pieces[place], b"".join(pieces[place + 1 :])), _openai, "/v1"),
        "anthropic": Stage("claude-opus-4-8", Answer(started() + first, delta, last + b"".join(ended())), _anthropic),
        "gemini": Stage("gemini-3.5-flash", Answer(b"", gemini("word "), gemini("end", finishReason="STOP")), _gemini),
    }


async def _own(backend: Backend, model: str) -> None:
    async with backend.respond(ModelRequest(model=model, messages=(Message.of("user", "Hi"),))) as stream:
        async for _ in stream:
            pass


async def _measure(name: str, stage: Stage, port: int) -> bool:
    backend = import_module(f"massgen_backend_{name}.backend")
    config = import_module(f"massgen_backend_{name}.plugin").massgen_backends()[0].config
    works: list[list[Work]] = []
    async with AsyncExitStack() as stack:
        context = await stack.enter_async_context(PlainContext(folder=Path(tempfile.gettempdir()), secrets={"env:GEMINI_API_KEY": "k"}))
        for size in ("one", "all"):
            url = f"http://127.0.0.1:{port}/{name}/{size}{stage.path}"
            raw = await stack.enter_async_context(stage.raw(url, stage.model))
            opened = await stack.enter_async_context(backend.open_backend(config(base_url=url), context))
            works.append([raw, partial(_own, opened, stage.model)])
        raw_cost, own = await costs(*works, CALLS, DELTAS)
    ratio = own.call / raw_cost.call
    print(
        f"{name:10} call {raw_cost.call:7.3f} ms alone {own.call:7.3f} ms ours  ratio {ratio:5.2f}    "
        f"delta {raw_cost.delta:7.1f} us alone {own.delta:7.1f} us ours  ratio {own.delta / raw_cost.delta:5.2f}",
        flush=True,
    )
    return ratio <= LIMIT


def main() -> int:
    stages = _stages()
    with serving({name: stage.answer for name, stage in stages.items()}, DELTAS) as port:
        kept = [anyio.run(_measure, name, stages[name], port) for name in sys.argv[1:] or stages]
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main())
