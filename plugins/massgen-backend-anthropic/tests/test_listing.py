"""Which models Anthropic has now, over real sockets and through the real SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from massgen_core.api import ModelInfo
from massgen_testkit import ListingSuite


class TestListing(ListingSuite):
    name = "anthropic"
    options: ClassVar[Mapping[str, Any]] = {"key": "env:K"}
    paths = ("/v1/models?limit=1000", "/v1/models?limit=1000&after_id=claude-old")
    pages = (
        {
            "data": [
                {"id": "claude-new", "display_name": "Claude New", "lifecycle": "active", "max_input_tokens": 1000000},
                {"id": "claude-old", "display_name": "Claude Old", "lifecycle": "deprecated", "max_input_tokens": None},
            ],
            "has_more": True,
            "last_id": "claude-old",
        },
        {"data": [{"id": "claude-last"}], "has_more": False, "last_id": "claude-last"},
    )
    listed = (
        ModelInfo(name="claude-new", summary="Claude New", context=1_000_000),
        ModelInfo(name="claude-old", summary="Claude Old, deprecated"),
        ModelInfo(name="claude-last"),
    )
