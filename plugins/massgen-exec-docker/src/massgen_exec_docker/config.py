"""The options of the executor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from massgen_core.api import Limits

__all__ = ["DockerConfig"]


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class DockerConfig:
    """Which image, what containers may reach and use, and which walls are opened."""

    image: str = _help(
        "an image, best with Python 3.8 or later, by name, digest or id; `massgen docker build-base` makes the default", default="massgen-base"
    )
    pull: Literal["never", "missing", "always"] = _help("when the image is fetched from its registry", default="never")
    container: Literal["agent", "command"] = _help(
        "`agent`: an agent's commands share one; `command`: each gets one of its own, which is removed after it", default="agent"
    )
    pool: int = _help(
        "how many containers are started ahead: with the executor, and after each that is taken", default=0, validator=attrs.validators.ge(0)
    )
    dockerfile: str = _help("a Dockerfile, or a folder with one, from which the image is built when the executor is opened", default="")
    host: str = _help(
        "the engine's address, unix:///path or tcp://host:port; empty: `context`, else DOCKER_CONTEXT, DOCKER_HOST, the Docker CLI's current context",
        default="",
    )
    context: str = _help("a context of the Docker CLI, which names the engine and its certificates", default="")
    workspace: Literal["shared", "apart"] = _help(
        "`apart`: /workspace is in memory, no larger than half of `limits.disk`, and gone with the container: for engines elsewhere",
        default="shared",
    )
    read: tuple[str, ...] = _help("files and folders that commands may read, under their own paths", default=())
    write: tuple[str, ...] = _help("folders that commands may write to beside the workspace, under their own paths", default=())
    network: Literal["none", "run", "allow", "full"] = _help(
        "`run`: the other containers of this run that say so, and nothing else; `allow`: only `hosts`, through a proxy; `full`: the engine's bridge",
        default="none",
    )
    hosts: tuple[str, ...] = _help("`host:port` each, for `network: allow`; `*.example.org:443` stands for all names below", default=())
    env: Mapping[str, str] = _help("variables of all commands; `env:NAME` and other references to secrets are resolved", factory=dict, repr=False)
    limits: Limits = _help("what commands may use that do not say so themselves; all of a container's commands together", default=Limits())
    user: str = _help("UID or UID:GID of commands; empty: the workspace's owner, and 1000 where that is root", default="")
    capabilities: tuple[str, ...] = _help("Linux capabilities that are left to containers; none by default", default=())
    writable_root: bool = _help("commands may write to the image's files; what they write is gone with the container", default=False)
    new_privileges: bool = _help("set-user-id programs work; MassGen's own filter of system calls is off, too", default=False)
    system_calls: Literal["filtered", "engine"] = _help("`engine`: only the engine's own filter of system calls holds", default="filtered")
    engine_log: bool = _help("the engine keeps a log of what containers write", default=False)
    fallback: Mapping[str, Any] | None = _help(
        "the executor that takes this one's place where no engine answers: `type` and its own options; unset: nothing runs then", default=None
    )
