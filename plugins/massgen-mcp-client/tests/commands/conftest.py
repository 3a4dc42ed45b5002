"""Projects with servers, and what a person types in them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from massgen_testkit.project import Project, Result

PEER = Path(__file__).with_name("peer.py")
# These start no server.
ALONE = {"test_edit.py", "test_imports.py"}


@pytest.fixture(autouse=True)
def _a_transport(request: pytest.FixtureRequest) -> None:
    if request.path.name not in ALONE:
        pytest.importorskip("massgen_mcp_stdio", reason="servers of this machine are reached by massgen-mcp-stdio")


@attrs.frozen
class Desk:
    """Where somebody types `massgen mcp ...`."""

    project: Project

    def mcp(self, *words: str, **options: Any) -> Result:
        return self.project.run("mcp", *words, **options)

    @property
    def servers_file(self) -> Path:
        return self.project.home / ".config" / "massgen" / "mcp.json"


@pytest.fixture
def peer() -> Callable[..., dict[str, Any]]:
    """Return the section of a server that is well or ill in some way: `peer("mute", connect_seconds=1)`."""

    def section(kind: str = "well", **more: Any) -> dict[str, Any]:
        return {"command": sys.executable, "args": [str(PEER), kind], **more}

    return section


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., Desk]:
    """Make a project whose configuration holds these servers."""

    def make(servers: Mapping[str, Any] | None = None, **more: Any) -> Desk:
        document = {"version": 1, "agents": [{"backend": "scripted"}], "toolsets": [{"type": "mcp", "servers": servers, **more}]}
        return Desk(Project.make(tmp_path, {"massgen.yaml": document}).trusted() if servers else Project.make(tmp_path, {}))

    return make
