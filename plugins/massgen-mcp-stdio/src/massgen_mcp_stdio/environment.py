"""What a server is started with: its environment, its folder, and the program that its command names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from massgen_core.api import Context, MassGenError
from massgen_mcp_stdio.config import StdioConfig

__all__ = ["BASE", "expanded", "given_environment", "revealed", "setpriv", "vector"]

# Enough for programs to find their files, their user and their language; nothing that holds a secret.
BASE = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")


def revealed(values: Mapping[str, str], context: Context) -> dict[str, str]:
    """Return a mapping with references to secrets replaced by what they refer to.

    Raises:
        SecretMissing: No store holds one of them.
    """
    stores = {"env", "dotenv", "keyring", *context.plugins.names("credentials")}
    return {name: context.secret(value).reveal() if value.partition(":")[0] in stores and ":" in value else value for name, value in values.items()}


def given_environment(config: StdioConfig, context: Context) -> dict[str, str]:
    """Return the variables that a server of this machine gets: the base and those that are named."""
    base = {name: os.environ[name] for name in BASE if os.environ.get(name)}
    return {**base, **revealed(config.env, context)}


def expanded(path: str) -> str:
    """Return a path with `~` replaced by the home folder."""
    return os.path.expanduser(path)


def vector(config: StdioConfig, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the program's path and its arguments.

    Raises:
        MassGenError: There is no such program, or no such folder.
    """
    folder = Path(expanded(config.cwd)) if config.cwd else None
    if folder is not None and not folder.is_dir():
        raise MassGenError(f"the server's folder {config.cwd!r} does not exist; set cwd to one that does")
    command = expanded(config.command)
    if os.sep in command:
        place = Path(folder or Path.cwd(), command)
        found = str(place) if place.is_file() and os.access(place, os.X_OK) else None
        where = "there is no such file that can be run"
    else:
        found = shutil.which(command, path=env.get("PATH", os.defpath))
        where = "it is in none of the folders of PATH"
    if found is None:
        raise MassGenError(f"the server's command {config.command!r} cannot be started: {where}; install it, or give its full path as command")
    return (found, *config.args)


def setpriv() -> str:
    """Return the path of a `setpriv` that can set a parent-death signal; empty where there is none.

    BusyBox has one under the same name that cannot.
    """
    found = shutil.which("setpriv", path=os.defpath)
    return found if found and os.path.basename(os.path.realpath(found)) == "setpriv" else ""
