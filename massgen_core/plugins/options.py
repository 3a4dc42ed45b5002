"""What a plugin's config class says about its options, as plain rows for people and programs."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import attrs

from massgen_core.plugins.rules import show
from massgen_core.terminal import clean_line

__all__ = ["Option", "options"]


class Option(NamedTuple):
    """One option of a plugin.

    Attributes:
        type: The annotation, as it is written in Python.
        default: The default's representation; `required` where there is none.
        help: What the plugin's author says about it.
    """

    name: str
    type: str
    default: str
    help: str


def options(config: type | None) -> tuple[Option, ...]:
    """Return the options of a config class, in their order; none for a plugin without one."""
    if config is None:
        return ()
    return tuple(
        Option(clean_line(field.name), _type(field.type), _default(field.default), clean_line(str(field.metadata.get("help", "")), 500))
        for field in attrs.fields(config)
        if field.init
    )


def _type(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") if isinstance(annotation, type) else show(annotation)
    return re.sub(r"\b(?:[a-z_]\w*\.)+", "", clean_line(text or "Any"))


def _default(default: Any) -> str:
    if default is attrs.NOTHING:
        return "required"
    if not isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return show(default)
    if default.takes_self:
        return "computed"
    try:
        return show(default.factory())
    except Exception:
        return "computed"
