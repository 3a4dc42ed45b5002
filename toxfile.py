"""Environments made from the folder listing: `plugin-<name>` for each distribution, and every distribution in those that want them all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tox.config.loader.memory import MemoryLoader
from tox.config.types import Command, EnvList
from tox.plugin import impl

if TYPE_CHECKING:
    from tox.config.sets import ConfigSet
    from tox.session.state import State

# The longest first: run-parallel starts them in this order.
STANDARD = ("all", "lowest", "kernel", "type", "kernel-only", "lint", "docs", "third-party")
TOOLS = {
    "all": ("hypothesis", "pytest"),
    "docs": ("hypothesis", "pytest"),
    "lowest": ("hypothesis>=6.115", "pytest>=8.3"),
    "type": ("copier", "mypy", "pytest", "types-pyyaml"),
}
FOLDERS = sorted(file.parent for file in (Path(__file__).parent / "plugins").glob("*/pyproject.toml"))
PLUGINS = {f"plugin-{folder.name.removeprefix('massgen-')}": f"plugins/{folder.name}" for folder in FOLDERS}


@impl
def tox_extend_envs() -> list[str]:
    return list(PLUGINS)


@impl
def tox_add_core_config(core_conf: ConfigSet, state: State) -> None:
    core_conf.loaders.insert(0, MemoryLoader(env_list=EnvList([*STANDARD, *PLUGINS])))
    seeds = state.conf.memory_seed_loaders
    for name, tools in TOOLS.items():
        seeds[name].append(MemoryLoader(deps="\n".join(["-e .", *(f"-e {path}" for path in PLUGINS.values()), *tools])))
    for name, path in PLUGINS.items():
        deps = "\n".join(["-e .", *sorted({f"-e {path}", "-e plugins/massgen-testkit"}), "hypothesis", "pytest"])
        seeds[name].append(MemoryLoader(deps=deps, commands=[Command(["pytest", f"{path}/tests", *(state.conf.pos_args(None) or ())])]))
