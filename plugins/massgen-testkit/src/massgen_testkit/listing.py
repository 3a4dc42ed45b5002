"""The suite of catalogues that ask a provider which models it has, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from massgen_core.api import AuthenticationFailed, BackendFault, ConfigProblems, ConnectionLost, MassGenError, ModelInfo, SecretMissing
from massgen_testkit.base import Suite
from massgen_testkit.context import PlainContext
from massgen_testkit.provider import Asked, Play, refused, serving
from massgen_testkit.scenarios import SECRET

__all__ = ["ListingSuite"]


class ListingSuite(Suite):
    """What a catalogue's `remote` makes of a server's lists. A subclass gives `name`, `pages`, `listed` and `options` with a `key`.

    Attributes:
        pages: What the server answers, one after the other: plain data.
        paths: What is asked for, in that order.
        listed: The models that come of it.
        key: The reference by which the backend finds its key.
        address: The option that names the server, and the path below the server's root.
    """

    kind: ClassVar[str] = "backend"
    pages: ClassVar[Sequence[Any]] = ()
    paths: ClassVar[Sequence[str]] = ()
    listed: ClassVar[Sequence[ModelInfo]] = ()
    key: ClassVar[str] = "env:K"
    address: ClassVar[tuple[str, str]] = ("base_url", "")

    async def asked(self, folder: Path, *plays: Play, has_key: bool = True, **options: Any) -> tuple[Sequence[ModelInfo], list[Asked]]:
        """Ask a server; return what came of it and what was asked."""
        catalogue = self.plugins.resolve(self.spec.catalogue, kind=self.kind, name=self.name)
        secrets = {self.key: SECRET} if has_key else {}
        with anyio.fail_after(60):
            async with serving(*plays) as provider, PlainContext(folder=folder, secrets=secrets) as context:
                option, path = self.address
                try:
                    return await catalogue.remote({option: f"{provider.url}{path}", **self.options, **options}, context), provider.asked
                except MassGenError as error:
                    failure = error
        raise failure  # outside of the server, whose tasks would wrap it

    async def test_models_are_listed(self, tmp_path: Path) -> None:
        """All pages of the list are asked for, with the key, and nothing else; each model is told once."""
        plays = [Play(media_type="application/json", pieces=(json.dumps(page).encode(),)) for page in self.pages]

        found, asked = await self.asked(tmp_path, *plays)

        assert list(found) == list(self.listed)
        assert [one.path for one in asked] == list(self.paths)
        assert all(any(SECRET in value for value in one.headers.values()) for one in asked)

    async def test_faults_are_those_of_calls(self, tmp_path: Path) -> None:
        """A refused key, a page of a gateway and data of another kind are errors of the contract, without the key."""
        for play, error in (
            (refused(401, f"bad key {SECRET}"), AuthenticationFailed),
            (refused(500, "down"), BackendFault),
            (Play(media_type="text/html", pieces=(b"<html>",)), ConnectionLost),
        ):
            with pytest.raises(error) as caught:
                await self.asked(tmp_path, play)
            assert SECRET not in str(caught.value)
            assert caught.value.__cause__ is None

    async def test_lists_of_another_kind(self, tmp_path: Path) -> None:
        """Whatever JSON a server sends instead of a list, nothing is listed, or it is an error of the contract."""
        junk: tuple[Any, ...] = (None, [], {}, "x", {"data": "x", "models": "x"}, {"data": [None, 1, {}, {"id": 1}], "models": []})
        for data in junk:
            try:
                found, _ = await self.asked(tmp_path, Play(media_type="application/json", pieces=(json.dumps(data).encode(),)))
            except BackendFault:
                continue
            assert list(found) == [], data

    async def test_missing_keys_and_wrong_options(self, tmp_path: Path) -> None:
        """Without the key its reference is named; a misspelt option is refused; nobody is asked."""
        with pytest.raises(SecretMissing, match=self.key):
            await self.asked(tmp_path, refused(500, "nobody asks"), has_key=False)
        with pytest.raises(ConfigProblems, match="kee"):
            await self.asked(tmp_path, refused(500, "nobody asks"), kee="x")
