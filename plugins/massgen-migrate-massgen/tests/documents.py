"""What a document of the old format comes to."""

from __future__ import annotations

from typing import Any

import pytest

from massgen_core.api import ConfigProblem, ConfigProblems
from massgen_migrate_massgen.migrate import migrate

__all__ = ["backend", "refused", "warned"]


def backend(**section: Any) -> dict[str, Any]:
    """Return the agent that a backend's section comes to."""
    agent: dict[str, Any] = migrate({"agent": {"id": "al", "backend": section}})["agents"][0]
    return agent


def refused(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return where a document is refused, and why."""
    with pytest.raises(ConfigProblems) as caught:
        migrate(document)
    return [(problem.path, problem.message) for problem in caught.value.problems]


def warned(document: dict[str, Any]) -> list[str]:
    """Return the places that a document is warned of."""
    notes: list[ConfigProblem] = []
    migrate(document, notes.append)
    return [note.path for note in notes]
