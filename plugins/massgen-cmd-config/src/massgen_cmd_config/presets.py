"""`massgen config presets`: the start configurations that installed plugins bring."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import attrs

from massgen_cmd_config.needs import Need, needs, with_keys
from massgen_core.api import App, MassGenError, PresetSpec, clean_line

__all__ = ["Presets"]

# What comes with most installations, and needs nothing by itself.
_USUAL = ("strategy.", "middleware.", "transport.")


class Presets:
    """The command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments and options."""
        parser.add_argument("name", nargs="?", metavar="NAME", help="show this one as a configuration file")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """List the presets, or print one."""
        if arguments.name:
            spec = app.plugins.get("preset", arguments.name)
            assert isinstance(spec, PresetSpec)
            if arguments.json:
                app.out(json.dumps(spec.document, ensure_ascii=False, indent=2))
                return 0
            import yaml  # noqa: PLC0415 - for this one use

            for line in yaml.safe_dump(json.loads(json.dumps(spec.document)), sort_keys=False, allow_unicode=True, width=120).splitlines():
                app.out(line)
            return 0
        rows = _rows(app)
        if arguments.json:
            app.out(json.dumps(rows, ensure_ascii=False, indent=2))
        elif not rows:
            app.err("no preset is installed; one comes with: pip install massgen-backend-local")
        else:
            for row in rows:
                app.out(f"{row['name']}: {row['summary']} [{row['distribution']}]")
                if needed := [need["name"] for need in row["needs"] if not need["name"].startswith(_USUAL)]:
                    app.out(f"  needs {', '.join(needed)}")
                if lacks := [f"{need['name']} ({clean_line(need['missing'], 300)})" for need in row["needs"] if need["missing"]]:
                    app.out(f"  missing here: {', '.join(lacks)}")
            app.err("a run begins from one with: massgen run --preset NAME; NAME alone shows it: massgen config presets NAME")
        return 0


def _rows(app: App) -> list[dict[str, Any]]:
    """Return the installed presets, with what each needs."""
    import anyio  # noqa: PLC0415 - for this one use

    rows: list[dict[str, Any]] = []
    needed: list[Sequence[Need]] = []
    for entry in app.plugins.entries("preset"):
        try:
            spec = app.plugins.get("preset", entry.name)
            assert isinstance(spec, PresetSpec)
            summary = spec.summary or entry.summary
            needed.append(needs(spec.document, app.plugins))
        except MassGenError as error:
            summary = f"cannot be used: {error}"
            needed.append(())
        rows.append({"name": entry.name, "distribution": entry.distribution, "summary": clean_line(summary, 200)})
    for row, found in zip(rows, anyio.run(with_keys, app, needed), strict=True):
        row["needs"] = [attrs.asdict(need) for need in found]
    return rows
