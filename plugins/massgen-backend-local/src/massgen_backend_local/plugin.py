"""What this distribution provides."""

from __future__ import annotations

from typing import Any

from massgen_backend_local.config import LocalConfig
from massgen_core.api import BackendSpec, Capabilities, PresetSpec, hookimpl

# Agents of one model differ by their seeds, their temperatures and a line each; long instructions confuse a model this small.
_STYLES = {
    "ada": ("Answer correctly and briefly.", 0.2),
    "ben": ("Be precise. Answer in few words.", 0.7),
    "cleo": ("Think first, then answer briefly.", 0.7),
}


def _trio(model: str) -> dict[str, Any]:
    agents = [
        {"name": name, "backend": "local", "model": model, "system": line, "sampling": {"temperature": temperature, "seed": seed}}
        for seed, (name, (line, temperature)) in enumerate(_STYLES.items(), 1)
    ]
    return {"version": 1, "agents": agents, "strategy": "consensus"}


# Nothing that could send the question elsewhere may be used, whatever else is installed.
_PRIVATE = {
    **_trio(""),
    "plugins": {
        "allow": [
            *("massgen-backend-local", "massgen-backend-scripted", "massgen-backend-replay", "massgen-strategy-consensus"),
            *("massgen-display-terminal", "massgen-middleware-basic"),
        ]
    },
    "permissions": {"deny": ["*"]},
}


@hookimpl
def massgen_backends() -> list[BackendSpec]:
    return [
        BackendSpec(
            name="local",
            factory="massgen_backend_local.backend:open_backend",
            summary="a small model on this machine, without a key or a network",
            config=LocalConfig,
            capabilities=Capabilities(response_schema=True),
            catalogue="massgen_backend_local.catalogue:CATALOGUE",
        )
    ]


@hookimpl
def massgen_presets() -> list[PresetSpec]:
    return [
        PresetSpec(name="default", summary="three agents on the best local model that is pulled", document=_trio("")),
        PresetSpec(name="quick-local", summary="three agents on the small local model: twice as fast, often wrong", document=_trio("small")),
        PresetSpec(name="private", summary="three agents on the local model, and nothing that could send anything elsewhere", document=_PRIVATE),
    ]
