"""The conformance suite of presets, run on this one."""

from __future__ import annotations

from massgen_testkit import PresetSuite


class TestResearch(PresetSuite):
    """What every preset must be."""

    name = "research"
