"""The suite of all kinds: the distribution, its entry point, its hook, its spec, its options, its README."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import attrs
import importlib_metadata
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from massgen_core.api import ConfigProblem, ConfigProblems, Spec
from massgen_core.config.sections import PluginConfig, RunConfig
from massgen_core.config.structure import structure, unstructure
from massgen_core.plugins.index import Entry
from massgen_testkit.base import Suite
from massgen_testkit.probe import probe

MODULES = 25
MILLISECONDS = 5.0
# Kinds that a configuration names, and so must show in an example.
SHOWN = frozenset({"backend", "classifier", "display", "middleware", "sink", "strategy", "toolset"})
_FENCE = re.compile(r"^```ya?ml[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def yaml_blocks(text: str) -> list[str]:
    """Return the contents of Markdown's fenced YAML blocks."""
    return [block.group(1) for block in _FENCE.finditer(text)]


class PluginSuite(Suite):
    """What every plugin of every kind must do. A subclass gives `kind` and `name`.

    Attributes:
        modules: How many modules beside the kernel's the hook module may add, its own package included.
    """

    modules: ClassVar[int] = MODULES

    @property
    def entry(self) -> Entry:
        """The plugin's entry point."""
        entries = [entry for entry in self.plugins.entries(self.kind) if entry.name == self.name]
        assert entries, f"no installed distribution has the entry point '{self.kind}.{self.name}'; install yours, for instance: pip install -e ."
        assert len(entries) == 1, f"several distributions claim '{self.kind}.{self.name}': {', '.join(entry.distribution for entry in entries)}"
        return entries[0]

    @property
    def distribution(self) -> Any:
        """The plugin's distribution, as `importlib_metadata` describes it."""
        return importlib_metadata.distribution(self.entry.distribution)

    @property
    def module(self) -> ModuleType:
        """The hook module."""
        return importlib.import_module(self.entry.value)

    @property
    def hook(self) -> str:
        """The name of the kind's hook."""
        return self.plugins.kinds[self.kind].hook

    def readme(self) -> str:
        """Return the README, from the source folder where the distribution is installed from one."""
        origin = json.loads(self.distribution.read_text("direct_url.json") or "{}")
        if origin.get("dir_info", {}).get("editable"):
            source = Path(unquote(urlsplit(origin["url"]).path)) / "README.md"
            if source.is_file():
                return source.read_text(encoding="utf-8")
        return str(self.distribution.metadata.get_payload() or self.distribution.metadata.get("Description") or "")

    # The entry point and the hook

    def test_entry_point_and_spec_agree(self) -> None:
        """The hook yields a spec of the entry point's name, and of the kind's class."""
        assert self.plugins.kinds[self.kind].hook, f"unknown kind {self.kind!r}; known: {', '.join(self.plugins.kinds)}"
        assert isinstance(self.spec, self.plugins.kinds[self.kind].spec)
        assert self.spec.name == self.name
        assert self.spec.summary or self.entry.summary, "give the spec a summary; listings show it"
        assert "\n" not in self.spec.summary

    def test_every_spec_has_an_entry_point(self) -> None:
        """What the hook module provides can be found by name: nothing in it is hidden from listings."""
        found = [entry for entry in self.plugins.entries() if entry.value == self.entry.value]
        named = {(entry.kind, entry.name) for entry in found if entry.kind not in ("events", "kind")}  # those lead to no specs
        provided = {
            (kind.name, spec.name)
            for kind in self.plugins.kinds.values()
            if hasattr(self.module, kind.hook)
            for spec in getattr(self.module, kind.hook)()
        }

        assert provided == named

    def test_hook_is_pure_and_quick(self) -> None:
        """The hook takes no argument, returns a list, the same each time, in no time."""
        hook = getattr(self.module, self.hook, None)
        assert hook is not None, f"{self.entry.value} has no function {self.hook}"
        assert hasattr(hook, "massgen_impl"), f"{self.entry.value}.{self.hook} lacks @hookimpl"
        assert not inspect.isgeneratorfunction(hook), "a hook returns a list; it never yields"
        assert not inspect.iscoroutinefunction(hook), "a hook is a plain function"
        assert not inspect.signature(hook).parameters, "a hook takes no argument"
        first, second = hook(), hook()
        assert isinstance(first, list), f"a hook returns a list, not {type(first).__name__}"
        assert all(isinstance(spec, Spec) for spec in first)
        assert first == second, "a hook returns the same each time"
        assert self._quickest(hook) < MILLISECONDS, f"a hook costs nothing; this one takes more than {MILLISECONDS} ms each time"

    def _quickest(self, hook: Any) -> float:
        times: list[float] = []
        for _ in range(5):
            started = time.thread_time()
            hook()
            times.append((time.thread_time() - started) * 1000)
        return min(times)

    def test_hook_module_is_light(self) -> None:
        """Importing the hook module imports nothing heavy, and little at all."""
        found = probe(self.entry.value, self.hook, self.name)
        assert found["stage"] in ("factory", "loaded"), found["failure"]
        assert found["banned"] == [], f"{self.entry.value} imports {', '.join(found['banned'][:5])}; import that in the implementation module"
        assert len(found["hook_modules"]) <= self.modules, f"{self.entry.value} adds {len(found['hook_modules'])} modules: {found['hook_modules']}"

    def test_loading_touches_no_network_and_prints_nothing(self) -> None:
        """Hook module and implementation load without a network and without output."""
        found = probe(self.entry.value, self.hook, self.name)

        assert found["network"] == []
        assert found["output"] == ""
        assert found["failure"] == ""
        assert found["stage"] == "loaded"

    def test_factory_resolves(self) -> None:
        """The factory's string leads to something that can be called, and it takes what the kernel gives."""
        if not self.spec.factory:
            pytest.skip("the spec has no factory")
        factory = self.plugins.factory(self.kind, self.name)
        assert callable(factory)
        try:
            signature = inspect.signature(factory)
        except ValueError:
            return
        arguments = (object(),) if self.kind == "migration" else () if self.kind == "command" else (object(), object())
        try:
            signature.bind(*arguments)
        except TypeError as error:
            pytest.fail(f"{self.spec.factory} must take {len(arguments)} arguments: {error}")

    # Options

    def test_config_is_frozen_and_explained(self) -> None:
        """Options are a frozen attrs class, each with a default or required, and each with help."""
        config = self.spec.config
        if config is None:
            return
        assert attrs.has(config), f"{config.__name__} must be an attrs class"
        assert config.__setattr__ is not object.__setattr__, f"{config.__name__} must be frozen: @attrs.frozen(kw_only=True)"
        for field in attrs.fields(config):
            if not field.init:  # made of the others; nobody writes it
                continue
            assert field.kw_only, f"{config.__name__}.{field.name}: @attrs.frozen(kw_only=True)"
            assert str(field.metadata.get("help", "")).strip(), f"{config.__name__}.{field.name} has no metadata={{'help': ...}}"

    def test_options_round_trip_through_plain_data(self) -> None:
        """Options structure, and plain data made from them structures to the same."""
        config = self.config()
        if config is None:
            return

        assert structure(type(config), yaml.safe_load(yaml.safe_dump(unstructure(config)))) == config

    def test_unknown_option_is_refused_with_the_nearest(self) -> None:
        """A misspelt option is an error that names the right one."""
        if self.spec.config is None or not attrs.fields(self.spec.config):
            return
        right = max((field.name for field in attrs.fields(self.spec.config)), key=len)
        wrong = right + "x"
        with pytest.raises((ConfigProblem, ConfigProblems)) as caught:
            self.config({wrong: 1})

        assert wrong in str(caught.value)
        assert right in str(caught.value).replace(wrong, "")

    # The distribution

    def test_distribution_is_complete(self) -> None:
        """The distribution has types, a README, a licence and a description."""
        metadata = self.distribution.metadata
        package = self.entry.value.partition(".")[0]
        place = importlib.util.find_spec(package)
        assert place is not None
        assert any((Path(folder) / "py.typed").is_file() for folder in place.submodule_search_locations or ()), f"{package} has no py.typed"
        assert metadata.get("License-Expression") or metadata.get("License"), 'say license = "..." in pyproject.toml'
        assert metadata.get("Summary"), 'say description = "..." in pyproject.toml'
        assert metadata.get("Requires-Python"), 'say requires-python = ">=3.11" in pyproject.toml'
        assert len(self.readme().split()) > 20, 'say readme = "README.md" in pyproject.toml, and write one'

    def test_kernel_is_required_by_range(self) -> None:
        """The distribution takes a range of the kernel, neither one version nor any."""
        required = [Requirement(line) for line in self.distribution.requires or ()]
        found = [each for each in required if canonicalize_name(each.name) == "massgen-core"]
        assert found, 'dependencies need "massgen-core>=0.1,<0.2"'
        operators = {part.operator for each in found for part in each.specifier}
        assert not operators & {"==", "==="}, f"a range, not {found[0]}"
        assert operators >= {">=", "<"} or "~=" in operators, f"a range with both ends, not {found[0]}"

    def test_readme_example_is_valid(self) -> None:
        """Configurations in the README can be pasted: sections, options and this plugin's name are right."""
        documents = [data for block in yaml_blocks(self.readme()) if isinstance(data := yaml.safe_load(block), Mapping) and data.get("version") == 1]
        assert documents or self.kind not in SHOWN, "the README needs a ```yaml block that begins with version: 1"
        uses: list[PluginConfig] = []
        for data in documents:
            run = structure(RunConfig, data)
            uses += [use for kind, use in named_plugins(run) if (kind, use.type) == (self.kind, self.name)]
        for use in uses:
            if self.spec.config is None:
                assert not use.options, f"the README gives options to {self.kind}.{self.name}, which has none"
            else:
                structure(self.spec.config, use.options, path=f"{self.kind}.{self.name}")
        assert uses or self.kind not in SHOWN, f"no example in the README uses {self.kind} '{self.name}'"


def named_plugins(section: Any) -> Iterator[tuple[str, PluginConfig]]:
    """Yield the plugins that a configuration names, each with its kind."""
    for field in attrs.fields(type(section)):
        value = getattr(section, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, PluginConfig):
                yield field.metadata.get("kind", ""), item
            elif attrs.has(type(item)):
                yield from named_plugins(item)
