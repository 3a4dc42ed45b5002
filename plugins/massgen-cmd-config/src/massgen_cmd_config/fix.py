"""`massgen config fix`: mends what can be mended in one way only, and touches nothing else."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path

from massgen_cmd_config.files import Written, read_text, write
from massgen_cmd_config.findings import LINE_END, Finding, check
from massgen_cmd_config.keys import masked
from massgen_core.api import App, UsageProblem

__all__ = ["Fix", "mended"]


class Fix:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="files to mend")
        parser.add_argument("--write", action="store_true", help="change the files, each after a copy of it; otherwise the changes are only shown")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Mend, and return 0 where nothing is left to be done, else 2."""
        left = 0
        for path in arguments.files:
            if not path.is_file():
                raise UsageProblem(f"{path} is no file")
            checked = check(app.plugins, path)
            text = read_text(path)
            new = mended(text, [finding for finding in checked.findings if finding.source == str(path)])
            fixes = sum(1 for finding in checked.findings if finding.fix)
            if new != text:
                for line in difflib.unified_diff(text.splitlines(), new.splitlines(), str(path), str(path), lineterm="", n=1):
                    app.out(masked(line, checked.hidden))
            if new != text and arguments.write:
                written: Written = write(path, new)
                app.err(f"{path} is mended; what it was is in {written.backup}")
                left += check(app.plugins, path).errors
            else:
                left += checked.errors
                app.err(f"{path}: {fixes} of {len(checked.findings)} findings can be mended{'; --write does it' if fixes else ''}")
        return 2 if left else 0


def mended(text: str, findings: list[Finding]) -> str:
    """Return a text with the certain fixes made, each in its place; where two meet, the first is made."""
    lines, ends = LINE_END.split(text.removeprefix("\ufeff")), LINE_END.findall(text)
    done: set[tuple[int, int]] = set()
    for finding in sorted(findings, key=lambda one: (one.line, one.column), reverse=True):
        if finding.fix and finding.line and (finding.line, finding.column) not in done:
            done.add((finding.line, finding.column))
            line, start = lines[finding.line - 1], finding.column - 1
            lines[finding.line - 1] = f"{line[:start]}{finding.fix}{line[start + finding.length :]}"
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    return mark + "".join(f"{line}{end}" for line, end in zip(lines, [*ends, ""], strict=True))
