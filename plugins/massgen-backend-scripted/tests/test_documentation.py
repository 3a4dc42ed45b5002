"""What the documentation shows can be pasted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from massgen_backend_scripted.script import Script, read
from massgen_testkit.distribution import yaml_blocks

FOLDER = Path(__file__).resolve().parent.parent
PAGES = [FOLDER / "README.md", FOLDER.parent.parent / "docs" / "how-to" / "script-a-run.md"]


def scripts(data: Any) -> Iterator[Script]:
    """Yield every script in a piece of YAML: a whole one, steps, or the options of agents."""
    if isinstance(data, dict) and "version" not in data and "agents" in data:
        yield read(script=data)
    elif isinstance(data, dict) and "steps" in data:
        yield read(steps=data["steps"])
    elif isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from scripts(each)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scripts_on_a_page_are_valid(page: Path) -> None:
    """Each script on a page is read without a problem."""
    found = [script for block in yaml_blocks(page.read_text(encoding="utf-8")) for script in scripts(yaml.safe_load(block))]

    assert len(found) >= 2
