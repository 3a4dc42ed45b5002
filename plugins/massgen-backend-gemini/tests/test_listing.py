"""Which models Google has now, over real sockets and through the real SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from massgen_core.api import ModelInfo
from massgen_testkit import ListingSuite


class TestListing(ListingSuite):
    name = "gemini"
    options: ClassVar[Mapping[str, Any]] = {"key": "env:K"}
    paths = ("/v1/models?pageSize=1000", "/v1/models?pageSize=1000&pageToken=2")
    pages = (
        {
            "models": [
                {"name": "models/gemini-a", "displayName": "Gemini A", "inputTokenLimit": 1000, "supportedGenerationMethods": ["generateContent"]},
                {"name": "models/embedding-a", "supportedGenerationMethods": ["embedContent"]},
            ],
            "nextPageToken": "2",
        },
        {"models": [{"name": "models/gemini-b"}]},
    )
    listed = (ModelInfo(name="gemini-a", summary="Gemini A", context=1000), ModelInfo(name="gemini-b"))
