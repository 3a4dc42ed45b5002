"""What runs in containers, and its text."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["program"]

_OURS = ("from __future__ ", "from massgen_exec_docker.")


@cache
def program() -> str:
    """Return the agent as one program."""
    lines = ["from __future__ import annotations"]
    for name in ("confine", "supervise", "agent"):
        text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
        lines += [line for line in text.splitlines() if not line.startswith(_OURS)]
    return "\n".join((*lines, "main()", ""))
