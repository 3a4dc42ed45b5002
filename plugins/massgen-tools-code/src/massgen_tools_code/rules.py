"""Which commands run: glob patterns on what a person would type. They steer; the sandbox is what protects."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import attrs

from massgen_core.api import Verdict
from massgen_tools_code.config import CommandPermissions

__all__ = ["RULE", "Rules"]

RULE = "code.permissions"

# `>&1` joins two outputs and ends no command.
_BETWEEN = re.compile(r"(?:&&|\|\||[;|\n]|&(?!(?<=>&)[0-9](?:[\s;&|]|$)))+")
# What runs a command within a command: no pattern allows a line that has it, but those that allow anything.
_WITHIN = re.compile(r"`|\$\(|[<>]\(")
# What a shell writes to without harm; and text in quotes, which are no more than that where nothing else changes what they mean.
_HARMLESS = re.compile(r"[0-9]?>{1,2}[ \t]*/dev/null(?![^\s;|&)])|[0-9]?>&[0-9](?![^\s;|&)])")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_TURNS = ("\\", "#", "<<")
_ANYTHING = ("*", "shell:*")


def _writes(text: str) -> bool:
    """Return whether a file may be written to by the shell itself: the words of a command do not say so."""
    return ">" in _HARMLESS.sub("", text)


@attrs.frozen
class Rules:
    """Judges commands by the patterns of a section.

    A shell line is taken apart at its operators: a pattern of `deny` or `ask` holds where it matches the line or a part of it, and those of `allow`
    hold where each part is matched by one. A pattern that allows a program begins with its language; one that lets a shell write to files has `>`.
    """

    permissions: CommandPermissions

    def judge(self, language: str, code: str) -> Verdict | None:
        """Return what the patterns say; None where there are no patterns at all."""
        given = self.permissions
        if not (given.allow or given.ask or given.deny):
            return None
        line = code.strip()
        parts = [part.strip() for part in _BETWEEN.split(line) if part.strip()] if language == "shell" else [line]
        for level in ("deny", "ask"):
            for pattern in getattr(given, level):
                if any(_matches(pattern, language, text) for text in (line, *parts)):
                    return Verdict(level=level, reason=f"{RULE}.{level} names {pattern!r}", rule=f"{RULE}.{level}")
        if not given.allow:
            return Verdict(level="allow", rule=RULE)
        return self._allowed(language, line, parts)

    def _allowed(self, language: str, line: str, parts: list[str]) -> Verdict:
        allow = self.permissions.allow
        if language == "shell" and _WITHIN.search(line):
            allow = tuple(pattern for pattern in allow if pattern in _ANYTHING)
        writing = allow
        if language == "shell" and _writes(line if any(sign in line for sign in _TURNS) else _QUOTED.sub("q", line)):
            writing = tuple(pattern for pattern in allow if pattern in _ANYTHING or ">" in pattern)
        choices = [(part, writing if _writes(part) else allow) for part in parts]
        found = [next((pattern for pattern in patterns if _allows(pattern, language, part)), "") for part, patterns in choices]
        if found and all(found):
            return Verdict(level="allow", reason=f"{RULE}.allow names {', '.join(dict.fromkeys(found))!r}", rule=f"{RULE}.allow")
        return Verdict(level="ask", reason=f"{RULE}.allow does not name it", rule=f"{RULE}.allow")


def _matches(pattern: str, language: str, text: str) -> bool:
    """Return whether a pattern names it; a pattern of command lines may name a program, too, where that makes it stricter."""
    if _allows(pattern, language, text):
        return True
    return language != "shell" and fnmatchcase(f"{language}:{text}", pattern)


def _allows(pattern: str, language: str, text: str) -> bool:
    """Return whether a pattern is meant for it: the language is written out, and never what the first `*` of a command line stands for."""
    for prefix in (f"{language}:", "*:"):
        if pattern.startswith(prefix) and fnmatchcase(text, pattern.removeprefix(prefix)):
            return True
    return pattern == "*" or (language == "shell" and fnmatchcase(text, pattern))
