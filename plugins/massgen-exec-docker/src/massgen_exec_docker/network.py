"""The network that the containers of one run share: without a way out, and without this machine on it."""

from __future__ import annotations

import re
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import docker.errors

from massgen_core.api import LimitUnsupported
from massgen_exec_docker.engine import Engine, told
from massgen_exec_docker.owner import labels

__all__ = ["alias", "options", "run_network"]

PREFIX = "massgen-run-"
GONE_SECONDS = 10.0


def alias(agent: str) -> str:
    """Return the name under which an agent's container is found by others; empty where its own name makes none."""
    return re.sub(r"[^a-z0-9]+", "-", agent.lower()).strip("-")[:63].strip("-")


def options() -> dict[str, Any]:
    """Return what containers on such a network are asked to have, beside the network.

    Engines before 25 answer names that are not on the network by asking this machine's servers, which is a way out; with a server of the container's
    own loopback there is nobody to ask. Over IPv6 this machine would be on the network with an address that it makes by itself.
    """
    return {
        "dns": ["127.0.0.1"],
        "dns_opt": ["timeout:1", "attempts:1"],
        "sysctls": {"net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1"},
    }


def _make(engine: Engine) -> str:
    name = f"{PREFIX}{secrets.token_hex(6)}"
    # The bridge has no address of its own: services of this machine do not answer through it.
    bridge = {"com.docker.network.bridge.inhibit_ipv4": "true"}
    try:
        engine.now(engine.client.api.create_network, name, driver="bridge", internal=True, labels=labels(), options=bridge)
    except docker.errors.APIError as error:
        raise LimitUnsupported(f"executor docker: the engine makes no network for the run (network: run): {told(error)}") from None
    try:
        made = engine.now(engine.client.api.inspect_network, name)
        is_closed = made.get("Internal") and made.get("Options") == bridge
        if not is_closed or any(_is_here(str(each.get("Gateway") or "")) for each in made["IPAM"]["Config"]):
            raise LimitUnsupported("executor docker: the engine took a network without this machine on it and made another (network: run)")
    except BaseException:
        _remove(engine, name)
        raise
    return name


def _is_here(address: str) -> bool:
    """Say whether this machine has an address."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((address, 0))
        except OSError:
            return False
    return bool(address)


def _remove(engine: Engine, name: str) -> None:
    end = time.monotonic() + GONE_SECONDS
    while True:
        try:
            engine.now(engine.client.api.remove_network, name)
            return
        except docker.errors.NotFound:
            return
        except docker.errors.APIError:  # a container that is just being removed is on it
            if time.monotonic() > end:
                return  # the next one who opens an executor removes it
        time.sleep(0.05)


@asynccontextmanager
async def run_network(engine: Engine) -> AsyncIterator[str]:
    """Make a network and yield its name.

    Raises:
        LimitUnsupported: The engine makes none that is closed.
    """
    if engine.is_podman:
        raise LimitUnsupported("executor docker: network: run is nothing that podman closes towards this machine; use none, or Docker")
    name = await engine.call(_make, engine)
    try:
        yield name
    finally:
        with anyio.CancelScope(shield=True):
            await engine.call(_remove, engine, name)
