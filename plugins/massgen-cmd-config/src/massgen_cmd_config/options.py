"""The options by which a configuration is chosen, as `massgen run` has them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from massgen_core.api import load_config

if TYPE_CHECKING:
    from massgen_core.config.load import Loaded
    from massgen_core.plugins.manager import Plugins

__all__ = ["add_options", "loaded"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("configuration, as massgen run takes it")
    group.add_argument("-c", "--config", metavar="FILE", type=Path, help="configuration file")
    group.add_argument("--preset", metavar="NAME", help="start from an installed preset")
    group.add_argument("--agent", metavar="NAME=BACKEND[:MODEL]", action="append", default=[], help="an agent instead of the configured ones")
    group.add_argument("--backend", metavar="NAME", help="one backend for all agents")
    group.add_argument("--strategy", metavar="NAME", help="how the agents come to one answer")
    group.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="sets", help="set one value; repeatable")


def loaded(arguments: argparse.Namespace, plugins: Plugins, *, only_reads: bool = False) -> Loaded:
    """Return the configuration that the options choose.

    Args:
        arguments: What was parsed.
        plugins: The installed plugins.
        only_reads: Nothing that the configuration names is started, so that a project's file need not be trusted.

    Raises:
        ConfigProblems: Every mistake in it.
    """
    return load_config(
        plugins,
        file=arguments.config,
        preset=arguments.preset,
        backend=arguments.backend,
        agents=arguments.agent,
        sets=arguments.sets,
        strategy=arguments.strategy,
        is_trusted=only_reads,
    )
