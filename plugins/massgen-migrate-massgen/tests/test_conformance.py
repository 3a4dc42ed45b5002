"""The conformance suite, run on this plugin."""

from __future__ import annotations

from massgen_testkit import PluginSuite


class TestMassgen01(PluginSuite):
    kind = "migration"
    name = "massgen01"

    def test_document_gets_the_target_version(self) -> None:
        """The step returns what its spec promises, and leaves what it was given."""
        document = {"agents": [{"id": "al", "backend": {"type": "lmstudio"}}]}

        migrated = self.plugins.factory(self.kind, self.name)(document, lambda problem: None)

        assert migrated["version"] == self.spec.target
        assert document == {"agents": [{"id": "al", "backend": {"type": "lmstudio"}}]}
