"""The rules of the repository, checked on syntax trees and metadata: nothing here imports what it checks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
KERNEL = sorted((ROOT / "massgen_core").rglob("*.py"))
PLUGINS = sorted(folder for folder in (ROOT / "plugins").iterdir() if folder.is_dir() and not folder.name.startswith("."))
SOURCES = sorted((ROOT / "plugins").glob("*/src/**/*.py"))
STANDARD = frozenset(sys.stdlib_module_names)

# What the kernel may import from outside: import name, and the dependency that brings it.
KERNEL_DEPENDENCIES = {
    "anyio": "anyio",
    "attr": "attrs",
    "attrs": "attrs",
    "cattrs": "cattrs",
    "importlib_metadata": "importlib-metadata",
    "msgspec": "msgspec",
    "pluggy": "pluggy",
    "yaml": "pyyaml",
}

# Lower floors know nothing of higher ones; modules of one floor may know each other.
FLOORS = (
    {"errors"},
    {"addresses", "beneath", "checks", "endpoints", "folders", "messages", "nearest", "rates", "safety", "secrets", "syscalls", "terminal"},
    {"chunks", "codec", "contracts", "coordination", "events", "execution", "fingerprint", "hookspecs", "links", "prices", "specs"},
    {"catalogues", "dialects", "faults", "figures", "media"},
    {"plain"},
    {"config", "plugins"},
    {"credentials", "reading"},
    {"api"},
    {"runtime"},
    {"cli"},
)

# Distributions that may look inside the kernel, and why.
INSIDERS = {"massgen-testkit": "it runs the kernel around the plugin under test"}

# Standard modules that cost more than a hook module may.
HEAVY = {
    "asyncio",
    "concurrent",
    "email",
    "http",
    "logging",
    "multiprocessing",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "unittest",
    "urllib",
}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def statements(path: Path, *, everywhere: bool = True) -> Iterator[ast.stmt]:
    """Yield the statements that run: not those under TYPE_CHECKING, and without `everywhere` only those that run on import."""
    waiting: list[ast.AST] = [tree_of(path)]
    while waiting:
        node = waiting.pop()
        if is_type_checking(node):
            continue
        if isinstance(node, ast.stmt):
            yield node
        if everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def imports(path: Path, *, everywhere: bool = True) -> Iterator[tuple[str, int]]:
    """Yield the full name of each imported module, and its line; `from a import b` yields `a` and `a.b`."""
    for node in statements(path, everywhere=everywhere):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:  # a relative import stays within its own package
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def place(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))


def package_of(distribution: Path) -> str:
    return distribution.name.replace("-", "_")


@cache
def metadata_of(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def text_files() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            yield path, data.decode("utf-8", errors="replace")


def kernel_floor(module: str) -> int | None:
    """Return the floor of `massgen_core.<name>...`; None where the module is none of the kernel or stands outside the floors."""
    parts = module.split(".")
    if parts[0] != "massgen_core" or len(parts) < 2:
        return None
    return next((number for number, names in enumerate(FLOORS) if parts[1] in names), None)


def test_the_kernel_imports_only_its_own_dependencies() -> None:
    """No plugin, no SDK, nothing that is not declared: the standard library and the dependencies of pyproject.toml."""
    declared = {re.split(r"[<>=~!\[; ]", line)[0] for line in metadata_of(ROOT)["project"]["dependencies"]}
    allowed = {name for name, distribution in KERNEL_DEPENDENCIES.items() if distribution in declared} | STANDARD | {"massgen_core"}

    assert [] == [f"{place(path, line)}: {name}" for path in KERNEL for name, line in imports(path) if name.split(".")[0] not in allowed]


def test_the_arrows_inside_the_kernel_point_down() -> None:
    """cli -> runtime -> (config, plugins) -> (contracts, specs, events ...) -> messages -> errors; types under TYPE_CHECKING may look up."""
    wrong = []
    for path in KERNEL:
        own = kernel_floor(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for name, line in imports(path):
            other = kernel_floor(name)
            if own is not None and other is not None and other > own:
                wrong.append(f"{place(path, line)}: {name}")

    assert [] == wrong


def test_every_module_of_the_kernel_has_its_floor() -> None:
    """A new module is put on a floor on purpose."""
    modules = {path.relative_to(ROOT / "massgen_core").parts[0].removesuffix(".py") for path in KERNEL} - {"__init__", "__main__"}

    assert set() == modules - set().union(*FLOORS)


def test_plugins_import_of_the_kernel_only_its_public_face() -> None:
    """A plugin that reaches inside the kernel breaks when the kernel changes inside."""
    wrong = []
    for path in SOURCES:
        if path.relative_to(ROOT / "plugins").parts[0] in INSIDERS:
            continue
        for name, line in imports(path):
            if name.split(".")[0] == "massgen_core" and name != "massgen_core" and name.split(".")[:2] != ["massgen_core", "api"]:
                wrong.append(f"{place(path, line)}: {name}")

    assert [] == wrong


def test_no_plugin_imports_another() -> None:
    """Two plugins meet through a kind, by name, or in a third distribution."""
    packages = {package_of(folder) for folder in PLUGINS}
    wrong = []
    for folder in PLUGINS:
        others = packages - {package_of(folder)}
        for path in sorted(folder.rglob("*.py")):
            in_tests = "tests" in path.relative_to(folder).parts
            for name, line in imports(path):
                if name.split(".")[0] in others - ({"massgen_testkit"} if in_tests else set()):
                    wrong.append(f"{place(path, line)}: {name}")

    assert [] == wrong


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_hook_modules_import_nothing_heavy(folder: Path) -> None:
    """A hook module, and what it imports of its own package, imports the standard library's light half, attrs and massgen_core.api."""
    package = package_of(folder)
    source = folder / "src"
    waiting = [source / package / "plugin.py"] if folder.name not in INSIDERS else []
    seen: set[Path] = set()
    wrong = []
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for name, line in imports(path, everywhere=False):
            root = name.split(".")[0]
            if root == package:
                base = source.joinpath(*name.split("."))
                waiting += [base.with_suffix(".py"), base / "__init__.py", source / package / "__init__.py"]
            elif root in HEAVY or (root not in STANDARD and root not in {"attrs", "massgen_core"}):
                wrong.append(f"{place(path, line)}: {name}")

    assert [] == wrong


def test_files_and_functions_stay_small() -> None:
    """No file over 400 lines, no function over 60: what is longer is two things."""
    wrong = []
    for path in python_files():
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > 400:
            wrong.append(f"{place(path)}: {lines} lines")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (length := (node.end_lineno or 0) - node.lineno + 1) > 60:
                wrong.append(f"{place(path, node.lineno)}: {node.name} has {length} lines")

    assert [] == wrong


def test_no_command_goes_through_a_shell() -> None:
    """Arguments are vectors; a string for a shell is one quote away from somebody else's command."""
    wrong = []
    for path in python_files():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                is_shell = any(word.arg == "shell" and not (isinstance(word.value, ast.Constant) and not word.value.value) for word in node.keywords)
                if is_shell or called in {"os.system", "os.popen", "asyncio.create_subprocess_shell"}:
                    wrong.append(place(path, node.lineno))

    assert [] == wrong


def test_no_registry_or_machine_is_named() -> None:
    """Files work on any machine, behind any package index: they name neither a registry's host nor somebody's folders."""
    hosts = re.compile(r"py[p]i\.org|python[h]osted\.org|np[m]js\.(org|com)|registry\.ya[r]npkg|(deb|security)\.de[b]ian\.org")
    places = re.compile(r"(?<![\w.:/~-])/(work|root)/")
    wrong = []
    for path, text in text_files():
        for number, line in enumerate(text.splitlines(), 1):
            if hosts.search(line) or places.search(line):
                wrong.append(f"{place(path, number)}: {line.strip()[:120]}")

    assert [] == wrong


def test_no_lock_file_is_kept() -> None:
    """Lock files name registries; pins are names and versions."""
    locks = {"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "pylock.toml", "package-lock.json", "yarn.lock", "pnpm-lock.yaml"}
    pin = re.compile(r"[a-z0-9][a-z0-9.-]*==[\w.+!-]+( ; .+)?")

    assert [] == [place(path) for path in tracked() if path.name in locks]
    assert [] == [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not pin.fullmatch(line)]


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugin_is_a_whole_distribution(folder: Path) -> None:
    """README, types, tests, licence and a hook module stand where each plugin has them."""
    package = folder / "src" / package_of(folder)
    needed = ["pyproject.toml", "README.md", "LICENSE", f"src/{package.name}/__init__.py", f"src/{package.name}/py.typed"]
    if folder.name not in INSIDERS:
        needed.append(f"src/{package.name}/plugin.py")

    assert [] == [name for name in needed if not (folder / name).is_file()]
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes(), "copy it: archives do not follow links out of their folder"
    assert [] != sorted((folder / "tests").glob("test_*.py")), "this plugin has no tests"


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_metadata_of_a_plugin(folder: Path) -> None:
    """One version and licence for all, ranges of the kernel instead of pins, entry points in the API's group, and no settings of pytest's."""
    document = metadata_of(folder)
    project, kernel = document["project"], metadata_of(ROOT)["project"]
    ranges = [line for line in project["dependencies"] if line.startswith("massgen-")]
    named = project.get("entry-points", {}).get("massgen.v1", {})

    assert {key: kernel[key] for key in ("version", "license", "requires-python", "authors")} == {
        key: project.get(key) for key in ("version", "license", "requires-python", "authors")
    }
    assert folder.name == project["name"]
    assert [] == [line for line in project["dependencies"] if "==" in line]
    assert "massgen-core>=0.1,<0.2" in ranges
    assert {"massgen-core>=0.1,<0.2"} == set(ranges), "a plugin depends on the kernel only"
    assert 10 <= len(project["description"]) <= 120, "the description is the summary in listings: one line"
    assert "pytest" not in document.get("tool", {}), "settings of its own would shadow the root's strictness"
    assert {"src/" + package_of(folder)} == set(document["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    if folder.name not in INSIDERS:
        assert named
        assert {f"{package_of(folder)}.plugin"} == set(named.values())
        assert [] == [name for name in named if not re.fullmatch(r"[a-z]+(\.[a-z0-9_-]+)+", name)]


def test_news_has_a_known_type() -> None:
    """A fragment with another name would never reach a reader."""
    kinds = {kind["directory"] for kind in metadata_of(ROOT)["tool"]["towncrier"]["type"]}
    names = [path.name for path in (ROOT / "changelog.d").iterdir() if path.name not in {"README.md", "template.md.jinja"}]

    assert [name for name in names if not re.fullmatch(rf"[a-z0-9-]+\.({'|'.join(sorted(kinds))})\.md", name)] == []


def test_files_of_python_say_what_they_are_for() -> None:
    """Every module of the kernel and the plugins begins with a line on what it is for."""
    assert [] == [place(path) for path in KERNEL + SOURCES if not ast.get_docstring(tree_of(path)) and path.stat().st_size]


def test_public_names_are_declared() -> None:
    """Every module of the kernel that has public functions or classes lists them in `__all__`."""
    wrong = []
    for path in KERNEL:
        names = {node.name for node in tree_of(path).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
        declared = any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" for node in tree_of(path).body)
        if any(not name.startswith("_") for name in names) and not declared:
            wrong.append(place(path))

    assert [] == wrong
