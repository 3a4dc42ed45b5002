"""A backend's options, from the command line and from an agent of a configuration."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from massgen_core.api import App, UsageProblem, load_config

__all__ = ["add_agent", "add_options", "read_agent", "read_options"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--set`."""
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="sets", help="an option of the backend, as in a configuration; repeatable"
    )


def add_agent(parser: argparse.ArgumentParser) -> None:
    """Add `--config` and `--agent`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="take backend, model and options from an agent of this configuration")
    parser.add_argument("--agent", default="", metavar="NAME", help="which agent; of the configuration that a run here would have, without --config")


def read_agent(arguments: argparse.Namespace, app: App) -> dict[str, Any]:
    """Return the options of the agent that is meant; its backend and its model become the arguments', where those name none.

    Raises:
        UsageProblem: It is not plain which agent is meant.
        ConfigProblems: The configuration has mistakes.
    """
    if arguments.config is None and not arguments.agent:
        return {}
    agents = load_config(app.plugins, file=arguments.config).config.agents
    names = ", ".join(agent.name for agent in agents)
    meant = [agent for agent in agents if arguments.agent in ("", agent.name) and arguments.backend in ("", agent.backend.type)]
    if not meant:
        whose = f" {arguments.agent!r}" if arguments.agent else ""
        with_it = f" with backend {arguments.backend!r}" if arguments.backend else ""
        raise UsageProblem(f"the configuration has no agent{whose}{with_it}; it has: {names}")
    if len({repr((agent.backend, agent.model)) for agent in meant}) > 1:
        raise UsageProblem(f"several agents could be meant: {', '.join(agent.name for agent in meant)}; choose one with --agent")
    arguments.backend, arguments.model = meant[0].backend.type, arguments.model or meant[0].model
    return dict(meant[0].backend.options)


def read_options(sets: Sequence[str]) -> dict[str, Any]:
    """Return options; a value is JSON where it reads as such, and text else; dots lead into mappings.

    Raises:
        UsageProblem: One has no `=`.
    """
    options: dict[str, Any] = {}
    for given in sets:
        path, is_there, text = given.partition("=")
        if not is_there or not path.strip("."):
            raise UsageProblem(f"--set {given!r} is no KEY=VALUE")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        *above, last = path.split(".")
        place = options
        for name in above:
            inner = place.setdefault(name, {})
            if not isinstance(inner, dict):
                raise UsageProblem(f"--set {path}: {name} was given a value already")
            place = inner
        place[last] = value
    return options
