"""Without an engine nothing runs, unless the configuration names what takes its place; and that holds what was asked of containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massgen_core.api import ExecutorUnavailable, LimitUnsupported, MassGenError
from massgen_core.config.structure import structure
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.fallback import taken_over

from .stage import sandbox

pytestmark = pytest.mark.anyio
NOWHERE = "unix:///nowhere/at/all"
KNOWN = frozenset({"env", "limits", "network", "read", "write"})


@pytest.mark.parametrize(
    ("asked", "own", "found"),
    [
        ({}, {}, {"network": "none"}),
        ({}, {"network": "full"}, {"network": "full"}),
        ({"read": ["/data"], "env": {"A": "1"}}, {}, {"read": ["/data"], "env": {"A": "1"}, "network": "none"}),
        ({"limits": {"memory": 1 << 30, "seconds": 5}}, {"limits": {"seconds": 9}}, {"limits": {"memory": 1 << 30, "seconds": 9}, "network": "none"}),
        ({"network": "full"}, {"network": "none"}, {"network": "none"}),
        ({"network": "allow", "hosts": ["example.org:443"]}, {"network": "none"}, {"network": "none"}),
        (
            {"capabilities": ["CHOWN"], "writable_root": True, "image": "other"},
            {"sandbox": "bubblewrap"},
            {"sandbox": "bubblewrap", "network": "none"},
        ),
    ],
)
async def test_what_was_asked_of_containers_is_asked_of_the_fallback(asked: dict[str, Any], own: dict[str, Any], found: dict[str, Any]) -> None:
    """Where its own options say nothing else: limits, shares, variables, the network closed or open; walls that were opened are not."""
    assert taken_over(structure(DockerConfig, asked), own, KNOWN) == found


async def test_what_the_fallback_does_not_know_is_no_reason_to_drop_it() -> None:
    """An option without a match there is refused by its name."""
    for asked in ({"limits": {"memory": 1 << 30}}, {"workspace": "apart"}, {"network": "allow", "hosts": ["example.org:443"]}):
        with pytest.raises(LimitUnsupported, match=[*asked][-1]):
            taken_over(structure(DockerConfig, asked), {}, frozenset({"read"}))


@pytest.mark.parametrize("fallback", [{}, {"sandbox": "auto"}, {"type": "docker"}, {"type": 3}])
async def test_a_fallback_without_a_type_is_a_mistake(tmp_path: Path, fallback: dict[str, Any]) -> None:
    """It is told whether or not an engine answers."""
    with pytest.raises(MassGenError, match=r"fallback: \{type: local\}"):
        async with sandbox(tmp_path, fallback=fallback):
            pass


async def test_without_a_fallback_nothing_runs(tmp_path: Path) -> None:
    """The message says how to start an engine, and which option lets something else run."""
    with pytest.raises(ExecutorUnavailable, match=r"(?s)nowhere.*apt install docker.io.*fallback"):
        async with sandbox(tmp_path, host=NOWHERE):
            pass


async def test_a_fallback_that_is_not_there_is_told_with_the_engine(tmp_path: Path) -> None:
    """Both reasons are given."""
    with pytest.raises(LimitUnsupported, match=r"no engine answers.*no-such"):
        async with sandbox(tmp_path, host=NOWHERE, fallback={"type": "no-such"}):
            pass
