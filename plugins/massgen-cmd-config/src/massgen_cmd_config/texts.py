"""A configuration as text of each format that is read: YAML, JSON and TOML."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from massgen_cmd_config.rewrite import rewritten
from massgen_core.api import ConfigProblems, Document, MassGenError, PluginProblem, UsageProblem, config_rows, read_document

if TYPE_CHECKING:
    from massgen_core.config.schema import Row
    from massgen_core.plugins.manager import Plugins

__all__ = ["FORMATS", "format_of", "read_back", "text_of", "without_nulls"]

FORMATS = ("yaml", "json", "toml")

# What double quotes hold as it is in JSON and TOML, though no file may.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_Rows: TypeAlias = Mapping[str, "Row"]


def format_of(path: Path) -> str:
    """Return the format that a file's name stands for."""
    return {".json": "json", ".jsonc": "json", ".toml": "toml"}.get(path.suffix, "yaml")


def text_of(document: Document, form: str, plugins: Plugins, original: str = "") -> str:
    """Return a document as text that reads as the same.

    Args:
        document: In today's format.
        form: One of `FORMATS`.
        plugins: They know which values are defaults: TOML cannot express null, so a null that is the default is left out there.
        original: The YAML that the document was made from, for its comments, which only YAML keeps.

    Raises:
        UsageProblem: The format cannot express it.
        MassGenError: The text would not read as the same; a defect.
    """
    data = document.data
    if form == "toml":
        import tomli_w  # noqa: PLC0415 - for this one format

        data, left = without_nulls(data, plugins)
        if left:
            message = f"TOML has no null, and leaving {', '.join(left[:5])} out would mean something else, or nobody knows what"
            raise UsageProblem(f"{message}; give it a value, remove it, or choose --format yaml or json")
        text = _escaped(tomli_w.dumps(data, indent=2))
    elif form == "json":
        text = _escaped(json.dumps(data, ensure_ascii=False, indent=2)) + "\n"
    else:
        text = rewritten(document, original)
    if read_back(text, form) != data:
        raise MassGenError(f"{document.source} cannot be written as {form} without a change of its meaning; report this, with the file")
    return text


def read_back(text: str, form: str, name: str = "") -> object:
    """Return what a text of a format reads as; None where it cannot be read."""
    with tempfile.TemporaryDirectory(prefix="massgen-") as folder:
        copy = Path(folder) / f"config.{form}"
        copy.write_text(text, encoding="utf-8", newline="")
        try:
            return read_document(copy, name=f"{name}.{form}" if name else "").data
        except ConfigProblems:
            return None


def without_nulls(data: Mapping[str, Any], plugins: Plugins) -> tuple[dict[str, Any], list[str]]:
    """Return a configuration without the nulls that are defaults, and the paths of all others."""
    found = _Nulls(plugins)
    made = found.mapping(data, {row.path: row for row in config_rows(plugins)}, "", "")
    return made, found.left


class _Nulls:
    """Leaves out the nulls that are defaults; the paths of all others are collected in `left`."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.left: list[str] = []

    def mapping(self, data: Mapping[str, Any], rows: _Rows, pattern: str, shown: str) -> dict[str, Any]:
        made = {}
        for key, value in data.items():
            at, path = f"{pattern}{key}", f"{shown}{key}"
            row = rows.get(at)
            if value is not None:
                made[key] = self.value(value, rows, at, path)
            elif row is None or row.default != "null":
                self.left.append(path)
        return made

    def value(self, value: Any, rows: _Rows, at: str, path: str) -> Any:
        if isinstance(value, Mapping):
            row = rows.get(at.removesuffix("[]"))
            if row is not None and row.kind:
                return self.mapping(value, self.options(row.kind, value.get("type")), "", f"{path}.")
            return self.mapping(value, rows, f"{at}.", f"{path}.")
        if isinstance(value, list):
            self.left += [f"{path}[{index}]" for index, item in enumerate(value) if item is None]
            return [self.value(item, rows, f"{at}[]", f"{path}[{index}]") for index, item in enumerate(value)]
        return value

    def options(self, kind: str, name: object) -> _Rows:
        """Return the rows of a plugin's options; none where it is not installed, so that nothing is known of them."""
        try:
            return {row.path: row for row in config_rows(self.plugins, kind, str(name))}
        except (PluginProblem, TypeError):
            return {}


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
