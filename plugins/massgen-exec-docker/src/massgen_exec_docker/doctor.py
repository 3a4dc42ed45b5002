"""Looks at the engine and tries a container."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

import anyio

from massgen_core.api import App, ExecCommand, clean_line
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.engine import connect
from massgen_exec_docker.owner import is_abandoned

__all__ = ["look"]

LIMITS = ("cpus", "memory", "processes")


def look(app: App, host: str, context: str, image: str, *, is_tried: bool) -> Iterator[tuple[bool, str]]:
    """Yield what was found, and whether it is as it should be.

    Raises:
        MassGenError: The engine does not answer, or has no such image; the message says what to do.
    """
    engine = connect(host, context)
    try:
        info = engine.info
        yield True, f"{clean_line(str(info.get('Name')))}: engine {clean_line(str(info.get('ServerVersion')))} at {clean_line(engine.endpoint.url)}"
        enforced = engine.enforced()
        for name in LIMITS:
            yield (
                name in enforced,
                f"limit {name}" + ("" if name in enforced else ": not enforced; run the engine with root's rights, or leave it out"),
            )
        filters = any("seccomp" in option and "unconfined" not in option for option in info.get("SecurityOptions") or ())
        yield filters, "the engine filters system calls" + ("" if filters else ": it does not; MassGen's own filter is all there is")
        left = sum(is_abandoned(each.get("Labels") or {}) for each in engine.containers())
        yield not left, "no container was left behind" if not left else f"{left} containers were left behind; remove them: massgen docker prune"
        yield True, f"image {clean_line(image)}: {engine.image(image, 'never')[7:19]}"
    finally:
        engine.client.close()
    if is_tried:
        where: Literal["shared", "apart"] = "shared" if engine.endpoint.is_near else "apart"
        seconds = anyio.run(_try, app, DockerConfig(host=host, context=context, image=image, workspace=where))
        yield True, f"a hardened container started, was looked at from inside, ran a command and was removed in {seconds:.1f} s"


async def _try(app: App, config: DockerConfig) -> float:
    from massgen_exec_docker.opening import opened_executor  # noqa: PLC0415 - only where a container is tried

    begun = time.monotonic()
    async with app.context() as given, opened_executor(config, given) as executor:
        await executor.run(ExecCommand(argv=("python3", "-c", "pass")))
    return time.monotonic() - begun
