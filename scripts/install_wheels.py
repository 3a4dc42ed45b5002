"""Build wheels of distributions of this repository and install them, by file path so that no package index can answer instead.

Usage: python scripts/install_wheels.py FOLDER... (`.` is the kernel)
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build_wheel(project: Path, target: Path) -> Path:
    """Build the wheel of one project into `target`, with the running interpreter's hatchling."""
    before = set(target.glob("*.whl"))
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)], cwd=project, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = set(target.glob("*.whl")) - before
    return wheel


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        wheels = [build_wheel(ROOT / project, Path(folder)) for project in sys.argv[1:]]
        install = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", sys.executable, "-c", str(ROOT / "constraints.txt")]
        subprocess.run([*install, *map(str, wheels)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
