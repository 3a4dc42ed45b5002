"""The conformance suite of stores of secrets."""

from __future__ import annotations

from typing import ClassVar

import pytest

from massgen_core.api import Secret
from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite

VALUE = "s3cret-välue-0f9a"


class CredentialStoreSuite(PluginSuite):
    """What every store of secrets must do. A subclass gives `name` and `plant`."""

    kind: ClassVar[str] = "credentials"

    def plant(self, key: str, value: str, context: PlainContext, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put a secret where the store will find it; or declare `unsupported = {"plant": "why"}`."""
        raise NotImplementedError(f"{type(self).__name__} must define plant(key, value, context, monkeypatch)")

    def features(self) -> frozenset[str]:
        return frozenset({"plant"})

    async def test_what_is_not_there_is_none(self, context: PlainContext) -> None:
        """A key that the store does not hold is None, whatever it looks like."""
        async with context, self.opened(context) as store:
            assert [store.get(key) for key in ("massgen-no-such-key", "", "../../etc/passwd", "a b", "ключ", "x" * 2000)] == [None] * 6

    async def test_value_comes_whole_and_hidden(self, context: PlainContext, monkeypatch: pytest.MonkeyPatch) -> None:
        """A secret comes back whole, and shows itself only when it is asked to."""
        self.need("plant")
        self.plant("massgen_test_key", VALUE, context, monkeypatch)
        async with context, self.opened(context) as store:
            found = store.get("massgen_test_key")
            shown = repr(store)

        assert isinstance(found, Secret)
        assert found.reveal() == VALUE
        assert VALUE not in repr(found) + str(found) + shown

    async def test_prints_nothing(self, context: PlainContext, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        """Nothing is printed, neither where a secret is found nor where it is not."""
        if "plant" not in self.unsupported:
            self.plant("massgen_test_key", VALUE, context, monkeypatch)
        async with context, self.opened(context) as store:
            store.get("massgen_test_key")
            store.get("massgen-no-such-key")
        captured = capfd.readouterr()

        assert captured.out + captured.err == ""
