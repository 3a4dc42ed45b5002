"""What no kernel takes is refused before anything runs."""

from __future__ import annotations

import math
from typing import Any

import pytest

from massgen_core.api import Limits, LimitUnsupported

from .sandboxes import NEEDS_BUBBLEWRAP, Open, command

pytestmark = [pytest.mark.anyio, NEEDS_BUBBLEWRAP]


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"memory": 0}, "memory"),
        ({"seconds": -1}, "seconds"),
        ({"processes": -5}, "processes"),
        ({"file_size": 10**30}, "file_size"),
    ],
)
async def test_limits_that_make_no_sense_are_refused(sandbox: Open, limits: dict[str, Any], name: str) -> None:
    """When the sandbox is opened, and when a command asks for them."""
    with pytest.raises(LimitUnsupported, match=f"{name} makes no sense"):
        async with sandbox(limits=limits):
            pass
    async with sandbox() as found:
        with pytest.raises(LimitUnsupported, match=f"{name} makes no sense"):
            await found.run(command("true", limits=Limits(**limits)))
        for number in (math.nan, math.inf):
            with pytest.raises(LimitUnsupported, match="seconds makes no sense"):
                await found.run(command("true", limits=Limits(seconds=number)))


@pytest.mark.parametrize("user", ["daemon", "-1", "4294967296", "\u00b2", "1:x", ":1"])
async def test_users_that_are_no_numbers_are_refused(sandbox: Open, user: str) -> None:
    """No number is cut to one that the kernel knows."""
    async with sandbox() as found:
        with pytest.raises(LimitUnsupported, match="as the user"):
            await found.run(command("true", user=user))


@pytest.mark.parametrize("more", [{"folder": "\ud800"}, {"env": {"A": "\ud800"}}, {"folder": "a\0b"}])
async def test_text_that_no_process_can_be_given_is_refused(sandbox: Open, more: dict[str, Any]) -> None:
    """A model may ask for anything."""
    async with sandbox() as found:
        with pytest.raises(ValueError, match=r"encode|zero byte"):
            await found.run(command("true", **more))
