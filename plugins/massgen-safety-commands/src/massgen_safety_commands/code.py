"""Code of any language as facts: Python from its syntax tree, shells as such, everything else from its texts."""

from __future__ import annotations

import re

from massgen_safety_commands.facts import DEPTH, Tangled
from massgen_safety_commands.programs import SHELLS
from massgen_safety_commands.python import read_python
from massgen_safety_commands.shell import Shell

__all__ = ["read_code"]

_TEXT = r"""(?:"((?:[^"\\\n]|\\.){1,400}+)"|'((?:[^'\\\n]|\\.){1,400}+)'|`([^`\n]{1,400}+)`)"""
_LITERAL = re.compile(_TEXT)
_STARTS = re.compile(r"\b(?:exec|execSync|execFileSync|spawn|spawnSync|system|execute|popen|passthru|shell_exec|check_output|qx)\s*\(?\s*" + _TEXT)
_DELETES = re.compile(
    r"\b(?:rmSync|rmdirSync|unlinkSync|rm|rmdir|unlink|rm_rf|rm_r|remove_entry|rimraf|RemoveAll|rmtree|remove_tree|delete_tree)\s*\(?\s*" + _TEXT
)
_MANY = 2000  # texts that are looked at


def read_code(shell: Shell, language: str, text: str, depth: int) -> None:
    """Tell what code of a language does; what cannot be parsed is judged by its texts.

    Raises:
        Tangled: It is too long, or nested too deeply.
    """
    if depth > DEPTH:
        raise Tangled("it is nested too deeply to be judged")
    language = language.strip().lower()
    if language in SHELLS or language in ("shell", "console", "terminal", "cmd"):
        shell.script(text, depth)
        return
    if language.startswith(("py", "ipython")) and read_python(shell, text, depth):
        return
    _by_texts(shell, text, depth)


def _by_texts(shell: Shell, text: str, depth: int) -> None:
    facts = shell.facts
    facts.spend(1, len(text))
    facts.is_plain = False
    facts.texts.append(text)
    for found, _ in zip(_STARTS.finditer(text), range(_MANY), strict=False):
        shell.script(_one(found), depth + 1)
    for found, _ in zip(_DELETES.finditer(text), range(_MANY), strict=False):
        facts.use(_one(found), "delete", shell.folder)
    for found, _ in zip(_LITERAL.finditer(text), range(_MANY), strict=False):
        value = _one(found)
        if value.startswith(("/", "~")) and not any(char.isspace() for char in value):
            facts.use(value, "read", shell.folder)


def _one(found: re.Match[str]) -> str:
    return next((group for group in found.groups() if group is not None), "")
