"""Distributions that tests make up, built as wheels and unpacked as an installer does."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import dedent

import importlib_metadata  # noqa: F401  it must be there when the path is narrowed
import pytest

from massgen_core.plugins import index
from massgen_core.plugins.manager import Plugins

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys; from massgen_core.cli import main; sys.exit(main())"


class Site:
    """A folder of installed distributions, and nothing else."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        folder.mkdir(parents=True)

    def install(
        self,
        name: str,
        points: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        *,
        version: str = "1.0",
        summary: str = "A plugin of the tests.",
        group: str = "massgen.v1",
        metadata: Mapping[str, str] | None = None,
    ) -> Path:
        """Build a wheel, unpack it here, and return it.

        Args:
            points: Entry points: name to value.
            files: Modules: path to source.
            metadata: Files of the dist-info folder that replace or add to what is made here.
        """
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        rows = [f"{point} = {value}" for point, value in (points or {}).items()]
        contents = {path: dedent(source) for path, source in (files or {}).items()}
        contents |= {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\n\nA readme.\nSummary: not this one\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": "\n".join([f"[{group}]", *rows, ""]),
        }
        contents |= {f"{info}/{path}": text for path, text in (metadata or {}).items()}
        wheel = self.folder.parent / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in contents.items():
                archive.writestr(path, text)
            archive.writestr(
                f"{info}/RECORD", "".join(f"{path},{_digest(text)},{len(text.encode())}\n" for path, text in contents.items()) + f"{info}/RECORD,,\n"
            )
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.folder)
        return wheel

    def index(self, *others: Path) -> index.Index:
        """Return what is installed here, before `others` on the path, and nothing else."""
        index.read.cache_clear()
        try:
            with self._monkeypatch.context() as patch:
                patch.setattr(sys, "path", [str(self.folder), *map(str, others)])
                return index.read()
        finally:
            index.read.cache_clear()

    def plugins(self, *, allow: Sequence[str] | None = None, block: Sequence[str] = ()) -> Plugins:
        """Discover what is installed here, and nothing else; its modules can be imported."""
        self._monkeypatch.syspath_prepend(str(self.folder))
        found = self.index()
        with self._monkeypatch.context() as patch:
            patch.setattr("massgen_core.plugins.manager.read", lambda: found)
            return Plugins.discover(allow=allow, block=block)

    def massgen(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `massgen` in a process of its own, with what is installed here beside what this environment has."""
        return self.python(MAIN, *arguments, **environment)

    def python(self, code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python in a process of its own, with what is installed here beside what this environment has."""
        variables = {key: value for key, value in os.environ.items() if not key.startswith("MASSGEN_")} | environment
        variables["PYTHONPATH"] = os.pathsep.join((str(self.folder), str(ROOT)))
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, encoding="utf-8", env=variables, timeout=60, check=False
        )


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def new_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Site]]:
    """Makes folders of installed distributions; afterwards their modules are forgotten."""
    monkeypatch.delenv("MASSGEN_PLUGINS", raising=False)
    monkeypatch.delenv("MASSGEN_TRACE_PLUGINS", raising=False)
    before = set(sys.modules)
    yield lambda name: Site(tmp_path / name, monkeypatch)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def site(new_site: Callable[[str], Site]) -> Site:
    """One folder of installed distributions."""
    return new_site("site")


@pytest.fixture
def acme(site: Site) -> Callable[..., Site]:
    """Installs `massgen-backend-acme 1.0` with the entry point `backend.acme` and a hook module of the given source."""

    def install(source: str, *, impl: str = "def open_backend(config, context): ...\n", points: Mapping[str, str] | None = None) -> Site:
        head = "from __future__ import annotations\nimport attrs\nfrom massgen_core.api import *\n"
        files = {
            "massgen_backend_acme/__init__.py": "",
            "massgen_backend_acme/plugin.py": head + dedent(source),
            "massgen_backend_acme/impl.py": impl,
        }
        site.install("massgen-backend-acme", points or {"backend.acme": "massgen_backend_acme.plugin"}, files, summary="Talks to Acme.")
        return site

    return install
