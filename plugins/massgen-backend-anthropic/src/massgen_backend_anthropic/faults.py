"""In what Anthropic's errors differ from others."""

from __future__ import annotations

import re
from typing import Any

from massgen_core.api import FaultRules, told

__all__ = ["RULES", "is_filtered"]

RULES = FaultRules(
    words=(("not_found", 404), ("request_too_large", 413)),
    too_long=(413,),
    lists="massgen models --backend anthropic lists some",
    address="Is the base_url right? /v1/messages is appended to it.",
)
_FILTERED = re.compile(r"content filtering policy", re.IGNORECASE)


def is_filtered(body: Any) -> bool:
    """Tell whether an error is the provider's filter, which took the answer away."""
    return bool(_FILTERED.search(told(body).message))
