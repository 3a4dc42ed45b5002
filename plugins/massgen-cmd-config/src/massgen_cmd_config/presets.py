"""`massgen config presets`: the start configurations that installed plugins bring."""

from __future__ import annotations

import argparse
import json

from massgen_core.api import App, MassGenError, PresetSpec, clean_line

__all__ = ["Presets"]


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
        rows = []
        for entry in app.plugins.entries("preset"):
            try:
                summary = app.plugins.get("preset", entry.name).summary or entry.summary
            except MassGenError as error:
                summary = f"cannot be used: {error}"
            rows.append({"name": entry.name, "distribution": entry.distribution, "summary": clean_line(summary, 200)})
        if arguments.json:
            app.out(json.dumps(rows, ensure_ascii=False, indent=2))
        elif not rows:
            app.err("no preset is installed; one comes with: pip install massgen-backend-local")
        else:
            width = max(len(row["name"]) for row in rows)
            for row in rows:
                app.out(f"{row['name']:{width}}  {row['summary']} [{row['distribution']}]")
            app.err("a run begins from one with: massgen run --preset NAME; NAME alone shows it: massgen config presets NAME")
        return 0
