"""The engine: reached through its SDK in threads, and through connections of our own where streams are needed."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import attrs
import docker
import docker.constants
import docker.errors
import requests.exceptions

from massgen_core.api import ExecutorUnavailable, ImageMissing, MassGenError, clean_line
from massgen_exec_docker.egress import sweep
from massgen_exec_docker.endpoint import Endpoint, find
from massgen_exec_docker.owner import OWNER, is_abandoned

__all__ = ["Engine", "connect", "connected"]

R = TypeVar("R")
SECONDS = 120
GONE_SECONDS = 20.0
HINT = (
    "Start one (Debian and Ubuntu: apt install docker.io, then systemctl start docker, or dockerd; Docker Desktop: start the application; podman: "
    "podman system service), or let the option `host` name its socket; `massgen docker doctor` says what is missing. With none: executor local, "
    "which the option `fallback` lets take over"
)


@attrs.define
class Engine:
    """An engine that answers.

    Attributes:
        client: The SDK's client.
        endpoint: Where it is.
        info: What it says of itself.
        is_podman: It is podman behind Docker's interface, which takes less.
    """

    client: Any
    endpoint: Endpoint
    info: Mapping[str, Any]
    is_podman: bool = False

    @property
    def is_here(self) -> bool:
        """It is beyond doubt on this machine, with its file systems; where it is not sure, that has to be tried."""
        kernel = os.uname()
        return bool(self.endpoint.path) and (self.info.get("Name"), self.info.get("KernelVersion")) == (kernel.nodename, kernel.release)

    @property
    def version(self) -> str:
        """The version of its interface."""
        return str(self.client.api.api_version)

    @property
    def is_rootless(self) -> bool:
        """It runs without root's rights, which limits what it enforces."""
        return any("rootless" in option for option in self.info.get("SecurityOptions") or ())

    def enforced(self) -> frozenset[str]:
        """Return the limits that it says it enforces; what it says is looked at from inside later."""
        found = {"descriptors", "disk", "file_size", "output", "seconds"}
        found |= {"memory"} if self.info.get("MemoryLimit") else set()
        found |= {"processes"} if self.info.get("PidsLimit", True) else set()
        found |= {"cpus"} if self.info.get("CpuCfsQuota") else set()
        if self.is_rootless and str(self.info.get("CgroupVersion", "1")) == "1":  # it says yes, and does nothing
            found -= {"cpus", "memory", "processes"}
        return frozenset(found)

    async def call(self, function: Callable[..., R], *arguments: Any, **named: Any) -> R:
        """Call the SDK in a thread. It is waited for, whoever cancels: nothing is made that nobody knows of.

        Raises:
            ExecutorUnavailable: The engine does not answer.
        """
        return await anyio.to_thread.run_sync(partial(self.now, function, *arguments, **named))

    def now(self, function: Callable[..., R], *arguments: Any, **named: Any) -> R:
        """Call the SDK; errors of the connection become ours, those of the engine stay as they are."""
        _knock(self.endpoint)  # where nobody listens, the SDK leaves a socket open
        try:
            return function(*arguments, **named)
        except docker.errors.APIError:  # it did answer; these are errors of requests as well
            raise
        except requests.exceptions.RequestException as error:
            where = f"the engine at {clean_line(self.endpoint.url)}"
            raise ExecutorUnavailable(f"executor docker: {where} does not answer ({type(error).__name__}). {HINT}") from None

    def image(self, name: str, pull: str) -> str:
        """Return the id of an image.

        Raises:
            ImageMissing: It is not there, and may not or cannot be fetched.
        """
        if pull != "always":
            try:
                return str(self.now(self.client.images.get, name).id)
            except docker.errors.ImageNotFound:
                if pull == "never":
                    made = "massgen docker build-base makes it" if name.partition(":")[0] == "massgen-base" else "pull: missing lets it be fetched"
                    raise ImageMissing(f"executor docker: the engine has no image {clean_line(name)!r}; {made}") from None
            except docker.errors.APIError as error:
                raise ImageMissing(f"executor docker: {clean_line(name)!r} names no image: {told(error)}") from None
        try:
            self.now(self.client.images.pull, name, **({} if ":" in name.rpartition("/")[2] or "@" in name else {"tag": "latest"}))
            return str(self.now(self.client.images.get, name).id)
        except docker.errors.APIError as error:
            raise ImageMissing(f"executor docker: the image {clean_line(name)!r} cannot be fetched: {told(error)}") from None

    def build(self, path: str) -> str:
        """Build an image from a Dockerfile or a folder with one, and return its id.

        Raises:
            ImageMissing: It cannot be built.
        """
        place = os.path.realpath(os.path.expanduser(path))
        folder, name = (place, "Dockerfile") if os.path.isdir(place) else os.path.split(place)
        if not os.path.isfile(os.path.join(folder, name)):
            raise ImageMissing(f"executor docker: there is no Dockerfile at {clean_line(path)!r}")
        try:
            image, _ = self.now(self.client.images.build, path=folder, dockerfile=name, rm=True, forcerm=True, labels={"massgen.image": "built"})
        except docker.errors.BuildError as error:
            lines = [str(each.get("stream") or each.get("error") or "").strip() for each in error.build_log]
            last = " | ".join(clean_line(line) for line in [line for line in lines if line][-3:])
            raise ImageMissing(f"executor docker: {clean_line(path)!r} cannot be built: {clean_line(error.msg)}; its last lines: {last}") from None
        except docker.errors.APIError as error:
            raise ImageMissing(f"executor docker: {clean_line(path)!r} cannot be built: {told(error)}") from None
        return str(image.id)

    def remove(self, identity: str) -> None:
        """Remove a container, however it is, and see it gone; one that is gone already is no error."""
        end = time.monotonic() + GONE_SECONDS
        while True:
            try:
                self.now(self.client.api.remove_container, identity, force=True, v=True)
                return
            except docker.errors.APIError as error:
                if error.status_code == 404:
                    return
                if error.status_code != 409 or time.monotonic() > end:  # 409: somebody removes it already
                    raise MassGenError(f"executor docker: the container {identity[:12]} cannot be removed: {told(error)}") from None
            time.sleep(0.02)

    def containers(self) -> list[Mapping[str, Any]]:
        """Return all containers of MassGen, as the engine lists them."""
        return list(self.now(self.client.api.containers, all=True, filters={"label": OWNER}))

    def reap(self) -> list[str]:
        """Remove the containers and networks whose owners are gone; return the containers' ids."""
        gone = [str(each["Id"]) for each in self.containers() if is_abandoned(each.get("Labels") or {})]
        for identity in gone:
            self.remove(identity)
        for each in self.now(self.client.api.networks, filters={"label": OWNER}):
            if is_abandoned(each.get("Labels") or {}):
                with suppress(docker.errors.APIError):  # a container on it is still being removed
                    self.now(self.client.api.remove_network, each["Id"])
        return gone


def told(error: docker.errors.APIError) -> str:
    """Return what the engine says, for a terminal."""
    return clean_line(str(error.explanation or error))[:500]


def connect(host: str = "", context: str = "") -> Engine:
    """Reach the engine.

    Raises:
        ExecutorUnavailable: None answers.
    """
    return _connect(find(host, context))


def _client(endpoint: Endpoint, version: str) -> Any:
    client = docker.DockerClient(**endpoint.client(), version=version, timeout=SECONDS)
    client.api.trust_env = False  # REQUESTS_CA_BUNDLE would take the place of the engine's own authority
    return client


def _connect(endpoint: Endpoint) -> Engine:
    _knock(endpoint)
    endpoint.context()  # says more of certificates than the SDK does
    client = None
    try:
        client = _client(endpoint, docker.constants.MINIMUM_DOCKER_API_VERSION)
        told = client.api.version(api_version=False)
        client.close()
        client = _client(endpoint, str(told["ApiVersion"]))
        is_podman = any("podman" in str(part.get("Name")).lower() for part in told.get("Components") or ())
        return Engine(client, endpoint, client.info(), is_podman)
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        if client is not None:
            client.close()
        reason = type(error).__name__
        if "SSL" in str(error) or "certificate" in str(error):
            reason = f"TLS: {clean_line(str(error)[-200:])}"
        raise ExecutorUnavailable(f"executor docker: no engine answers at {clean_line(endpoint.url)} ({reason}). {HINT}") from None


def _knock(endpoint: Endpoint) -> None:
    """See whether anybody listens, which tells more than the SDK's errors do."""
    try:
        endpoint.knock()
    except PermissionError:
        raise ExecutorUnavailable(
            f"executor docker: this user may not use the engine at {endpoint.url}: add it to the socket's group (sudo usermod -aG docker $USER, then "
            "log in again), which lets it do whatever root may; or use a rootless engine, or executor local"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExecutorUnavailable(f"executor docker: no engine answers at {clean_line(endpoint.url)}: {reason}. {HINT}") from None


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[Engine]:
    """Reach the engine, remove what crashes left there, and yield it."""
    engine = await anyio.to_thread.run_sync(_connect, endpoint)
    try:
        with suppress(MassGenError):
            await engine.call(engine.reap)
        await anyio.to_thread.run_sync(sweep)
        yield engine
    finally:
        engine.client.close()
