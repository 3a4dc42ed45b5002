"""Images that MassGen makes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import docker.errors

from massgen_core.api import MassGenError
from massgen_exec_docker.debian import RECIPE, archive, packages_of
from massgen_exec_docker.engine import Engine, told

__all__ = ["LABEL", "build", "cache", "remove"]

LABEL = "massgen.image"


def cache() -> Path:
    """Return the folder for what is made once and kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "massgen"


def build(engine: Engine, name: str, stack: str, more: Sequence[str] = (), *, only_missing: bool = False) -> Iterator[str]:
    """Make an image from Debian's packages; yields what is being done, for a person.

    Raises:
        ExecutorUnavailable: This machine has no apt, or the engine does not answer.
        MassGenError: A package or the stack does not exist, or the engine does not take the image.
    """
    packages = packages_of(stack, more)
    repository, _, tag = name.partition(":")
    if only_missing and _has(engine, name, packages):
        yield f"{name} is there"
        return
    with tempfile.TemporaryDirectory(prefix="massgen-image-") as folder:
        file = Path(folder) / "root.tar"
        yield from archive(packages, cache() / "packages", file)
        changes = [
            'CMD ["/bin/sh"]',
            "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            f"LABEL {LABEL}={stack} {LABEL}.recipe={RECIPE} {LABEL}.packages={','.join(packages)}",
            "WORKDIR /workspace",
        ]
        before = engine.now(engine.client.api.images, name, quiet=True)
        try:
            answer = engine.now(engine.client.api.import_image_from_file, str(file), repository=repository, tag=tag or "latest", changes=changes)
            image = engine.now(engine.client.images.get, name)
        except docker.errors.APIError as error:
            raise MassGenError(f"the engine does not take the image: {told(error)}") from None
        if '"error"' in str(answer):
            raise MassGenError(f"the engine does not take the image: {str(answer)[-300:]}")
    for old in before:
        if old != image.id:
            with suppress(docker.errors.APIError):  # a container uses it, or it has another name
                engine.now(engine.client.api.remove_image, old)
    yield f"{name} is {str(image.id)[7:19]}"


def _has(engine: Engine, name: str, packages: Sequence[str]) -> bool:
    try:
        image = engine.now(engine.client.images.get, name)
    except docker.errors.ImageNotFound:
        return False
    labels = image.labels or {}
    return (labels.get(f"{LABEL}.recipe"), labels.get(f"{LABEL}.packages")) == (RECIPE, ",".join(packages))


def remove(engine: Engine) -> int:
    """Remove images that MassGen made and nothing uses, and volumes made from them; return how many images."""
    count = 0
    for image in engine.now(engine.client.api.images, filters={"label": LABEL}, quiet=True):
        try:
            engine.now(engine.client.api.remove_image, image, force=False)
            count += 1
        except docker.errors.APIError as error:
            if error.status_code != 409:  # a container uses it
                raise MassGenError(f"an image cannot be removed: {told(error)}") from None
    for volume in engine.now(engine.client.api.volumes, filters={"label": LABEL})["Volumes"] or ():
        with suppress(docker.errors.APIError):  # a container uses it
            engine.now(engine.client.api.remove_volume, volume["Name"])
    return count
