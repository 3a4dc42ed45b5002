#!/usr/bin/env python3
"""Set up and run MassGen, or its tests, from this checkout. It needs Python 3.11 or newer and a package index, nothing else.

    python3 bootstrap.py run [--small] ["QUESTION"]
    python3 bootstrap.py test [ARGUMENTS OF TOX]

A second call finds what the first one installed and needs no network.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CONSTRAINTS = ROOT / "constraints.txt"
QUESTION = "Why is the sky blue? Answer in one sentence."

# What the first run needs, and nothing more.
FIRST_RUN = (
    "massgen-backend-local",
    "massgen-strategy-consensus",
    "massgen-display-terminal",
    "massgen-middleware-basic",
    "massgen-cmd-runs",
    "massgen-cmd-chat",
    "massgen-cmd-models",
)
TEST_TOOLS = ("tox", "tox-uv")


class Stop(Exception):
    """Something that a person has to do first."""


def say(text: str) -> None:
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


def call(command: list[str], *, failure: str) -> None:
    """Run a command with its output on standard error, so that standard output stays the answer's."""
    if subprocess.run(command, stdout=sys.stderr, cwd=ROOT, check=False).returncode:
        raise Stop(f"{failure}\n  the command was: {' '.join(command)}")


def can_make_environments() -> bool:
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian ships it in a package of its own
    except ImportError:
        return False
    return True


def can_compute() -> bool:
    """Say whether the library of parallel loops is there, which the embedded model's engine expects on Linux."""
    if sys.platform != "linux":
        return True
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return False
    return True


def provide(package: str, reason: str) -> None:
    """Install a package of the system where that is ours to do (Debian, as root); otherwise say what to install."""
    todo = f"{reason}: install {package} (on Debian and Ubuntu: sudo apt-get install {package}) and call again"
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise Stop(todo)
    say(f"installing {package}, since {reason}")
    os.environ.setdefault("DEBIAN_FRONTEND", "noninteractive")
    call(["apt-get", "update", "-qq"], failure=todo)
    call(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], failure=todo)


def environment(folder: Path, requirements: list[str], watched: list[Path]) -> Path:
    """Return the environment's folder of programs, after making or renewing it where what it was made from has changed."""
    programs = folder / "bin"
    # Not the patch version: it changes under a running script when apt brings a newer Python along, and environments survive that.
    python = f"{sys.base_prefix} {sys.version_info.major}.{sys.version_info.minor}"
    made_from = hashlib.sha256("\0".join([python, *requirements, *(file.read_text(encoding="utf-8") for file in watched)]).encode()).hexdigest()
    stamp = folder / "made-from"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == made_from and (programs / "python").exists():
        return programs
    began = time.monotonic()
    if not can_make_environments():
        provide(f"python{sys.version_info.major}.{sys.version_info.minor}-venv", "this Python cannot make virtual environments")
    say(f"making {folder.name}")
    call([sys.executable, "-m", "venv", "--clear", str(folder)], failure=f"cannot make a virtual environment in {folder}")
    say(f"installing {', '.join('massgen-core' if part == str(ROOT) else Path(part).name for part in requirements if part != '-e')}")
    pip = [str(programs / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", str(CONSTRAINTS)]
    failure = "pip could not install what is needed; is the package index reachable? (pip's own message is above)"
    if "-e" in requirements:
        # The build backend once, instead of once for each distribution.
        call([*pip, "editables", "hatchling"], failure=failure)
        pip.append("--no-build-isolation")
    call([*pip, *requirements], failure=failure)
    stamp.write_text(made_from, encoding="utf-8")
    say(f"{folder.name} is ready after {time.monotonic() - began:.0f} s")
    return programs


def run(arguments: list[str]) -> int:
    """Install the kernel and the first plugins, fetch the model where it is not here yet, ask the question."""
    is_small = "--small" in arguments
    words = [word for word in arguments if word != "--small"]
    if unknown := [word for word in words if word.startswith("-")]:
        raise Stop(f"unknown option {unknown[0]}; there is --small. For more, use .venv-run/bin/massgen run --help")
    folders = [ROOT / "plugins" / name for name in FIRST_RUN]
    editable = [part for folder in (ROOT, *folders) for part in ("-e", str(folder))]
    programs = environment(ROOT / ".venv-run", editable, [CONSTRAINTS, *(folder / "pyproject.toml" for folder in (ROOT, *folders))])
    if not can_compute():
        provide("libgomp1", "the embedded model needs libgomp.so.1")
    massgen = str(programs / "massgen")
    call([massgen, "models", "pull", *(["--small"] if is_small else [])], failure="the model could not be fetched (the message above says why)")
    question = " ".join(words) or QUESTION
    say(f'next time, and for everything else: {massgen} run "QUESTION"')
    command = [massgen, "run", *(["--preset", "quick-local"] if is_small else []), "--", question]
    sys.stderr.flush()
    os.execv(massgen, command)  # noqa: S606 - no shell; Ctrl-C reaches the run itself


def test(arguments: list[str]) -> int:
    """Install tox and run the checks; without arguments all of them, several at a time: tests wait as often as they compute."""
    programs = environment(ROOT / ".venv-tox", list(TEST_TOOLS), [CONSTRAINTS])
    if not can_compute():
        provide("libgomp1", "the tests of the embedded model need libgomp.so.1")
    command = [str(programs / "tox"), *(arguments or ["run-parallel", "--parallel", str(min(4, 1 + (os.cpu_count() or 1))), "--parallel-no-spinner"])]
    shutil.rmtree(ROOT / ".tox" / "reports", ignore_errors=True)
    if ssl.get_default_verify_paths().cafile:
        # As pip does: the machine's certificates, so that a company's own index is trusted too.
        os.environ.setdefault("UV_SYSTEM_CERTS", "1")
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    return subprocess.run([sys.executable, "scripts/summary.py", str(code)], cwd=ROOT, check=False).returncode


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one is to read why it stops
        raise Stop(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}. Call it with another one: python3.11 bootstrap.py ...")
    commands = {"run": run, "test": test}
    if not arguments or arguments[0] not in commands:
        print(__doc__)
        return 0 if arguments and arguments[0] in {"-h", "--help", "help"} else 2
    return commands[arguments[0]](arguments[1:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as stop:
        say(str(stop))
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; call again to go on")
        sys.exit(130)
