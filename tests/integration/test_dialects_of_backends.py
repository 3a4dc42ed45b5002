"""The tools of real servers in the dialects of the backends: each fits, and what comes out stays as it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from massgen_backend_anthropic.schemas import TEXT, TOOLS
from massgen_backend_chat.backend import DIALECT as CHAT
from massgen_backend_gemini.models import DIALECT as GEMINI
from massgen_backend_openai.schemas import LOOSE, STRICT
from massgen_core.api import Dialect, fit

SHARED = Path(os.environ.get("MASSGEN_SHARED", Path(__file__).resolve().parents[3] / "shared"))
DIALECTS = {"openai": LOOSE, "openai-strict": STRICT, "anthropic": TOOLS, "anthropic-text": TEXT, "gemini": GEMINI, "chat": CHAT}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_real_tools_fit(dialect: Dialect) -> None:
    """No tool of 75 servers is lost to a provider: its schema is valid, an object, and has every property that it had. Every fifth is tried: the
    kernel's tests put all through the kinds of dialects that there are."""
    files = sorted((SHARED / "data" / "mcp-tools").glob("*.json"))
    if not files:
        pytest.skip("not in CI: the lists of real servers are not here; set MASSGEN_SHARED to the folder that holds data/mcp-tools")
    tools = [tool for file in files for tool in json.loads(file.read_text("utf-8"))["tools"]]
    for tool in tools[::5]:
        fitted, _ = fit(tool["inputSchema"], dialect)

        Draft202012Validator.check_schema(fitted)
        assert fitted["type"] == "object", tool["name"]
        assert set(tool["inputSchema"].get("properties") or {}) <= set(fitted["properties"]), tool["name"]
        assert fit(fitted, dialect) == (fitted, ()), tool["name"]
    assert len(tools) == 1896
