"""The classifier `commands`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import anyio.to_thread
import attrs

from massgen_core.api import ConfigProblem, Context, Tool, ToolCall, Verdict, clean_line, join, nearest
from massgen_safety_commands.config import CommandsConfig
from massgen_safety_commands.judge import find, is_read_only, read
from massgen_safety_commands.rule import Rule
from massgen_safety_commands.rules import RULES

__all__ = ["Commands", "rules_of", "verdict_of"]

_CODE = frozenset({"code", "source"})
_LONG = 10_000  # characters from which on a thread judges
Part = tuple[str, str | Sequence[str]]  # a language, and a program or an argument vector


class Commands:
    """Judges calls that carry commands or code; of other tools it has no opinion.

    Args:
        config: Which calls, which rules.
        context: Its workspace counts as inside, and the folder of the run's workspaces.

    Raises:
        ConfigProblem: A rule is named that does not exist.
    """

    def __init__(self, config: CommandsConfig, context: Context) -> None:
        self._config, self._rules = config, rules_of(config)
        own = [str(context.workspace)] if context.workspace else []
        self._inside = (*(folder.rstrip("/") for folder in config.inside if folder.rstrip("/")), *own, str(context.folder / "workspaces"))

    async def judge(self, tool: Tool, call: ToolCall | None) -> Verdict | None:
        """Judge a call; None where it carries no command."""
        if call is None or not any(fnmatchcase(tool.name, pattern) for pattern in self._config.tools):
            return None
        try:
            given = call.parsed()
        except ValueError:
            return Verdict(level="ask", reason="the arguments cannot be read", rule="commands.arguments")
        parts = list(_parts(tool.name, given, self._config.arguments))
        if not parts:
            return None
        if len(call.arguments) < _LONG:
            return self._verdict(parts)
        return await anyio.to_thread.run_sync(self._verdict, parts)

    def _verdict(self, parts: Sequence[Part]) -> Verdict:
        return join(verdict_of(language, code, self._rules, self._inside, self._config.otherwise) for language, code in parts)


def rules_of(config: CommandsConfig) -> tuple[Rule, ...]:
    """Return the rules as the configuration has them.

    Raises:
        ConfigProblem: A rule is named that does not exist.
    """
    known = [rule.name for rule in RULES]
    for option, names in (("disable", config.disable), ("levels", config.levels)):
        for name in names:
            if name not in known:
                meant = nearest(name, known)
                hint = f"did you mean {meant!r}? " if meant else ""
                raise ConfigProblem(
                    f"there is no rule {name!r}; {hint}`massgen safety rules` lists them", path=option, allowed=tuple(known), nearest=meant
                )
    return tuple(attrs.evolve(rule, level=config.levels.get(rule.name, rule.level)) for rule in RULES if rule.name not in config.disable)


def verdict_of(language: str, code: str | Sequence[str], rules: Sequence[Rule], inside: tuple[str, ...], otherwise: str) -> Verdict:
    """Return the verdict on a script, on code, or on an argument vector.

    It is at least as strict as `otherwise`, but for plain commands that only look at files of the workspace; those are allowed.
    """
    facts = read(language, code, inside)
    verdicts = [
        Verdict(
            level=found.rule.level,
            reason=f"{found.rule.reason}: {clean_line(found.what, 80).replace(';', ',')} (rule {found.rule.name})",
            rule=f"commands.{found.rule.name}",
        )
        for found in find(facts, rules)
    ]
    if facts.unclear:
        verdicts.append(Verdict(level="ask", reason=facts.unclear, rule="commands.unclear"))
    if not verdicts and is_read_only(facts):
        return Verdict(level="allow", reason="it only looks at files of the workspace", rule="commands.read-only", is_idempotent=True)
    floors = {
        "allow": Verdict(level="allow", rule="commands.otherwise"),
        "warn": Verdict(level="warn", reason="no rule knows it", rule="commands.otherwise"),
        "ask": Verdict(level="ask", reason="no rule says that it is harmless", rule="commands.otherwise"),
    }
    return join([*verdicts, floors[otherwise]])


def _parts(tool: str, given: Mapping[str, Any], names: Sequence[str]) -> Iterator[Part]:
    """Yield what is judged of a call's arguments, each with its language."""
    stated = given.get("language", given.get("lang"))
    others = given.get("args")
    for name in names:
        value = given.get(name)
        if isinstance(value, str):
            if name not in _CODE and isinstance(others, (list, tuple)) and others:
                yield "shell", [value, *map(str, others)]
            if isinstance(stated, str) and stated:
                # A tool that runs commands need not look at what a model says of their language.
                yield from [(stated, value)] if name in _CODE else [(stated, value), ("shell", value)]
            elif "python" in tool.lower():
                yield "python", value
            else:
                # Code of which nobody says the language is judged as each of the two.
                yield from [("shell", value), ("python", value)] if name in _CODE else [("shell", value)]
        elif isinstance(value, (list, tuple)) and value:
            words = [str(word) for word in value]
            # A list is a command's words, or several commands.
            yield from (("shell", word) for word in words) if name == "commands" or len(words) == 1 else [("shell", words)]
