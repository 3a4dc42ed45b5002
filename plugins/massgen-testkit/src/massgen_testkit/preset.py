"""The conformance suite of presets."""

from __future__ import annotations

from typing import Any, ClassVar

import yaml

from massgen_core.api import PluginMissing
from massgen_core.config.sections import RunConfig
from massgen_core.config.structure import structure
from massgen_testkit.distribution import PluginSuite, named_plugins


class PresetSuite(PluginSuite):
    """What every preset must be. A subclass gives `name`."""

    kind: ClassVar[str] = "preset"

    @property
    def document(self) -> Any:
        """The preset's document."""
        return self.spec.document

    def test_document_is_a_valid_configuration(self) -> None:
        """The document says its version, and every key of it is known."""
        assert self.document.get("version") == 1
        assert structure(RunConfig, self.document).agents

    def test_document_is_plain_data(self) -> None:
        """The document can be written as YAML and read again."""
        assert yaml.safe_load(yaml.safe_dump(self.document)) == self.document

    def test_options_of_installed_plugins_are_valid(self) -> None:
        """The options of those plugins that are installed are right."""
        for kind, use in named_plugins(structure(RunConfig, self.document)):
            try:
                spec = self.plugins.get(kind, use.type)
            except PluginMissing:
                continue
            if spec.config is None:
                assert not use.options, f"{kind} {use.type!r} has no options"
            else:
                structure(spec.config, use.options, path=f"{kind}.{use.type}")
