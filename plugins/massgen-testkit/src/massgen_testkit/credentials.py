"""The conformance suite of stores of secrets."""

from __future__ import annotations

from typing import ClassVar

import pytest

from massgen_core.api import Secret, StoreProblem, WritableStore
from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite

VALUE = "s3cret-välue-0f9a"
# What a careless file format loses.
TRICKY = ("two\nlines\n", "it's \"quoted\" \\ \\' $HOME ${HOME} `x`", " # no comment ", "a=b=c", "\t", "-----BEGIN KEY-----\n" + "QUJD\n" * 300)


class CredentialStoreSuite(PluginSuite):
    """What every store of secrets must do, and what one that can be written must do. A subclass gives `name` and `plant`.

    The tests write into the store that they find: a subclass sees to it that this is none of the person's own.
    """

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

    # Stores that can be written; the others pass

    async def test_what_is_set_is_there_until_it_is_deleted(self, context: PlainContext) -> None:
        """A secret that was set comes back whole, also from another object of the store, is replaced, and is gone once it was deleted."""
        async with context, self.opened(context) as store, self.opened(context) as other:
            if not isinstance(store, WritableStore):
                return
            for value in (VALUE, *TRICKY):
                store.set("MASSGEN_TEST_KEY", Secret(value))
                assert [one.get("MASSGEN_TEST_KEY") for one in (store, other)] == [Secret(value)] * 2
            assert store.delete("MASSGEN_TEST_KEY") is True
            assert store.delete("MASSGEN_TEST_KEY") is False
            assert [one.get("MASSGEN_TEST_KEY") for one in (store, other)] == [None] * 2

    async def test_writing_leaves_other_secrets_alone(self, context: PlainContext) -> None:
        """Setting and deleting one secret changes no other."""
        async with context, self.opened(context) as store:
            if not isinstance(store, WritableStore):
                return
            for name in ("MASSGEN_TEST_A", "MASSGEN_TEST_B", "MASSGEN_TEST_C"):
                store.set(name, Secret(f"{VALUE} of {name}"))
            store.set("MASSGEN_TEST_B", Secret("another"))
            store.delete("MASSGEN_TEST_C")
            found = [store.get(name) for name in ("MASSGEN_TEST_A", "MASSGEN_TEST_B", "MASSGEN_TEST_C")]
            for name in ("MASSGEN_TEST_A", "MASSGEN_TEST_B"):
                store.delete(name)

        assert found == [Secret(f"{VALUE} of MASSGEN_TEST_A"), Secret("another"), None]

    async def test_names_are_listed_without_values(self, context: PlainContext) -> None:
        """What was set is listed by name, with a place; no text that the store gives holds a value."""
        async with context, self.opened(context) as store:
            if not isinstance(store, WritableStore):
                return
            where = store.set("MASSGEN_TEST_KEY", Secret(VALUE))
            listed = dict(store.names())
            store.delete("MASSGEN_TEST_KEY")
            left = dict(store.names())

        assert where, "say where the secret is now: a file, the name of a service"
        assert "MASSGEN_TEST_KEY" in listed
        assert "MASSGEN_TEST_KEY" not in left
        assert VALUE not in f"{where} {listed} {store!r}"

    async def test_a_refusal_does_not_show_the_secret(self, context: PlainContext) -> None:
        """A key that the store cannot hold is refused with `StoreProblem`, without the value; or it is held."""
        async with context, self.opened(context) as store:
            if not isinstance(store, WritableStore):
                return
            for key in ("", "a=b", "a b", "a\nb", "a\0b", "x" * 5000):
                try:
                    store.set(key, Secret(VALUE))
                except StoreProblem as problem:
                    assert VALUE not in str(problem)  # noqa: PT017 - either is right
                else:
                    assert store.get(key) == Secret(VALUE)
                    assert store.delete(key)
