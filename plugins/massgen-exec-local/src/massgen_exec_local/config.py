"""The options of the executor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from massgen_core.api import Limits

__all__ = ["LocalConfig"]


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class LocalConfig:
    """What surrounds commands, and what they may do."""

    sandbox: Literal["auto", "bubblewrap", "landlock", "none"] = _help(
        "`auto`: bubblewrap where it works, else Landlock, else nothing runs; or one of them; `none`: plain processes without walls", default="auto"
    )
    read: tuple[str, ...] = _help("files and folders that commands may read, beside the system's programs", default=())
    write: tuple[str, ...] = _help("folders that commands may write to, beside the workspace", default=())
    network: Literal["none", "full"] = _help("`full`: whatever this machine reaches, its own services included", default="none")
    warm: bool = _help("after a command, set up the next sandbox already: the next command begins in a few milliseconds", default=True)
    env: Mapping[str, str] = _help("variables of all commands; `env:NAME` and other references to secrets are resolved", factory=dict, repr=False)
    limits: Limits = _help("what a command may use that does not say so itself", default=Limits())
    allowed_commands: tuple[str, ...] = _help(
        "regular expressions, matched at the beginning of the command; where there are any, one must match", default=()
    )
    blocked_commands: tuple[str, ...] = _help("regular expressions of the same kind; none may match", default=())
