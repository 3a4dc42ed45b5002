"""What starting costs, with every plugin installed: modules, which repeat exactly, and CPU time, which does not."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MASSGEN = Path(sys.executable).with_name("massgen")
HEAVY = ("anyio", "asyncio", "cattrs", "docker", "httpx", "httpx2", "loguru", "mcp", "msgspec", "pydantic", "rich", "ssl", "xllamacpp", "yaml")
PROBE = """
import json, sys
before = set(sys.modules)
from massgen_core.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
print(json.dumps([code or 0, sorted(set(sys.modules) - before)]), file=sys.stderr)
"""


def modules_of(*arguments: str) -> set[str]:
    """Return the modules that a command line imports beyond those of a bare interpreter."""
    ended = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, timeout=60, check=True)
    code, modules = json.loads(ended.stderr.splitlines()[-1])
    assert code == 0, ended.stderr
    return set(modules)


def cpu_of(*command: str) -> float:
    """Return the CPU milliseconds of one process, its own and the kernel's for it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return (usage.ru_utime + usage.ru_stime) * 1000


def test_every_plugin_is_installed() -> None:
    """Otherwise the budgets below would say nothing."""
    installed = {distribution.metadata["Name"] for distribution in distributions()}

    assert {file.parent.name for file in (ROOT / "plugins").glob("*/pyproject.toml")} <= installed


def test_every_plugin_loads_beside_the_others() -> None:
    """No two claim one name, and each keeps what its metadata promise."""
    ended = subprocess.run([str(MASSGEN), "plugins", "--load"], capture_output=True, text=True, timeout=120, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(("arguments", "budget"), [(("--version",), 105), (("--help",), 105), (("plugins",), 150)])
def test_listing_imports_no_plugin_and_nothing_heavy(arguments: tuple[str, ...], budget: int) -> None:
    """Help and listings read metadata only."""
    modules = modules_of(*arguments)
    packages = {file.parent.name.replace("-", "_") for file in (ROOT / "plugins").glob("*/pyproject.toml")}

    assert {name for name in modules if name.split(".")[0] in packages} == set()
    assert {name for name in HEAVY if name in modules} == set()
    assert len(modules) <= budget, sorted(modules)


def test_help_of_a_group_says_what_each_of_its_commands_does() -> None:
    """Commands of one distribution have summaries of their own there; their hook modules are imported for that, and nothing that does the work."""
    modules = modules_of("mcp", "--help")
    shown = subprocess.run([str(MASSGEN), "mcp", "--help"], capture_output=True, text=True, timeout=60, check=True).stdout

    assert "list the configured servers with their state" in shown
    assert "call a tool of a server" in shown
    assert "[massgen-mcp-client]" not in shown
    assert {name for name in modules if "massgen_mcp_client.commands" in name or "massgen_mcp_log.commands" in name} == set()
    assert {name for name in HEAVY if name in modules} == set()


def test_the_api_imports_what_is_asked_for() -> None:
    """Hook modules need a handful of names; the rest of the kernel is not imported for them."""
    code = "import sys; from massgen_core.api import ConfigProblem; print(*sorted(name for name in sys.modules if name.startswith('massgen')))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert ended.stdout.split() == ["massgen_core", "massgen_core.api", "massgen_core.errors"]


def test_help_costs_little_cpu() -> None:
    """`massgen --help` takes at most 100 ms of CPU more than an interpreter that does nothing."""
    measured = []
    for _ in range(5):  # another process on the same core can spoil a round, hardly five
        bare = statistics.median(cpu_of(sys.executable, "-c", "pass") for _ in range(5))
        whole = statistics.median(cpu_of(str(MASSGEN), "--help") for _ in range(5))
        measured.append(whole - bare)
        if measured[-1] <= 100:
            return

    pytest.fail(f"ms over a bare interpreter: {measured}")
