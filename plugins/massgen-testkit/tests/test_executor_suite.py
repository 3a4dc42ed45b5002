"""The suite of executors passes the one that the template of plugins makes, and finds each flaw."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.once  # each test runs suites in a process of their own

KINDS = Path(__file__).parents[3] / "templates" / "plugin" / "kinds"
PLUGIN = """
    from __future__ import annotations

    from massgen_core.api import ExecutorSpec, hookimpl
    from cage.config import CageConfig

    @hookimpl
    def massgen_executors():
        named = ("cage", "async", "shell", "text", "environment", "weak", "links", "flood", "late")
        return [ExecutorSpec(name=name, factory=f"cage.of_{name}:Cage", summary="for a test", config=CageConfig) for name in named]
"""
CONFIG = """
    from __future__ import annotations

    import attrs

    @attrs.frozen(kw_only=True)
    class CageConfig:
        seconds: float = attrs.field(default=60.0, metadata={"help": "seconds that a command may take"})
"""
# By flaw: what is changed in the good one, and the tests that find it; of tests with several cases the names without them.
FLAWS: Mapping[str, tuple[tuple[str, str], set[str]]] = {
    "cage": (("", ""), set()),
    "async": (("    async def write(", "    def write("), {"test_form_of_the_contract"}),
    "shell": (("command.argv, stdin", "' '.join(command.argv), stdin"), {"test_arguments_arrive_as_they_are"}),
    "text": (("kept += piece[:room]", "kept += piece[:room].decode(errors='replace').encode()"), {"test_outputs_are_bytes"}),
    "environment": (('env = {"PATH"', 'env = {**os.environ, "PATH"'), {"test_the_environment_is_clean"}),
    "weak": (("if asked:", "if False:"), {"test_descriptors_are_limited", "test_a_user_is_honoured_or_refused", "test_no_network_is_none_at_all"}),
    "links": (
        (
            'return open_beneath(folder, path.removeprefix(f"{self._workspace}/"), flags)',
            "return os.open(self._workspace / path, flags | os.O_NONBLOCK)",
        ),
        {"test_links_out_of_the_workspace_are_not_followed_by_read", "test_links_out_of_the_workspace_are_not_followed_by_write"},
    ),
    "flood": (("kept += piece[:room]", "kept += piece"), {"test_a_flood_is_counted_and_not_kept"}),
    "late": (('status="timed_out"', 'status="signalled"'), {"test_a_time_out_is_a_value"}),
}
TESTS = (KINDS / "executor_test.py.jinja").read_text(encoding="utf-8").replace("class Test{{ class_name }}", "class Cage")


@pytest.fixture(scope="module")
def results(site: Any) -> Mapping[str, str]:
    """All flaws, examined in one go by the tests that find one of them."""
    if sys.platform != "linux":
        pytest.skip("not in CI: sandboxes are made on Linux")
    good = (KINDS / "executor.py.jinja").read_text(encoding="utf-8")
    for key, value in {"{{ package }}": "cage", "{{ class_name }}": "Cage", "{{ name }}": "cage"}.items():
        good = good.replace(key, value)
    files, classes = {"plugin.py": PLUGIN, "config.py": CONFIG}, ""
    for flaw, ((old, new), _) in FLAWS.items():
        assert old in good, f"the template has no longer: {old}"
        files[f"of_{flaw}.py"] = good.replace(old, new) if old else good
        classes += f"\n\nclass Test_{flaw}(Cage):\n    name = {flaw!r}\n"
    site.install("cage", [f"executor.{flaw}" for flaw in FLAWS], files)
    chosen = " or ".join(sorted(set().union(*(found for _, found in FLAWS.values())) | {"test_standard_tests_are_intact", "test_factory_resolves"}))
    # Two hundred megabytes are enough for those whom they concern.
    chosen = f"({chosen}) and not (a_flood and not (Test_cage or Test_flood))"
    found: Mapping[str, str] = site.run(TESTS.replace('    name = "{{ name }}"\n', "") + classes, "-k", chosen)
    return found


@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_is_found(flaw: str, results: Mapping[str, str], failures: Callable[[Mapping[str, str], str], set[str]]) -> None:
    """What is good passes; what has one flaw fails the tests about it."""
    found = {name.partition("[")[0] for name in failures(results, f"Test_{flaw}")}

    assert found >= FLAWS[flaw][1]
    assert bool(found) == bool(FLAWS[flaw][1])
