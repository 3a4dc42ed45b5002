"""Findings as text for people, as JSON for programs, and as SARIF for code-review tools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import attrs

from massgen_cmd_config.findings import Checked, Finding
from massgen_cmd_config.keys import masked

__all__ = ["as_json", "as_sarif", "as_text"]

_WIDTH = 160
_RULES = {
    "mistake": "The configuration cannot be used as it is written.",
    "secret": "A secret is written in a file.",
    "effect": "A setting names what is not there, contradicts another one, or does nothing.",
    "reference": "A file, function or variable is not there, or a backend cannot do what is set.",
    "migration": "The file has an older format, and something in it is read differently or left out.",
}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(checked: Sequence[Checked]) -> Iterator[str]:
    """Yield a paragraph for each finding: place and message, the line with a caret, and what to write."""
    for one in checked:
        for finding in one.findings:
            yield "\n".join(_paragraph(one, finding))


def _paragraph(checked: Checked, finding: Finding) -> Iterator[str]:
    place = f"{finding.source}:{finding.line}:{finding.column}" if finding.line else finding.source
    yield ": ".join(part for part in (place, finding.severity, finding.path, masked(finding.message, checked.hidden)) if part)
    if 1 <= finding.line <= len(checked.lines.get(finding.source, ())):
        yield from _line(checked, finding)
    if finding.fix:
        yield f"  fix: write {finding.fix}"
    missing = [name for name in finding.allowed if name not in finding.message]
    if missing and not finding.fix:
        yield f"  allowed: {', '.join(finding.allowed)}"


def _line(checked: Checked, finding: Finding) -> Iterator[str]:
    line = masked(checked.lines[finding.source][finding.line - 1].rstrip("\r"), checked.hidden)
    # A line that is too long is shown around the column.
    start = max(0, min(finding.column - 1 - _WIDTH // 2, len(line) - _WIDTH))
    shown, column = line[start : start + _WIDTH], finding.column - 1 - start
    # Tabs stay tabs, so that the caret stands below its column whatever their width.
    before = "".join("\t" if letter == "\t" else " " for letter in shown[:column])
    number = f"{finding.line:5} | "
    yield f"{number}{shown}"
    yield f"{' ' * (len(number) - 2)}| {before}{'^' * max(1, min(finding.length, len(shown) - column))}"


def as_json(checked: Sequence[Checked]) -> str:
    """Return one JSON object: `files`, each with its findings, and the counts."""
    files = []
    for one in checked:
        findings = [{**attrs.asdict(finding), "message": masked(finding.message, one.hidden)} for finding in one.findings]
        files.append({"file": one.source, "errors": one.errors, "warnings": len(one.findings) - one.errors, "findings": findings})
    return json.dumps({"errors": sum(one.errors for one in checked), "files": files}, ensure_ascii=False, indent=2)


def as_sarif(checked: Sequence[Checked]) -> str:
    """Return a SARIF 2.1.0 log with one run."""
    rules = [{"id": rule, "shortDescription": {"text": text}} for rule, text in _RULES.items()]
    results = [_result(one, finding) for one in checked for finding in one.findings]
    driver = {"name": "massgen config check", "informationUri": "https://github.com/massgen/MassGen", "rules": rules}
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}]}
    return json.dumps(log, ensure_ascii=False, indent=2)


def _result(checked: Checked, finding: Finding) -> dict[str, Any]:
    artifact = {"uri": PurePath(finding.source).as_posix()}
    where: dict[str, Any] = {"artifactLocation": artifact}
    if finding.line:
        where["region"] = {"startLine": finding.line, "startColumn": finding.column, "endColumn": finding.column + finding.length}
    text = ": ".join(part for part in (finding.path, masked(finding.message, checked.hidden)) if part)
    result: dict[str, Any] = {"ruleId": finding.rule, "level": finding.severity, "message": {"text": text}}
    if finding.source:
        result["locations"] = [{"physicalLocation": where}]
    if finding.fix and finding.line:
        replacement = {"deletedRegion": where["region"], "insertedContent": {"text": finding.fix}}
        description = {"text": f"write {finding.fix}"}
        result["fixes"] = [{"description": description, "artifactChanges": [{"artifactLocation": artifact, "replacements": [replacement]}]}]
    return result
