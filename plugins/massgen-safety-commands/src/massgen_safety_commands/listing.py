"""`massgen safety rules`: the rules, or what they say of a line."""

from __future__ import annotations

import argparse
import json

from massgen_core.api import App, clean_line
from massgen_safety_commands.classifier import verdict_of
from massgen_safety_commands.rules import RULES

__all__ = ["Rules"]


class Rules:
    """Lists the rules with their levels and reasons, or judges a line without running it."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        parser.add_argument("line", nargs="?", help="a command line, in quotes; it is judged and not run")
        parser.add_argument("--language", default="shell", help="what the line is written in (default: shell)")
        parser.add_argument("--json", action="store_true", help="write JSON")

    def run(self, arguments: argparse.Namespace, app: App) -> int:
        """Print the rules, or the verdict; the exit code is 0 whatever the verdict."""
        if arguments.line is not None:
            verdict = verdict_of(arguments.language, arguments.line, RULES, (), "ask")
            found = {"level": verdict.level, "rule": verdict.rule, "reason": verdict.reason}
            app.out(json.dumps(found) if arguments.json else clean_line(f"{verdict.level}: {verdict.reason}", 1000))
        elif arguments.json:
            app.out(
                json.dumps([{"rule": rule.name, "level": rule.level, "reason": rule.reason, "examples": rule.matches} for rule in RULES], indent=2)
            )
        else:
            for rule in RULES:
                app.out(f"{rule.name:26} {rule.level:5} {rule.reason}")
        return 0
