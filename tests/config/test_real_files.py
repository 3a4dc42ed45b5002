"""Configurations that people wrote for MassGen 0.0 and 0.1: all are documents, and every value has its place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from massgen_core.config.document import read
from massgen_core.config.tree import leaves, parse_path, show_path

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "configs"
FILES = sorted(path for suffix in ("*.yaml", "*.yml", "*.json") for path in FOLDER.rglob(suffix))

pytestmark = pytest.mark.skipif(not FILES, reason="the folder of real configurations (../shared/data/configs) is not here")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_a_real_file_is_read_with_places(path: Path) -> None:
    """The data are those that PyYAML sees, and each text stands where its place says."""
    root = read(path)
    lines = path.read_text(encoding="utf-8").split("\n")

    assert root.plain() == yaml.safe_load(path.read_text(encoding="utf-8"))
    for found, node in root.walk():
        assert 1 <= node.place.line <= len(lines)
        assert parse_path(show_path(found)) == found
        if node.key is not None and isinstance(found[-1], str):
            rest = lines[node.key.line - 1][node.key.column - 1 :]
            assert rest.lstrip("\"'").startswith(found[-1])
        if isinstance(node.value, str) and "\n" not in node.value and node.place != root.place:
            rest = lines[node.place.line - 1][node.place.column - 1 :]
            assert rest[:1] in "\"'|>" or rest.startswith(node.value[:20].split("\n")[0].strip()[:10])


def test_a_thousand_files_a_minute() -> None:
    """Reading takes milliseconds, so that checking every file of a repository is nothing."""
    began = time.process_time()
    count = sum(1 for path in FILES if list(leaves(read(path).plain())))
    seconds = time.process_time() - began

    assert count == len(FILES)
    assert count / seconds * 60 > 1_000


def test_the_files_are_those_that_were_kept() -> None:
    """Nobody notices when a parametrised test has no parameters."""
    kinds: set[Any] = {path.parent.name for path in FILES}

    assert len(FILES) >= 150
    assert kinds
