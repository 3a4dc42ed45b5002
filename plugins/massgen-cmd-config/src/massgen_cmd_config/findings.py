"""Finds what is wrong with a file, or only worth a word, each with its place."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from massgen_cmd_config.effects import effects
from massgen_cmd_config.keys import secrets
from massgen_cmd_config.references import references
from massgen_core.api import ConfigProblem, ConfigProblems, Document, PluginProblem, config_files, load_config, read_document

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["LINE_END", "Checked", "Finding", "check", "fixed_text", "token_at"]

LINE_END = re.compile("\r\n?|\n")
_NEAR = 0.75
_MOST = 1_000_000  # characters, as many as a configuration can have


@attrs.frozen(kw_only=True)
class Finding:
    """Something to say of a place in a file.

    Attributes:
        severity: Errors stop a run, warnings do not.
        rule: What it is about: `mistake`, `secret`, `effect`, `reference` or `migration`.
        length: Characters from the column on that it is about; at least 1.
        fix: What to write in their place, where that is certain; empty otherwise.
    """

    severity: Literal["error", "warning"]
    rule: str
    message: str
    path: str = ""
    source: str = ""
    line: int = 0
    column: int = 0
    length: int = 1
    allowed: tuple[str, ...] = ()
    nearest: str = ""
    fix: str = ""


@attrs.frozen(kw_only=True)
class Checked:
    """What came of one file.

    Attributes:
        source: What it is called.
        findings: In the order of their places.
        lines: The lines of the file, and of others that findings are in, by what they are called.
        hidden: Texts that must not be shown.
    """

    source: str
    findings: tuple[Finding, ...]
    lines: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict, repr=False)
    hidden: tuple[str, ...] = attrs.field(default=(), repr=False)

    @property
    def errors(self) -> int:
        """How many findings stop a run."""
        return sum(1 for finding in self.findings if finding.severity == "error")


def check(plugins: Plugins, path: Path | None) -> Checked:
    """Check a file, or with None what a run without options would use."""
    source = str(path) if path else ""
    found: list[tuple[Literal["error", "warning"], str, ConfigProblem]] = []
    try:
        loaded = load_config(plugins, file=path, is_trusted=True)
    except ConfigProblems as error:
        found += [("error", "mistake", problem) for problem in error.problems]
        found += [("warning", "migration", note) for note in _notes(plugins, path)]
    except PluginProblem as error:
        found.append(("error", "mistake", ConfigProblem(str(error), source=source)))
    else:
        found += [("warning", "migration", note) for note in loaded.notes]
        placed = {str(note) for note in loaded.notes}
        found += [
            ("warning", "migration", ConfigProblem(text.removeprefix(f"{source} "), source=source)) for text in loaded.warnings if text not in placed
        ]
        found += [(severity, "effect", problem) for severity, problem in effects(loaded)]
        found += [(severity, "reference", problem) for severity, problem in references(loaded)]
    hidden: list[str] = []
    for document in [_document(path)] if path else [_document(one) for one in config_files(os.environ)]:
        for leak in secrets(document) if document else ():
            hidden.append(leak.text)
            if leak.severity:
                found.append((leak.severity, "secret", leak.problem))
    lines = {name: _lines(Path(name)) for name in {source, *(problem.source for _, _, problem in found)} if name}
    findings = sorted({_finding(*one, lines, source) for one in found}, key=lambda one: (one.source, one.line, one.column, one.path, one.message))
    return Checked(source=source, findings=tuple(_once(findings)), lines=lines, hidden=tuple(hidden))


def _once(findings: list[Finding]) -> Iterator[Finding]:
    """Yield findings without those that say of a place what another one says already: a key in the file is found in two ways."""
    secret = {(one.line, one.column) for one in findings if one.rule == "secret"}
    for one in findings:
        if one.rule == "secret" or (one.line, one.column) not in secret or "never written here" not in one.message:
            yield one


def _document(path: Path) -> Document | None:
    try:
        return read_document(path, includes=True)
    except ConfigProblems:
        return None  # it is among the findings


def _notes(plugins: Plugins, path: Path | None) -> list[ConfigProblem]:
    """Return what migrations warn of in a file that is not taken over."""
    notes: list[ConfigProblem] = []
    document = _document(path) if path else None
    if document is not None:
        with suppress(ConfigProblems, PluginProblem):  # the same mistakes as those of loading
            document.migrated(plugins, notes)
    return notes


def _lines(path: Path) -> tuple[str, ...]:
    try:
        if not path.is_file():  # a configuration may name any path, devices without an end among them
            return ()
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            return tuple(LINE_END.split(stream.read(_MOST)))
    except OSError:
        return ()


def _finding(severity: Literal["error", "warning"], rule: str, problem: ConfigProblem, lines: Mapping[str, tuple[str, ...]], source: str) -> Finding:
    token = token_at(lines.get(problem.source or source, ()), problem.line, problem.column)
    if source.endswith(".toml") and not token.startswith(('"', "'")):
        token = token.partition("=")[0].rstrip()
    return Finding(
        severity=severity,
        rule=rule,
        message=problem.message,
        path=problem.path,
        source=problem.source or source,
        line=problem.line,
        column=problem.column,
        length=max(1, len(token)),
        allowed=problem.allowed,
        nearest=problem.nearest,
        fix=fixed_text(problem, token),
    )


def fixed_text(problem: ConfigProblem, token: str) -> str:
    """Return what to write in place of the token, or an empty text where that is not certain."""
    bare = token.strip("\"'")
    if problem.fix:
        # The value may have been written in another way than it reads, for instance as 0x10.
        return (
            problem.fix
            if problem.fix.strip('"') == bare.lower() or bare.lower() in _SPELLINGS.get(problem.fix, ()) or _same(problem.fix, bare)
            else ""
        )
    if problem.nearest and bare and (f"{bare!r}" in problem.message or f"`{bare}`" in problem.message):
        from difflib import SequenceMatcher  # noqa: PLC0415 - for mistakes only

        is_close = SequenceMatcher(None, bare.lower().replace("-", "_"), problem.nearest.lower().replace("-", "_")).ratio() >= _NEAR
        return problem.nearest if is_close else ""
    return ""


_SPELLINGS: Mapping[str, tuple[str, ...]] = {"true": ("yes", "on", "y", "true"), "false": ("no", "off", "n", "false")}


def _same(fix: str, bare: str) -> bool:
    try:
        return float(fix) == float(bare)
    except ValueError:
        return False


def token_at(lines: tuple[str, ...], line: int, column: int) -> str:
    """Return the scalar, or the key, that begins at a place; empty where something else stands there."""
    if not 1 <= line <= len(lines) or column < 1:
        return ""
    rest = lines[line - 1][column - 1 :]
    if rest[:1] in ('"', "'"):
        end = rest.find(rest[0], 1)
        return rest[: end + 1] if end > 0 and "\\" not in rest[:end] else ""
    if rest[:1] in "|>[{&*!#":
        return ""
    length = 0
    while length < len(rest) and rest[length] not in ",]}\r" and not (rest[length] == ":" and rest[length + 1 : length + 2] in ("", " ", "\t")):
        if rest[length] == "#" and length and rest[length - 1] in " \t":
            break
        length += 1
    return rest[:length].rstrip()
