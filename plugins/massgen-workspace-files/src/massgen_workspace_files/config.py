"""The options."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["FilesConfig"]


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class FilesConfig:
    """What is kept of a folder."""

    max_size: int = _help("bytes of all files; a larger folder is not kept; 0: no limit", default=2 << 30, validator=attrs.validators.ge(0))
    max_files: int = _help("files and folders; one with more is not kept; 0: no limit", default=200_000, validator=attrs.validators.ge(0))
    exclude: tuple[str, ...] = _help("globs of names that are neither kept nor touched, for instance node_modules", default=())
