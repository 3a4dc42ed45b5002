"""Which models OpenAI has now, over real sockets and through the real SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from massgen_core.api import ModelInfo
from massgen_testkit import ListingSuite


class TestListing(ListingSuite):
    name = "openai"
    options: ClassVar[Mapping[str, Any]] = {"key": "env:K"}
    address = ("base_url", "/v1")
    paths = ("/v1/models",)
    pages = ({"object": "list", "data": [{"id": "gpt-z\x1b[2J", "owned_by": "acme"}, {"id": "gpt-a"}, {"object": "nothing"}, "junk"]},)
    listed = (ModelInfo(name="gpt-a"), ModelInfo(name="gpt-z", summary="acme"))
