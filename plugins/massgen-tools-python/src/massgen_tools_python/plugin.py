"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import ToolsetSpec, hookimpl
from massgen_tools_python.config import PythonConfig

__all__ = ["massgen_toolsets"]


@hookimpl
def massgen_toolsets() -> list[ToolsetSpec]:
    """Provide `python`: functions of a person's own."""
    summary = "Python functions of your own, in a process of their own"
    return [ToolsetSpec(name="python", summary=summary, factory="massgen_tools_python.toolset:open_python", config=PythonConfig)]
