"""Presets that need plugins of several distributions, as data. A preset that belongs to one distribution is in that one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massgen_core.api import PresetSpec

__all__ = ["PRESETS"]

_PROVIDERS = ("openai", "anthropic", "gemini")
_SMALL = {"openai": "gpt-6-luna", "anthropic": "claude-haiku-5-5", "gemini": "gemini-3.1-flash-lite"}
# Commands run in a sandbox that sees nothing else of the machine and has no network; rules refuse or ask about what is dangerous all the same.
_SANDBOX: Mapping[str, Any] = {
    "toolsets": [{"type": "code", "executor": "local"}],
    "classifiers": [{"type": "commands", "otherwise": "allow"}],
}


def _panel(system: str = "", **more: Any) -> list[dict[str, Any]]:
    said = {"system": system} if system else {}
    return [{"name": name, "backend": name, **said, **more} for name in _PROVIDERS]


_THREE = {"version": 1, "agents": _panel(), "strategy": "consensus", "limits": {"money": 1.0, "seconds": 900}}

_CHEAP = {
    "version": 1,
    "agents": [{"name": name, "backend": name, "model": model, "sampling": {"max_tokens": 4000}} for name, model in _SMALL.items()],
    "strategy": {"type": "consensus", "max_answers_per_agent": 1, "final": "reuse"},
    "limits": {"money": 0.05, "calls": 12, "seconds": 300},
}

_CAREFUL = {
    "version": 1,
    "agents": _panel("Check each step. Say what you are sure of, what you assume, and what you do not know.", reasoning_effort="high"),
    "strategy": {"type": "consensus", "voting_sensitivity": "strict", "early_stop": False},
    "middlewares": [{"type": "retry", "attempts": 4}],
    "permissions": {"ask": ["*"]},
    "limits": {"money": 5.0, "seconds": 3600},
    "durability": "power",
}

_REVIEW = {
    "version": 1,
    "agents": _panel(
        "You review the repository in the folder that you may read. Look at the code with commands before you judge. "
        "Name the file and the line of each finding, say why it matters and what to change, the worst first. Report nothing that you did not see."
    ),
    "strategy": "consensus",
    "context_paths": [{"path": ".", "permission": "read"}],
    **_SANDBOX,
    "limits": {"money": 3.0, "seconds": 1800},
}

_DATA = {
    "version": 1,
    "agents": _panel(
        "You analyse the data in the folder that you may read. Compute with code and never in your head, look at the data before you trust them, "
        "and show the steps from the data to each figure."
    ),
    "strategy": "consensus",
    "context_paths": [{"path": ".", "permission": "read"}],
    **_SANDBOX,
    "limits": {"money": 3.0, "seconds": 1800},
}

PRESETS = (
    PresetSpec(name="three-providers", summary="OpenAI, Anthropic and Gemini in one panel, for a dollar at most", document=_THREE),
    PresetSpec(name="cheap", summary="three small models, one answer each, for five cents at most", document=_CHEAP),
    PresetSpec(name="careful", summary="three providers that think long, vote strictly, and ask before every tool", document=_CAREFUL),
    PresetSpec(name="review", summary="three providers review the repository in this folder, which they can only read", document=_REVIEW),
    PresetSpec(name="data-analysis", summary="three providers analyse the files in this folder with code in a sandbox", document=_DATA),
)
