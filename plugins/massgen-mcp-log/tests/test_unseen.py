"""Redaction of what no rule was written for: the figures are floors, and a fall below them is a loss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from massgen_mcp_log.redact import Redaction

from .unseen import PLACES, SHAPES, TOLD, looks, secrets

LISTS = Path(__file__).resolve().parents[4] / "shared" / "data" / "mcp-tools"


@pytest.mark.parametrize("seed", [11, 21, 22])
def test_most_unknown_formats_are_found(seed: int) -> None:
    """Of more than sixty formats without a rule, two thirds are told by their looks alone, and whoever is named by a key is found nearly always."""
    redaction = Redaction()
    found = [(name in TOLD, secret not in redaction(text)) for name, secret, text in secrets(seed)]
    shapes, told = ([hit for is_told, hit in found if is_told is wanted] for wanted in (False, True))

    assert len(SHAPES) > 60
    assert len(shapes) == len(SHAPES) * len(PLACES)
    assert sum(shapes) >= 0.65 * len(shapes)
    assert sum(told) >= 0.85 * len(told)


@pytest.mark.parametrize("seed", [5, 6])
def test_what_only_looks_so_stays(seed: int) -> None:
    """Ids, digests, addresses and names with many figures in them: at most one in a thousand is taken for a token."""
    redaction = Redaction()
    wrong = [text for text in looks(seed, 4000) if redaction(text) != text]

    assert len(wrong) <= 4, wrong


def texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from texts(value)


@pytest.mark.skipif(not LISTS.is_dir(), reason="not in CI: the tool lists of real servers are not part of this repository")
def test_descriptions_of_real_tools_stay() -> None:
    """Of what 130 servers say of their tools, hardly a text is touched: an example of a header, and of a file's name."""
    redaction = Redaction()
    every = [text for file in sorted(LISTS.glob("*.json")) for text in texts(json.loads(file.read_text(encoding="utf-8")))]
    wrong = [text for text in every if redaction(text) != text]

    assert len(every) > 20_000
    assert len(wrong) <= 5, wrong
