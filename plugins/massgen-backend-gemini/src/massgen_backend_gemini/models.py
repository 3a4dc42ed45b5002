"""What is known of models by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import attrs

from massgen_backend_gemini.config import GeminiConfig
from massgen_core.api import BadRequest, Dialect, Effort

__all__ = ["DIALECT", "Family", "family_of", "thinking"]

# What Google documents for schemas of functions and answers, read narrowly: what one of the two services refuses is left out.
DIALECT = Dialect(
    keywords=frozenset(
        {
            *("type", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems"),
            *("enum", "format", "minimum", "maximum", "anyOf", "description", "title"),
        }
    ),
    refs=False,
    type_lists=False,
    booleans=False,
    root_unions=False,
    lone_unions=True,
    items_required=True,
    formats=frozenset({"date-time", "int32", "int64", "float", "double"}),
    enum_types=frozenset({"string", "number", "integer"}),
)

_NAME = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_BUDGETS: Mapping[Effort, int] = {"none": 0, "minimal": 512, "low": 2048, "medium": 8192, "high": 24576, "max": 32768}
_LEVELS: Mapping[Effort, str] = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "max": "high"}


@attrs.frozen(kw_only=True)
class Family:
    """What a family of models takes.

    Attributes:
        thinks: It thinks before it answers.
        is_new: Gemini 3 or later: thinking is measured in levels and not in tokens, hosted tools go beside functions, images go into results, and
            signatures of calls are wanted back.
        has_minimal: It takes the lowest level.
        is_pro: It cannot but think.
    """

    thinks: bool = False
    is_new: bool = False
    has_minimal: bool = False
    is_pro: bool = False


@lru_cache(64)
def family_of(model: str) -> Family:
    """Return what a model takes, by its name; a tuned model or another company's takes the least."""
    name = model.lower().rpartition("/")[2]
    if match := _NAME.match(name):
        version = int(match[1]), int(match[2] or 0)
    elif name.startswith("gemini-") and name.endswith("-latest"):
        version = (99, 0)
    else:
        return Family()
    is_new = version >= (3, 0)
    talks = not any(word in name for word in ("-tts", "embedding")) and (is_new or "image" not in name)
    is_pro = "pro" in name
    has_minimal = not is_pro and (version < (3, 7) or "lite" in name)
    return Family(thinks=talks and version >= (2, 5), is_new=is_new, has_minimal=has_minimal, is_pro=is_pro)


def thinking(model: str, effort: Effort | None, config: GeminiConfig) -> dict[str, Any]:
    """Return the configuration of thinking; empty where nothing is to be said about it.

    The backend's own options go before the agent's effort.

    Raises:
        BadRequest: The model is not known to think, and is asked to.
    """
    family, made = family_of(model), dict[str, Any]()
    if config.thinking_budget is not None:
        made["thinking_budget"] = config.thinking_budget
    elif config.thinking_level is not None:
        made["thinking_level"] = config.thinking_level.upper()
    elif effort is not None and family.is_new:
        level = _LEVELS[effort]
        made["thinking_level"] = "LOW" if level == "minimal" and not family.has_minimal else level.upper()
    elif effort is not None and family.thinks:
        least, most = (128, 32768) if family.is_pro else (0, 24576)
        made["thinking_budget"] = min(max(_BUDGETS[effort], least), most)
    elif effort not in (None, "none"):
        raise BadRequest(
            f"{model!r} is not known to think; leave `reasoning_effort` out, or set the backend's option thinking_budget or thinking_level"
        )
    is_shown = family.thinks if config.include_thoughts is None else config.include_thoughts
    if is_shown and made.get("thinking_budget") != 0:
        made["include_thoughts"] = True
    return made
