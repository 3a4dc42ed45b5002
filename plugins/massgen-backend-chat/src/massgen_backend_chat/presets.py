"""Providers and local servers, as data: where they are, which variable holds the key, and what they want said differently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

__all__ = ["PRESETS", "UNKNOWN", "EffortStyle", "Preset", "SchemaStyle"]

# How a reasoning effort is said: a word in `reasoning_effort`, `thinking: {type: enabled}`, `enable_thinking: true`, or not at all.
EffortStyle: TypeAlias = Literal["word", "thinking", "enable_thinking", "none"]
# How a schema is said: in the request, in a system message beside `json_object`, or not at all.
SchemaStyle: TypeAlias = Literal["json_schema", "json_object", "none"]


@attrs.frozen(kw_only=True)
class Preset:
    """One provider.

    Attributes:
        base_url: Where `/chat/completions` is appended; empty where each user has an address of their own.
        key: The name of the key, in the environment or in a store; empty for servers that need none.
        key_header: The header that carries the key; `authorization` carries it as a bearer token.
        model: The model of an agent that names none; an example only, where each user has an address, and so names of models, of their own;
            empty where a request may go without one.
        max_tokens: What the limit of an answer's tokens is called.
        stream_usage: It takes `stream_options: {include_usage: true}`.
        tools: It takes tools.
        forced_tools: It takes `required` and a tool's name as tool choice; otherwise `auto` is sent.
        files: It takes file parts.
        effort: How a reasoning effort is said.
        most: Its word for the effort `max`.
        schema: How a schema is said.
        returns_reasoning: It wants its reasoning back with the tool calls that came of it.
        is_cost_told: Its usage carries the cost in US dollars.
    """

    base_url: str = ""
    key: str = ""
    key_header: str = "authorization"
    model: str = ""
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True
    tools: bool = True
    forced_tools: bool = True
    files: bool = False
    effort: EffortStyle = "word"
    most: str = "high"
    schema: SchemaStyle = "json_schema"
    returns_reasoning: bool = False
    is_cost_told: bool = False

    @property
    def usual_model(self) -> str:
        """The model of an agent that names none."""
        return self.model if self.base_url else ""


UNKNOWN = Preset()  # a server of which only the address is known

_PROVIDERS: dict[str, Preset] = {
    "azure": Preset(key="AZURE_OPENAI_API_KEY", key_header="api-key", model="gpt-4.1", max_tokens="max_completion_tokens", files=True, most="xhigh"),
    "cerebras": Preset(base_url="https://api.cerebras.ai/v1", key="CEREBRAS_API_KEY", model="gpt-oss-120b", max_tokens="max_completion_tokens"),
    "deepseek": Preset(
        base_url="https://api.deepseek.com",
        key="DEEPSEEK_API_KEY",
        model="deepseek-chat",
        effort="thinking",
        schema="json_object",
        returns_reasoning=True,
    ),
    "fireworks": Preset(base_url="https://api.fireworks.ai/inference/v1", key="FIREWORKS_API_KEY", model="accounts/fireworks/models/deepseek-v3p1"),
    "grok": Preset(base_url="https://api.x.ai/v1", key="XAI_API_KEY", model="grok-4"),
    "groq": Preset(base_url="https://api.groq.com/openai/v1", key="GROQ_API_KEY", model="openai/gpt-oss-120b", max_tokens="max_completion_tokens"),
    "lmstudio": Preset(base_url="http://localhost:1234/v1", forced_tools=False, effort="none"),
    "moonshot": Preset(
        base_url="https://api.moonshot.ai/v1",
        key="MOONSHOT_API_KEY",
        model="kimi-k2-0905-preview",
        forced_tools=False,
        effort="thinking",
        returns_reasoning=True,
    ),
    "nebius": Preset(base_url="https://api.studio.nebius.ai/v1", key="NEBIUS_API_KEY", model="openai/gpt-oss-120b"),
    "ollama": Preset(base_url="http://localhost:11434/v1", forced_tools=False),
    "openai": Preset(
        base_url="https://api.openai.com/v1", key="OPENAI_API_KEY", model="gpt-5", max_tokens="max_completion_tokens", files=True, most="xhigh"
    ),
    "openrouter": Preset(
        base_url="https://openrouter.ai/api/v1", key="OPENROUTER_API_KEY", model="openai/gpt-oss-120b", files=True, most="xhigh", is_cost_told=True
    ),
    "poe": Preset(base_url="https://api.poe.com/v1", key="POE_API_KEY", model="gpt-5", effort="none", schema="none"),
    "qwen": Preset(
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key="DASHSCOPE_API_KEY",
        model="qwen-plus",
        forced_tools=False,
        effort="enable_thinking",
        schema="json_object",
    ),
    "sambanova": Preset(base_url="https://api.sambanova.ai/v1", key="SAMBANOVA_API_KEY", model="gpt-oss-120b"),
    "sglang": Preset(base_url="http://localhost:30000/v1"),
    "together": Preset(base_url="https://api.together.xyz/v1", key="TOGETHER_API_KEY", model="openai/gpt-oss-120b"),
    "vllm": Preset(base_url="http://localhost:8000/v1"),
    "zai": Preset(
        base_url="https://api.z.ai/api/paas/v4", key="ZAI_API_KEY", model="glm-4.6", forced_tools=False, effort="thinking", schema="json_object"
    ),
}

PRESETS: Mapping[str, Preset] = {**_PROVIDERS, "kimi": _PROVIDERS["moonshot"]}
