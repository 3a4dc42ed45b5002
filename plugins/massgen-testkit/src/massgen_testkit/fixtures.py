"""The pytest plugin. Its fixtures import what they need when they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins
    from massgen_testkit.context import PlainContext
    from massgen_testkit.leaks import Leaks
    from massgen_testkit.project import Project
    from massgen_testkit.records import Records
    from massgen_testkit.servers import RealServers

# Modules that assert: pytest rewrites them, so that a failure shows its values.
_SUITES = (
    "backend",
    "base",
    "classifier",
    "command",
    "credentials",
    "display",
    "distribution",
    "executor",
    "hearing",
    "leaks",
    "middleware",
    "panel",
    "preset",
    "project",
    "sandboxes",
    "sink",
    "strategy",
    "toolset",
    "transport",
    "workspace",
)
pytest.register_assert_rewrite(*(f"massgen_testkit.{name}" for name in _SUITES))


@pytest.fixture
def records() -> Records:
    """A sink that keeps everything: `records.of(AnswerGiven)`."""
    from massgen_testkit.records import Records  # noqa: PLC0415 - pytest loads this module in every session

    return Records()


@pytest.fixture
def context(tmp_path: Path, records: Records) -> PlainContext:
    """A context for factories, without a run; what is emitted is in `records`."""
    from massgen_testkit.context import PlainContext  # noqa: PLC0415 - pytest loads this module in every session

    return PlainContext(folder=tmp_path, records=records)


@pytest.fixture
def kernel_without_discovery() -> Callable[..., Plugins]:
    """Make `Plugins` of given hook modules, or names of them, and of nothing that is installed."""
    from massgen_testkit.modules import plugins_of  # noqa: PLC0415 - pytest loads this module in every session

    return plugins_of


@pytest.fixture
def no_network() -> Iterator[list[str]]:
    """Refuse connections that leave this machine; the addresses that were tried are in the list."""
    from massgen_testkit.network import no_network as closed  # noqa: PLC0415 - pytest loads this module in every session

    with closed() as tried:
        yield tried


@pytest.fixture
def leaks() -> Leaks:
    """Compare what the process holds: `before = leaks.held()` ... `await leaks.none_since(before)`, or `with leaks.none():`."""
    from massgen_testkit.leaks import Leaks  # noqa: PLC0415 - pytest loads this module in every session

    return Leaks()


@pytest.fixture(scope="session")
def real_servers() -> RealServers:
    """Install MCP servers from their registries, once for all tests: `real_servers.python("mcp-server-time")`."""
    from massgen_testkit.servers import RealServers  # noqa: PLC0415 - pytest loads this module in every session

    return RealServers()


@pytest.fixture
def massgen_project(tmp_path: Path) -> Callable[..., Project]:
    """Make a project of files and run `massgen` in it: `massgen_project({"massgen.yaml": ...}).run("run", "2 + 2?")`."""
    from massgen_testkit.project import Project  # noqa: PLC0415 - pytest loads this module in every session

    def make(files: Mapping[str, str | Mapping[str, Any]] | None = None, *, env: Mapping[str, str] | None = None) -> Project:
        return Project.make(tmp_path / "massgen", files or {}, env)

    return make
