"""Real lists of tools, where they are at hand."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
SHARED = Path(os.environ.get("MASSGEN_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def real_tools() -> dict[str, list[dict[str, Any]]]:
    """The definitions that real servers sent, by the server's name."""
    files = sorted((SHARED / "data" / "mcp-tools").glob("*.json"))
    if not files:
        pytest.skip("the lists of real servers are not here; set MASSGEN_SHARED to the folder that holds data/mcp-tools")
    found = {}
    for file in files:
        data = json.loads(file.read_text(encoding="utf-8"))
        found[re.sub(r"^(?:npm|pypi)\.", "", data["server"]).replace(".", "-")] = data["tools"]
    return found


@pytest.fixture(scope="session")
def real_configurations() -> list[Path]:
    """The configurations of earlier MassGen versions."""
    files = sorted((SHARED / "data" / "configs").rglob("*.y*ml"))
    if not files:
        pytest.skip("the earlier configurations are not here; set MASSGEN_SHARED to the folder that holds data/configs")
    return files
