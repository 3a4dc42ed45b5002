"""Python for images that have none: the base image's, beside the image's own files, with its own loader and C library."""

from __future__ import annotations

import fcntl
from contextlib import suppress

import docker.errors
import docker.types

from massgen_core.api import ExecutorUnavailable, ImageMissing, MassGenError, clean_line
from massgen_exec_docker.debian import BASE
from massgen_exec_docker.engine import Engine, told
from massgen_exec_docker.images import LABEL, cache
from massgen_exec_docker.owner import labels

__all__ = ["PLACE", "NoPython", "borrowed", "interpreter"]

PLACE = "/run/massgen/python"
PREFIX = "massgen-python-"
WHOLE = "-whole"  # a volume of this name says that the other one was filled to the end
# Folder of libraries and name of the loader, by what engines call the machine.
_INTEL, _ARM = ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"), ("aarch64-linux-gnu", "ld-linux-aarch64.so.1")
_LOADERS = {"x86_64": _INTEL, "amd64": _INTEL, "aarch64": _ARM, "arm64": _ARM}
_SECONDS = 180
_TRY = "import ctypes, json, resource, selectors, signal, socket, threading"


class NoPython(ExecutorUnavailable):
    """The image has no Python of its own."""


def interpreter(engine: Engine) -> list[str]:
    """Return the command that starts the borrowed Python, whatever C library the image has, or none."""
    folder, loader = _LOADERS[str(engine.info.get("Architecture"))]
    return [f"{PLACE}/lib/{folder}/{loader}", "--library-path", f"{PLACE}/lib/{folder}", f"{PLACE}/bin/python3"]


def borrowed(engine: Engine, image: str) -> str:
    """Return a volume with the base image's Python, made where there is none: engines fill an empty volume with what an image has in its place.

    Raises:
        ExecutorUnavailable: There is no base image to borrow from; the message says how to make it.
    """
    missing = f"executor docker: the image {clean_line(image)!r} has no python3, which the agent in the container needs"
    if str(engine.info.get("Architecture")) not in _LOADERS or engine.is_podman:  # with podman it was not made to work
        raise ExecutorUnavailable(f"{missing}; add it to the image")
    try:
        base = engine.image(BASE, "never")
    except ImageMissing:
        raise ExecutorUnavailable(f"{missing}; add it to the image, or let it be borrowed: massgen docker build-base") from None
    name = f"{PREFIX}{base[7:19]}"
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "python.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all(_is_there(engine, each) for each in (name, name + WHOLE)):
            with suppress(
                docker.errors.APIError
            ):  # half of it, of somebody who was killed; engines refuse where a container uses it, which then is all
                engine.now(engine.client.api.remove_volume, name)
            _fill(engine, base, name)
            engine.now(engine.client.api.create_volume, name + WHOLE, labels={LABEL: "python"})
    return name


def _is_there(engine: Engine, volume: str) -> bool:
    try:
        engine.now(engine.client.api.inspect_volume, volume)
    except docker.errors.NotFound:
        return False
    return True


def _fill(engine: Engine, base: str, name: str) -> None:
    try:
        engine.now(engine.client.api.create_volume, name, labels={LABEL: "python"})
        box = engine.now(
            engine.client.containers.create,
            base,
            ["python3", "-I", "-S", "-c", _TRY],
            network_mode="none",
            cap_drop=["ALL"],
            labels=labels(),
            mounts=[docker.types.Mount("/usr", name, type="volume")],
        )
        try:
            engine.now(box.start)
            code = int(engine.now(box.wait, timeout=_SECONDS)["StatusCode"])
        finally:
            engine.remove(str(box.id))
        if code:
            raise MassGenError(f"executor docker: the base image's Python cannot be borrowed: it ends with {code}")
    except BaseException as error:
        with suppress(docker.errors.APIError):
            engine.now(engine.client.api.remove_volume, name, force=True)
        if isinstance(error, docker.errors.APIError):
            raise ExecutorUnavailable(f"executor docker: the base image's Python cannot be borrowed: {told(error)}") from None
        raise
