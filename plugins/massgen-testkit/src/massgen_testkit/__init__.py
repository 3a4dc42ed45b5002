"""Conformance suites and fixtures for plugins.

pytest loads this package in every session of an environment that has it, so nothing is imported before its name is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from massgen_testkit.backend import BackendSuite
    from massgen_testkit.backends import QueueBackend, call, say
    from massgen_testkit.base import Suite, overrides
    from massgen_testkit.classifier import ClassifierSuite
    from massgen_testkit.command import CommandSuite
    from massgen_testkit.context import PlainContext
    from massgen_testkit.credentials import CredentialStoreSuite
    from massgen_testkit.display import DisplaySuite
    from massgen_testkit.distribution import PluginSuite
    from massgen_testkit.executor import ExecutorSuite
    from massgen_testkit.leaks import Leaks
    from massgen_testkit.listing import ListingSuite
    from massgen_testkit.middleware import MiddlewareSuite
    from massgen_testkit.preset import PresetSuite
    from massgen_testkit.project import Project, Result
    from massgen_testkit.records import Records
    from massgen_testkit.scenarios import SCENARIOS, SECRET, Fault, Scenario, Stage, Stall
    from massgen_testkit.sink import SinkSuite
    from massgen_testkit.strategy import StrategySuite
    from massgen_testkit.toolset import ToolsetSuite
    from massgen_testkit.transport import TransportSuite
    from massgen_testkit.uploads import UploadSuite
    from massgen_testkit.wire import WireSuite
    from massgen_testkit.workspace import WorkspaceSuite

_HOMES = {
    "backend": ("BackendSuite",),
    "backends": ("QueueBackend", "call", "say"),
    "base": ("Suite", "overrides"),
    "classifier": ("ClassifierSuite",),
    "command": ("CommandSuite",),
    "context": ("PlainContext",),
    "credentials": ("CredentialStoreSuite",),
    "display": ("DisplaySuite",),
    "distribution": ("PluginSuite",),
    "executor": ("ExecutorSuite",),
    "leaks": ("Leaks",),
    "listing": ("ListingSuite",),
    "middleware": ("MiddlewareSuite",),
    "preset": ("PresetSuite",),
    "project": ("Project", "Result"),
    "records": ("Records",),
    "scenarios": ("SCENARIOS", "SECRET", "Fault", "Scenario", "Stage", "Stall"),
    "sink": ("SinkSuite",),
    "strategy": ("StrategySuite",),
    "toolset": ("ToolsetSuite",),
    "transport": ("TransportSuite",),
    "uploads": ("UploadSuite",),
    "wire": ("WireSuite",),
    "workspace": ("WorkspaceSuite",),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "SCENARIOS",
    "SECRET",
    "BackendSuite",
    "ClassifierSuite",
    "CommandSuite",
    "CredentialStoreSuite",
    "DisplaySuite",
    "ExecutorSuite",
    "Fault",
    "Leaks",
    "ListingSuite",
    "MiddlewareSuite",
    "PlainContext",
    "PluginSuite",
    "PresetSuite",
    "Project",
    "QueueBackend",
    "Records",
    "Result",
    "Scenario",
    "SinkSuite",
    "Stage",
    "Stall",
    "StrategySuite",
    "Suite",
    "ToolsetSuite",
    "TransportSuite",
    "UploadSuite",
    "WireSuite",
    "WorkspaceSuite",
    "call",
    "overrides",
    "say",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'massgen_testkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"massgen_testkit.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
