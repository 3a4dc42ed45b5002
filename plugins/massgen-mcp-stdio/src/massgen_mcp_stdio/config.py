"""The options of the transport."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["StdioConfig"]


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class StdioConfig:
    """How to start a server and how to speak with it."""

    command: str = _help("the program: a name that is looked up in PATH, or a path", validator=attrs.validators.min_len(1))
    args: tuple[str, ...] = _help("its arguments, one by one; no shell reads them", default=())
    env: Mapping[str, str] = _help(
        "variables that it gets beside a small safe base; `env:NAME` and other references to secrets are resolved", factory=dict, repr=False
    )
    cwd: str = _help("the folder that it starts in; empty: this process's own, or the sandbox's workspace", default="")
    executor: Mapping[str, Any] | None = _help("the sandbox that it runs in: `type` and the executor's own options; unset: none", default=None)
    max_message: int = _help(
        "bytes of the longest message that is read; a longer one is skipped", default=16 << 20, validator=attrs.validators.ge(1024)
    )
    stop_seconds: float = _help(
        "seconds that it is given to end when its input is closed, and again when it is told to", default=2.0, validator=attrs.validators.ge(0)
    )
