"""Environments made from the folder listing: `plugin-<name>` for each distribution, and every distribution in those that want them all.

What the tests of a distribution need beside it stands in the dependency group `test` of its own pyproject.toml.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tox.config.loader.memory import MemoryLoader
from tox.config.types import Command, EnvList
from tox.plugin import impl

if TYPE_CHECKING:
    from tox.config.sets import ConfigSet
    from tox.session.state import State
    from tox.tox_env.api import ToxEnv

ROOT = Path(__file__).parent
STANDARD = ("mcp", "all", "lowest", "third-party", "kernel", "type", "kernel-only", "lint", "docs")
# They come first: run-parallel starts environments in this order, and a long one that starts last is waited for alone.
LONG = frozenset(
    {"mcp", "all", "lowest", "plugin-backend-claude-code", "plugin-exec-docker", "plugin-exec-local", "plugin-mcp-client", "plugin-testkit"}
)
EVERYTHING = {"all": ("copier", "uv"), "mcp": ("copier", "uv"), "docs": ("uv",), "lowest": (), "type": ("copier", "mypy", "types-pyyaml")}
TEMPORARY = "PYTEST_DEBUG_TEMPROOT"
KIT = "-e plugins/massgen-testkit"
PLUGINS = {
    f"plugin-{file.parent.name.removeprefix('massgen-')}": f"plugins/{file.parent.name}" for file in sorted(ROOT.glob("plugins/*/pyproject.toml"))
}


def deps_of(paths: Iterable[str], tools: Iterable[str] = ()) -> str:
    """Return the lines that install distributions of this repository, with what their tests need."""
    lines = dict.fromkeys(tools)
    for path in (".", *paths):
        groups = tomllib.loads((ROOT / path / "pyproject.toml").read_text(encoding="utf-8")).get("dependency-groups", {})
        lines |= dict.fromkeys((f"-e {path}", *groups.get("test", ())))
    return "\n".join(lines)


def asked_of(path: str) -> set[str]:
    """Return the names of other people's distributions that one of ours asks for."""
    asked = tomllib.loads((ROOT / path / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in asked if not line.startswith("massgen-")}


@impl
def tox_extend_envs() -> list[str]:
    return list(PLUGINS)


@impl
def tox_add_core_config(core_conf: ConfigSet, state: State) -> None:
    core_conf.loaders.insert(0, MemoryLoader(env_list=EnvList(sorted([*STANDARD, *PLUGINS], key=lambda name: name not in LONG))))
    seeds, arguments = state.conf.memory_seed_loaders, state.conf.pos_args(None) or ()
    seeds["kernel"].append(MemoryLoader(deps=deps_of([], [KIT])))
    for name, tools in EVERYTHING.items():
        seeds[name].append(MemoryLoader(deps=deps_of(PLUGINS.values(), tools)))
    # Who asks for nothing that the kernel does not ask for has no lowest version of its own to try.
    lowest = [f"{path}/tests" for path in PLUGINS.values() if asked_of(path) - asked_of(".")]
    report = f"--junitxml={ROOT}/.tox/reports/lowest-plugins.xml"
    seeds["lowest"].append(MemoryLoader(commands_post=[Command(["pytest", *lowest, "-m", "not once", report, *arguments])]))
    for name, path in PLUGINS.items():
        seeds[name].append(MemoryLoader(deps=deps_of([path], [KIT]), commands=[Command(["pytest", f"{path}/tests", *arguments])]))


@impl
def tox_before_run_commands(tox_env: ToxEnv) -> None:
    # Sessions of pytest that clean up one folder at once disturb each other. A short path: sockets have names in it.
    tox_env.conf["set_env"].update({TEMPORARY: tempfile.mkdtemp(prefix="tox-")})


@impl
def tox_after_run_commands(tox_env: ToxEnv) -> None:
    shutil.rmtree(tox_env.conf["set_env"].load(TEMPORARY), ignore_errors=True)
