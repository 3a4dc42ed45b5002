"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import ExecutorSpec, hookimpl
from massgen_exec_local.config import LocalConfig

__all__ = ["massgen_executors"]


@hookimpl
def massgen_executors() -> list[ExecutorSpec]:
    """Provide sandboxes of this machine."""
    return [
        ExecutorSpec(
            name="local", factory="massgen_exec_local.executor:open_local", summary="sandboxes of this machine, without an engine", config=LocalConfig
        )
    ]
