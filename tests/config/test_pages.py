"""The examples on the pages about configurations can be pasted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from massgen_core.config.document import parse
from massgen_core.config.layers import named
from massgen_core.config.sections import RunConfig
from massgen_core.config.structure import structure
from massgen_core.config.tree import Place, graft, merge

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("../README.md", "how-to/configure-a-run.md", "explanation/configuration.md")
BLOCKS = [
    (f"{page}-{number}", text)
    for page in PAGES
    for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))
]


@pytest.mark.parametrize(("name", "text"), BLOCKS)
def test_an_example_fits_the_kernels_classes(name: str, text: str) -> None:
    """Over agents, where it is a part and has none."""
    below = graft({"agents": [{"backend": "scripted"}]}, Place("default"))
    root = merge(below, parse(text, name))
    named(root)

    assert structure(RunConfig, root.plain(), place=root).agents
