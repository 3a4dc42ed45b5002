"""Which folders and files of this machine agents may be given: those that a person would give away, and none that are the machine's or ours."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

__all__ = ["folder_refusal"]

# Nothing in them is an agent's business; sockets of engines are among it.
_CLOSED = ("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/var/lib/containers", "/var/lib/docker", "/var/run")
# Too much at once: a folder within may be given.
_WIDE = ("/", "/bin", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/root", "/sbin", "/srv", "/tmp", "/usr", "/var")  # noqa: S108 - refused


def resolved(path: str) -> str:
    """Return a path without links, as far as it exists."""
    return os.path.realpath(path)


def is_beneath(path: str, folder: str) -> bool:
    """Say whether a path is a folder or lies in it; both without links."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def folder_refusal(path: str, environment: Mapping[str, str] | None = None, *, is_workspace: bool = False) -> str:
    """Return why agents must not be given a folder or file, as the end of a sentence; empty where they may.

    Args:
        path: Absolute; it need not exist. Where links in it lead counts as well as what is written.
        environment: Tells the person's folders; the process's own if None.
        is_workspace: A run works there; whoever keeps runs among what this program keeps has them there.
    """
    environment = os.environ if environment is None else environment
    home = resolved(environment.get("HOME") or str(Path.home()))
    for each in dict.fromkeys((os.path.normpath(path), resolved(path))):
        if each in _WIDE or is_beneath(home, each) or any(each != closed and is_beneath(closed, each) for closed in _CLOSED):
            return "is too much to give to agents; name the folder within that they need"
        if any(is_beneath(each, closed) for closed in _CLOSED):
            return "belongs to the system and is not given to agents"
        if not is_workspace and any(is_beneath(each, own) or is_beneath(own, each) for own in _own(home, environment)):
            return "holds what this program keeps for you, secrets among it, and is not given to agents"
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return ""
    return "" if stat.S_ISDIR(mode) or stat.S_ISREG(mode) else "is neither a folder nor a file"


def _own(home: str, environment: Mapping[str, str]) -> list[str]:
    """Return the folders of this program that hold settings and secrets."""
    found = []
    for name, usual in (("XDG_CONFIG_HOME", ".config"), ("XDG_DATA_HOME", ".local/share")):
        given = environment.get(name, "")
        found.append(resolved(f"{given if given.startswith('/') else f'{home}/{usual}'}/massgen"))
    return found
