"""Each of the four is a middleware like any other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from massgen_testkit import MiddlewareSuite


class TestRetry(MiddlewareSuite):
    """Retries change nothing where nothing fails."""

    name = "retry"


class TestRateLimit(MiddlewareSuite):
    """Calls within the limits go through at once."""

    name = "ratelimit"
    options: ClassVar[Mapping[str, Any]] = {"requests_per_minute": 6000, "tokens_per_minute": 100000}


class TestBudget(MiddlewareSuite):
    """Calls within the budget go through."""

    name = "budget"
    options: ClassVar[Mapping[str, Any]] = {"tokens": 1000, "prices": {"m": {"input": 1.0, "output": 0}}}


class TestCache(MiddlewareSuite):
    """A first call goes through, whatever is kept of it."""

    name = "cache"
    options: ClassVar[Mapping[str, Any]] = {"always": True}

    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def request(self, context: Any, text: str = "2 + 2?") -> Any:
        made = super().request(context, text)
        return attrs.evolve(made, request=attrs.evolve(made.request, sampling=attrs.evolve(made.request.sampling, temperature=0.0)))
