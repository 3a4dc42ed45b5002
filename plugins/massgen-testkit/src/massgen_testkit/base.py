"""What all suites share: finding the plugin, opening its object, and keeping the standard tests intact."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, TypeVar

import pytest

from massgen_core.api import Context, Spec
from massgen_core.config.structure import structure
from massgen_core.plugins.manager import Plugins

F = TypeVar("F", bound=Callable[..., Any])
_REASON = "__massgen_override__"


def overrides(reason: str) -> Callable[[F], F]:
    """Mark a method that replaces a standard test.

    Args:
        reason: Why the standard test does not fit this plugin, for whoever reads the plugin's tests.
    """
    if len(reason.split()) < 3:
        raise ValueError("the reason of an override must be a sentence")

    def mark(function: F) -> F:
        setattr(function, _REASON, reason)
        return function

    return mark


def _is_standard(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "massgen_testkit"


def _has_reason(attribute: Any) -> bool:
    if getattr(attribute, _REASON, ""):
        return True
    marks = getattr(attribute, "pytestmark", ())
    return any(mark.name in ("xfail", "skip") and mark.kwargs.get("reason", "").strip() for mark in marks)


class Suite:
    """Tests that a plugin inherits. Suites have no `Test` prefix, so that pytest collects the subclass only.

    Attributes:
        kind: The plugin's kind.
        name: The plugin's name.
        options: Plain data of the plugin's own options, as a configuration would hold them.
        unsupported: Names of scenarios or properties that this plugin does not have, each with its reason.
    """

    kind: ClassVar[str] = ""
    name: ClassVar[str] = ""
    options: ClassVar[Mapping[str, Any]] = {}
    unsupported: ClassVar[Mapping[str, str]] = {}

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @property
    def plugins(self) -> Plugins:
        """The installed plugins."""
        return Plugins.discover()

    @property
    def spec(self) -> Any:
        """The plugin's spec, as its hook returns it."""
        spec = self.plugins.get(self.kind, self.name)
        assert isinstance(spec, Spec)
        return spec

    def features(self) -> frozenset[str]:
        """Return the names that `unsupported` may hold."""
        return frozenset()

    def need(self, feature: str) -> None:
        """Skip the test when the plugin says that it does not have a feature."""
        if feature in self.unsupported:
            pytest.skip(f"{self.kind}.{self.name}: {feature} is not supported: {self.unsupported[feature]}")

    def config(self, options: Mapping[str, Any] | None = None) -> Any:
        """Return the plugin's options as its own class, None where it has none."""
        config = self.spec.config
        return None if config is None else structure(config, {**self.options, **(options or {})}, path=f"{self.kind}.{self.name}")

    @asynccontextmanager
    async def opened(self, context: Context, options: Mapping[str, Any] | None = None) -> AsyncIterator[Any]:
        """Open the plugin's object as a run does and close it afterwards."""
        made = self.plugins.factory(self.kind, self.name)(self.config(options), context)
        if hasattr(type(made), "__aenter__"):
            async with made as entered:
                yield entered
        else:
            yield made

    def test_standard_tests_are_intact(self) -> None:
        """Standard tests are replaced or removed only with a written reason."""
        standard = {name for cls in type(self).__mro__ if _is_standard(cls) for name in vars(cls) if name.startswith("test_")}
        for cls in type(self).__mro__:
            if _is_standard(cls) or cls is object:
                continue
            for name in standard & vars(cls).keys():
                assert _has_reason(vars(cls)[name]), (
                    f"{cls.__name__}.{name} replaces a standard test without a reason; "
                    'write @overrides("why the standard test does not fit") or @pytest.mark.xfail(reason="...") above it'
                )
        for feature, reason in self.unsupported.items():
            assert feature in self.features(), f"unsupported names {feature!r}; this suite knows: {', '.join(sorted(self.features())) or 'none'}"
            assert len(reason.split()) >= 3, f"say in a sentence why {feature!r} is not supported"
