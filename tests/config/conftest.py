"""One installed distribution with a plugin of each kind that a configuration names, found as an installer would have left it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from massgen_core.config.load import Loaded, load
from massgen_core.plugins import index
from massgen_core.plugins.manager import Plugins

HOOKS = """
    from __future__ import annotations

    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any, Literal

    import attrs

    from massgen_core.api import (
        BackendSpec, MigrationSpec, PresetSpec, SinkSpec, StrategySpec, ToolsetSpec, hookimpl,
    )


    def option(text, **field):
        return attrs.field(metadata={"help": text}, **field)


    @attrs.frozen(kw_only=True)
    class Retry:
        times: int = option("how often", default=2, validator=attrs.validators.ge(0))
        wait: float = option("seconds between", default=0.5)


    @attrs.frozen(kw_only=True)
    class AcmeConfig:
        url: str = option("where it is", default="http://localhost")
        port: int = option("where it listens", default=80)
        api_key: str = option("a reference to the key", default="env:ACME_KEY")
        mode: Literal["fast", "good"] = option("how", default="fast")
        verbose: bool = option("say more", default=False)
        headers: Mapping[str, str] = option("sent with each request", factory=dict)
        extra: Mapping[str, Any] = option("anything else", factory=dict)
        tags: tuple[str, ...] = option("labels", default=())
        retry: Retry = option("how to try again", default=Retry())
        echo: str = option("a copy of the key", default=attrs.Factory(lambda self: self.api_key, takes_self=True))


    @attrs.frozen(kw_only=True)
    class ConsensusConfig:
        answers: int = option("at most, for each agent", default=3)
        tie: Literal["lot", "first"] = option("how ties are broken", default="lot")


    @attrs.frozen(kw_only=True)
    class JudgeConfig:
        judge: str = option("who judges")


    @attrs.frozen(kw_only=True)
    class BrokenConfig:
        number: complex = option("no configuration can hold it", default=0j)


    @hookimpl
    def massgen_backends():
        return [
            BackendSpec(name="acme", factory="kit_config.impl:make", summary="Acme's models", config=AcmeConfig),
            BackendSpec(name="plain", factory="kit_config.impl:make"),
        ]


    @hookimpl
    def massgen_strategies():
        return [
            StrategySpec(name="consensus", factory="kit_config.impl:make", config=ConsensusConfig),
            StrategySpec(name="judge", factory="kit_config.impl:make", config=JudgeConfig),
            StrategySpec(name="single", factory="kit_config.impl:make"),
        ]


    @hookimpl
    def massgen_toolsets():
        return [ToolsetSpec(name="dice", factory="kit_config.impl:make")]


    @hookimpl
    def massgen_log_sinks():
        return [SinkSpec(name="broken", factory="kit_config.impl:make", config=BrokenConfig)]


    @hookimpl
    def massgen_presets():
        return [
            PresetSpec(name="default", document={"version": 1, "agents": [{"backend": "plain"}] * 2, "limits": {"calls": 9}}),
            PresetSpec(name="duo", document={"version": 1, "agents": [{"backend": "acme"}] * 2, "strategy": "single"}),
        ]


    @hookimpl
    def massgen_migrations():
        return [MigrationSpec(name="old", source=0, target=1, factory="kit_config.impl:from_old", warns=True)]
"""
IMPLEMENTATION = """
    from massgen_core.api import ConfigProblem


    def make(config, context):
        return config


    def from_old(old, warn):
        if "screen" in old:
            warn(ConfigProblem("nobody looks at this any more", path="screen.width"))
        if "models" in old:
            raise ConfigProblem("write agents instead", path="models")
        if "crash" in old:
            raise RuntimeError("out of cheese")
        if "nonsense" in old:
            return []
        agents = [{"name": one["id"], "backend": {"type": "acme", **one["backend"]}} for one in old["agents"]]
        made = {"agents": agents}
        if "seconds" in old:
            made["limits"] = {"seconds": old["seconds"]}
        return made
"""
POINTS = [
    "backend.acme",
    "backend.plain",
    "migration.old",
    "preset.default",
    "preset.duo",
    "sink.broken",
    "strategy.consensus",
    "strategy.judge",
    "strategy.single",
    "toolset.dice",
]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugins]:
    """What is installed: the distribution of this module, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    info, package = folder / "kit_config-1.0.dist-info", folder / "kit_config"
    info.mkdir()
    package.mkdir()
    rows = [f"{point} = kit_config.plugin" for point in POINTS]
    (info / "entry_points.txt").write_text("\n".join(["[massgen.v1]", *rows, ""]))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kit-config\nVersion: 1.0\n\n")
    (package / "__init__.py").write_text("")
    (package / "plugin.py").write_text(dedent(HOOKS))
    (package / "impl.py").write_text(dedent(IMPLEMENTATION))
    yield from installed(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "kit_config"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugins]:
    """A kernel without any plugin."""
    yield from installed(tmp_path_factory.mktemp("empty"))


def installed(folder: Path) -> Iterator[Plugins]:
    import importlib_metadata  # noqa: F401, PLC0415 - it must be there while the path is narrowed

    before = list(sys.path)
    index.read.cache_clear()
    try:
        sys.path[:] = [str(folder)]
        found = index.read()
    finally:
        sys.path[:] = before
        index.read.cache_clear()
    sys.path.insert(0, str(folder))
    yield Plugins(found)
    # Tests of other folders, in the same process, must not find it.
    sys.path.remove(str(folder))
    index.read.cache_clear()


@pytest.fixture
def loading(plugins: Plugins, tmp_path: Path) -> Callable[..., Loaded]:
    """Load as `massgen run` does, in a folder and an environment of this test's own; keywords are those of `load`, and files by their text:
    `project`, which is trusted, `user`, and `config` for `--config`."""

    def run(*, project: str = "", user: str = "", config: str = "", environment: dict[str, str] | None = None, **options: object) -> Loaded:
        folder, home = tmp_path / "project", tmp_path / "home"
        (home / ".config" / "massgen").mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        for path, text in (
            (folder / "massgen.yaml", project),
            (home / ".config" / "massgen" / "config.yaml", user),
            (folder / "chosen.yaml", config),
        ):
            path.unlink(missing_ok=True)
            if text:
                path.write_text(dedent(text))
        if config:
            options["file"] = folder / "chosen.yaml"
        variables = {"HOME": str(home), **(environment or {})}
        options.setdefault("is_trusted", True)
        return load(plugins, folder=folder, environment=variables, **options)  # type: ignore[arg-type]

    return run
