"""Prove that a third party can publish a plugin: make one of each kind from the template, outside the repository, and let it pass its suite.

Usage: python scripts/third_party.py WORKDIR [KIND...]

For each kind: generate, check with ruff and mypy where they are installed, build a wheel, install it beside the wheels of the kernel and the test kit
(and nothing else of this repository) in a virtual environment of its own, run its conformance suite, and look for it in `massgen plugins`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "templates" / "plugin"
SECONDS = 240
# copier changes the working folder of its process.
GENERATING = threading.Lock()


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


class Failed(Exception):
    """A step of one plugin failed; the text is its output."""


def call(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command and return its output.

    Raises:
        Failed: It ended with another code than 0.
    """
    # What the caller's tests are told must not reach the plugin's own.
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "MASSGEN_", "VIRTUAL_ENV", "PYTHONPATH"))}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise Failed(f"$ {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def wheel(project: Path, target: Path) -> Path:
    """Build the wheel of a project with the running interpreter's hatchling."""
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target, cwd=project)
    (built,) = target.glob(f"{project.name.replace('-', '_')}-*.whl") if project != ROOT else target.glob("massgen_core-*.whl")
    return built


def environment(folder: Path, wheels: list[Path]) -> Path:
    """Make a virtual environment with wheels and return its interpreter."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if has("uv"):
        call(sys.executable, "-m", "uv", "venv", "-q", "--python", sys.executable, folder)
        call(sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, "-c", ROOT / "constraints.txt", *wheels)
    else:
        call(sys.executable, "-m", "venv", folder)
        call(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *wheels)
    return python


def generate(kind: str, name: str, folder: Path) -> None:
    """Answer the template's questions and write the project."""
    from copier import run_copy  # noqa: PLC0415 - the environment of this script only

    with GENERATING:
        run_copy(str(TEMPLATE), folder, data={"kind": kind, "name": name}, defaults=True, quiet=True)


def prove(kind: str, work: Path, base: list[Path]) -> str:
    """Take one kind from the template to a green suite and return pytest's last line."""
    name = "acme"
    draft = work / f"draft-{kind}"
    generate(kind, name, draft)
    distribution = next(line.split('"')[1] for line in (draft / "pyproject.toml").read_text(encoding="utf-8").splitlines() if line.startswith("name"))
    project = draft.rename(work / distribution)
    if has("ruff"):
        call(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=project)
        call(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", ".", cwd=project)
    python = environment(work / f"venv-{kind}", [*base, wheel(project, work / "wheels")])
    with tempfile.TemporaryDirectory() as temporary:  # kinds that are tested at once would clean up each other's
        told = call(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={temporary}/tests", cwd=project)
    listed = call(python.parent / "massgen", "plugins")
    row = next((line.split() for line in listed.splitlines() if distribution in line.split()), [])
    if row[:4] != [kind, name, distribution, "0.1.0"]:
        raise Failed(f"`massgen plugins` does not list {kind} {name}:\n{listed}")
    summary = told.strip().splitlines()[-1].strip("= ")
    if " passed" not in summary:
        raise Failed(told)
    return summary


def check_types(work: Path) -> None:
    """Run mypy on everything that was generated, in one go, against installed wheels; tests are copied, since all have one name."""
    types = work / "types"
    types.mkdir()
    projects = sorted(file.parent for file in work.glob("*/pyproject.toml"))
    for project in projects:
        shutil.copy(project / "tests" / "test_conformance.py", types / f"test_{project.name.replace('-', '_')}.py")
    # Each environment holds all that the generated modules import, but for the other plugins.
    python = next(work.glob("venv-*/bin/python"))
    options: list[str | Path] = ["--strict", "--python-executable", python, "--cache-dir", work / "mypy"]
    call(sys.executable, "-m", "mypy", *options, types, *(project / "src" for project in projects), cwd=work)


def kinds() -> list[str]:
    """Return the template's choices."""
    import yaml  # noqa: PLC0415 - copier brings it

    choices = yaml.safe_load((TEMPLATE / "copier.yml").read_text(encoding="utf-8"))["kind"]["choices"]
    return sorted(choices.values())


def attempt(kind: str, work: Path, base: list[Path]) -> bool:
    """Prove one kind and print how that went."""
    started = time.monotonic()
    try:
        told = prove(kind, work, base)
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        print(f"FAILED  {kind:12} {time.monotonic() - started:5.1f} s\n{error}", flush=True)
        return False
    print(f"ok      {kind:12} {time.monotonic() - started:5.1f} s  {told}", flush=True)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workdir", type=Path)
    parser.add_argument("kinds", nargs="*", choices=[[], *kinds()], metavar="KIND")
    arguments = parser.parse_args()
    started = time.monotonic()
    work = arguments.workdir.resolve() / "third-party"
    shutil.rmtree(work, ignore_errors=True)
    (work / "wheels").mkdir(parents=True)
    base = [wheel(ROOT, work / "wheels"), wheel(ROOT / "plugins" / "massgen-testkit", work / "wheels")]
    chosen = arguments.kinds or kinds()
    with ThreadPoolExecutor(max_workers=max(2, min(4, os.cpu_count() or 2))) as pool:
        good = sum(pool.map(lambda kind: attempt(kind, work, base), chosen))
    if has("mypy"):
        try:
            check_types(work)
            print("ok      mypy --strict")
        except Failed as error:
            print(f"FAILED  mypy --strict\n{error}")
            good -= 1
    print(f"{good} of {len(chosen)} kinds: generated, built, installed, tested, listed, in {time.monotonic() - started:.0f} s")
    return 0 if good == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
