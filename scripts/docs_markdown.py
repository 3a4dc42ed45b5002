"""What the scripts of the reference share: Google-style docstrings taken apart, and Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Written by scripts/docs_reference.py from the code; change it there. -->\n"
SECTION = re.compile(r"^(Args|Attributes|Example|Raises|Returns|Yields):$")
ENTRY = re.compile(r"^ {4}(\w+): (.*)$")


class Doc:
    """A docstring in Google style, taken apart: `text`, the sections, and what `Args` or `Attributes` say of each name."""

    def __init__(self, docstring: str) -> None:
        self.sections: dict[str, list[str]] = {}
        lines: list[str] = []
        self._text = lines
        for line in inspect.cleandoc(docstring).splitlines():
            if found := SECTION.match(line):
                lines = self.sections.setdefault(found[1], [])
            else:
                lines.append(line)
        self.names = dict(self._entries("Args")) | dict(self._entries("Attributes"))

    @property
    def text(self) -> str:
        return "\n".join(self._text).strip()

    def _entries(self, section: str) -> Iterator[tuple[str, str]]:
        name, parts = "", list[str]()
        for line in [*self.sections.get(section, []), "    end: "]:
            if found := ENTRY.match(line):
                if name:
                    yield name, " ".join(parts)
                name, parts = found[1], [found[2]]
            elif line.strip():
                parts.append(line.strip())

    def rest(self) -> Iterator[str]:
        """Yield the sections that are not about names, as Markdown."""
        for name in ("Returns", "Yields"):
            if lines := self.sections.get(name):
                yield f"{name}: {' '.join(line.strip() for line in lines if line.strip())}"
        for error, meaning in self._entries("Raises"):
            yield f"Raises `{error}`: {meaning}"
        if lines := self.sections.get("Example"):
            yield "```python\n" + inspect.cleandoc("\n".join(["", *lines])) + "\n```"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    return f"`{cell(text)}`" if text else ""


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
