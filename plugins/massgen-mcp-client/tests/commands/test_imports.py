"""What a run pays for MCP that it does not use: nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from massgen_testkit.project import Project

PROBE = """
import json, sys
from massgen_core.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "toolsets", [[], [{"type": "mcp", "servers": {}}], [{"type": "mcp", "servers": {"off": {"command": "uvx", "disabled": True}}}]]
)
def test_a_run_without_servers_imports_no_sdk(toolsets: list[Mapping[str, Any]], tmp_path: Path) -> None:
    """Neither one without the toolset, nor one whose toolset has no servers."""
    pytest.importorskip("massgen_backend_scripted")
    pytest.importorskip("massgen_strategy_single")
    document = {"version": 1, "agents": [{"backend": "scripted"}], "strategy": "single", "toolsets": toolsets}
    project = Project.make(tmp_path, {"massgen.yaml": document}).trusted()
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "run", "What is it?", "--quiet"],
        cwd=project.folder,
        env=project.variables(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    assert [name for name in modules if name.split(".")[0] in ("mcp", "mcp_types", "pydantic", "httpx2")] == []
