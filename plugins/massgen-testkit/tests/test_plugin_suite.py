"""`PluginSuite` passes a good plugin and finds each defect."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import pytest

pytestmark = pytest.mark.once  # each test runs suites in a process of their own

PLUGIN = """
    from __future__ import annotations

    from massgen_core.api import SinkSpec, hookimpl
    from <package>.config import Options
    <head>

    @hookimpl
    def massgen_log_sinks():
        <body>
        return [SinkSpec(name="<name>", factory="<package>.impl:<factory>", summary="keeps nothing", config=Options)]
"""
CONFIG = """
    from __future__ import annotations

    import attrs

    <decorator>
    class Options:
        file: str = attrs.field(default="events.txt", metadata={"help": "where to write"})
        level: int = attrs.field(default=3, metadata={"help": "how much to write"})
        <field>
"""
IMPL = """
    from __future__ import annotations
    <head>

    class Nothing:
        def __init__(self, config, context):
            pass

        def write(self, records):
            pass

    def needs_three(config, context, more):
        pass
"""
README = """\
# <package>

This is a sink that keeps nothing at all, for a test of the suite which all plugins share; it says so in more than twenty words, as it should.

```yaml
version: 1
agents:
  - {name: ann, backend: scripted}
sinks:
  - {type: <name>, <options>}
```
"""
DEFAULTS = {
    "head": "",
    "body": "",
    "name": "<defect>",
    "factory": "Nothing",
    "decorator": "@attrs.frozen(kw_only=True)",
    "field": "",
    "impl": "",
    "options": "file: a.txt",
    "tests": "pass",
}

# By defect: what is changed in a good plugin, and the tests that must fail, no others.
DEFECTS: Mapping[str, tuple[Mapping[str, str], set[str]]] = {
    "good": ({}, set()),
    "hidden": (
        {"body": 'return [SinkSpec(name=n, factory="<package>.impl:Nothing", summary="x", config=Options) for n in ("hidden", "other")]'},
        {"test_every_spec_has_an_entry_point"},
    ),
    "tuple": (
        {"body": 'return (SinkSpec(name="tuple", factory="<package>.impl:Nothing", summary="x", config=Options),)'},
        {"test_hook_is_pure_and_quick"},
    ),
    "fickle": (
        {
            "head": "import itertools; count = itertools.count()",
            "body": 'return [SinkSpec(name="fickle", factory="<package>.impl:Nothing", summary=f"x{next(count)}", config=Options)]',
        },
        {"test_hook_is_pure_and_quick"},
    ),
    "slow": ({"body": "sum(range(1_000_000))"}, {"test_hook_is_pure_and_quick"}),
    "heavy": ({"head": "import yaml"}, {"test_hook_module_is_light"}),
    "sprawling": ({"head": "import sqlite3, asyncio, wsgiref.simple_server, xmlrpc.client"}, {"test_hook_module_is_light"}),
    "talkative": ({"head": "print('hello')"}, {"test_loading_touches_no_network_and_prints_nothing"}),
    "online": (
        {"impl": "import socket; s = socket.socket(); s.connect_ex(('192.0.2.1', 80)) if not s.settimeout(0.01) else 0; s.close()"},
        {"test_loading_touches_no_network_and_prints_nothing"},
    ),
    "astray": ({"factory": "Absent"}, {"test_loading_touches_no_network_and_prints_nothing", "test_factory_resolves"}),
    "greedy": ({"factory": "needs_three"}, {"test_factory_resolves"}),
    "thawed": ({"decorator": "@attrs.define(kw_only=True)"}, {"test_config_is_frozen_and_explained"}),
    "placed": ({"decorator": "@attrs.frozen"}, {"test_config_is_frozen_and_explained"}),
    "silent": ({"field": "size: int = 3"}, {"test_config_is_frozen_and_explained"}),
    "lopsided": (
        {"field": 'size: int = attrs.field(default="many", metadata={"help": "a default of another type"})'},
        {"test_options_round_trip_through_plain_data"},
    ),
    "misspelt": ({"options": "fiel: a.txt"}, {"test_readme_example_is_valid"}),
    "unnamed": ({"name": "unnamed", "readme": "# A README without an example\n" + "word " * 30}, {"test_readme_example_is_valid"}),
    "exact": ({"requires": "massgen-core==0.1.0"}, {"test_kernel_is_required_by_range"}),
    "endless": ({"requires": "massgen-core>=0.1"}, {"test_kernel_is_required_by_range"}),
    "aloof": ({"requires": "attrs"}, {"test_kernel_is_required_by_range"}),
    "curt": ({"readme": "# Short\n"}, {"test_distribution_is_complete", "test_readme_example_is_valid"}),
    "untyped": ({"py.typed": ""}, {"test_distribution_is_complete"}),
    "replaced": ({"tests": "def test_factory_resolves(self): pass"}, {"test_standard_tests_are_intact"}),
    "deleted": ({"tests": "test_factory_resolves = None"}, {"test_standard_tests_are_intact"}),
    "reasoned": ({"tests": "@overrides('its factory needs a screen')\n    def test_factory_resolves(self): pass"}, set()),
    "expected": ({"tests": "@pytest.mark.skip(reason='no screen')\n    def test_factory_resolves(self): pass"}, set()),
    "pretending": ({"tests": "unsupported = {'everything': 'it cannot do a thing'}"}, {"test_standard_tests_are_intact"}),
}


def filled(text: str, words: Mapping[str, str]) -> str:
    """Return a text with its words in angle brackets replaced; a word may hold others."""
    for _ in range(2):
        for key, word in words.items():
            text = text.replace(f"<{key}>", word)
    return textwrap.dedent(text)


@pytest.fixture(scope="module")
def results(site: Any) -> Mapping[str, str]:
    """All defects, examined in one go."""
    tests = ["import pytest", "from massgen_testkit import PluginSuite, overrides"]
    for defect, (changes, _) in DEFECTS.items():
        words = {**DEFAULTS, **changes, "package": f"defect_{defect}", "defect": defect}
        files = {
            "plugin.py": filled(PLUGIN, words),
            "config.py": filled(CONFIG, words),
            "impl.py": filled(IMPL, {**words, "head": words["impl"]}),
        }
        site.install(
            words["package"],
            [f"sink.{defect}"],
            files,
            readme=changes.get("readme", filled(README, words)),
            requires=changes.get("requires", "massgen-core<0.2,>=0.1"),
            is_typed="py.typed" not in changes,
        )
        tests.append(f"class Test_{defect}(PluginSuite):\n    kind, name = 'sink', '{defect}'\n    {words['tests']}")
    found: Mapping[str, str] = site.run("\n\n".join(tests))
    return found


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_found_by_the_test_that_is_about_it(
    defect: str, results: Mapping[str, str], failures: Callable[[Mapping[str, str], str], set[str]]
) -> None:
    """A good plugin passes; a plugin with one defect fails the tests about it and no others."""
    assert failures(results, f"Test_{defect}") == DEFECTS[defect][1]


def test_messages_say_what_to_do(results: Mapping[str, str]) -> None:
    """A failure names what is wrong and the way out."""
    assert "defect_heavy.plugin imports yaml" in results["Test_heavy.test_hook_module_is_light"]
    assert "@attrs.frozen(kw_only=True)" in results["Test_thawed.test_config_is_frozen_and_explained"]
    assert '@overrides("why' in results["Test_replaced.test_standard_tests_are_intact"]
    assert "massgen-core>=0.1,<0.2" in results["Test_aloof.test_kernel_is_required_by_range"]
