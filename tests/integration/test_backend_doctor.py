"""`massgen models` and `massgen backend doctor` with a real backend, over real sockets."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import anyio
import pytest

from massgen_testkit.provider import Play, event, serving

pytestmark = pytest.mark.anyio
KEY = "sk-test-0a1b2c3d4e5f6071"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def massgen(folder: Path, *arguments: str) -> tuple[int, str]:
    place = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "none"), "ACME_KEY": KEY, "NO_PROXY": "127.0.0.1"}
    done = await anyio.run_process([sys.executable, "-m", "massgen_core", *arguments], env=place, check=False, cwd=folder)
    text = done.stdout.decode() + done.stderr.decode()
    assert KEY not in text
    return done.returncode, text


async def test_a_chat_server_is_examined(tmp_path: Path) -> None:
    """The list of models is asked, one call is made, and each thing has its line."""
    listed = Play(media_type="application/json", pieces=(json.dumps({"data": [{"id": "acme-1", "context_length": 8192}]}).encode(),))
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "ping", "arguments": '{"word": "pong"}'}}
    answered = Play(
        pieces=(
            event({"model": "acme-1", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}),
            event({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}),
            b"data: [DONE]\n\n",
        )
    )
    with anyio.fail_after(60):
        async with serving(listed, listed, answered) as provider:
            options = ("--set", f"base_url={provider.url}/v1", "--set", "key=env:ACME_KEY")
            code, text = await massgen(tmp_path, "models", "chat", "--remote", *options)
            assert code == 0, text
            assert "acme-1    8,192" in text
            code, text = await massgen(tmp_path, "backend", "doctor", "chat", "--yes", "--model", "acme-1", *options)

    assert code == 0, text
    for words in ("server: it answers and takes the key; it has 1 model", "tools: the model called one", "usage: acme-1, 14 tokens, cost unknown"):
        assert words in text
    assert [asked.path for asked in provider.asked] == ["/v1/models", "/v1/models", "/v1/chat/completions"]


async def test_every_backend_says_what_is_missing(tmp_path: Path) -> None:
    """Whatever backends are installed, none breaks the doctor; where there is no key it says so, and nothing is called."""
    for backend in ("chat", "openai", "anthropic", "gemini"):
        with anyio.fail_after(60):
            code, text = await massgen(tmp_path, "backend", "doctor", backend, "--no-call", "--set", "key=env:NOT_THERE")
        assert code == 1, text
        assert "FAILED" in text
        assert "Traceback" not in text
