"""Which commands run: glob patterns on what a person would type. They steer; the sandbox is what protects."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import attrs

from massgen_core.api import Verdict
from massgen_tools_code.config import CommandPermissions

__all__ = ["RULE", "Rules"]

RULE = "code.permissions"

_BETWEEN = re.compile(r"(?:&&|\|\||[;&|\n])+")
# What runs a command within a command: no pattern allows a line that has it.
_WITHIN = re.compile(r"`|\$\(|[<>]\(")


@attrs.frozen
class Rules:
    """Judges commands by the patterns of a section.

    A shell line is taken apart at its operators: a pattern of `deny` or `ask` holds where it matches the line or a part of it, and those of `allow`
    hold where each part is matched by one.
    """

    permissions: CommandPermissions

    def judge(self, language: str, code: str) -> Verdict | None:
        """Return what the patterns say; None where there are no patterns at all."""
        given = self.permissions
        if not (given.allow or given.ask or given.deny):
            return None
        line = code.strip()
        whole = [line, f"{language}:{line}"] if language == "shell" else [f"{language}:{line}"]
        parts = [part.strip() for part in _BETWEEN.split(line) if part.strip()] if language == "shell" else []
        for level in ("deny", "ask"):
            for pattern in getattr(given, level):
                if any(fnmatchcase(text, pattern) for text in (*whole, *parts)):
                    return Verdict(level=level, reason=f"{RULE}.{level} names {pattern!r}", rule=f"{RULE}.{level}")
        if not given.allow:
            return Verdict(level="allow", rule=RULE)
        return self._allowed(language, line, parts)

    def _allowed(self, language: str, line: str, parts: list[str]) -> Verdict:
        allow = self.permissions.allow
        named = next((pattern for pattern in allow if fnmatchcase(f"{language}:{line}", pattern)), "")
        if not named and parts and not _WITHIN.search(line):
            found = [next((pattern for pattern in allow if fnmatchcase(part, pattern)), "") for part in parts]
            named = ", ".join(dict.fromkeys(found)) if all(found) else ""
        if named:
            return Verdict(level="allow", reason=f"{RULE}.allow names {named!r}", rule=f"{RULE}.allow")
        return Verdict(level="ask", reason=f"{RULE}.allow does not name it", rule=f"{RULE}.allow")
