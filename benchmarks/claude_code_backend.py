"""What the backend `claude-code` costs beside the agent SDK alone: an answer in a session that runs, and one that begins with a process.

    python benchmarks/claude_code_backend.py [ANSWERS]

Both drive the same program against a server of the test kit, in turn. The first ten answers are not counted.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient

from massgen_backend_claude_code.backend import ClaudeCodeBackend
from massgen_backend_claude_code.config import TOOLS, ClaudeCodeConfig
from massgen_core.api import ItemChunk, Message, ModelRequest, Secret
from massgen_testkit import PlainContext
from massgen_testkit.protocols.messages import block, ended, started
from massgen_testkit.provider import Play, serving

WARM = 10
KEY = "sk-benchmark-0123456789"
PLAY = Play(pieces=(started(), *block(0, {"type": "text", "text": ""}, *({"type": "text_delta", "text": "word "} for _ in range(20))), *ended()))


def _options(url: str, folder: str) -> ClaudeAgentOptions:
    env = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY, "CLAUDE_CONFIG_DIR": folder, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    return ClaudeAgentOptions(
        env=env, cwd=folder, tools=list(TOOLS), setting_sources=[], strict_mcp_config=True, include_partial_messages=True, verbatim_prompts=True
    )


async def _raw(client: ClaudeSDKClient) -> None:
    await client.query("Hi")
    async for _ in client.receive_response():
        pass


class _Talk:
    """A conversation that grows as the kernel's does."""

    def __init__(self, backend: ClaudeCodeBackend) -> None:
        self.backend, self.messages = backend, list[Message]()

    async def answer(self) -> None:
        self.messages.append(Message.of("user", "Hi"))
        async with self.backend.respond(ModelRequest(messages=tuple(self.messages))) as stream:
            chunks = [chunk async for chunk in stream]
        self.messages.append(Message(role="assistant", content=tuple(chunk.item for chunk in chunks if isinstance(chunk, ItemChunk))))


async def _timed(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Return milliseconds, and those of CPU in this process, in which the server works as well."""
    began, cpu = time.perf_counter(), time.process_time()
    await work()
    return (time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000


async def _measure(answers: int) -> None:
    warnings.simplefilter("ignore")
    folders = [tempfile.mkdtemp() for _ in range(2)]
    async with serving(PLAY) as provider, PlainContext(folder=Path(folders[0])) as context:
        backend = ClaudeCodeBackend(ClaudeCodeConfig(base_url=provider.url), context, Secret(KEY))
        talk, raw, own = _Talk(backend), list[tuple[float, float]](), list[tuple[float, float]]()
        async with ClaudeSDKClient(_options(provider.url, folders[1])) as client:
            for number in range(answers + WARM):
                pair = await _timed(lambda: _raw(client)), await _timed(talk.answer)
                if number >= WARM:
                    raw.append(pair[0])
                    own.append(pair[1])

        async def begun() -> None:
            async with ClaudeSDKClient(_options(provider.url, folders[1])) as fresh:
                await _raw(fresh)

        first_raw, first_own = list[tuple[float, float]](), list[tuple[float, float]]()
        for _ in range(5):
            talk.messages.clear()  # an unknown conversation begins a process, and ends the one before
            first_raw.append(await _timed(begun))
            first_own.append(await _timed(talk.answer))
        await backend.close()
    for name, sdk, ours in (("answer in a session", raw, own), ("process and answer ", first_raw, first_own)):
        for place, what in enumerate(("time", "CPU ")):
            one, other = (statistics.median(pair[place] for pair in pairs) for pairs in (sdk, ours))
            print(f"{name}, {what}, median  SDK {one:7.1f} ms   claude-code {other:7.1f} ms   ratio {other / one:.2f}")


if __name__ == "__main__":
    anyio.run(_measure, int(sys.argv[1]) if len(sys.argv) > 1 else 60)
