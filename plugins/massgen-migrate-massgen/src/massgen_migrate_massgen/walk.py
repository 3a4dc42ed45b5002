"""Carries out the tables: goes through a section, puts each value where its rule says, and collects what cannot be taken over."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from massgen_core.api import ConfigProblem
from massgen_migrate_massgen.rules import Rule, Rules

__all__ = ["Walk", "is_on"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NEAR = 0.8


def is_on(value: Any) -> bool:
    """Say whether a setting does anything: not null, false, empty or zero."""
    return bool(value)


class Walk:
    """One pass over a document. Subclasses have a method `on_NAME(value, path, made)` for each rule that hands a value over.

    Args:
        warn: Receives what is read differently or left out without harm.
    """

    def __init__(self, warn: Callable[[ConfigProblem], None]) -> None:
        self.warn = warn
        self.problems: list[ConfigProblem] = []
        self.places: dict[str, list[str]] = {}  # of working folders, agent by agent

    def wrong(self, message: str, path: str, *, near: str = "") -> None:
        """Refuse the value at a path."""
        self.problems.append(ConfigProblem(message, path=path, nearest=near, allowed=(near,) if near else ()))

    def note(self, message: str, path: str) -> None:
        """Warn of the value at a path."""
        self.warn(ConfigProblem(message, path=path))

    def section(self, data: Any, path: str, rules: Rules, made: dict[str, Any], *, others: Rule | None = None, today: Collection[str] = ()) -> None:
        """Carry out the rules of a section.

        Args:
            data: The section.
            path: Its key path, for messages.
            rules: What its keys come to.
            made: Where they go.
            others: What keys come to that no rule names and none is near; None: they are left out with a warning, as MassGen passed over them.
            today: Keys that the section has in today's format.
        """
        for key, value in self.items(data, path):
            rule = rules.get(key) or self.unknown(key, f"{path}{_step(key, path)}", rules, others, today)
            if rule is not None:
                self.carry_out(rule, key, value, f"{path}{_step(key, path)}", made)

    def items(self, data: Any, path: str) -> Iterator[tuple[str, Any]]:
        """Yield the keys and values of a mapping; nothing, and a mistake, where it is none."""
        if isinstance(data, Mapping):
            yield from ((str(key), value) for key, value in data.items())
        elif data is not None:
            self.wrong("expected a mapping", path)

    def carry_out(self, rule: Rule, key: str, value: Any, path: str, made: dict[str, Any]) -> None:
        """Do what a rule says."""
        if rule.action == "hand":
            getattr(self, f"on_{rule.text}")(value, path, made)
        elif rule.action == "move" and value is not None:
            self.put(made, tuple(key if step == "*" else step for step in rule.to), value, path)
        elif rule.action == "refuse" and is_on(value):
            self.wrong(rule.text, path)
        elif rule.action == "warn" and is_on(value):
            self.note(rule.text, path)

    def put(self, made: dict[str, Any], to: tuple[str, ...], value: Any, path: str) -> None:
        """Put a value at a key path; mappings are joined, and of two scalars the first stays."""
        for step in to[:-1]:
            inner = made.get(step, {})
            if not isinstance(inner, dict):
                self.wrong("expected a mapping beside it", path)
                return
            # A copy: it may be a part of the document, which is not to be changed.
            made[step] = inner = dict(inner)
            made = inner
        before = made.get(to[-1])
        if isinstance(before, dict) and isinstance(value, Mapping):
            made[to[-1]] = {**before, **value}
        elif before is None:
            made[to[-1]] = value
        elif before != value:
            self.note(f"`{'.'.join(to)}` is given twice; this one is not used", path)

    def unknown(self, key: str, path: str, rules: Collection[str], others: Rule | None, today: Collection[str] = ()) -> Rule | None:
        """Return what an unknown key comes to, or None after it is told."""
        near = difflib.get_close_matches(key[:100], rules, n=1, cutoff=_NEAR)
        if key in today:
            self.wrong(f"`{key}` is of today's format, which begins with `version: 1`; without that line this is a file of MassGen 0.1", path)
        elif near:
            self.wrong(f"unknown key {key!r}; did you mean `{near[0]}`?", path, near=near[0])
        elif others is None:
            self.note(f"MassGen 0.1 had no key {key[:60]!r} here, and passed over it; it is left out", path)
        else:
            return others
        return None


def _step(key: str, path: str) -> str:
    if _PLAIN.fullmatch(key):
        return f".{key}" if path else key
    return f"[{json.dumps(key)}]"
