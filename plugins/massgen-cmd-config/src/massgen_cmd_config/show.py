"""`massgen config show`: what a run would use, and where each value comes from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from massgen_cmd_config.keys import masked, secrets
from massgen_cmd_config.options import add_options, loaded
from massgen_core.api import App, Document, render_config

__all__ = ["Show"]


class Show:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("--set-only", action="store_true", help="leave out what is as it is by default")
        parser.add_argument(
            "--format", choices=("yaml", "json"), default="yaml", help="yaml: origins are comments; json: with `origins` (default: yaml)"
        )
        add_options(parser)

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Print the resolved configuration; secrets that are written in it are not shown."""
        found = loaded(arguments, app.plugins, only_reads=True)
        for warning in found.warnings:
            app.err(f"massgen: {warning}")
        hidden = tuple(leak.text for leak in secrets(Document.of(found.document, "")))
        origins = {path: origin for path, origin in found.origins.items() if not (arguments.set_only and origin == "default")}
        if arguments.format == "json":
            document = _hidden(found.document, hidden)
            app.out(json.dumps({"document": _kept(document, origins) if arguments.set_only else document, "origins": origins}, indent=2))
            return 0
        for line in render_config(found).splitlines():
            if not (arguments.set_only and line.endswith("  # default")):
                app.out(masked(line, hidden))
        return 0


def _hidden(data: Any, hidden: tuple[str, ...]) -> Any:
    """Return plain data with stars in place of secrets."""
    if isinstance(data, Mapping):
        return {key: _hidden(value, hidden) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_hidden(value, hidden) for value in data]
    return masked(data, hidden) if isinstance(data, str) and any(text in data for text in hidden) else data


def _kept(data: Any, origins: Mapping[str, str], path: str = "") -> Any:
    """Return plain data without what has no origin."""
    if isinstance(data, Mapping) and data:
        inner = {key: (value, _below(path, key)) for key, value in data.items()}
        return {key: _kept(value, origins, at) for key, (value, at) in inner.items() if _has(origins, at)}
    if isinstance(data, list) and data:
        return [_kept(value, origins, f"{path}[{index}]") for index, value in enumerate(data)]
    return data


def _below(path: str, key: str) -> str:
    step = key if key.replace("-", "_").isidentifier() else f"[{json.dumps(key)}]"
    return f"{path}{step}" if step.startswith("[") else f"{path}.{step}".removeprefix(".")


def _has(origins: Mapping[str, str], path: str) -> bool:
    return any(known == path or known.startswith((f"{path}.", f"{path}[")) for known in origins)
