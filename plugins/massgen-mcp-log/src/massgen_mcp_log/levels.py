"""Which lines are written: levels by server, tool and operation, in the configuration and while a run is going on. Pure but for one small file."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import attrs

from massgen_core.api import UsageProblem
from massgen_mcp_log.config import LEVELS

__all__ = ["CONTROL", "LOOK_SECONDS", "RANKS", "Levels", "Rule", "change_levels", "read_levels", "rule_of"]

RANKS: Mapping[str, int] = {level: rank for rank, level in enumerate(LEVELS)}
CONTROL = "levels.json"
LOOK_SECONDS = 0.25


@attrs.frozen
class Rule:
    """A level for the servers, tools and operations that three patterns name.

    An operation is a category (`discovery`) or a category and a verb (`execution.progressed`).
    """

    server: str
    tool: str
    operation: str
    level: str

    def fits(self, server: str, tool: str, operation: str) -> bool:
        """Whether the rule speaks of such a line."""
        return (
            fnmatchcase(server, self.server)
            and fnmatchcase(tool, self.tool)
            and (fnmatchcase(operation, self.operation) or fnmatchcase(operation.partition(".")[0], self.operation))
        )

    @property
    def weight(self) -> tuple[int, int, int]:
        """How closely it is meant: a tool counts more than an operation, an operation more than a server; a name more than a pattern."""
        return _weight(self.tool), _weight(self.operation), _weight(self.server)


def _weight(pattern: str) -> int:
    return 0 if pattern == "*" else 1 if any(char in pattern for char in "*?[") else 2


def rule_of(text: str, level: str) -> Rule:
    """Read a rule: `github`, `github/merge_*`, `*:discovery`, `github/merge_*:execution.progressed`.

    Raises:
        UsageProblem: The level is none.
    """
    if level not in RANKS:
        raise UsageProblem(f"{level!r} is no level; there are {', '.join(LEVELS)}")
    names, _, operation = text.partition(":")
    server, _, tool = names.partition("/")
    return Rule(server.strip() or "*", tool.strip() or "*", operation.strip().removeprefix("mcp.") or "*", level)


class Levels:
    """The rules in force.

    Args:
        default: The level where no rule fits.
        rules: From the configuration, by rule.
        control: A file whose rules come before those of the configuration; it is looked at again by `refresh`.

    Attributes:
        version: Goes up whenever the rules change.
    """

    def __init__(self, default: str = "info", rules: Mapping[str, str] | None = None, control: Path | None = None) -> None:
        self._default = default
        self._fixed = _sorted([rule_of(text, level) for text, level in (rules or {}).items()])
        self._control, self._stamp = control, (0, 0)
        self._looked = -math.inf
        self.version = 0
        self._rules = self._fixed
        self._cache: dict[tuple[str, str, str], int] = {}

    def refresh(self) -> None:
        """Read the control file again if it has changed. A file that makes no sense changes nothing."""
        if self._control is None:
            return
        try:
            found = os.stat(self._control)
            stamp = (found.st_mtime_ns, found.st_ino)
        except OSError:
            stamp = (0, 0)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        with contextlib.suppress(ValueError, UsageProblem):
            self._rules = (*_sorted([rule_of(text, level) for text, level in read_levels(self._control).items()]), *self._fixed)
            self._cache.clear()
            self.version += 1

    def wants(self, server: str, tool: str, operation: str) -> bool:
        """Whether such lines are written with what crossed the wire: the client asks this before it shows it to anybody."""
        now = time.monotonic()
        if now - self._looked > LOOK_SECONDS:
            self._looked = now
            self.refresh()
        return self.rank(server, tool, operation) == 0

    def rank(self, server: str, tool: str, operation: str) -> int:
        """Return the rank of the least level that is written."""
        key = (server, tool, operation)
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) > 10_000:
                self._cache.clear()
            level = next((rule.level for rule in self._rules if rule.fits(*key)), self._default)
            found = self._cache[key] = RANKS[level]
        return found


def _sorted(rules: list[Rule]) -> tuple[Rule, ...]:
    # Among equals the later one wins: it was added to correct the earlier.
    return tuple(
        rule for _, _, rule in sorted(((rule.weight, place, rule) for place, rule in enumerate(rules)), key=lambda item: item[:2], reverse=True)
    )


def read_levels(control: Path) -> dict[str, str]:
    """Return the rules of a control file; none where there is no file.

    Raises:
        ValueError: It is no JSON object of strings.
    """
    try:
        data = json.loads(control.read_text(encoding="utf-8"))
    except OSError:
        return {}
    if not isinstance(data, dict) or not all(isinstance(level, str) for level in data.values()):
        raise ValueError(f"{control} must hold one JSON object, levels by rule")
    return data


def change_levels(control: Path, changes: Mapping[str, str]) -> dict[str, str]:
    """Change rules of a control file and return all of them; the level `default` takes a rule away.

    Raises:
        UsageProblem: A level is none.
    """
    try:
        rules = read_levels(control)
    except ValueError:
        rules = {}
    for text, level in changes.items():
        rules.pop(text, None)
        if level != "default":
            rule_of(text, level)
            rules[text] = level
    control.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = control.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(json.dumps(rules, indent=2) + "\n", encoding="utf-8")
    fresh.replace(control)
    return rules
