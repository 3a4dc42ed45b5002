"""The conformance suite of presets, run on this one."""

from __future__ import annotations

from massgen_testkit import PresetSuite


class TestCodingDocker(PresetSuite):
    """What every preset must be."""

    name = "coding-docker"
