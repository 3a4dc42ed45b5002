"""Options of chat backends as earlier configurations have them: each is honoured, or refused with its place and what to write instead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from massgen_backend_chat.config import ChatConfig
from massgen_backend_chat.wire import body_of
from massgen_core.api import ConfigProblems, Message, ModelRequest, Sampling, structure

pytestmark = pytest.mark.anyio
SHARED = Path(os.environ.get("MASSGEN_SHARED", Path(__file__).resolve().parents[4] / "shared"))
PRESETS = {"grok": "grok", "zai": "zai", "lmstudio": "lmstudio", "vllm": "vllm", "sglang": "sglang", "chatcompletion": ""}
SAMPLING = ("temperature", "top_p", "max_tokens", "seed")
# What only the provider knows.
EXTRA = ("top_k", "chat_template_kwargs", "frequency_penalty", "presence_penalty")
# What is no business of a backend here: tools, folders, and services that the run has.
ELSEWHERE = frozenset({"mcp_servers", "custom_tools", "exclude_tools", "enable_web_search", "cwd", "upload_files"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def sections() -> Iterator[dict[str, Any]]:
    for file in sorted((SHARED / "data" / "configs").glob("v*/**/*.yaml")):
        try:
            data = yaml.safe_load(file.read_text("utf-8"))
        except yaml.YAMLError:
            continue
        agents = data.get("agents", data.get("agent")) if isinstance(data, dict) else None
        for agent in agents if isinstance(agents, list) else [agents]:
            section = agent.get("backend") if isinstance(agent, dict) else None
            if isinstance(section, dict) and section.get("type") in PRESETS:
                yield section


async def test_every_real_option_has_a_place() -> None:
    """Addresses and extra fields are the backend's, sampling is the agent's, and all of them reach the server's request."""
    found = list(sections())
    if not found:
        pytest.skip("not in CI: the earlier configurations are not here; set MASSGEN_SHARED to the folder that holds data/configs")
    for section in found:
        preset = PRESETS[section["type"]]
        unknown = section.keys() - {"type", "model", "base_url", "extra_body", *SAMPLING, *EXTRA, *ELSEWHERE}
        assert not unknown
        extra = {**section.get("extra_body", {}), **{key: section[key] for key in EXTRA if key in section}}
        options = {"preset": preset, "base_url": section.get("base_url", "" if preset else "https://api.openai.com/v1"), "extra_body": extra}
        config = structure(ChatConfig, options, path="backend")
        sampling = Sampling(**{key: section[key] for key in SAMPLING if key in section})
        request = ModelRequest(model=section["model"], messages=(Message.of("user", "Hi"),), sampling=sampling)
        body = await body_of(request, config.known, extra=config.extra_body)

        assert body["model"] == section["model"]
        assert all(body[key] == value for key, value in extra.items())
        assert all(body[key] == section[key] for key in SAMPLING if key in section)
    assert len(found) > 50


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("temperature", 0.5, "no option of the backend but of the agent: `sampling.temperature`"),
        ("max_tokens", 100, "no option of the backend but of the agent: `sampling.max_tokens`"),
        ("toolsets", [], "no option of the backend but of the agent: `toolsets`"),
        ("chat_template_kwargs", {}, "what only the provider knows goes into `extra_body`"),
        ("base_ulr", "x", "did you mean `base_url`?"),
    ],
)
def test_what_is_written_in_the_wrong_place_is_told_the_right_one(key: str, value: Any, words: str) -> None:
    """An option that no backend takes is refused with its place and what to write instead."""
    with pytest.raises(ConfigProblems) as caught:
        structure(ChatConfig, {"preset": "grok", key: value}, path="agents[0].backend")

    assert f"agents[0].backend.{key}: unknown key" in str(caught.value)
    assert words in str(caught.value)
