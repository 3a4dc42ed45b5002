"""The conformance suite, run on these commands; what needs a backend is tested with all plugins."""

from __future__ import annotations

from typing import ClassVar

import pytest

from massgen_testkit import CommandSuite, PresetSuite

pytestmark = pytest.mark.once  # programs are started

GOOD = "version: 1\nagents: [scripted]\n".replace("[scripted]", "[{backend: scripted}]")
OLD = "agents:\n  - id: al\n    backend: {type: lmstudio}\n"
BAD = "version: 1\nagents: 5\n"
NEWER = "version: 99\nagents: []\n"
LEAK = "version: 1\nagents: [{backend: {type: scripted, headers: {x-api-key: hunter2-and-more}}}]\n"


ALONE: dict[str, str] = {"example": "no configuration is sound without a backend, and none is installed beside this plugin"}


class _Config(CommandSuite):
    files: ClassVar[dict[str, str]] = {"massgen.yaml": GOOD, "old.yaml": OLD, "bad.yaml": BAD, "newer.yaml": NEWER, "leak.yaml": LEAK}


class TestCheck(_Config):
    """What every command must do."""

    name = "config.check"
    unsupported = ALONE
    mistakes = (("missing.yaml",), ("--format", "xml"), ("bad.yaml",))


class TestDiff(_Config):
    """What every command must do."""

    name = "config.diff"
    example = ("massgen.yaml", "massgen.yaml")
    mistakes = (("massgen.yaml",), ("massgen.yaml", "missing.yaml"), ("massgen.yaml", "bad.yaml"), ("massgen.yaml", "newer.yaml"))


class TestExplain(_Config):
    """What every command must do."""

    name = "config.explain"
    example = ("agents[0].sampling.top_p",)
    mistakes = (("agents[0].samplng",), ("backend.nobody",))


class TestExport(_Config):
    """What every command must do."""

    name = "config.export"
    example = ("massgen.yaml", "--format", "toml")
    mistakes = (
        ("missing.yaml",),
        ("newer.yaml",),
        ("leak.yaml",),
        ("massgen.yaml", "-o", "massgen.yaml"),
        ("massgen.yaml", "--preset", "default"),
    )


class TestFix(_Config):
    """What every command must do."""

    name = "config.fix"
    unsupported = ALONE
    mistakes = (("missing.yaml",), ())


class TestMigrate(_Config):
    """What every command must do."""

    name = "config.migrate"
    example = ("massgen.yaml",)
    mistakes = (("missing.yaml",), ("massgen.yaml", "--write", "--diff"))


class TestNew(_Config):
    """What every command must do."""

    name = "config.new"
    unsupported = ALONE
    mistakes = (("massgen.yaml", "--yes"), ("new.yaml",), ("new.yaml", "--set", "nonsense=1"), ("new.yaml", "--preset", "nobody"))


class TestPresets(_Config):
    """What every command must do."""

    name = "config.presets"
    example = ("--json",)
    mistakes = (("no-such-preset",),)


class TestSchema(_Config):
    """What every command must do."""

    name = "config.schema"
    mistakes = (("-o", "no/such/folder/schema.json"),)


class TestShow(_Config):
    """What every command must do."""

    name = "config.show"
    unsupported = ALONE
    mistakes = (("-c", "missing.yaml"), ("--set", "nonsense"))


class TestTrial(_Config):
    """What every command must do."""

    name = "config.test"
    unsupported = ALONE
    mistakes = (("missing.yaml",), ("bad.yaml",), ("massgen.yaml", "-c", "massgen.yaml"), ("massgen.yaml", "--seconds", "soon"))


class TestTrust(_Config):
    """What every command must do."""

    name = "config.trust"
    example = ("--list",)
    mistakes = (("missing.yaml",), ("no/massgen.yaml",), ("--list", "--revoke"))


del _Config


class TestReview(PresetSuite):
    """What every preset must be; the others are looked at with all plugins."""

    name = "review"
