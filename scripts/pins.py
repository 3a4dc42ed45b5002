"""Write constraints.txt: the newest versions, for Python 3.11 and later, of all that the distributions, their tests and the tools ask for."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("editables", "tox", "tox-uv", "uv")


def wanted() -> list[str]:
    """Return the requirements of every pyproject.toml, those between our own distributions left out."""
    requirements = list(TOOLS)
    for file in [ROOT / "pyproject.toml", *sorted((ROOT / "plugins").glob("*/pyproject.toml"))]:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        groups = document["project"].get("optional-dependencies", {}) | document.get("dependency-groups", {})
        for listed in [document["project"].get("dependencies", []), *groups.values()]:
            requirements += [line for line in listed if isinstance(line, str) and not line.startswith("massgen-")]
    return requirements


def main() -> int:
    # "--universal" keeps what only other systems need; neither option writes an address.
    options = ("--universal", "--python-version", "3.11", "--no-header", "--no-annotate", "--no-emit-index-url", "--upgrade")
    command = [sys.executable, "-m", "uv", "pip", "compile", "-q", *options, "-"]
    found = subprocess.run(command, input="\n".join(wanted()), stdout=subprocess.PIPE, text=True, check=True, cwd="/").stdout
    (ROOT / "constraints.txt").write_text(found, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
