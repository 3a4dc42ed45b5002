"""The page on hardening says what the profiles do, which option opens what, and which attacks try it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from massgen_core.api import Limits
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.profile import DEFAULTS, Profile
from massgen_exec_local import bubblewrap
from massgen_exec_local.config import LocalConfig
from massgen_exec_local.limits import DEFAULTS as LOCAL_DEFAULTS
from massgen_testkit.sandboxes.attacks import ATTACKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "hardening.md").read_text(encoding="utf-8")
OWN_ATTACKS = ROOT / "plugins" / "massgen-exec-docker" / "tests" / "attacks.py"
LIMITS = frozenset(field.name for field in attrs.fields(Limits))
# By wall: options that open it, and what of the request to the engine they change.
OPENED: Mapping[str, tuple[Mapping[str, Any], set[str]]] = {
    "capabilities": ({"capabilities": ("NET_RAW",)}, {"cap_add"}),
    "privileges": ({"new_privileges": True}, {"security_opt", "command"}),
    "user": ({"user": "0"}, {"user"}),
    "system calls": ({"system_calls": "engine"}, {"command"}),
    "root": ({"writable_root": True}, {"read_only"}),
    "network": ({"network": "full"}, {"network_mode"}),
    "memory": ({"memory": 1 << 30}, {"mem_limit", "memswap_limit"}),
    "processes": ({"processes": 10}, {"pids_limit"}),
    "processors": ({"cpus": 1.0}, {"nano_cpus"}),
    "temporary files": ({"disk": 1 << 27}, {"tmpfs", "shm_size"}),
    "descriptors": ({"descriptors": 10}, {"ulimits"}),
    "size of a file": ({"file_size": 10}, {"ulimits"}),
    "time": ({"seconds": 1.0}, set()),
    "output": ({"output": 10}, set()),
    "engine's log": ({"engine_log": True}, {"log_config"}),
}
# What of the request no option changes, or what is no wall.
FIXED = {"image", "entrypoint", "auto_remove", "cap_drop", "environment", "healthcheck", "hostname", "init", "ipc_mode", "labels", "mounts"}
FIXED |= {"stdin_open", "working_dir"}
NO_WALLS = {"image", "pull", "dockerfile", "host", "context", "workspace", "hosts", "env", "limits", "fallback", "container", "pool"}


def table(title: str) -> list[list[str]]:
    """Return the rows of the table under a heading, without its head."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip("| ") for cell in row] for row in rows[2:]]


def options(cell: str) -> set[str]:
    return {name.removeprefix("limits.") for name in re.findall(r"`([a-z_.]+)`", cell)}


def asked(**given: Any) -> Mapping[str, Any]:
    """Return what the engine is asked for with options and limits."""
    limits = {name: value for name, value in given.items() if name in LIMITS}
    config = DockerConfig(**{name: value for name, value in given.items() if name not in LIMITS})
    profile = Profile(
        image="sha256:0",
        config=config,
        shares=(),
        user=f"{config.user}:{config.user}" if config.user else "1000:1000",
        network=config.network,
        proxy="",
        limits=attrs.evolve(DEFAULTS, **limits),
        enforced=frozenset({"memory", "cpus", "processes"}),
    )
    return profile.asked()


def said(limits: Limits) -> Mapping[str, str]:
    """Return limits as the page says them."""

    def size(value: int | None) -> str:
        whole = value or 0
        return f"{whole >> 30} GiB" if whole >= 1 << 30 else f"{whole >> 20} MiB"

    return {
        "memory": size(limits.memory),
        "processes": str(limits.processes),
        "cpus": "all" if limits.cpus is None else f"{limits.cpus:g}",
        "disk": size(limits.disk),
        "descriptors": str(limits.descriptors),
        "file_size": size(limits.file_size),
        "seconds": f"{limits.seconds:g} s",
        "output": size(limits.output),
    }


DOCKER = {row[0]: row for row in table("Containers of `docker`")}
LOCAL = {row[0]: row for row in table("Sandboxes of `local`")}


@pytest.mark.parametrize("wall", OPENED)
def test_an_option_opens_its_own_wall_and_no_other(wall: str) -> None:
    """What the engine is asked for differs in what belongs to the wall."""
    given, changed = OPENED[wall]
    plain, opened = asked(), asked(**given)

    assert {name for name in plain.keys() | opened.keys() if plain.get(name) != opened.get(name)} == changed
    assert set(given) & options(DOCKER[wall][2]) == set(given)


def test_every_part_of_the_request_has_a_row() -> None:
    """A new one has to be thought about here."""
    assert set(asked()) - FIXED == set().union(*(changed for _, changed in OPENED.values()))


def test_every_option_that_opens_something_has_a_row() -> None:
    """And no row names an option that does not exist."""
    named = set().union(*(options(row[2]) for row in DOCKER.values()))
    every = {field.name for field in attrs.fields(DockerConfig)}

    assert named - every - LIMITS == set()
    assert every - NO_WALLS - named == set()
    assert LIMITS - named == set()


@pytest.mark.parametrize(("rows", "limits"), [(DOCKER, DEFAULTS), (LOCAL, LOCAL_DEFAULTS)], ids=["docker", "local"])
def test_defaults_are_those_of_the_code(rows: Mapping[str, list[str]], limits: Limits) -> None:
    """Each limit is said as it is."""
    wrong = {}
    for wall, row in rows.items():
        for name in options(row[2]) & LIMITS:
            if not row[1].startswith(said(limits)[name]):
                wrong[wall] = said(limits)[name]

    assert wrong == {}


def test_attacks_on_containers_have_one_row_each() -> None:
    """A new attack gets its place on the page, and none is there that nobody tries."""
    tree = ast.parse(OWN_ATTACKS.read_text(encoding="utf-8"))
    table = next(node.value for node in tree.body if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "ATTACKS")
    assert isinstance(table, ast.Dict)
    names = [ast.literal_eval(key) for key in table.keys if key is not None]
    listed = [name for row in DOCKER.values() for name in row[3].split(" · ") if name]

    assert sorted(listed) == sorted(names)


def test_attacks_on_every_executor_are_listed_by_wall() -> None:
    """As the suite has them."""
    listed = {(row[0], name) for row in table("Attacks on both") for name in row[1].split(" · ")}

    assert listed == {(attack.wall, attack.name) for attack in ATTACKS}


@pytest.mark.skipif(bool(bubblewrap.missing()), reason=f"not in CI: {bubblewrap.missing()}")
def test_walls_of_bubblewrap_are_asked_for() -> None:
    """Each option of bubblewrap that the page names is in the command line; the network only where it is opened."""
    profile = bubblewrap.Bubblewrap(workspace="/workspace")
    closed, opened = (profile.vector(network=is_open, disk=1 << 30, user=1000, group=1000)(3)[0] for is_open in (False, True))
    named = {flag for row in LOCAL.values() for flag in re.findall(r"`(--[a-z-]+)`", row[3])}

    assert named - set(closed) == {"--share-net"}
    assert named - set(opened) == set()


def test_options_of_local_exist() -> None:
    """No row names one that does not, and none that opens a wall is missing."""
    named = set().union(*(options(row[2]) for row in LOCAL.values()))
    every = {field.name for field in attrs.fields(LocalConfig)}

    assert named - every - LIMITS == set()
    assert every - named == {"sandbox", "warm", "env", "limits", "allowed_commands", "blocked_commands"}
