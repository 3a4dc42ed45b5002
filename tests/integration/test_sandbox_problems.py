"""The page on problems with sandboxes quotes messages that the program really has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "fix-sandbox-problems.md").read_text(encoding="utf-8")
PLUGINS = ("massgen-exec-docker", "massgen-exec-local", "massgen-safety-commands", "massgen-tools-code")
FOREIGN = {"creating new namespace"}  # what bubblewrap says
OURS = ("Nothing runs", "Limits are refused", "A folder is not shared", "Commands are refused")
FILLED = {"(rule delete-outside)": "(rule {})", "permissions.deny names": "permissions.{} names"}


def messages() -> Iterator[str]:
    """Yield the texts of the program, with `{}` for what is put into them."""
    folders = [ROOT / "massgen_core", *(ROOT / "plugins" / name / "src" for name in PLUGINS)]
    for path in sorted(file for folder in folders for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.parametrize("title", OURS)
def test_messages_exist(title: str) -> None:
    """Whoever searches for a message finds it, and a message that changes is changed here."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    quoted = {text for line in section.splitlines() if line.startswith("| `") for text in re.findall(r"`([^`]+)`", line.split(" | ")[0])}
    known = "\n".join(messages())

    assert quoted
    assert {text for text in quoted - FOREIGN if FILLED.get(text, text) not in known} == set()
