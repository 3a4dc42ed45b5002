"""Facts against rules: which rules a call of a tool matches, and by what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache

import attrs

from massgen_safety_commands.code import read_code
from massgen_safety_commands.commands import read_command
from massgen_safety_commands.facts import LOOKED, Call, Facts, Tangled
from massgen_safety_commands.programs import READERS
from massgen_safety_commands.rule import On, Rule
from massgen_safety_commands.rules import RULES
from massgen_safety_commands.shell import Item, Shell, Stage

__all__ = ["Finding", "find", "is_read_only", "read"]

_OVERLAP = 2_500  # characters that a rule needs at most to see what it is about, of a text that is looked at in parts
_SAYS = re.compile(r"--help|--version|-V|-h|help|version")
_VISIBLE = re.compile(r"\./(?:[^/.][^/]*/?)*")  # within the workspace, and nothing hidden such as .env
_HOLLOW = frozenset({"", "?"})


@attrs.frozen
class Finding:
    """A rule that matches.

    Attributes:
        what: By what, for a person; untrusted.
    """

    rule: Rule
    what: str


def read(language: str, code: str | Sequence[str], inside: tuple[str, ...] = ()) -> Facts:
    """Return the facts of a script, of code, or of an argument vector; what is too much to read is said in `unclear`."""
    facts = Facts(inside=inside)
    shell = Shell(facts, read_command, read_code)
    try:
        if isinstance(code, str):
            read_code(shell, language, code, 0)
        elif code:
            shell.reader(shell, [Item(word) for word in code], Stage(), 0)
    except Tangled as tangled:
        facts.unclear = str(tangled)
    except RecursionError:
        facts.unclear = "it is nested too deeply to be judged"
    return facts


def find(facts: Facts, rules: Sequence[Rule] = RULES) -> Iterator[Finding]:
    """Yield the rules that match, each once."""
    waiting = {rule.name: rule for rule in rules}
    for rule, what in _matches(facts, _by_program()):
        if rule.name in waiting:
            yield Finding(waiting.pop(rule.name), what)


def is_read_only(facts: Facts) -> bool:
    """Whether all that was found are plain calls of programs that only look, at the workspace."""
    return (
        facts.is_plain
        and not facts.unclear
        and bool(facts.calls)
        and all(call.program in READERS for call in facts.calls)
        and all(use.access == "read" and _VISIBLE.fullmatch(use.path) for use in facts.uses)
    )


def _matches(facts: Facts, by_program: Mapping[str, Sequence[tuple[Rule, On]]]) -> Iterator[tuple[Rule, str]]:
    for call in facts.calls:
        for rule, on in (*by_program.get(call.program, ()), *by_program["*"]):
            if _calls(on, call):
                yield rule, _said(on, call)
    for use in facts.uses:
        if use.path in _HOLLOW:
            continue
        for rule, on in _on_paths():
            if use.access in on.access and _compiled(on.paths).match(use.path):
                yield rule, use.path
    for text in facts.texts:
        for rule, on in _on_texts():
            starts = range(0, max(1, len(text) - _OVERLAP), LOOKED - _OVERLAP)
            found = next(filter(None, (_compiled(on.text).search(text, start, start + LOOKED) for start in starts)), None)
            if found:
                yield rule, found[0]


def _said(on: On, call: Call) -> str:
    """Return what was found, in the words of a shell."""
    name = {":stdin": "", ":output": "it", ":fork-loop": "fork in a loop", ":reverse-shell": "a connection for input and output"}.get(call.program)
    said = f"{call.program.removeprefix(':native-') if name is None else name} {call.arguments}".strip()
    return f"{', '.join(sorted(call.fed.intersection(on.fed)))} | {said}" if on.fed else said


def _calls(on: On, call: Call) -> bool:
    arguments = call.arguments[:LOOKED]
    return (
        any(fnmatchcase(call.program, pattern) for pattern in on.programs)
        and (not on.fed or not call.fed.isdisjoint(on.fed))
        and (not on.arguments or _compiled(on.arguments).search(arguments) is not None)
        and (not on.unless or _compiled(on.unless).search(arguments) is None)
        and not (not on.fed and _SAYS.fullmatch(arguments))
    )


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def _by_program() -> Mapping[str, Sequence[tuple[Rule, On]]]:
    """Return conditions on programs by name; those with patterns under `*`."""
    table: dict[str, list[tuple[Rule, On]]] = {"*": []}
    for rule in RULES:
        for on in rule.when:
            for program in on.programs:
                key = "*" if "*" in program else program
                table.setdefault(key, []).append((rule, on))
    return table


@cache
def _on_paths() -> Sequence[tuple[Rule, On]]:
    return [(rule, on) for rule in RULES for on in rule.when if on.paths]


@cache
def _on_texts() -> Sequence[tuple[Rule, On]]:
    return [(rule, on) for rule in RULES for on in rule.when if on.text]
